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
    }], "unsigned", "getNumParameters", (ins), [{}], [{ return 0; }]>,
    InterfaceMethod<[{
      Checks that leaves of the right types hold a legal payload: indices in
      range, positions in order, coded streams complete. Called before a payload
      is read, never by readers themselves; nested components are checked by
      the caller, `compress::verifyPayload`.
    }], "::llvm::Error", "verifyPayload",
      (ins "::compress::CompressedTensorType":$type,
           "::llvm::ArrayRef<::compress::HostTensor>":$leaves),
      [{}], [{ return ::llvm::Error::success(); }]>,
    InterfaceMethod<[{
      This encoding with its data-dependent sizes (written `?`: numbers of
      stored values, bytes) taken from `leaves`, nested encodings included. The
      default refines the components.
    }], "::compress::EncodingAttrInterface", "refine",
      (ins "::compress::CompressedTensorType":$type,
           "::llvm::ArrayRef<::compress::HostTensor>":$leaves),
      [{}], [{
        return ::compress::refineComponents($_attr, type, leaves);
      }]>,
    InterfaceMethod<[{
      This encoding with the encodings of its components, as `getComponents`
      lists them, replaced; those of fixed storage (codes, indices, ...) are
      ignored.
    }], "::compress::EncodingAttrInterface", "withComponentEncodings",
      (ins "::llvm::ArrayRef<::compress::EncodingAttrInterface>":$encodings),
      [{}], [{ return $_attr; }]>,
    InterfaceMethod<[{
      The decode of this encoding in terms of whole-tensor operations. The host
      reference, the IR and the ONNX form all come from it, unless an encoding
      overrides one of them. `parts` are the components.
    }], "::mlir::FailureOr<::compress::DenseValue>", "describeDecode",
      (ins "::compress::TensorBuilder &":$builder,
           "::compress::CompressedTensorType":$type,
           "::llvm::ArrayRef<::compress::ComponentValue>":$parts)>,
    InterfaceMethod<[{
      Emits IR that decodes `components` to a dense `RankedTensorType` of the
      logical shape and element type. Bit-exact with `decodeHost`.
    }], "::mlir::FailureOr<::mlir::Value>", "buildDecode",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::compress::CompressedTensorType":$type,
           "::mlir::ValueRange":$components),
      [{}], [{
        return ::compress::buildDecodeByDescription(builder, loc, type,
                                                    components);
      }]>,
    InterfaceMethod<[{
      Emits IR that encodes the dense tensor `value`. `parameters` is empty
      (compute them from the values: dynamic) or holds the parameter
      components (static). Returns all components. Bit-exact with
      `encodeHost`. The default is a diagnostic: an encoding whose sizes depend
      on the data, or that takes a search to fill, is filled by the compiler.
    }], "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "buildEncode",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::compress::CompressedTensorType":$type, "::mlir::Value":$value,
           "::mlir::ValueRange":$parameters),
      [{}], [{
        ::mlir::emitError(loc) << "cannot encode as " << type
                               << " at run time; only constants can";
        return ::mlir::failure();
      }]>,
    InterfaceMethod<[{
      Emits IR that looks up slices along `axis` (the semantics of
      `compress.gather`) and decodes only those; gives a dense tensor. The
      default decodes everything.
    }], "::mlir::FailureOr<::mlir::Value>", "buildGather",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::compress::CompressedTensorType":$type,
           "::mlir::ValueRange":$components, "::mlir::Value":$indices,
           "int64_t":$axis),
      [{}], [{
        return ::compress::buildGatherOfDecoded(builder, loc, type, components,
                                                indices, axis);
      }]>,
    InterfaceMethod<[{
      Structural rule of `compress.contract` (`op`) whose operand number
      `operand` (0 or 1) has this encoding: emits an equivalent computation on
      the components and returns its value. Fails, without having emitted
      anything, where there is no rule or decoding is cheaper.
    }], "::mlir::FailureOr<::mlir::Value>", "rewriteContract",
      (ins "::mlir::RewriterBase &":$rewriter, "::mlir::Operation *":$op,
           "unsigned":$operand),
      [{}], [{ return ::mlir::failure(); }]>,
    InterfaceMethod<[{
      Appends the multiply-adds that a contraction takes which multiplies only
      with what is stored and in the cheapest order, `type` being its weight, of
      static shape. Scales and zero points are not counted. The default decodes
      and multiplies with every element.
    }], "void", "countMultiplyAdds",
      (ins "::compress::CompressedTensorType":$type,
           "const ::compress::WeightWork &":$work,
           "::llvm::SmallVectorImpl<::compress::MultiplyAdds> &":$counts),
      [{}], [{ ::compress::countDecodedMultiplyAdds(type, work, counts); }]>,
    InterfaceMethod<[{
      Reference decode on host buffers. `leaves` are the leaf tensors of
      `type`, which must have a static shape; `verifyPayload` accepted them. The
      result has the logical shape and element type.
    }], "::llvm::Expected<::compress::HostTensor>", "decodeHost",
      (ins "::compress::CompressedTensorType":$type,
           "::llvm::ArrayRef<::compress::HostTensor>":$leaves),
      [{}], [{ return ::compress::decodeHostByDescription(type, leaves); }]>,
    InterfaceMethod<[{
      Reference encode on host buffers, the data-free default method of this
      encoding; returns the leaves. `parameterLeaves` is empty or holds the
      leaves of the parameter components. Sizes written `?` in `type` are
      chosen; `compress::refineType` finds them in the leaves.
    }], "::llvm::Expected<::llvm::SmallVector<::compress::HostTensor>>",
      "encodeHost",
      (ins "::compress::CompressedTensorType":$type,
           "const ::compress::HostTensor &":$value,
           "::llvm::ArrayRef<::compress::HostTensor>":$parameterLeaves)>,
    InterfaceMethod<[{
      Lossless change of encoding without decoding values: called on the
      encodings of `source` and of `target`, one of which is this. Fails when it
      knows no shortcut.
    }], "::mlir::FailureOr<::compress::EncodedTensor>", "recodeHost",
      (ins "const ::compress::EncodedTensor &":$source,
           "::compress::CompressedTensorType":$target),
      [{}], [{ return ::mlir::failure(); }]>,
    InterfaceMethod<[{
      A simpler encoding of the same logical values, by the laws of the algebra
      (nested sums flatten, ...); fails when there is none. Values are the same
      bit for bit unless `allowRounding`.
    }], "::mlir::FailureOr<::compress::EncodedTensor>", "simplify",
      (ins "const ::compress::EncodedTensor &":$tensor, "bool":$allowRounding),
      [{}], [{ return ::mlir::failure(); }]>,
    InterfaceMethod<[{
      The form in which ONNX carries these values: the tensor itself, or a
      numerically identical one without what ONNX cannot compute (entropy
      coding). It must be rebuilt exactly by `recodeHost`.
    }], "::llvm::Expected<::compress::EncodedTensor>", "getExchangeForm",
      (ins "const ::compress::EncodedTensor &":$tensor),
      [{}], [{ return tensor; }]>,
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
    InterfaceMethod<[{
      How often one of these operands is multiplied with, for the shapes that
      the operation has; nothing where they are not known.
    }], "std::optional<::compress::WeightWork>", "getWork",
      (ins "const ::compress::WeightOperand &":$role), [{}],
      [{ return ::compress::getWorkByShapes($_op, role); }]>,
    InterfaceMethod<[{
      The constant that is added to the outputs of the weight in this operand, a
      number for each, whether this operation adds it or the next; null where
      one could be added and none is. Nothing where there can be none.
    }], "std::optional<::mlir::Value>", "getBias",
      (ins "const ::compress::WeightOperand &":$role), [{}],
      [{ return std::nullopt; }]>,
    InterfaceMethod<[{
      Makes these elements, of the bias' own shape or else of one axis, the bias
      instead, as a constant of this name; the old one is erased if nothing else
      uses it. Called where `getBias` found something.
    }], "void", "setBias",
      (ins "const ::compress::WeightOperand &":$role,
           "::mlir::ElementsAttr":$elements, "::llvm::StringRef":$name), [{}],
      [{ llvm_unreachable("there is no bias"); }]>,
  ];
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_COMPRESSINTERFACES_TD
