//===- RangeSearch.h - Value ranges of quantization groups ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_METHOD_RANGESEARCH_H
#define COMPRESS_LIB_METHOD_RANGESEARCH_H

#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress {

/// One range per group, row-major over the group grid.
struct Ranges {
  std::vector<float> lo, hi;
};

/// Smallest and largest value of each group, widened to contain zero.
Ranges findAbsMaxRanges(CompressedTensorType type,
                        llvm::ArrayRef<float> values);

/// Cuts `100 - percentile` percent of the values of each group: of the largest
/// magnitudes for a symmetric encoding, at either end for one with zero points.
Ranges findPercentileRanges(CompressedTensorType type,
                            llvm::ArrayRef<float> values, double percentile);

/// Scales the range of each group to the one with the least squared error, in
/// which each element counts by its importance (equally if empty). Never worse
/// in total than the absmax ranges that it starts from.
llvm::Expected<Ranges> findLeastErrorRanges(CompressedTensorType type,
                                            llvm::ArrayRef<float> values,
                                            llvm::ArrayRef<float> importance);

} // namespace compress

#endif // COMPRESS_LIB_METHOD_RANGESEARCH_H
