//===- Kernels.h - Contraction problems and who solves them -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// Runtime functions turn their operands into one of the problems below. Each is
// offered to oneDNN first, when built with it, and otherwise solved by portable
// loops; the loops are also the oracle of the unit tests.
//
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_LIB_RUNTIME_KERNELS_H
#define COMPRESS_LIB_RUNTIME_KERNELS_H

#include "Context.h"
#include "compress/Runtime/ModelABI.h"

#include <utility>

namespace compress::runtime {

/// A memref operand.
struct MemRef {
  char *data; // element [0, ..., 0]
  int64_t rank;
  const int64_t *sizes;
  const int64_t *strides; // in elements

  MemRef(const CompressUnrankedMemRef *ref, size_t width)
      : data(static_cast<char *>(ref->descriptor->aligned) +
             ref->descriptor->offset * static_cast<int64_t>(width)),
        rank(ref->rank),
        sizes(reinterpret_cast<const int64_t *>(ref->descriptor + 1)),
        strides(sizes + ref->rank) {}
  float *f32() const { return reinterpret_cast<float *>(data); }
  std::string shape() const;
};

/// Memory of the caching allocator, returned at the end of the scope. Empty
/// when there is none left.
class Buffer {
public:
  Buffer() = default;
  explicit Buffer(size_t bytes) : ptr(allocate(bytes)) {
    if (ptr)
      disown(ptr);
  }
  Buffer(Buffer &&other) noexcept : ptr(std::exchange(other.ptr, nullptr)) {}
  Buffer &operator=(Buffer &&other) noexcept {
    std::swap(ptr, other.ptr);
    return *this;
  }
  ~Buffer() { deallocate(ptr); }
  void *get() const { return ptr; }
  explicit operator bool() const { return ptr; }

private:
  void *ptr = nullptr;
};

constexpr int maxBatchDims = 4;

/// C[b, m, n] = act(sum over k of A[b, m, k] B[b, k, n] + bias[n]), f32.
/// Strides in elements; 0 where a batch dimension is broadcast.
struct MatmulProblem {
  int batchRank;
  int64_t batch[maxBatchDims];
  int64_t M, N, K;
  int64_t aBatch[maxBatchDims], aM, aK;
  int64_t bBatch[maxBatchDims], bK, bN;
  int64_t cBatch[maxBatchDims], cM, cN;
  const float *A, *B;
  float *C;
  const float *bias; // null: none
  int64_t biasStride;
  bool relu;
  bool constantB; // B never changes while the model lives
};

/// Merges batch dimensions that strides allow to merge, and folds those over
/// which B is broadcast into M. A matmul of a 3-D activation by a 2-D weight
/// becomes one with no batch.
void canonicalize(MatmulProblem &problem);

constexpr int maxSpatial = 3;

/// Y[n, oc, s] = sum over X, W as in ONNX Conv. T is the element type of X,
/// widened to Acc; X is read as X - xZero, and padding contributes nothing.
struct ConvShape {
  int spatial;
  int64_t N, IC, OC, group;
  int64_t in[maxSpatial], kernel[maxSpatial], out[maxSpatial];
  int64_t stride[maxSpatial], dilation[maxSpatial];
  int64_t padBegin[maxSpatial], padEnd[maxSpatial];
  // Strides in elements: N and C (for W: OC and IC), then the spatial ones.
  int64_t x[2 + maxSpatial], w[2 + maxSpatial], y[2 + maxSpatial];

  bool operator==(const ConvShape &o) const;
};

struct ConvF32 {
  ConvShape shape;
  const float *X, *W;
  float *Y;
  const float *bias; // null: none
  int64_t biasStride;
  bool relu;
  bool constantWeights; // W never changes while the model lives
};

struct ConvQ8 {
  ConvShape shape;
  const void *X;
  bool xUnsigned;
  int32_t xZero;
  float xScale;
  const int8_t *W;
  const float *wScale;
  int64_t wScaleStride; // 0: one scale for all channels
  float *Y;
  const float *bias;
  int64_t biasStride;
  bool relu;
  bool constantWeights;
};

// Portable OpenMP loops; never fail.
void matmulPortable(const MatmulProblem &problem);
void convPortable(const ConvF32 &problem);
void convPortable(const ConvQ8 &problem);

// oneDNN, with kernels kept in the slot. False: not available for this problem,
// nothing was written that matters; the caller takes the portable way.
bool matmulOneDNN(Slot &slot, const MatmulProblem &problem, int threads);
bool convOneDNN(Slot &slot, const ConvF32 &problem, int threads);
bool convOneDNN(Slot &slot, const ConvQ8 &problem, int threads);

/// "oneDNN 2.6.3", or "portable loops".
const char *kernelLibrary();

} // namespace compress::runtime

#endif // COMPRESS_LIB_RUNTIME_KERNELS_H
