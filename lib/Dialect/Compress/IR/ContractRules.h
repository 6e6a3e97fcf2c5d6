//===- ContractRules.h - Pieces of contraction rewrites ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the rules `EncodingAttrInterface::rewriteContract` have in common.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_DIALECT_COMPRESS_IR_CONTRACTRULES_H
#define COMPRESS_LIB_DIALECT_COMPRESS_IR_CONTRACTRULES_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include <optional>

namespace compress {

/// The type of the operand, if products with its undecoded parts round no worse
/// than with its decoded value: its element type is the type that encodings
/// compute in, and that of the other operand and of the result. Else null.
CompressedTensorType getRewritableType(ContractOp op, unsigned operand);

/// The loop that alone runs along an axis of an operand, if any.
std::optional<unsigned> findLoop(ContractOp op, unsigned operand, int64_t axis);
/// The axis of the other operand along which the same loop runs alone; nothing
/// when there is none or more than one.
std::optional<int64_t> findOtherAxis(ContractOp op, unsigned operand,
                                     int64_t axis);
/// The axis of the result along which the loop of an operand's axis runs.
std::optional<int64_t> findResultAxis(ContractOp op, unsigned operand,
                                      int64_t axis);
/// The other operand, decoded if it is compressed.
mlir::Value decodeOther(mlir::OpBuilder &builder, ContractOp op,
                        unsigned operand);
/// Whether the loop along an operand's axis is summed over.
bool isReductionAxis(ContractOp op, unsigned operand, int64_t axis);

/// The same contraction of other values: operand number `operand` and the
/// other one.
mlir::Value cloneContract(mlir::OpBuilder &builder, ContractOp op,
                          unsigned operand, mlir::Value value,
                          mlir::Value other, mlir::Value init);
/// A component as an operand of a contraction: where it is plain storage of
/// another type, packed as a compressed tensor that converts.
mlir::Value packDense(mlir::OpBuilder &builder, mlir::Location loc,
                      mlir::Value value, const Component &component);
/// Zeros of the type of the result.
mlir::Value buildZeroInit(mlir::OpBuilder &builder, ContractOp op);
/// `init + value` elementwise.
mlir::Value buildAdd(mlir::OpBuilder &builder, mlir::Location loc,
                     mlir::Value init, mlir::Value value);
/// `init + value * scales`, where axis i of `scales` is read at axis `axes[i]`
/// of `value`, or at 0; without `init` just the product.
mlir::Value buildScaledBy(mlir::OpBuilder &builder, mlir::Location loc,
                          mlir::Value init, mlir::Value value,
                          mlir::Value scales,
                          llvm::ArrayRef<std::optional<int64_t>> axes);

} // namespace compress

#endif // COMPRESS_LIB_DIALECT_COMPRESS_IR_CONTRACTRULES_H
