//===- CodeProduct.h - Products of 8-bit codes ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_SME_CODEPRODUCT_H
#define COMPRESS_LIB_TARGET_SME_CODEPRODUCT_H

#include "../Elements/LazyTensor.h"
#include "OuterProduct.h"

namespace compress::sme {

using mlir::Value;
using mlir::ValueRange;

/// A contraction of integer codes of at most 8 bits with such codes, whose
/// scales and zero points are the same along the sum:
///
///   sum over k of (a - za) sa (b - zb) sb
///     = sa sb (sum a b - zb sum a - za sum b + K za zb)
///
/// in integers but for the scales. Where an N:M pattern stores nothing, the
/// code is zero.
class CodeProduct {
public:
  /// Nothing when the operands are not such.
  static std::optional<CodeProduct> match(ContractOp op,
                                          device::ElementKernel &k);
  Product getProduct() const;
  /// The code at a position of operand `side`, an i32.
  Value read(unsigned side, ValueRange position) const;
  /// Whether `scale` needs the sums of codes along k of operand `side`.
  bool needsSums(unsigned side) const { return bool(sides[1 - side].zero); }
  /// The f32 that the sum of products stands for.
  Value scale(Value sum, const Value lineSums[2],
              const mlir::SmallVector<Value> positions[2],
              Value numSteps) const;

private:
  struct Side {
    device::Element code, scale, zero;
    mlir::SmallVector<int64_t> group;
    bool isSigned = true;
  };
  static std::optional<Side> matchSide(ContractOp op, unsigned number,
                                       device::LazyTensorBuilder &codes);
  /// Where the scale of a position is.
  mlir::SmallVector<Value> getGroup(const Side &side,
                                    ValueRange position) const;

  device::ElementKernel *k = nullptr;
  std::shared_ptr<device::LazyTensorBuilder> codes;
  Side sides[2];
};

} // namespace compress::sme

#endif // COMPRESS_LIB_TARGET_SME_CODEPRODUCT_H
