//===- CompressOps.td - Operations of the compress dialect -*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_COMPRESSOPS_TD
#define COMPRESS_DIALECT_COMPRESS_IR_COMPRESSOPS_TD

include "compress/Dialect/Compress/IR/CompressAttrs.td"
include "compress/Dialect/Compress/IR/CompressTypes.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/IR/BuiltinTypeInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Compress_Op<string mnemonic, list<Trait> traits = []>
    : Op<Compress_Dialect, mnemonic, traits>;

def Compress_AnyDense : AnyTypeOf<[AnyRankedTensor]>;
def Compress_DenseOrCompressed
    : AnyTypeOf<[AnyRankedTensor, Compress_CompressedTensorType]>;

//===----------------------------------------------------------------------===//
// Forming and taking apart
//===----------------------------------------------------------------------===//

def Compress_ConstantOp : Compress_Op<"constant",
    [Pure, DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "A compressed tensor whose components are known";
  let description = [{
    `components` holds one `ElementsAttr` per leaf of the result type, depth
    first. Resource blobs of sub-byte element types are packed, least
    significant bits first, without padding between rows.

    ```mlir
    %w = compress.constant [dense_resource<codes>, dense<0.5>]
       : !compress.tensor<4x8xf32, quant<i4, group = [*, *], scale = f32>>
    ```
  }];
  let arguments = (ins TypedArrayAttrBase<ElementsAttr, "leaves">:$components);
  let results = (outs Compress_CompressedTensorType:$result);
  let assemblyFormat = "$components attr-dict `:` type($result)";
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
  let builders = [
    OpBuilder<(ins "::compress::CompressedTensorType":$type,
                   "::llvm::ArrayRef<::compress::HostTensor>":$leaves,
                   CArg<"::llvm::StringRef", "\"\"">:$name)>
  ];
  let extraClassDeclaration = [{
    /// The leaves as host tensors that borrow the attribute storage where the
    /// layout allows it.
    ::llvm::SmallVector<::compress::HostTensor> getLeaves();
  }];
}

def Compress_PackOp : Compress_Op<"pack", [Pure]> {
  let summary = "Forms a compressed tensor from its components";
  let arguments = (ins Variadic<Compress_DenseOrCompressed>:$components);
  let results = (outs Compress_CompressedTensorType:$result);
  let assemblyFormat = "$components attr-dict `:` type($components) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Compress_UnpackOp : Compress_Op<"unpack", [Pure]> {
  let summary = "Takes a compressed tensor apart into its components";
  let arguments = (ins Compress_CompressedTensorType:$source);
  let results = (outs Variadic<Compress_DenseOrCompressed>:$components);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($components)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let builders = [OpBuilder<(ins "::mlir::Value":$source)>];
}

//===----------------------------------------------------------------------===//
// Crossing between dense and compressed
//===----------------------------------------------------------------------===//

def Compress_EncodeOp : Compress_Op<"encode", [Pure]> {
  let summary = "Encodes a dense tensor at run time";
  let description = [{
    Without `parameters` they are computed from the values (dynamic
    quantization); with them, one operand per parameter component of the
    result's encoding (static quantization).

    ```mlir
    %q = compress.encode %x : tensor<?x64xf32>
       -> !compress.tensor<?x64xf32, quant<i8, group = [1, *], scale = f32>>
    %s = compress.encode %x params(%scale, %zero : tensor<1x1xf32>, tensor<1x1xi8>)
       : tensor<?x64xf32>
      -> !compress.tensor<?x64xf32, quant<ui8, group = [*, *], scale = f32, zero = ui8>>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$source,
                       Variadic<Compress_DenseOrCompressed>:$parameters);
  let results = (outs Compress_CompressedTensorType:$result);
  let assemblyFormat = [{
    $source (`params` `(` $parameters^ `:` type($parameters) `)`)? attr-dict
    `:` type($source) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Compress_DecodeOp : Compress_Op<"decode",
    [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "Decodes a compressed tensor: the reference semantics";
  let arguments = (ins Compress_CompressedTensorType:$source);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($source)";
  let hasFolder = 1;
}

def Compress_CastOp : Compress_Op<"cast", [Pure]> {
  let summary = "Re-encodes a compressed tensor: decode, then encode";
  let description = [{
    Where the encodings know a lossless shortcut (another index type or sparse
    pattern, packing and unpacking entropy codes) values are not touched. Casts
    of constants are computed by the compiler.
  }];
  let arguments = (ins Compress_CompressedTensorType:$source);
  let results = (outs Compress_CompressedTensorType:$result);
  let assemblyFormat = "$source attr-dict `:` type($source) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

//===----------------------------------------------------------------------===//
// Computing
//===----------------------------------------------------------------------===//

def Compress_ContractOp : Compress_Op<"contract",
    [Pure,
     DestinationStyleOpInterface]> {
  let summary = "Generalized multiply-add contraction of tensors in any form";
  let description = [{
    `result[m_out(d)] = init[m_out(d)] + sum over d of lhs[m_lhs(d)] * rhs[m_rhs(d)]`

    with one affine map per operand over the iteration space `d`; a
    convolution has window maps such as `d2 * 2 + d5`. Either factor may be
    compressed; the value used is the decoded one. Products and sums are taken
    in the element type of `init`.

    ```mlir
    %y = compress.contract ins(%x, %w : tensor<?x64xf32>,
             !compress.tensor<64x32xf32, quant<i8, group = [*, 1], scale = f32>>)
           outs(%b : tensor<?x32xf32>)
           indexing_maps = [affine_map<(m, n, k) -> (m, k)>,
                            affine_map<(m, n, k) -> (k, n)>,
                            affine_map<(m, n, k) -> (m, n)>]
           iterator_types = ["parallel", "parallel", "reduction"]
           -> tensor<?x32xf32>
    ```
  }];
  let arguments = (ins Compress_DenseOrCompressed:$lhs,
                       Compress_DenseOrCompressed:$rhs,
                       AnyRankedTensor:$init,
                       TypedArrayAttrBase<AffineMapAttr, "maps">:$indexing_maps,
                       StrArrayAttr:$iterator_types);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    `ins` `(` $lhs `,` $rhs `:` type($lhs) `,` type($rhs) `)`
    `outs` `(` $init `:` type($init) `)`
    `indexing_maps` `=` $indexing_maps `iterator_types` `=` $iterator_types
    attr-dict `->` type($result)
  }];
  let hasFolder = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::AffineMap getMap(unsigned i) {
      return ::llvm::cast<::mlir::AffineMapAttr>(getIndexingMaps()[i]).getValue();
    }
    bool isReductionDim(unsigned dim) {
      return ::llvm::cast<::mlir::StringAttr>(getIteratorTypes()[dim]) == "reduction";
    }
    unsigned getNumLoops() { return getMap(2).getNumDims(); }
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getInitMutable(); }
  }];
}

def Compress_GatherOp : Compress_Op<"gather", [Pure]> {
  let summary = "Looks up slices of a table along one axis";
  let description = [{
    `result[o..., i..., r...] = table[o..., indices[i...], r...]`, with the
    looked-up axis replaced by the axes of `indices`. A compressed table is
    decoded only where it is read. Negative indices count from the end.

    ```mlir
    %e = compress.gather %table[%tokens] axis = 0
       : !compress.tensor<256x64xf32, quant<i8, group = [1, *], scale = f32>>,
         tensor<?x16xi64> -> tensor<?x16x64xf32>
    ```
  }];
  let arguments = (ins Compress_DenseOrCompressed:$table,
                       RankedTensorOf<[AnySignlessIntegerOrIndex]>:$indices,
                       I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $table `[` $indices `]` `axis` `=` $axis attr-dict
    `:` type($table) `,` type($indices) `->` type($result)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Meeting the outside
//===----------------------------------------------------------------------===//

def Compress_ObserveOp : Compress_Op<"observe", [SameOperandsAndResultType]> {
  let summary = "Shows a tensor to the statistics collector";
  let description = [{
    Hands the run-time value to the observer registered under number `id`
    (calibration); the value passes through unchanged, so that observing it
    cannot be dropped as dead code.
  }];
  let arguments = (ins AnyRankedTensor:$source, I64Attr:$id);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$source `as` $id attr-dict `:` type($source)";
  
}

def Compress_KernelOp : Compress_Op<"kernel",
    [AttrSizedOperandSegments, DestinationStyleOpInterface,
     DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Calls a runtime or generated kernel in destination-passing style";
  let description = [{
    The hook between target patterns and code: `callee` reads `inputs` and
    `scalars` and overwrites or updates `outs`, which the results name after
    the call. On buffers there are no results. `stateful` kernels get a state
    slot of their own in the model instance (cached primitives, packed
    weights); `side_effect` marks a kernel that does more than write `outs`.

    ```mlir
    %y = compress.kernel @compress_rt_matmul_f32 stateful
           ins(%a, %b : tensor<4x8xf32>, tensor<8x2xf32>) scalars(%act : i64)
           outs(%c : tensor<4x2xf32>) -> tensor<4x2xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee,
                       Variadic<AnyTypeOf<[AnyRankedTensor, AnyRankedOrUnrankedMemRef]>>:$inputs,
                       Variadic<AnyTypeOf<[AnySignlessInteger, Index, AnyFloat]>>:$scalars,
                       Variadic<AnyTypeOf<[AnyRankedTensor, AnyRankedOrUnrankedMemRef]>>:$outs,
                       UnitAttr:$stateful, UnitAttr:$side_effect);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $callee (`stateful` $stateful^)? (`side_effect` $side_effect^)?
    (`ins` `(` $inputs^ `:` type($inputs) `)`)?
    (`scalars` `(` $scalars^ `:` type($scalars) `)`)?
    (`outs` `(` $outs^ `:` type($outs) `)`)?
    attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutsMutable(); }
  }];
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_COMPRESSOPS_TD
