//===- Hadamard.h - The block Walsh-Hadamard transform ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// n elements are cut into blocks of `block` (a power of two); what is left is
// cut into the powers of two of its binary form, largest first. So a block of
// size s starts at a multiple of s, and the element i is in a block larger than
// h exactly if i < n with its bits below 2h cleared (for 2h <= block).
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_HADAMARD_H
#define COMPRESS_DIALECT_COMPRESS_IR_HADAMARD_H

#include "mlir/IR/Builders.h"
#include <cmath>

namespace compress {

/// First element that a butterfly of distance `h` leaves alone.
inline int64_t getButterflyEnd(int64_t n, int64_t h) {
  return n & ~(2 * h - 1);
}

/// What a block of this size is multiplied with after the butterflies.
template <typename T> T getHadamardScale(int64_t blockSize) {
  return static_cast<T>(1.0 / std::sqrt(double(blockSize)));
}

/// Transforms `n` elements at distance `stride` in place.
template <typename T>
void applyHadamard(T *data, int64_t n, int64_t stride, int64_t block) {
  for (int64_t h = 1; 2 * h <= block; h *= 2)
    for (int64_t i = 0, end = getButterflyEnd(n, h); i < end; ++i) {
      if (i & h)
        continue;
      T a = data[i * stride], b = data[(i + h) * stride];
      data[i * stride] = a + b;
      data[(i + h) * stride] = a - b;
    }
  int64_t i = 0;
  for (int64_t size = block; size > 1; size /= 2) {
    T scale = getHadamardScale<T>(size);
    for (int64_t end = n & ~(size - 1); i < end; ++i)
      data[i * stride] *= scale;
  }
}

/// The same as IR on a float tensor whose size along `axis` is static.
mlir::Value buildHadamard(mlir::OpBuilder &builder, mlir::Location loc,
                          mlir::Value value, int64_t axis, int64_t block);

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_IR_HADAMARD_H
