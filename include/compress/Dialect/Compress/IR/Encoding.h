//===- Encoding.h - Helpers shared by encodings -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODING_H
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODING_H

#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress {

/// Parses an encoding with or without the `#compress.` prefix; a plain float
/// or integer type `T` stands for `dense<T>`. And prints it that way.
mlir::ParseResult parseEncoding(mlir::AsmParser &parser,
                                EncodingAttrInterface &encoding);
void printEncoding(mlir::AsmPrinter &printer, EncodingAttrInterface encoding);

/// Short names of common encodings of a whole tensor, `int4<g = 32>`; see
/// docs/Encodings.md. The groups that they stand for depend on the rank.
/// Nothing when the next token is not such a name.
mlir::OptionalParseResult parseEncodingAlias(mlir::AsmParser &parser,
                                             llvm::ArrayRef<int64_t> shape,
                                             EncodingAttrInterface &encoding);
/// Prints the short name, if there is one.
bool printEncodingAlias(mlir::AsmPrinter &printer,
                        llvm::ArrayRef<int64_t> shape,
                        EncodingAttrInterface encoding);

/// The element type that encodings compute in: f64 for a logical f64, else f32.
mlir::Type getComputeType(mlir::Type elementType);

//===----------------------------------------------------------------------===//
// Components
//===----------------------------------------------------------------------===//

/// The type of a component with this encoding: a dense tensor for `dense<T>`,
/// else a compressed tensor. Integer storage becomes signless.
mlir::Type getComponentType(llvm::ArrayRef<int64_t> shape,
                            mlir::Type elementType,
                            EncodingAttrInterface encoding);
Component makeComponent(const llvm::Twine &name, llvm::ArrayRef<int64_t> shape,
                        mlir::Type elementType, EncodingAttrInterface encoding);
/// A component of plain storage, such as indices, read as `elementType`.
Component makeDenseComponent(const llvm::Twine &name,
                             llvm::ArrayRef<int64_t> shape,
                             mlir::Type elementType, mlir::Type storage);

/// Number of leaves of a component type.
unsigned getNumLeaves(mlir::Type componentType);

/// The components of `type` with their share of the leaves.
llvm::SmallVector<ComponentValue>
splitLeaves(CompressedTensorType type, llvm::ArrayRef<HostTensor> leaves);

/// The encodings of all components.
llvm::SmallVector<EncodingAttrInterface>
getComponentEncodings(CompressedTensorType type);

/// A component as a constant of its own; dense ones as `dense<T>`.
EncodedTensor getEncodedTensor(const ComponentValue &part);

/// Decodes a component given as leaves to its logical values; `encoding` is
/// the encoding that `getComponentType` was called with.
llvm::Expected<HostTensor> decodeComponent(mlir::Type componentType,
                                           mlir::Type elementType,
                                           EncodingAttrInterface encoding,
                                           llvm::ArrayRef<HostTensor> leaves);
llvm::Expected<HostTensor> decodeComponent(const ComponentValue &part);
/// Encodes logical values as a component and appends its leaves.
llvm::Error encodeComponent(mlir::Type componentType,
                            EncodingAttrInterface encoding,
                            const HostTensor &value,
                            llvm::SmallVectorImpl<HostTensor> &leaves);
llvm::Error encodeComponent(const Component &component, const HostTensor &value,
                            llvm::SmallVectorImpl<HostTensor> &leaves);

/// The same two as IR on values.
mlir::FailureOr<mlir::Value>
buildDecodeComponent(mlir::OpBuilder &builder, mlir::Location loc,
                     mlir::Value component, mlir::Type elementType,
                     EncodingAttrInterface encoding);
mlir::FailureOr<mlir::Value> buildDecodeComponent(mlir::OpBuilder &builder,
                                                  mlir::Location loc,
                                                  mlir::Value value,
                                                  const Component &component);
mlir::FailureOr<mlir::Value>
buildEncodeComponent(mlir::OpBuilder &builder, mlir::Location loc,
                     mlir::Value value, mlir::Type componentType,
                     EncodingAttrInterface encoding);

/// Looks up rows of a component, decoding only those.
mlir::FailureOr<mlir::Value>
buildGatherComponent(mlir::OpBuilder &builder, mlir::Location loc,
                     mlir::Value value, const Component &component,
                     mlir::Value indices, int64_t axis);

/// The multiply-adds with a component in the place of the tensor.
void countMultiplyAdds(const Component &component, const WeightWork &work,
                       llvm::SmallVectorImpl<MultiplyAdds> &counts);

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// Checks types, sizes and payload of a constant, nested components included.
llvm::Error verifyPayload(CompressedTensorType type,
                          llvm::ArrayRef<HostTensor> leaves);
/// The type with all data-dependent sizes taken from the leaves.
CompressedTensorType refineType(CompressedTensorType type,
                                llvm::ArrayRef<HostTensor> leaves);
/// Whether every size is known, so that the type has exact storage.
bool isRefined(CompressedTensorType type);

/// Encodes with the data-free default methods; `type` may have sizes `?`.
llvm::Expected<EncodedTensor> encodeTensor(CompressedTensorType type,
                                           const HostTensor &value);
/// Checks, then decodes.
llvm::Expected<HostTensor> decodeTensor(const EncodedTensor &tensor);
/// Re-encodes: by a lossless shortcut where the encodings know one, else
/// through the decoded values. `target` may have sizes `?`.
llvm::Expected<EncodedTensor> castTensor(const EncodedTensor &source,
                                         CompressedTensorType target);
/// Applies `EncodingAttrInterface::simplify` to the tensor and everything
/// nested in it, until nothing changes.
EncodedTensor simplifyTensor(EncodedTensor tensor, bool allowRounding);

/// Calls `visit(element, slot)` for every value of a `sparse` tensor that
/// counts: its row-major number in the tensor and in `values`. Slots increase.
void forEachStored(CompressedTensorType type,
                   llvm::ArrayRef<HostTensor> positions,
                   llvm::function_ref<void(int64_t, int64_t)> visit);

/// Whether all users of a compressed value take it in any encoding.
bool acceptsAnyEncoding(mlir::Value value);

/// Describes the decode of `type` with the right intermediate steps; the entry
/// point of every builder.
mlir::FailureOr<DenseValue>
describeDecode(TensorBuilder &builder, CompressedTensorType type,
               llvm::ArrayRef<ComponentValue> parts);

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODING_H
