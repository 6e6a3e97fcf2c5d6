//===- KernelFloatEpilogue.cpp - What follows a f32 sum ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelFloatEpilogue.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

std::string FloatEpilogue::getName() const {
  std::string name = hasBias ? "bias" : "zero";
  if (hasAddend)
    name += "_add";
  if (low)
    name += llvm::formatv("_ge{0:x-8}", llvm::bit_cast<uint32_t>(*low));
  if (high)
    name += llvm::formatv("_le{0:x-8}", llvm::bit_cast<uint32_t>(*high));
  return name;
}

Value FloatEpilogue::emit(KernelBuilder &k, Value sum, Value bias,
                          Value addend) const {
  if (hasBias)
    sum = k.addF(sum, bias);
  if (hasAddend)
    sum = k.addF(sum, addend);
  // The bound comes first: a comparison with NaN yields the second operand.
  if (low)
    sum = k.maxF(k.real(sum.getType(), *low), sum);
  if (high)
    sum = k.minF(k.real(sum.getType(), *high), sum);
  return sum;
}
