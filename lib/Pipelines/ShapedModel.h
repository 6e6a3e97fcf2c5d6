//===- ShapedModel.h - A model with known shapes ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_SHAPEDMODEL_H
#define COMPRESS_LIB_PIPELINES_SHAPEDMODEL_H

#include "compress/Calibration/Data.h"
#include "compress/Site/Site.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace compress {

/// A copy of a simplified float model, specialized to the shapes of a sample,
/// so that its operations say how much work they are.
struct ShapedModel {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// Of that module; names are those of the model.
  SiteList sites;

  static llvm::Expected<ShapedModel> create(mlir::ModuleOp model,
                                            llvm::ArrayRef<NpyArray> sample);
};

/// Sizes of dynamic dimensions by name, and how much runs with them count.
struct ShapePoint {
  std::vector<std::pair<std::string, int64_t>> sizes;
  double weight = 1;

  /// "seq=128", "batch=1,seq=1:0.9"; the weight, after a colon, only if
  /// `isWeighted`. Errors: no positive sizes, a weight that is not positive.
  static llvm::Expected<ShapePoint> parse(llvm::StringRef text,
                                          bool isWeighted);
};

/// The sample with other sizes: where it has more it is cut, where it has less
/// it is repeated. Errors: a name that no dimension has.
llvm::Expected<std::vector<NpyArray>>
resizeSample(mlir::FunctionOpInterface main, llvm::ArrayRef<NpyArray> sample,
             const ShapePoint &point);

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_SHAPEDMODEL_H
