//===- TypeMapping.h - quant.uniform and quant, both ways -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Types of the quant dialect carry scales and zero points; compressed types do
// not. These functions move them out of and into the type. An error says what
// the other side cannot state.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_QUANTTOCOMPRESS_TYPEMAPPING_H
#define COMPRESS_CONVERSION_QUANTTOCOMPRESS_TYPEMAPPING_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/Dialect/Quant/IR/QuantTypes.h"

namespace compress {

/// A tensor of `quant.uniform` as a compressed type, and what its type held.
struct UniformMapping {
  /// Of `quant` encoding; scales are stored in the expressed type (f32 for
  /// f64), zero points in the storage type.
  CompressedTensorType type;
  /// One number per group, of a static shape (that of the group grid where it
  /// is known), in the storage of the component.
  mlir::DenseElementsAttr scales;
  /// Null when the encoding has no zero points.
  mlir::DenseElementsAttr zeros;
};

/// Describes a tensor of a `quant.uniform` type: per-tensor, per-axis (group 1
/// on the axis, `*` elsewhere) or sub-channel (the block sizes, `*` elsewhere).
/// Errors: another quantized type, not a ranked tensor, a storage range, width
/// or expressed type that the encoding lacks, scales that do not fit the shape,
/// zero points outside the storage type, f64 scales that are not exact in f32.
llvm::Expected<UniformMapping> mapQuantToCompress(mlir::Type tensor);

/// What of the type alone, whatever its parameters, keeps it from becoming a
/// `quant.uniform` type: see below.
llvm::Error verifyMapsToQuant(CompressedTensorType type);

/// Whether codes come from encoding, or may be any of their type.
enum class CodeOrigin { Encoded, Given };

/// The `quant.uniform` type with these parameters (the leaves after the codes,
/// their static shapes those of the group grid). All `*` gives a per-tensor
/// type, a single 1 and else `*` a per-axis type, other groups a sub-channel
/// type.
///
/// The storage range is that of `QuantAttr::getCodeRange` for values that are
/// encoded. Given codes may leave it, so `codes` (null when unknown at compile
/// time) widen it to the whole range of the type where they need it.
///
/// Errors: not a `quant` encoding of integers, scales or zero points that are
/// not plain floats and integers, blocks that do not divide the shape, scales
/// that are not positive and finite or not exact in the logical element type.
llvm::Expected<mlir::quant::QuantizedType>
mapCompressToQuant(CompressedTensorType type,
                   llvm::ArrayRef<HostTensor> parameters, CodeOrigin origin,
                   const HostTensor *codes = nullptr);

} // namespace compress

#endif // COMPRESS_CONVERSION_QUANTTOCOMPRESS_TYPEMAPPING_H
