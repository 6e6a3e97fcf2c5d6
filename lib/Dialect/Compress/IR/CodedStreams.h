//===- CodedStreams.h - Leaves as streams -----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_DIALECT_COMPRESS_IR_CODEDSTREAMS_H
#define COMPRESS_LIB_DIALECT_COMPRESS_IR_CODEDSTREAMS_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Support/EntropyCoding.h"

namespace compress {

/// How a leaf of this element type is coded.
StreamFormat getStreamFormat(CodedAttr attr, mlir::Type leafElementType);

} // namespace compress

#endif // COMPRESS_LIB_DIALECT_COMPRESS_IR_CODEDSTREAMS_H
