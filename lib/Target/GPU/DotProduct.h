//===- DotProduct.h - Integer dot products on a device ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_GPU_DOTPRODUCT_H
#define COMPRESS_LIB_TARGET_GPU_DOTPRODUCT_H

#include "../Elements/LazyTensor.h"
#include "DeviceKernel.h"

namespace compress::device {

/// A matrix product of 8-bit codes with 8-bit codes, four products at a time:
///
///   sum over k of (a - za) sa (b - zb) sb
///     = sa sb (sum a b - zb sum a - za sum b + K za zb)
///
/// Unsigned codes become signed ones 128 below, and so do their zero points.
class ByteDot {
public:
  /// Nothing when the operands are not such: scales must be the same along k.
  static std::optional<ByteDot> match(ContractOp op, DeviceKernel &k,
                                      LazyTensorBuilder &lazy);
  /// One element of the result, given the loops but that over k; `init` is what
  /// the sum starts from.
  Value emit(llvm::ArrayRef<Value> loops, Value init) const;

private:
  struct Side {
    unsigned buffer = 0;
    bool isUnsigned = false;
    /// Where a row starts: codes of k lie together. Loops of the other axes,
    /// and their extents.
    llvm::SmallVector<unsigned> loops;
    llvm::SmallVector<Value> extents;
    /// Codes from row to row, a multiple of four for constants.
    int64_t stride = 0;
    Element scale;
    std::optional<Element> zero;
    /// The loops of all axes of the operand, for scales and zeros.
    llvm::SmallVector<unsigned> axes;
    llvm::SmallVector<int64_t> group;
    unsigned kAxis = 0;
  };
  static std::optional<Side> matchSide(ContractOp op, unsigned number,
                                       unsigned kLoop, DeviceKernel &k,
                                       LazyTensorBuilder &lazy);
  Value loadCodes(const Side &side, Value first, Value word) const;

  DeviceKernel *k = nullptr;
  int64_t extent = 0;
  Side sides[2];
};

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_GPU_DOTPRODUCT_H
