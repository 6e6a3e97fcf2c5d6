//===- SparseRows.h - Two of four weights for matrix instructions *- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_GPU_SPARSEROWS_H
#define COMPRESS_LIB_TARGET_GPU_SPARSEROWS_H

#include "DeviceKernel.h"
#include "compress/Target/GPU/MatrixInstruction.h"

namespace compress::device {

/// A constant matrix of which two of each four values along k are stored, as
/// instructions for such factors read it.
struct SparseRows {
  /// Which factor of the contraction it is.
  unsigned number = 0;
  /// Buffers of the stored values as the instruction has them, one for each
  /// term; and of positions, 32 of k a word. See MatrixInstruction::isSparse.
  llvm::SmallVector<unsigned> values;
  unsigned positions = 0;
  /// Words of a row.
  int64_t valuesPerRow = 0, positionsPerRow = 0;

  /// The number of the factor that is such by its type: its values plain ones,
  /// or for I8 signed codes without zero points whose scales are the same along
  /// k. Of those encoded otherwise the device would read more bytes than are
  /// stored.
  static std::optional<unsigned> find(ContractOp op,
                                      MatrixInstruction::Element element);

  /// Packs the constant that `find` found. Rows are filled up to a multiple of
  /// `multiple` of k.
  static std::optional<SparseRows> match(ContractOp op, DeviceKernel &k,
                                         MatrixInstruction::Element element,
                                         int64_t multiple);
};

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_GPU_SPARSEROWS_H
