//===- ConstantComponents.h - Components of constants -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_TRANSFORMS_CONSTANTCOMPONENTS_H
#define COMPRESS_DIALECT_COMPRESS_TRANSFORMS_CONSTANTCOMPONENTS_H

#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress {

/// Emits the components of a constant: nested ones as `compress.constant`,
/// plain ones as `arith.constant`. Leaves of sub-byte width stay packed bytes,
/// out of which elements are cut where they are read.
llvm::SmallVector<mlir::Value> materializeComponents(mlir::OpBuilder &builder,
                                                     ConstantOp op);

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_TRANSFORMS_CONSTANTCOMPONENTS_H
