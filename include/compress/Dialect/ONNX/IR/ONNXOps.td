//===- ONNXOps.td - ops of the onnx dialect ----------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef COMPRESS_DIALECT_ONNX_IR_ONNXOPS_TD
#define COMPRESS_DIALECT_ONNX_IR_ONNXOPS_TD

include "compress/Dialect/ONNX/IR/ONNXBase.td"

def ONNX_NoValueOp : ONNX_Op<"NoValue", [Pure]> {
  let summary = "an optional input that is not given";
  let description = [{
    Stands for the empty name in the input list of a node.

    ```mlir
    %none = onnx.NoValue : none
    ```
  }];
  let results = (outs NoneType:$none);
  let assemblyFormat = "attr-dict `:` type($none)";
}

def ONNX_InitializerOp
    : ONNX_Op<"Initializer",
              [Pure, DeclareOpInterfaceMethods<OpAsmOpInterface,
                                               ["getAsmResultNames"]>]> {
  let summary = "a constant tensor of the graph";
  let description = [{
    `name` is the name of the value in ONNX. `value` holds the elements in the
    layout of ONNX `raw_data`: little endian, `bool` in one byte, types below 8
    bits packed from the low bits up. Small tensors are inline (`dense<...>`),
    others are resources, which import never copies.

    `info` keeps how the file stored the tensor, so that export repeats it:
    `storage` (`"raw"` when absent, a typed field such as `"int64_data"`, or
    `"external"` with `location`, `offset`, `length`), `doc_string`,
    `metadata_props` and `rest`.

    ```mlir
    %w = onnx.Initializer "w" = dense<[1, 2]> : tensor<2xi64>
    ```
  }];
  let arguments = (ins StrAttr:$name, ElementsAttr:$value,
                       OptionalAttr<DictionaryAttr>:$info);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$name `=` custom<ElementsOfType>($value, type($result)) attr-dict";
  let hasVerifier = 1;
}

def ONNX_SparseInitializerOp : ONNX_Op<"SparseInitializer", [Pure]> {
  let summary = "a sparse constant tensor of the graph";
  let description = "`data` is the serialized `SparseTensorProto`.";
  let arguments = (ins StrAttr:$name, ONNX_ProtoAttr:$data);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$name `=` $data attr-dict `:` type($result)";
}

def ONNX_CustomOp : ONNX_Op<"Custom", [Pure]> {
  let summary = "a node that the dialect carries without interpreting it";
  let description = [{
    Operators of custom domains, calls of model functions, operators with
    subgraphs, and standard operators with attributes outside of the standard.
    `node_attributes` maps the attribute names of ONNX to the same kinds of
    attributes as in standard ops; a kind without a counterpart (subgraphs,
    sparse tensors, types) is a serialized `AttributeProto`.

    A subgraph refers to values around it by name. These values are the trailing
    operands, after the inputs of the node, and `captures` gives the name that
    the subgraph uses for each.

    ```mlir
    %0 = onnx.Custom "FusedGemm"(%a, %b)
        {domain = "com.example", node_attributes = {activation = "Relu"}}
        : (tensor<1x2xf32>, tensor<2x3xf32>) -> tensor<1x3xf32>
    ```
  }];
  let arguments = (ins StrAttr:$op_type, OptionalAttr<StrAttr>:$domain,
                       OptionalAttr<DictionaryAttr>:$node_attributes,
                       OptionalAttr<StrArrayAttr>:$captures,
                       Variadic<ONNX_OptionalValue>:$inputs);
  let results = (outs Variadic<ONNX_OptionalValue>:$outputs);
  let assemblyFormat = [{
    $op_type `(` $inputs `)` attr-dict `:`
    functional-type($inputs, $outputs)
  }];
  let hasVerifier = 1;
}

include "compress/Dialect/ONNX/IR/ONNXStandardOps.td"

#endif
