//===- LoopExtents.h - Extents of loops over operands -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_ELEMENTS_LOOPEXTENTS_H
#define COMPRESS_LIB_TARGET_ELEMENTS_LOOPEXTENTS_H

#include "ElementKernel.h"

namespace compress::device {

/// Where the extent of a loop is found: an axis of an operand.
using LoopExtent = std::pair<unsigned, unsigned>;

/// One for each loop, of static size where there is such; failure where a loop
/// has none, or only that of a compressed operand which is not known.
mlir::FailureOr<llvm::SmallVector<LoopExtent>>
findLoopExtents(llvm::ArrayRef<Value> operands,
                llvm::ArrayRef<mlir::AffineMap> maps, unsigned numLoops);

llvm::SmallVector<Value> getLoopExtents(ElementKernel &k,
                                        llvm::ArrayRef<Value> operands,
                                        llvm::ArrayRef<LoopExtent> extents);

/// Puts the loops of `which` where the row-major number `linear` of all of them
/// is.
void setLoops(ElementKernel &k, llvm::ArrayRef<unsigned> which,
              llvm::ArrayRef<Value> extents, Value linear,
              llvm::SmallVectorImpl<Value> &loops);

/// The product of their extents.
Value countLoops(ElementKernel &k, llvm::ArrayRef<unsigned> which,
                 llvm::ArrayRef<Value> extents);

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_ELEMENTS_LOOPEXTENTS_H
