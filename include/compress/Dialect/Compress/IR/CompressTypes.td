//===- CompressTypes.td - The compressed tensor type -------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_COMPRESSTYPES_TD
#define COMPRESS_DIALECT_COMPRESS_IR_COMPRESSTYPES_TD

include "compress/Dialect/Compress/IR/CompressDialect.td"
include "compress/Dialect/Compress/IR/CompressInterfaces.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinTypeInterfaces.td"

def Compress_CompressedTensorType
    : TypeDef<Compress_Dialect, "CompressedTensor", [ShapedTypeInterface]> {
  let mnemonic = "tensor";
  let summary = "A logical tensor together with what is stored instead of it";
  let description = [{
    ```mlir
    !compress.tensor<4096x?xf32, quant<i8, group = [1, *], scale = f32>>
    ```
    The shape is ranked, dimensions may be dynamic; the element type is f16,
    bf16, f32 or f64, or an integer type. The encoding is an attribute that
    implements `EncodingAttrInterface`; those of this dialect are written
    without the `#compress.` prefix. Common ones have short names, which depend
    on the rank (see docs/Encodings.md):

    ```mlir
    !compress.tensor<64x128xf32, int8<axis = 0>>   // quant<i8, group = [1, *], scale = f32>
    !compress.tensor<64x128xf32, int4<g = 32>>     // quant<i4, group = [1, 32], scale = f16>
    ```
  }];
  let parameters = (ins
    ArrayRefParameter<"int64_t">:$shape,
    "::mlir::Type":$elementType,
    "::compress::EncodingAttrInterface":$encoding
  );
  let assemblyFormat = [{
    `<` custom<ShapedElement>($shape, $elementType) `,`
        custom<TypeEncoding>($encoding, ref($shape)) `>`
  }];
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    using ::mlir::ShapedType::Trait<CompressedTensorType>::getNumElements;
    bool hasRank() const { return true; }
    CompressedTensorType
    cloneWith(std::optional<::llvm::ArrayRef<int64_t>> shape,
              ::mlir::Type elementType) const;
    /// The dense tensor type of the logical tensor.
    ::mlir::RankedTensorType getLogicalType() const;
    /// The components of the encoding, in storage order.
    ::llvm::SmallVector<::compress::Component> getComponents() const;
    /// The dense tensors found by expanding components depth first.
    ::llvm::SmallVector<::mlir::RankedTensorType> getLeafTypes() const;
    /// Exact number of stored bits, all components counted, no padding.
    /// The shape must be static.
    uint64_t getStorageBits() const;
    /// Storage bits per logical element.
    double getBitsPerElement() const;
  }];
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_COMPRESSTYPES_TD
