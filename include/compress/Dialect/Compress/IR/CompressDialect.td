//===- CompressDialect.td - The compress dialect -----------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_COMPRESSDIALECT_TD
#define COMPRESS_DIALECT_COMPRESS_IR_COMPRESSDIALECT_TD

include "mlir/IR/OpBase.td"

def Compress_Dialect : Dialect {
  let name = "compress";
  let cppNamespace = "::compress";
  let summary = "Quantized, sparse and factorized tensors as first-class types";
  let description = [{
    A *logical tensor* has a shape and an element type; the program computes
    with it. Its *encoding* says what is stored instead:

    ```mlir
    !compress.tensor<64x128xf32, quant<i4, group = [1, 32], scale = f16>>
    ```

    The type says what is stored; the target says how it is computed with.
    `compress.decode` followed by the dense operation is always legal and is
    the reference semantics of every faster lowering.

    Format lives in the type, payload never does: components are operands
    (`compress.pack`) or resource attributes (`compress.constant`).
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();

    /// Whether the payload of a constant was found legal before.
    bool isVerified(::mlir::Type type, ::mlir::ArrayAttr components);
    void setVerified(::mlir::Type type, ::mlir::ArrayAttr components);

  private:
    ::llvm::sys::Mutex verifiedMutex;
    ::llvm::DenseSet<std::pair<::mlir::Type, ::mlir::Attribute>> verified;
  }];
}

#endif // COMPRESS_DIALECT_COMPRESS_IR_COMPRESSDIALECT_TD
