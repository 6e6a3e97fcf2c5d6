//===- SparseEncoding.h - Shared by the files of sparse ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_DIALECT_COMPRESS_IR_SPARSEENCODING_H
#define COMPRESS_LIB_DIALECT_COMPRESS_IR_SPARSEENCODING_H

#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress {

/// What `verifyEncoding` says against a logical shape, as an error instead of a
/// diagnostic.
llvm::Error checkEncoding(EncodingAttrInterface encoding,
                          llvm::ArrayRef<int64_t> shape,
                          mlir::Type elementType);

} // namespace compress

#endif // COMPRESS_LIB_DIALECT_COMPRESS_IR_SPARSEENCODING_H
