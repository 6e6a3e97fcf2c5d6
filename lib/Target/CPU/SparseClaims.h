//===- SparseClaims.h - What claims of sparse weights share -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_SPARSECLAIMS_H
#define COMPRESS_LIB_TARGET_CPU_SPARSECLAIMS_H

#include "QuantizedClaims.h"
#include "SparsePacking.h"

namespace compress::cpu {

/// A product with a constant sparse weight on one side, seen as
/// `out[m.., n..] += x[m.., k..] * w[n, k]`.
struct SparseProduct {
  Value activation;
  ConstantOp constant;
  llvm::SmallVector<unsigned> m, n, k;
  SparseMatrix weight;

  /// The axis of the result that runs over all of n.
  std::optional<unsigned> getChannelAxis() const {
    return n.size() == 1 ? std::optional<unsigned>(m.size()) : std::nullopt;
  }
};
std::optional<SparseProduct> matchSparseProduct(ContractOp op);
/// The rows of the product, or how many are taken to be usual where they are
/// not known.
double getUsualRows(ContractOp op, const SparseProduct &product);
/// Whether an activation has a scale for each row of the product.
bool isPerRow(const Activation &activation, unsigned numRowAxes);
/// Codes on both sides.
struct SparseCodeProduct {
  SparseProduct product;
  Activation activation;
  bool perTensor;
};
/// Or says why the contraction is none.
mlir::FailureOr<SparseCodeProduct>
matchSparseCodeProduct(ContractOp op, mlir::PatternRewriter &rewriter);
/// 8-bit codes in groups of outputs where these share their inputs.
std::optional<PackedGroups> packInGroups(const SparseProduct &product);

/// Whether all stored values are finite: others would spread through padding.
bool isFinite(const SparseMatrix &weight);
/// The operands that walk through a packed weight.
void appendSlices(Emitter &e, const PackedSlices &packed,
                  const std::string &site, llvm::SmallVectorImpl<Value> &ins);

/// Convolutions, in SparseConvPatterns.cpp.
void populateSparseConvPatterns(mlir::RewritePatternSet &patterns,
                                const TargetOptions &options);

/// Codes that are multiplied faster when they are expanded, in
/// ExpandedPatterns.cpp.
void populateExpandedPatterns(mlir::RewritePatternSet &patterns,
                              const TargetOptions &options);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_SPARSECLAIMS_H
