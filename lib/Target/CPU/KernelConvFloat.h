//===- KernelConvFloat.h - f32 convolution kernels --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Generators of f32 convolutions on images with channels last. Each returns the
// name of a private function of the module and makes it if it is not there.
//
// Sums run over the window in a fixed order with fused multiply-add where the
// instruction set has it, so against the reference (in f32, in any order) the
// difference is at most 2 * (K + 2) * 2^-24 * (|init| + sum |x| |w|).
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELCONVFLOAT_H
#define COMPRESS_LIB_TARGET_CPU_KERNELCONVFLOAT_H

#include "KernelFloatEpilogue.h"
#include "KernelGEMM.h"
#include "compress/Dialect/Compress/IR/HostTensor.h"

namespace compress::cpu {

/// A convolution in one or two spatial axes; one axis is seen as two with a
/// leading axis of one.
///   ins x: f32 [N, spatial..., C], or [N, C, spatial...] when `isPlanar`,
///       w: f32 packed [, bias: f32 [F]] [, addend: f32 like out]
///   outs out: f32 [N, out..., F]
/// with C = groups * channels and F = groups * filters.
struct FloatConv {
  const KernelISA *isa;
  int64_t groups = 1, channels, filters;
  bool isPlanar = false;
  /// Spatial axes of the types.
  unsigned rank = 2;
  std::array<int64_t, 2> sizes, kernel, strides, dilations, padLow, padHigh,
      outSizes;
  FloatEpilogue epilogue;

  bool isPadded() const {
    return padLow[0] || padLow[1] || padHigh[0] || padHigh[1];
  }
  /// One filter per channel, which has a kernel of its own.
  bool isDepthwise() const {
    return channels == 1 && filters == 1 && groups > 1 && !isPlanar;
  }
  int64_t getNumPixels() const { return outSizes[0] * outSizes[1]; }
  /// Products in a sum.
  int64_t getDotLength() const { return kernel[0] * kernel[1] * channels; }
  /// Panels as wide as makes the whole cheapest: a step of a tile takes a
  /// multiply-add per row and vector and a load for each of both.
  Panels getPanels() const;
  /// Elements of the packed weights.
  int64_t getPackedSize() const;
  /// Whether the kernels can do it: padded rows that a task needs must fit the
  /// stack, the taps of a depthwise window registers.
  bool isSupported() const;
};

/// Packs filters [groups * filters, channels, kernel...].
HostTensor packFloatConv(const FloatConv &conv, llvm::ArrayRef<float> filters,
                         mlir::MLIRContext *context);

/// The same when the program runs.
///   ins filters: f32 [all of them]; outs packed: f32
std::string generatePackConv(mlir::ModuleOp module, const FloatConv &conv);

std::string generateFloatConv(mlir::ModuleOp module, const FloatConv &conv);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELCONVFLOAT_H
