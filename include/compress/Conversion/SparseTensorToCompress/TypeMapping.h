//===- TypeMapping.h - sparse_tensor and sparse, both ways ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Types first, then the buffers that they stand for. An error says what the
// other side cannot state.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CONVERSION_SPARSETENSORTOCOMPRESS_TYPEMAPPING_H
#define COMPRESS_CONVERSION_SPARSETENSORTOCOMPRESS_TYPEMAPPING_H

#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress {

/// The compressed type of a tensor with a `sparse_tensor` encoding: CSR as
/// `csr`, BSR as `block`, a last `structured[n, m]` level as `nm`, a first
/// `compressed` level before dense ones as `channels<0>`. `nnz` as in
/// `SparseAttr`; ignored for `nm`.
/// Errors: a dynamic shape, other levels, element types, explicit or implicit
/// values, slices, blocks that do not divide the shape, coordinates too narrow
/// for it.
llvm::Expected<CompressedTensorType>
mapSparseTensorToCompress(mlir::RankedTensorType type,
                          int64_t nnz = mlir::ShapedType::kDynamic);

/// The inverse; positions are i32 and coordinates as wide as ours (i8 for
/// `nm`). Errors: not a `sparse` encoding, values that are not stored as the
/// logical element type, patterns without equivalent.
llvm::Expected<mlir::RankedTensorType>
mapCompressToSparseTensor(CompressedTensorType type);

/// What `sparse_tensor.assemble` takes, in its order. All are 1-D.
struct SparseBuffers {
  /// Positions, then coordinates, per level that has them: unsigned numbers in
  /// integers of any width.
  llvm::SmallVector<HostTensor> levels;
  /// Of the logical element type.
  HostTensor values;
};

/// Payload of a tensor with a `sparse_tensor` encoding as a compressed
/// constant. Errors: those of `mapSparseTensorToCompress`, buffers of the wrong
/// size, positions or coordinates that break the rules of the pattern.
llvm::Expected<EncodedTensor> readSparseBuffers(mlir::RankedTensorType type,
                                                const SparseBuffers &buffers);

/// The inverse, for a tensor that `mapCompressToSparseTensor` accepts and whose
/// payload was verified. Integers have the widths of the resulting type.
SparseBuffers writeSparseBuffers(const EncodedTensor &tensor);

} // namespace compress

#endif // COMPRESS_CONVERSION_SPARSETENSORTOCOMPRESS_TYPEMAPPING_H
