//===- KernelConvPlan.h - Dividing convolutions of codes --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELCONVPLAN_H
#define COMPRESS_LIB_TARGET_CPU_KERNELCONVPLAN_H

#include "KernelConvCodes.h"

namespace compress::cpu {

/// Rows of a tile register, and bytes of each.
inline constexpr int64_t kTileRows = 16, kTileBytes = 64;

/// How the work is divided, and where tasks read.
struct CodeConvPlan {
  Panels panels;
  int64_t blockRows, numBlocks;
  /// A task computes some groups, or some panels of the only group.
  int64_t unitsPerTask, numParts;
  /// Pixels of a row of what tiles read, and input rows of a block.
  int64_t width, inputRows;
  /// Rows of the product: pixels of a block with those that are not stored.
  int64_t numRows;
  /// Bytes from one of them to the next.
  int64_t rowBytes;
  bool copies;
  int64_t copiedBytes = 0, gatheredBytes = 0;
  DotAxis axis;

  explicit CodeConvPlan(const CodeConv &conv);

private:
  void setRows(const CodeConv &conv, int64_t rows);
};

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELCONVPLAN_H
