//===- Lookup.h - Lookups in tables, element by element ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_ELEMENTS_LOOKUP_H
#define COMPRESS_LIB_TARGET_ELEMENTS_LOOKUP_H

#include "LazyTensor.h"

namespace compress::device {

/// A `compress.gather` that a kernel can compute.
class Lookup {
public:
  /// Fails where no kernel can, with the reason.
  static mlir::FailureOr<Lookup> match(GatherOp op, std::string &reason);

  mlir::RankedTensorType getType() const {
    return mlir::cast<mlir::RankedTensorType>(op.getResult().getType());
  }
  /// The sizes of the result, in the program around the kernel.
  llvm::SmallVector<mlir::OpFoldResult> getSizes(mlir::OpBuilder &b) const;
  /// The same in the kernel.
  llvm::SmallVector<Value> getExtents(ElementKernel &k) const;
  /// The elements of the result, from those of the table; the indices become an
  /// input of the kernel.
  Element read(ElementKernel &k, Element table) const;

private:
  explicit Lookup(GatherOp op) : op(op) {}
  bool isIndex(int64_t axis) const {
    int64_t first = op.getAxis();
    return axis >= first && axis < first + numIndexAxes;
  }

  mutable GatherOp op;
  int64_t numIndexAxes = 0;
  unsigned width = 0;
};

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_ELEMENTS_LOOKUP_H
