//===- Site.h - The weights of a function -----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A site is one weight: a constant float tensor that one or more operations
// with `CompressibleOpInterface` use. It is what a plan gives a level to.
// Large constants of elementwise operations (learned positions, masks, prior
// boxes) are sites, too; vectors (biases, scales) are not.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_SITE_SITE_H
#define COMPRESS_SITE_SITE_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include <string>
#include <vector>

namespace compress {

/// One operation that uses a site's weight, and how.
struct SiteUse {
  mlir::Operation *op;
  WeightOperand role;
  /// The activation that the weight is contracted with; null for a table.
  mlir::Value getActivation() const;
  /// Whether the op is a plain matrix product, whose activation is a list of
  /// vectors along `role.activationChannelAxis`; otherwise it is a convolution
  /// or a table.
  bool isMatrixProduct() const {
    return role.activation >= 0 && role.reductionAxes.size() == 1;
  }
};

struct Site {
  /// Unique within the function: the name of the constant (`name` attribute of
  /// `onnx.Initializer`), else that of its first user.
  std::string name;
  /// The constant's result and its elements.
  mlir::Value weight;
  mlir::ElementsAttr elements;
  /// Static shape, float element type.
  mlir::RankedTensorType type;
  /// In program order, at least one; all agree on the roles of the axes.
  std::vector<SiteUse> uses;

  /// Name of the first using operation (`onnx.Conv`) and of its node.
  std::string getOpName() const;
  std::string getNodeName() const;
  const WeightOperand &getRole() const { return uses.front().role; }
  int64_t getNumElements() const { return type.getNumElements(); }
  /// Whether it is no weight, but a constant of elementwise operations.
  bool isElementwise() const { return getRole().isElementwise; }
  /// Bytes of the uncompressed weight.
  uint64_t getBytes() const;
};

/// A weight that is left alone, and why.
struct ExcludedSite {
  std::string name;
  std::string opName;
  std::string reason;
  uint64_t bytes = 0;
};

struct SiteOptions {
  /// Weights of at most this many elements are excluded: their metadata and
  /// their error outweigh what they save.
  int64_t maxSmallElements = 64;
  /// Constants of elementwise operations with fewer bytes are no sites.
  uint64_t minElementwiseBytes = 1024;
};

struct SiteList {
  /// In the order of their first use in the program.
  std::vector<Site> sites;
  std::vector<ExcludedSite> excluded;

  const Site *lookup(llvm::StringRef name) const;
  const ExcludedSite *lookupExcluded(llvm::StringRef name) const;
  /// Sum of `Site::getBytes`.
  uint64_t getBytes() const;
};

/// Finds the sites of a function, nested regions included.
SiteList findSites(mlir::FunctionOpInterface function,
                   const SiteOptions &options = {});

/// The elements of a constant: of an operation that `m_Constant` matches, or of
/// one without operands that holds them as `value` (`onnx.Initializer`, which
/// is deliberately not ConstantLike). Null otherwise.
mlir::ElementsAttr getConstantElements(mlir::Value value);

} // namespace compress

#endif // COMPRESS_SITE_SITE_H
