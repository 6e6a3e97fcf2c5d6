//===- Portable.cpp - Contractions as plain OpenMP loops --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// For machines without oneDNN, for shapes that it refuses, and as the oracle of
// the tests. Loops are ordered for vectorization, not blocked for caches.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"

#include <algorithm>
#include <cstring>

namespace compress::runtime {

void canonicalize(MatmulProblem &p) {
  // Size-1 dimensions go first: their strides mean nothing.
  int rank = 0;
  for (int d = 0; d < p.batchRank; ++d) {
    if (p.batch[d] == 1)
      continue;
    p.batch[rank] = p.batch[d];
    p.aBatch[rank] = p.aBatch[d];
    p.bBatch[rank] = p.bBatch[d];
    p.cBatch[rank] = p.cBatch[d];
    ++rank;
  }
  p.batchRank = rank;
  auto erase = [&](int d) {
    for (int e = d; e + 1 < p.batchRank; ++e) {
      p.batch[e] = p.batch[e + 1];
      p.aBatch[e] = p.aBatch[e + 1];
      p.bBatch[e] = p.bBatch[e + 1];
      p.cBatch[e] = p.cBatch[e + 1];
    }
    --p.batchRank;
  };
  // Fold from the innermost: [b0, b1, M] with a shared B is [b0 * b1 * M].
  while (p.batchRank > 0) {
    int d = p.batchRank - 1;
    if (p.bBatch[d] != 0)
      break;
    if (p.M == 1) {
      p.aM = p.aBatch[d];
      p.cM = p.cBatch[d];
    } else if (p.aBatch[d] != p.M * p.aM || p.cBatch[d] != p.M * p.cM) {
      break;
    }
    p.M *= p.batch[d];
    --p.batchRank;
  }
  for (int d = p.batchRank - 2; d >= 0; --d) {
    int64_t n = p.batch[d + 1];
    if (p.aBatch[d] == n * p.aBatch[d + 1] &&
        p.bBatch[d] == n * p.bBatch[d + 1] &&
        p.cBatch[d] == n * p.cBatch[d + 1]) {
      p.batch[d + 1] *= p.batch[d];
      erase(d);
    }
  }
}

void matmulPortable(const MatmulProblem &p) {
  constexpr int64_t rows = 4, columns = 256;
  int64_t batches = 1;
  for (int d = 0; d < p.batchRank; ++d)
    batches *= p.batch[d];
  int64_t rowBlocks = (p.M + rows - 1) / rows;
  int64_t columnBlocks = (p.N + columns - 1) / columns;
  int64_t tasks = batches * rowBlocks * columnBlocks;
  int64_t work =
      tasks * rows * std::min(p.N, columns) * std::max<int64_t>(p.K, 1);
#pragma omp parallel for schedule(static) if (work > 32768)
  for (int64_t task = 0; task < tasks; ++task) {
    int64_t n0 = task % columnBlocks * columns;
    int64_t m0 = task / columnBlocks % rowBlocks * rows;
    int64_t rest = task / columnBlocks / rowBlocks;
    const float *A = p.A, *B = p.B;
    float *C = p.C;
    for (int d = p.batchRank; d-- > 0;) {
      int64_t i = rest % p.batch[d];
      rest /= p.batch[d];
      A += i * p.aBatch[d];
      B += i * p.bBatch[d];
      C += i * p.cBatch[d];
    }
    int64_t nCount = std::min(columns, p.N - n0);
    int64_t mCount = std::min(rows, p.M - m0);
    float acc[rows][columns];
    for (int64_t m = 0; m < mCount; ++m)
      for (int64_t n = 0; n < nCount; ++n)
        acc[m][n] = p.bias ? p.bias[(n0 + n) * p.biasStride] : 0.0f;
    if (p.bK == 1 && p.bN != 1) { // B is transposed: dot products.
      for (int64_t m = 0; m < mCount; ++m)
        for (int64_t n = 0; n < nCount; ++n) {
          const float *a = A + (m0 + m) * p.aM, *b = B + (n0 + n) * p.bN;
          float sum = 0;
          if (p.aK == 1) {
#pragma omp simd reduction(+ : sum)
            for (int64_t k = 0; k < p.K; ++k)
              sum += a[k] * b[k];
          } else {
            for (int64_t k = 0; k < p.K; ++k)
              sum += a[k * p.aK] * b[k];
          }
          acc[m][n] += sum;
        }
    } else {
      for (int64_t k = 0; k < p.K; ++k) {
        const float *b = B + k * p.bK + n0 * p.bN;
        for (int64_t m = 0; m < mCount; ++m) {
          float a = A[(m0 + m) * p.aM + k * p.aK];
          if (p.bN == 1) {
#pragma omp simd
            for (int64_t n = 0; n < nCount; ++n)
              acc[m][n] += a * b[n];
          } else {
            for (int64_t n = 0; n < nCount; ++n)
              acc[m][n] += a * b[n * p.bN];
          }
        }
      }
    }
    for (int64_t m = 0; m < mCount; ++m)
      for (int64_t n = 0; n < nCount; ++n) {
        float v = acc[m][n];
        // Not std::max: a NaN has to stay one.
        C[(m0 + m) * p.cM + (n0 + n) * p.cN] = p.relu && v < 0 ? 0 : v;
      }
  }
}

bool ConvShape::operator==(const ConvShape &o) const {
  auto same = [](const int64_t *a, const int64_t *b, int n) {
    return std::equal(a, a + n, b);
  };
  return spatial == o.spatial && N == o.N && IC == o.IC && OC == o.OC &&
         group == o.group && same(in, o.in, spatial) &&
         same(kernel, o.kernel, spatial) && same(out, o.out, spatial) &&
         same(stride, o.stride, spatial) &&
         same(dilation, o.dilation, spatial) &&
         same(padBegin, o.padBegin, spatial) &&
         same(padEnd, o.padEnd, spatial) && same(x, o.x, 2 + spatial) &&
         same(w, o.w, 2 + spatial) && same(y, o.y, 2 + spatial);
}

namespace {

int64_t ceilDiv(int64_t a, int64_t b) { // b > 0
  return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

/// One row (innermost dimension) of outputs of a channel at a time: acc[ow] is
/// summed over (ic, kd, kh, kw), and store(offset of Y, oc, acc) finishes it.
template <typename T, typename W, typename Acc, typename Load, typename Store>
void convLoops(const ConvShape &shape, const T *X, const W *weights, Load load,
               Store store) {
  // Everything as 3-D, with outer dimensions of size 1.
  struct Dim {
    int64_t in = 1, kernel = 1, out = 1, stride = 1, dilation = 1, pad = 0;
    int64_t x = 0, w = 0, y = 0;
  } dims[maxSpatial];
  for (int d = 0; d < shape.spatial; ++d)
    dims[maxSpatial - shape.spatial + d] = {
        shape.in[d],     shape.kernel[d],   shape.out[d],
        shape.stride[d], shape.dilation[d], shape.padBegin[d],
        shape.x[2 + d],  shape.w[2 + d],    shape.y[2 + d]};
  const Dim &D = dims[0], &H = dims[1], &V = dims[2];
  int64_t icPerGroup = shape.IC / shape.group;
  int64_t ocPerGroup = shape.OC / shape.group;
  constexpr int64_t width = 256;
  int64_t columnBlocks = (V.out + width - 1) / width;
  int64_t tasks = shape.N * shape.OC * D.out * H.out * columnBlocks;
#pragma omp parallel for schedule(static)
  for (int64_t task = 0; task < tasks; ++task) {
    int64_t rest = task;
    int64_t v0 = rest % columnBlocks * width;
    rest /= columnBlocks;
    int64_t oh = rest % H.out;
    rest /= H.out;
    int64_t od = rest % D.out;
    rest /= D.out;
    int64_t oc = rest % shape.OC, n = rest / shape.OC;
    int64_t vEnd = std::min(V.out, v0 + width);
    Acc acc[width] = {};
    const T *xn =
        X + n * shape.x[0] + oc / ocPerGroup * icPerGroup * shape.x[1];
    const W *wn = weights + oc * shape.w[0];
    for (int64_t ic = 0; ic < icPerGroup; ++ic)
      for (int64_t kd = 0; kd < D.kernel; ++kd) {
        int64_t id = od * D.stride + kd * D.dilation - D.pad;
        if (id < 0 || id >= D.in)
          continue;
        for (int64_t kh = 0; kh < H.kernel; ++kh) {
          int64_t ih = oh * H.stride + kh * H.dilation - H.pad;
          if (ih < 0 || ih >= H.in)
            continue;
          const T *row = xn + ic * shape.x[1] + id * D.x + ih * H.x;
          for (int64_t kw = 0; kw < V.kernel; ++kw) {
            // The outputs whose input column exists.
            int64_t shift = kw * V.dilation - V.pad;
            int64_t from = std::max(v0, ceilDiv(-shift, V.stride));
            int64_t to = std::min(vEnd, ceilDiv(V.in - shift, V.stride));
            auto w = static_cast<Acc>(
                wn[ic * shape.w[1] + kd * D.w + kh * H.w + kw * V.w]);
            int64_t first = shift * V.x, step = V.stride * V.x;
            if (step == 1)
              for (int64_t o = from; o < to; ++o)
                acc[o - v0] += load(row[first + o]) * w;
            else
              for (int64_t o = from; o < to; ++o)
                acc[o - v0] += load(row[first + o * step]) * w;
          }
        }
      }
    int64_t y = n * shape.y[0] + oc * shape.y[1] + od * D.y + oh * H.y;
    for (int64_t o = v0; o < vEnd; ++o)
      store(y + o * V.y, oc, acc[o - v0]);
  }
}

template <typename T> void convQ8Portable(const ConvQ8 &p, const T *X) {
  int32_t zero = p.xZero;
  convLoops<T, int8_t, int32_t>(
      p.shape, X, p.W, [zero](T x) { return int32_t(x) - zero; },
      [&p](int64_t y, int64_t oc, int32_t acc) {
        float v = static_cast<float>(acc) *
                  (p.xScale * p.wScale[oc * p.wScaleStride]);
        if (p.bias)
          v += p.bias[oc * p.biasStride];
        p.Y[y] = p.relu && v < 0 ? 0 : v;
      });
}

} // namespace

void convPortable(const ConvF32 &p) {
  convLoops<float, float, float>(
      p.shape, p.X, p.W, [](float x) { return x; },
      [&p](int64_t y, int64_t oc, float acc) {
        float v = p.bias ? acc + p.bias[oc * p.biasStride] : acc;
        p.Y[y] = p.relu && v < 0 ? 0 : v;
      });
}

void convPortable(const ConvQ8 &p) {
  if (p.xUnsigned)
    convQ8Portable(p, static_cast<const uint8_t *>(p.X));
  else
    convQ8Portable(p, static_cast<const int8_t *>(p.X));
}

} // namespace compress::runtime
