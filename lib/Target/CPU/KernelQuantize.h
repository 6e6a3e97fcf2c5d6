//===- KernelQuantize.h - Quantizing in kernels -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The arithmetic of the quant encoding (QuantEncoding.cpp), operation for
// operation, on vectors: what kernels that quantize rows and images share.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELQUANTIZE_H
#define COMPRESS_LIB_TARGET_CPU_KERNELQUANTIZE_H

#include "KernelGEMM.h"

namespace compress::cpu {

/// Scale and stored zero point of a group.
struct CodeGroup {
  Value scale, zero;
};

/// A range of nothing but zero, lane by lane.
llvm::SmallVector<Value> emptyRange(KernelBuilder &k, unsigned lanes);
/// Widens the running range [lo, hi] by a vector of values; NaN changes
/// nothing.
llvm::SmallVector<Value> widenRange(KernelBuilder &k, Value x,
                                    ValueRange range);
/// Widens lane-wise ranges by `count` values that `at(i)` gives the position
/// of.
llvm::SmallVector<Value>
emitRange(KernelBuilder &k, unsigned lanes, Value x, int64_t count,
          ValueRange known,
          llvm::function_ref<llvm::SmallVector<Value>(Value)> at);
/// The range of all lanes as two scalars.
llvm::SmallVector<Value> reduceRange(KernelBuilder &k, ValueRange range);

/// The rule of `chooseScale` and of zero points.
CodeGroup emitCodeGroup(KernelBuilder &k, const CodeRange &codes, Value lo,
                        Value hi);
/// Scale and zero point number `group` of a static encoding, which are the
/// second and third argument.
CodeGroup loadCodeGroup(KernelBuilder &k, const CodeRange &codes,
                        const StaticParameters &parameters, Value group);
/// The group of all values whose ranges the pairs [begin, end) of `ranges` are.
CodeGroup emitRangesGroup(KernelBuilder &k, const CodeRange &codes,
                          Value ranges, Value begin, Value end);

/// Whether a `Quantizer` may multiply with the inverse of `scale`: the theorem
/// that it rests on leaves out divisors whose significand is all ones, and
/// nothing may overflow or underflow that matters.
Value emitIsOrdinary(KernelBuilder &k, Value scale);

/// Quantizes vectors with the parameters of one group.
class Quantizer {
public:
  /// With `usesInverse` the scale has to be ordinary.
  Quantizer(KernelBuilder &k, const CodeRange &codes, CodeGroup group,
            unsigned lanes, bool usesInverse = false);

  /// i8 codes as stored.
  Value operator()(KernelBuilder &k, Value x) const;
  /// The same as i32.
  Value widened(KernelBuilder &k, Value x) const;

private:
  Value emitQuotient(KernelBuilder &k, Value x) const;

  Value scale, inverse, least, zeroF, lo, hi;
  int64_t shift;
  bool hasZero, floatZero;
};
/// Calls `body` with a quantizer, one that multiplies with the inverse where
/// that is the same.
void emitQuantized(KernelBuilder &k, const KernelISA &isa,
                   const CodeRange &codes, CodeGroup group,
                   llvm::function_ref<void(const Quantizer &)> body);

/// A part of names of kernels.
std::string getEncodingName(const CodeRange &codes,
                            const std::optional<StaticParameters> &p);
/// The types of static parameters, as kernels take them.
void appendParameterTypes(mlir::OpBuilder &b,
                          llvm::SmallVectorImpl<Type> &types,
                          const CodeRange &codes,
                          const std::optional<StaticParameters> &p);
/// Codes, scales, zero points, and ranges if there are any.
void appendOutTypes(mlir::OpBuilder &b, llvm::SmallVectorImpl<Type> &types,
                    bool hasRanges);

/// Fills in the one group of a tensor: from the parameters, or from the values
/// by way of one range per task. Rows are what `locate` finds.
void emitTensorGroup(KernelBuilder &k, unsigned lanes, const CodeRange &codes,
                     const std::optional<StaticParameters> &parameters,
                     unsigned firstOut, unsigned rangesOut, int64_t rowLength,
                     Value isSmall,
                     llvm::function_ref<llvm::SmallVector<Value>(
                         KernelBuilder &, Value row, Value i)>
                         locate);

//===--- Images with channels last ---------------------------------------===//

/// Images of f32 to codes in the same order, one scale for all or for each.
///   ins x: f32 [N, L] [, scales: f32 [G], zeros: i8/i32 [G]]
///   outs codes: i8 [N, L], scale: f32 [G], zero: i32 [G]
///        [, ranges: f32 [N * kRangeTasks * 2] when dynamic]
/// G is N or 1.
struct QuantizeInPlace {
  const KernelISA *isa;
  int64_t length;
  bool perImage;
  CodeRange range;
  std::optional<StaticParameters> parameters;
};
std::string generateQuantizeInPlace(mlir::ModuleOp module,
                                    const QuantizeInPlace &q);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELQUANTIZE_H
