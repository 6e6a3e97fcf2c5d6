//===- EncodingIR.h - IR builders shared by encodings -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGIR_H
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGIR_H

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"

namespace compress {

using BodyBuilder = llvm::function_ref<mlir::Value(
    mlir::OpBuilder &, mlir::Location, mlir::ValueRange)>;

/// `tensor.empty` of a shape whose dynamic sizes are those of `like`.
mlir::Value buildEmptyLike(mlir::OpBuilder &builder, mlir::Location loc,
                           mlir::Value like, mlir::Type elementType);

/// One `linalg.generic` over the shape of `inputs[0]`; `maps` index the inputs
/// (identity when empty).
mlir::Value buildElementwise(mlir::OpBuilder &builder, mlir::Location loc,
                             mlir::Type resultElementType,
                             mlir::ValueRange inputs, BodyBuilder body,
                             llvm::ArrayRef<mlir::AffineMap> maps = {});

/// Emits the lookup `result[o..., i..., r...] = at(o..., indices[i...], r...)`
/// over a table of the shape of `table`; negative indices count from the end
/// with `wrapNegative`. Others out of range read the nearest slice.
mlir::Value buildGatherRows(mlir::OpBuilder &builder, mlir::Location loc,
                            mlir::Value table, mlir::Type elementType,
                            mlir::Value indices, int64_t axis, BodyBuilder at,
                            bool wrapNegative = true);

/// The same over a table that need not exist as a value: `at` gives its
/// elements.
mlir::Value buildLookup(mlir::OpBuilder &builder, mlir::Location loc,
                        llvm::ArrayRef<mlir::OpFoldResult> tableSizes,
                        mlir::Type elementType, mlir::Value indices,
                        int64_t axis, BodyBuilder at, bool wrapNegative = true);

/// Combines the elements of every group: `combine` gets an element and what the
/// ones before it in the group gave, at first `start`.
mlir::Value buildGroupReduce(mlir::OpBuilder &builder, mlir::Location loc,
                             mlir::Value value, llvm::ArrayRef<int64_t> group,
                             double start, BodyBuilder combine);
/// The index of the group of an element.
llvm::SmallVector<mlir::Value>
buildGroupPosition(mlir::OpBuilder &builder, mlir::Location loc,
                   mlir::ValueRange position, llvm::ArrayRef<int64_t> group);

/// Sum of products of two tensors over the labels that the result lacks, as
/// `TensorBuilder::contract`; shapes may be dynamic.
mlir::Value buildEinsum(mlir::OpBuilder &builder, mlir::Location loc,
                        mlir::Value a, llvm::ArrayRef<unsigned> aLabels,
                        mlir::Value b, llvm::ArrayRef<unsigned> bLabels,
                        llvm::ArrayRef<unsigned> resultLabels);

/// Converts a scalar with the rules of `HostTensor::setDouble`. `from` and
/// `to` carry signedness; the value and the result are signless.
mlir::Value buildNumericCast(mlir::OpBuilder &builder, mlir::Location loc,
                             mlir::Value value, mlir::Type from, mlir::Type to);

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGIR_H
