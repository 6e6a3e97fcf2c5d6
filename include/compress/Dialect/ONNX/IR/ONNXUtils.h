//===- ONNXUtils.h - questions that users of the dialect ask ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef COMPRESS_DIALECT_ONNX_IR_ONNXUTILS_H
#define COMPRESS_DIALECT_ONNX_IR_ONNXUTILS_H

#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"
#include <optional>

namespace compress::onnx {

//===----------------------------------------------------------------------===//
// Values and versions
//===----------------------------------------------------------------------===//

/// Whether an optional operand is given: not null and not `onnx.NoValue`.
bool isGiven(mlir::Value value);

/// The opset version that the module around `op` imports for `domain` ("" and
/// "ai.onnx" are the same). The newest version that this build knows when there
/// is no module or it says nothing, as in hand-written IR; 0 for other domains.
int64_t getOpsetVersion(mlir::Operation *op, llvm::StringRef domain = "");

/// The newest version of the standard domain that the dialect models.
int64_t getNewestOpsetVersion();

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

/// `TensorProto.DataType` of an element type; 0 (undefined) for
/// `!onnx.unknown`, nothing for types that ONNX does not have.
std::optional<int32_t> getDataType(mlir::Type elementType);

/// Element type of a `TensorProto.DataType`: null for unknown numbers,
/// `!onnx.unknown` for 0 (undefined).
mlir::Type getElementType(mlir::MLIRContext *context, int32_t dataType);

/// Bits of one element in ONNX `raw_data` (8 for bool); 0 for strings and types
/// without a fixed width.
unsigned getElementBits(mlir::Type elementType);

/// Bytes of `count` elements in ONNX `raw_data`, where types below 8 bits are
/// packed. Nothing on overflow or for types without a fixed width.
std::optional<uint64_t> getPackedSize(mlir::Type elementType, int64_t count);

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// The constant elements of `value`: the result of `onnx.Initializer` or
/// `onnx.Constant` (any of its attributes), looking through `onnx.Identity`.
/// Null when it is not constant. The elements are a `DenseElementsAttr`, a
/// `DenseResourceElementsAttr` or a `DenseStringElementsAttr`.
mlir::ElementsAttr getConstantElements(mlir::Value value);

/// The elements of a constant integer (or bool) tensor, in row-major order,
/// whatever its attribute form. Nothing if not constant or not integers.
std::optional<llvm::SmallVector<int64_t>> getConstantInts(mlir::Value value);
std::optional<llvm::SmallVector<int64_t>> getInts(mlir::ElementsAttr elements);

/// The elements of a constant tensor of any integer or float type, as doubles.
std::optional<llvm::SmallVector<double>> getConstantFloats(mlir::Value value);
std::optional<llvm::SmallVector<double>> getFloats(mlir::ElementsAttr elements);

/// The bytes of `elements` in the layout of ONNX `raw_data`. Refers to the
/// attribute's own storage where that has this layout (resources always), else
/// to `buffer`. Nothing for strings, unloaded resources, or a resource whose
/// size does not fit its type.
std::optional<llvm::ArrayRef<char>>
getRawData(mlir::ElementsAttr elements, llvm::SmallVectorImpl<char> &buffer);

/// Alignment of resources that we allocate. No larger, because a bytecode file
/// is read into memory that has no more, and MLIR refuses it then.
inline constexpr size_t blobAlignment = 8;

/// Elements from bytes in the layout of ONNX `raw_data`, which are copied:
/// inline when small, a resource named after `name` otherwise. `raw` must have
/// `getPackedSize` bytes.
mlir::ElementsAttr makeElements(mlir::RankedTensorType type,
                                llvm::ArrayRef<char> raw,
                                llvm::StringRef name = "tensor");

/// The same, taking over `blob` without a copy when it becomes a resource.
mlir::ElementsAttr makeElements(mlir::RankedTensorType type,
                                mlir::AsmResourceBlob blob,
                                llvm::StringRef name = "tensor");

} // namespace compress::onnx

#endif // COMPRESS_DIALECT_ONNX_IR_ONNXUTILS_H
