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

/// The type of a component with this encoding: a dense tensor for `dense<T>`,
/// else a compressed tensor. Integer storage becomes signless.
mlir::Type getComponentType(llvm::ArrayRef<int64_t> shape,
                            mlir::Type elementType,
                            EncodingAttrInterface encoding);

/// Number of leaves of a component type.
unsigned getNumLeaves(mlir::Type componentType);

/// Decodes a component given as leaves to its logical values; `encoding` is
/// the encoding that `getComponentType` was called with.
llvm::Expected<HostTensor> decodeComponent(mlir::Type componentType,
                                           mlir::Type elementType,
                                           EncodingAttrInterface encoding,
                                           llvm::ArrayRef<HostTensor> leaves);
/// Encodes logical values as a component and appends its leaves.
llvm::Error encodeComponent(mlir::Type componentType,
                            EncodingAttrInterface encoding,
                            const HostTensor &value,
                            llvm::SmallVectorImpl<HostTensor> &leaves);

/// The same two as IR on values.
mlir::FailureOr<mlir::Value>
buildDecodeComponent(mlir::OpBuilder &builder, mlir::Location loc,
                     mlir::Value component, mlir::Type elementType,
                     EncodingAttrInterface encoding);
mlir::FailureOr<mlir::Value>
buildEncodeComponent(mlir::OpBuilder &builder, mlir::Location loc,
                     mlir::Value value, mlir::Type componentType,
                     EncodingAttrInterface encoding);

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODING_H
