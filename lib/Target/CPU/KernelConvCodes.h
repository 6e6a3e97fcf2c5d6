//===- KernelConvCodes.h - Convolutions from codes to codes -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Generators of 8-bit convolutions on images of codes with channels last. What
// follows a convolution is done while its sums are in registers, up to the
// encoding of the next one, so that between two of them only bytes are stored.
//
// Sums are exact (KernelGEMM.h). Before the encoding the result has the bound
// that is given there, with two more roundings for each operation on channels
// that factors and biases were multiplied with, and one for an addend; the
// quotient by
// the scale is a product with its reciprocal, two roundings instead of one. So
// a code differs from the reference's by one at most, and only where the
// reference's quotient is that near to the middle between two codes.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELCONVCODES_H
#define COMPRESS_LIB_TARGET_CPU_KERNELCONVCODES_H

#include "KernelFloatEpilogue.h"
#include "KernelGEMM.h"

namespace compress::cpu {

/// A convolution in one or two spatial axes; one axis is seen as two with a
/// leading axis of one. Codes are unsigned.
///   ins x: i8 [N, spatial..., C], w: i8 packed,
///       corrections: i32 [padded F], what is subtracted from sums,
///       factors: f32 [padded F], biases: f32 [padded F],
///       parameters: f32 [3], the zero point of x, and 1 / scale and zero point
///       of the codes that are stored [, scale: f32 [G], zero: i32 [G]]
///       [, addend: f32 like out]
///   outs [out: f32 [N, out..., F]] [, codes: i8 [N, out..., F]]
/// out = clamp(float(sum - correction) * factor + bias + addend)
/// Scale and zero point of x are arguments where they are not constants; they
/// multiply factors and corrections. Each table is padded group by group.
struct CodeConv {
  const KernelISA *isa;
  int64_t channels, filters;
  /// The channels, and filters, are as many groups of each other; one where
  /// `isDepthwise`.
  int64_t groups = 1;
  /// How many pairs of scale and zero point there are: those of constants, one
  /// for all images (G = 1), or one for each (G = N).
  enum class Scales { Constant, Tensor, Image } scales = Scales::Constant;
  /// One filter per channel.
  bool isDepthwise = false;
  /// Spatial axes of the types.
  unsigned rank = 2;
  std::array<int64_t, 2> sizes, kernel, strides, dilations, padLow, padHigh,
      outSizes;
  FloatEpilogue epilogue;
  bool storesFloats = false, storesCodes = false;

  int64_t getGroupChannels() const { return channels / groups; }
  int64_t getGroupFilters() const { return filters / groups; }
  bool isPadded() const {
    return padLow[0] || padLow[1] || padHigh[0] || padHigh[1];
  }
  /// Whether windows are copied, each to a row of its own, before they are
  /// multiplied: where neighbouring windows do not start a pixel apart, or
  /// what is used of pixels is too short.
  bool isGathered() const;
  /// The window as runs of bytes, without strides.
  DotAxis getRuns() const;
  /// Bytes from one run of the packed weights to the next, and of all of them
  /// of a group, for a column. Tile registers always take whole tiles, so what
  /// they read behind a run meets weights of zero.
  int64_t getRunBytes() const;
  int64_t getPackedExtent() const;
  /// Whether what a task copies fits the stack.
  bool isSupported() const;
};

std::string generateCodeConv(mlir::ModuleOp module, const CodeConv &conv);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELCONVCODES_H
