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
  /// With `sparse`, that constant factor may be one of SparseRows; its codes
  /// are not read here.
  static std::optional<ByteDot> match(ContractOp op, DeviceKernel &k,
                                      LazyTensorBuilder &lazy,
                                      std::optional<unsigned> sparse = {});
  /// One element of the result, given the loops but that over k; `init` is what
  /// the sum starts from.
  Value emit(llvm::ArrayRef<Value> loops, Value init) const;

  //===--- For kernels that sum in their own way --------------------------===//
  /// How many products are summed.
  int64_t extent = 0;
  /// The number of the first code of a row of factor `i`.
  Value getRow(unsigned i, llvm::ArrayRef<Value> loops) const;
  /// Four codes of a row, as signed ones, from number 4 `word` on. Past the end
  /// are others.
  Value loadCodes(unsigned i, Value row, Value word) const;
  /// The same where `word` may be past the end; what is there is zero.
  Value loadCodesMasked(unsigned i, Value row, Value word) const;
  /// For each code of a word 1 if it is not past the end.
  Value getOnes(Value word) const;
  /// Whether the sum of the codes of factor `i` is needed.
  bool needsSum(unsigned i) const {
    return sides[1 - i].zero || sides[1 - i].isUnsigned;
  }
  /// Whether rows start at multiples of 16 bytes.
  bool isAligned(unsigned i) const { return sides[i].stride % 16 == 0; }
  unsigned getBuffer(unsigned i) const { return sides[i].buffer; }
  bool isUnsigned(unsigned i) const { return sides[i].isUnsigned; }
  /// The result from the sum of products, and those of codes where needed.
  Value combine(llvm::ArrayRef<Value> loops, Value init, Value products,
                Value sumA, Value sumB) const;

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
                                       LazyTensorBuilder &lazy, bool isSparse);
  /// Zero points, null where there are none.
  llvm::SmallVector<Value> getPosition(const Side &side,
                                       llvm::ArrayRef<Value> loops) const;

  DeviceKernel *k = nullptr;
  Side sides[2];
};

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_GPU_DOTPRODUCT_H
