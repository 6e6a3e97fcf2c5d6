//===- StretchedShape.h - Shapes of elementwise steps -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_STRETCHEDSHAPE_H
#define COMPRESS_DIALECT_COMPRESS_IR_STRETCHEDSHAPE_H

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

namespace compress {

/// The shape of an elementwise step of a decode on tensors of one rank, whose
/// dimensions of size 1 stretch.
inline llvm::SmallVector<int64_t> getStretchedShape(llvm::ArrayRef<int64_t> a,
                                                    llvm::ArrayRef<int64_t> b) {
  llvm::SmallVector<int64_t> shape;
  for (auto [x, y] : llvm::zip_equal(a, b))
    shape.push_back(x == 1 ? y : x);
  return shape;
}

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_IR_STRETCHEDSHAPE_H
