//===- KernelFloatEpilogue.h - What follows a f32 sum -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a kernel does with sums before it stores them, as data: claim patterns
// fill it from the operations after a contraction, kernels carry it out.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELFLOATEPILOGUE_H
#define COMPRESS_LIB_TARGET_CPU_KERNELFLOATEPILOGUE_H

#include "KernelBuilder.h"
#include <optional>

namespace compress::cpu {

/// `clamp(sum + bias[column] + addend[row, column])`, with absent parts left
/// out. NaN stays NaN.
struct FloatEpilogue {
  bool hasBias = false, hasAddend = false;
  std::optional<float> low, high;

  /// A part of a kernel's name that tells epilogues apart.
  std::string getName() const;
  /// `bias` and `addend` are vectors like `sum`, null where absent.
  Value emit(KernelBuilder &k, Value sum, Value bias, Value addend) const;
};

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELFLOATEPILOGUE_H
