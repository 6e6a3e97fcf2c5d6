//===- Encoding.td - What encodings have in common ---------*- tablegen -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_ENCODING_TD
#define COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_ENCODING_TD

include "compress/Dialect/Compress/IR/CompressDialect.td"
include "compress/Dialect/Compress/IR/CompressInterfaces.td"
include "mlir/IR/AttrTypeBase.td"

/// `overrides` names the methods with a default that this encoding replaces.
class Compress_Encoding<string className, string attrMnemonic,
                        list<string> overrides = []>
    : AttrDef<Compress_Dialect, className,
              [DeclareAttrInterfaceMethods<EncodingAttrInterface, overrides>]> {
  let mnemonic = attrMnemonic;
  let attrName = "compress." # attrMnemonic;
}


#endif // COMPRESS_DIALECT_COMPRESS_IR_ENCODINGS_ENCODING_TD
