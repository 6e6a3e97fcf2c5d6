//===- CompressInterfaces.td - Encoding and compressible-op interfaces ----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_COMPRESSINTERFACES_TD
#define COMPRESS_DIALECT_COMPRESS_IR_COMPRESSINTERFACES_TD

include "mlir/IR/OpBase.td"

def EncodingAttrInterface : AttrInterface<"EncodingAttrInterface"> {
  let cppNamespace = "::compress";
  let description = [{
    What is stored instead of a logical tensor. Everything that handles
    compressed tensors (printing, accounting, folding, lowering, export) is
    written once against this interface.

    An encoding has *components*: dense tensors or, by nesting, compressed
    tensors. The *leaves* of a type are the dense tensors found by expanding
    components depth first; `compress.constant` and the host functions list
    leaves, `compress.pack` and the IR functions list components.
  }];
  let methods = [
    InterfaceMethod<[{
      Checks this encoding for a logical tensor of the given shape (dimensions
      may be dynamic) and element type; reports through `emitError`.
    }], "::llvm::LogicalResult", "verifyEncoding",
      (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError,
           "::llvm::ArrayRef<int64_t>":$shape, "::mlir::Type":$elementType)>,
    InterfaceMethod<[{
      The components that represent `type`, in storage order. A component's
      type is a `RankedTensorType` of a signless integer or float, or a
      `CompressedTensorType`.
    }], "::llvm::SmallVector<::compress::Component>", "getComponents",
      (ins "::compress::CompressedTensorType":$type)>,
    InterfaceMethod<[{
      How many of the trailing components are parameters that `encode` may be
      given (scales, zero points, codebooks, ...) instead of computing them.
    }], "unsigned", "getNumParameters", (ins)>,
    InterfaceMethod<[{
      Emits IR that decodes `components` to a dense `RankedTensorType` of the
      logical shape and element type. Bit-exact with `decodeHost`.
    }], "::mlir::FailureOr<::mlir::Value>", "buildDecode",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::compress::CompressedTensorType":$type,
           "::mlir::ValueRange":$components)>,
    InterfaceMethod<[{
      Emits IR that encodes the dense tensor `value`. `parameters` is empty
      (compute them from the values: dynamic) or holds the parameter
      components (static). Returns all components. Bit-exact with
      `encodeHost`.
    }], "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "buildEncode",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::compress::CompressedTensorType":$type, "::mlir::Value":$value,
           "::mlir::ValueRange":$parameters)>,
    InterfaceMethod<[{
      Emits IR that looks up slices along `axis` (the semantics of
      `compress.gather`) and decodes only those; gives a dense tensor.
    }], "::mlir::FailureOr<::mlir::Value>", "buildGather",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::compress::CompressedTensorType":$type,
           "::mlir::ValueRange":$components, "::mlir::Value":$indices,
           "int64_t":$axis)>,
    InterfaceMethod<[{
      Reference decode on host buffers. `leaves` are the leaf tensors of
      `type`, which must have a static shape. The result has the logical shape
      and element type.
    }], "::llvm::Expected<::compress::HostTensor>", "decodeHost",
      (ins "::compress::CompressedTensorType":$type,
           "::llvm::ArrayRef<::compress::HostTensor>":$leaves)>,
    InterfaceMethod<[{
      Reference encode on host buffers; returns the leaves. `parameterLeaves`
      is empty or holds the leaves of the parameter components.
    }], "::llvm::Expected<::llvm::SmallVector<::compress::HostTensor>>",
      "encodeHost",
      (ins "::compress::CompressedTensorType":$type,
           "const ::compress::HostTensor &":$value,
           "::llvm::ArrayRef<::compress::HostTensor>":$parameterLeaves)>,
  ];
}

def CompressibleOpInterface : OpInterface<"CompressibleOpInterface"> {
  let cppNamespace = "::compress";
  let description = [{
    An operation with a weight operand that may be stored compressed. Attached
    as an external model to operations of other dialects (ONNX, linalg, tosa).
  }];
  let methods = [
    InterfaceMethod<[{
      Describes every operand that can be a weight. Whether it is one (that is,
      a constant) is for the caller to see.
    }], "::llvm::SmallVector<::compress::WeightOperand>", "getWeightOperands",
      (ins)>,
  ];
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_COMPRESSINTERFACES_TD
