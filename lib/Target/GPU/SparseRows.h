//===- SparseRows.h - Two of four weights for matrix instructions *- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_GPU_SPARSEROWS_H
#define COMPRESS_LIB_TARGET_GPU_SPARSEROWS_H

#include "DeviceKernel.h"

namespace compress::device {

/// A constant matrix of which two of each four values along k are stored, as
/// instructions for such factors read it.
struct SparseRows {
  /// Which factor of the contraction it is.
  unsigned number = 0;
  /// Buffers of the stored values, two bf16 a word, one for each term; and of
  /// positions, 32 of k a word. See MatrixInstruction::isSparse.
  llvm::SmallVector<unsigned> values;
  unsigned positions = 0;
  /// Words of a row.
  int64_t valuesPerRow = 0, positionsPerRow = 0;

  /// Nothing where no factor is such, or its values are encoded once more: the
  /// device would read more bytes than are stored. Rows are filled up to a
  /// multiple of `multiple` of k.
  static std::optional<SparseRows> match(ContractOp op, DeviceKernel &k,
                                         int64_t multiple);
};

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_GPU_SPARSEROWS_H
