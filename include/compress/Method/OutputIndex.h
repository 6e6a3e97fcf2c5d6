//===- OutputIndex.h - Which output a weight belongs to ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_METHOD_OUTPUTINDEX_H
#define COMPRESS_METHOD_OUTPUTINDEX_H

#include "compress/Method/Method.h"
#include <map>

namespace compress {

/// The number of the output that an element of a weight belongs to: its place
/// on the axes that are not summed over.
inline int64_t getOutputIndex(int64_t element, llvm::ArrayRef<int64_t> shape,
                              const WeightOperand &role) {
  int64_t output = 0, stride = 1;
  for (int64_t axis = int64_t(shape.size()) - 1; axis >= 0; --axis) {
    int64_t at = element % shape[axis];
    element /= shape[axis];
    if (llvm::is_contained(role.reductionAxes, axis))
      continue;
    output += at * stride;
    stride *= shape[axis];
  }
  return output;
}

/// For each output, where its vectors along the channels start: one for each
/// position of a convolution's window.
inline std::vector<llvm::SmallVector<int64_t, 1>>
getOutputVectors(llvm::ArrayRef<int64_t> shape, const WeightOperand &role,
                 const InputChannels &layout, int64_t numElements) {
  std::vector<llvm::SmallVector<int64_t, 1>> vectors;
  std::map<int64_t, size_t> numbers;
  for (int64_t i = 0; i < numElements; ++i) {
    if (!layout.isFirst(i))
      continue;
    auto [it, isNew] =
        numbers.insert({getOutputIndex(i, shape, role), vectors.size()});
    if (isNew)
      vectors.emplace_back();
    vectors[it->second].push_back(i);
  }
  return vectors;
}

/// Rows that were sampled at one position of a window say nothing of the next,
/// so each position takes them in another order: rotated by this. What the
/// means of inputs do then adds up over the window, and nothing else.
inline int64_t getRowOffset(int64_t position, int64_t positions, int64_t rows) {
  return position * rows / positions;
}

} // namespace compress

#endif // COMPRESS_METHOD_OUTPUTINDEX_H
