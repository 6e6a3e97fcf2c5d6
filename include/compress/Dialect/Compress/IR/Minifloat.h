//===- Minifloat.h - Bit-exact small float conversions ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Conversions between f32 and float formats of at most 8 bits (OCP OFP8 and MX
// element and scale formats), in two forms that agree bit for bit: on the host
// and as IR.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_MINIFLOAT_H
#define COMPRESS_DIALECT_COMPRESS_IR_MINIFLOAT_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace compress {

/// The shape of a float format of at most 8 bits.
struct Minifloat {
  unsigned width, exponentBits, mantissaBits;
  int bias;
  /// The code and the value of the largest finite number.
  unsigned maxCode;
  float maxValue;
  /// `f8E8M0FNU`: an unsigned power of two, no zero.
  bool isPowerOfTwo;
  /// False for the `FNUZ` formats, whose code for it is a NaN.
  bool hasNegativeZero;
  /// The largest exponent of a finite value (emax of OCP MX).
  int maxExponent;

  /// Describes `type`, which must satisfy `isMinifloat`.
  static Minifloat get(mlir::FloatType type);
};

/// Whether `type` is a float type of at most 8 bits.
bool isMinifloat(mlir::Type type);

/// The value of every code of the format, `2^width` entries; NaN and infinity
/// codes included.
std::vector<float> getMinifloatTable(mlir::FloatType type);

/// Rounds to nearest even, saturating at the largest finite value; NaN gives
/// the largest finite value. A power-of-two format takes the nearest power,
/// half way between (mantissa 1.5) upwards.
unsigned encodeMinifloat(float value, const Minifloat &format);

/// IR for `encodeMinifloat` on an f32 scalar; returns an integer of the
/// format's width.
mlir::Value buildEncodeMinifloat(mlir::OpBuilder &builder, mlir::Location loc,
                                 mlir::Value value, const Minifloat &format);

/// IR for the value of a code (an integer of the format's width) as f32.
mlir::Value buildDecodeMinifloat(mlir::OpBuilder &builder, mlir::Location loc,
                                 mlir::Value code, mlir::FloatType type);

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_IR_MINIFLOAT_H
