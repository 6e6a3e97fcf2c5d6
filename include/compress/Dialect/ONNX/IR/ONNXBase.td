//===- ONNXBase.td - onnx dialect, types, attributes -------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef COMPRESS_DIALECT_ONNX_IR_ONNXBASE_TD
#define COMPRESS_DIALECT_ONNX_IR_ONNXBASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/CommonAttrConstraints.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/IR/DialectBase.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def ONNX_Dialect : Dialect {
  let name = "onnx";
  let cppNamespace = "::compress::onnx";
  let summary = "ONNX operators, one to one with the standard";
  let description = [{
    The dialect mirrors ONNX so closely that import followed by export is the
    identity. Every standard operator of tensor networks is one op; every other
    node (control flow with subgraphs, sequences, custom domains, calls of model
    functions) is an `onnx.Custom` and is carried through untouched.

    **Operands.** The inputs that every version of an operator requires are
    named operands. All others are one trailing variadic group; the accessor of
    such an input (for example `ConvOp::getB()`) returns a null `Value` when the
    node does not give it, either because the list ends before it or because the
    operand is the `none` value of `onnx.NoValue` (an empty name in ONNX).

    **Attributes** are the union over all opset versions and all optional: a
    missing attribute means the default of the standard, which the accessor does
    not supply. An attribute whose name is that of an operand in a later opset
    has the prefix `legacy_` (`legacy_axes` of Squeeze is `axes` in ONNX).

    **Types.** Signed ONNX integers are signless in MLIR (`i8`), unsigned ones
    are `ui8`; `bool` is `i1`; `tensor<*x!onnx.unknown>` is a value about which
    the model says nothing; `!onnx.proto` holds types that are not tensors.

    **The graph** is a `func.func`. The module and the function carry what is
    neither node nor value as discardable attributes:

    | on | attribute | meaning |
    |---|---|---|
    | module | `onnx.ir_version`, `onnx.model_version` | i64 |
    | module | `onnx.opset_imports` | array of `{domain, version}`; no `domain` key when the field is absent |
    | module | `onnx.producer_name`, `onnx.producer_version`, `onnx.domain`, `onnx.doc_string` | string, absent when the field is |
    | module | `onnx.metadata_props` | array of `[key, value]` |
    | module | `onnx.functions` | array of `#onnx.proto` |
    | function | `onnx.graph_name`, `onnx.doc_string`, `onnx.metadata_props` | of the graph |
    | function | `onnx.value_info` | array, in file order, of a value name or of `{name, ...}` with the keys of a value description |
    | function | `onnx.no_graph_name` | the graph has no name field |
    | function | `onnx.input_order` | names of all graph inputs, when some are initializers too |
    | argument, result | `onnx.name` and, merged, the keys of a value description | |
    | op | `onnx.node_name`, `onnx.doc_string`, `onnx.overload`, `onnx.domain` | fields of the node, absent when the field is |
    | op | `onnx.metadata_props` | array of `[key, value]` |
    | op | `onnx.outputs` | array of the names of the outputs |
    | op | `onnx.attr_order` | names of the attributes when the file does not sort them |
    | op | `onnx.attr_info` | what an attribute holds beyond its value, by name |
    | all | `onnx.rest` | `#onnx.proto`: fields that nothing above models |

    A value description has `onnx.dim_params` (a string for each dimension, empty
    when the dimension is not named), `onnx.doc_string`, `onnx.metadata_props`,
    and, when these cannot express it, `onnx.proto` with the whole message, which
    export repeats as long as no pass changed the type of the value;
    `onnx.imported_type` is the type then, where the message says another one.
    Inside of `onnx.value_info` these keys have no prefix, and `outside` marks a
    value that is not of this graph (but of a subgraph).
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::func::FuncDialect"];
  let extraClassDeclaration = [{
    void registerOperations();
    void registerTypes();
    void registerAttributes();
  }];
}

class ONNX_Type<string name, string typeMnemonic>
    : TypeDef<ONNX_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def ONNX_StringType : ONNX_Type<"String", "string"> {
  let summary = "element type of a string tensor";
}
def ONNX_UnknownType : ONNX_Type<"Unknown", "unknown"> {
  let summary = "element type that the model does not give";
}
def ONNX_ProtoType : ONNX_Type<"Proto", "proto"> {
  let summary = "a sequence, map, optional, sparse or opaque value";
  let description = "Holds the serialized `TypeProto`.";
  let parameters = (ins StringRefParameter<"serialized TypeProto">:$data);
  let assemblyFormat = "`<` $data `>`";
}

def ONNX_ProtoAttr : AttrDef<ONNX_Dialect, "Proto"> {
  let summary = "a protobuf message that the dialect carries without a model";
  let description = [{
    `message` is the name of the message in the ONNX schema, `data` its
    serialization.
  }];
  let mnemonic = "proto";
  let parameters = (ins StringRefParameter<"message name">:$message,
                        StringRefParameter<"serialized message">:$data);
  let assemblyFormat = "`<` $message `,` $data `>`";
}

def ONNX_Value
    : Type<CPred<"!::llvm::isa<::mlir::NoneType>($_self)">, "a given value">;
def ONNX_OptionalValue : Type<CPred<"true">, "a value or none">;

def ONNX_IntAttr : TypedSignlessIntegerAttrBase<I64, "int64_t", "INT attribute"> {
  let convertFromStorage = "$_self.getValue().getSExtValue()";
}
def ONNX_FloatAttr : FloatAttrBase<F32, "FLOAT attribute"> {
  let returnType = "float";
  let convertFromStorage = "$_self.getValue().convertToFloat()";
  let constBuilderCall = "$_builder.getF32FloatAttr($0)";
}

class ONNX_Op<string name, list<Trait> traits = []>
    : Op<ONNX_Dialect, name, traits>;

/// An operator of the standard domain. They all print alike, so that no op
/// needs its own parser.
class ONNX_StandardOp<string name, list<Trait> traits = []>
    : ONNX_Op<name, traits # [Pure]> {
  let assemblyFormat =
      "`(` operands `)` attr-dict `:` functional-type(operands, results)";
}

#endif
