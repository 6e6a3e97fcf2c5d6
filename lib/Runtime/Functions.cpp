//===- Functions.cpp - What generated code calls ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// Checks operands against each other (sizes may be known at run time only) and
// dispatches to the kernels. Each extern "C" function calls one that returns
// normally, so that nothing with a destructor is alive when it leaves the run.
//
//===----------------------------------------------------------------------===//

#include "compress/Runtime/Functions.h"
#include "Kernels.h"

#include <algorithm>
#include <cstring>
#include <omp.h>

using namespace compress::runtime;

std::string MemRef::shape() const {
  std::string text = "[";
  for (int64_t d = 0; d < rank; ++d)
    text += (d ? ", " : "") + std::to_string(sizes[d]);
  return text + "]";
}

namespace {

/// Runs `body(slot)`, which returns an error message or "". Returns whether
/// all went well; the error is then in the context.
template <typename Body>
bool guarded(Context &ctx, const char *what, int64_t slot, Body body) noexcept {
  std::string reason;
  CompressStatus status = COMPRESS_ERROR_INTERNAL;
  try {
    if (slot < 0 || slot >= static_cast<int64_t>(ctx.slots.size())) {
      reason =
          "the model declares " + std::to_string(ctx.slots.size()) + " slots";
    } else {
      std::lock_guard<std::mutex> lock(ctx.slots[slot].mutex);
      reason = body(ctx.slots[slot]);
      if (!reason.empty())
        status = COMPRESS_ERROR_SHAPE;
    }
    if (reason.empty())
      return true;
    ctx.setError(status, std::string(what) + " at slot " +
                             std::to_string(slot) + ": " + reason);
  } catch (const std::exception &) {
    try {
      ctx.setError(COMPRESS_ERROR_MEMORY,
                   std::string("out of memory in ") + what);
    } catch (const std::exception &) {
      ctx.status = COMPRESS_ERROR_MEMORY;
    }
  }
  return false;
}

/// How many threads a kernel of so many multiply-adds gets while this lives:
/// waking others costs microseconds, which small kernels do not take.
class KernelThreads {
public:
  explicit KernelThreads(double multiplyAdds)
      : before(omp_get_max_threads()),
        count(omp_in_parallel() || multiplyAdds < 250e3 ? 1 : before) {
    if (count != before)
      omp_set_num_threads(count);
  }
  ~KernelThreads() {
    if (count != before)
      omp_set_num_threads(before);
  }
  int get() const { return count; }

private:
  int before, count;
};

double multiplyAdds(const ConvShape &s) {
  double product = double(s.N) * s.OC * (s.IC / s.group);
  for (int d = 0; d < s.spatial; ++d)
    product *= double(s.out[d]) * s.kernel[d];
  return product;
}

std::string matmul(Context &ctx, Slot &slot, const MemRef &a, const MemRef &b,
                   const MemRef &bias, const MemRef &c, int64_t activation) {
  auto shapes = [&] {
    return "A " + a.shape() + " x B " + b.shape() + " + bias " + bias.shape() +
           " to C " + c.shape();
  };
  int64_t rank = a.rank;
  if (rank < 2 || rank > 2 + maxBatchDims || b.rank != rank || c.rank != rank ||
      bias.rank != 1)
    return "ranks do not fit: " + shapes();
  MatmulProblem p = {};
  p.batchRank = static_cast<int>(rank - 2);
  for (int64_t d = 0; d < rank - 2; ++d) {
    int64_t n = c.sizes[d];
    if ((a.sizes[d] != n && a.sizes[d] != 1) ||
        (b.sizes[d] != n && b.sizes[d] != 1))
      return "batch dimensions do not fit: " + shapes();
    p.batch[d] = n;
    p.aBatch[d] = a.sizes[d] == n ? a.strides[d] : 0;
    p.bBatch[d] = b.sizes[d] == n ? b.strides[d] : 0;
    p.cBatch[d] = c.strides[d];
  }
  p.M = a.sizes[rank - 2];
  p.K = a.sizes[rank - 1];
  p.N = b.sizes[rank - 1];
  if (b.sizes[rank - 2] != p.K || c.sizes[rank - 2] != p.M ||
      c.sizes[rank - 1] != p.N || (bias.sizes[0] != 0 && bias.sizes[0] != p.N))
    return "dimensions do not fit: " + shapes();
  if (activation < COMPRESS_ACTIVATION_NONE ||
      activation > COMPRESS_ACTIVATION_RELU)
    return "unknown activation " + std::to_string(activation);
  p.aM = a.strides[rank - 2];
  p.aK = a.strides[rank - 1];
  p.bK = b.strides[rank - 2];
  p.bN = b.strides[rank - 1];
  p.cM = c.strides[rank - 2];
  p.cN = c.strides[rank - 1];
  p.A = a.f32();
  p.B = b.f32();
  p.C = c.f32();
  p.bias = bias.sizes[0] ? bias.f32() : nullptr;
  p.biasStride = bias.strides[0];
  p.relu = activation == COMPRESS_ACTIVATION_RELU;
  p.constantB = ctx.isConstant(b.data);
  if (p.M == 0 || p.N == 0)
    return "";
  for (int d = 0; d < p.batchRank; ++d)
    if (p.batch[d] == 0)
      return "";
  canonicalize(p);
  double work = double(p.M) * p.N * p.K;
  for (int d = 0; d < p.batchRank; ++d)
    work *= p.batch[d];
  KernelThreads threads(work);
  if (p.K == 0 || !matmulOneDNN(slot, p, threads.get()))
    matmulPortable(p);
  return "";
}

/// Parameters of a convolution as they arrive.
struct ConvParameters {
  int64_t group, activation, spatial;
  int64_t stride[maxSpatial], dilation[maxSpatial];
  int64_t padBegin[maxSpatial], padEnd[maxSpatial];
};

/// Fills `s`; returns an error message or "".
std::string convShape(const MemRef &x, const MemRef &w, const MemRef &bias,
                      const MemRef &y, const ConvParameters &c, ConvShape &s) {
  auto shapes = [&] {
    return "X " + x.shape() + ", W " + w.shape() + ", bias " + bias.shape() +
           ", Y " + y.shape() + ", group " + std::to_string(c.group);
  };
  if (c.spatial < 1 || c.spatial > maxSpatial || x.rank != c.spatial + 2 ||
      w.rank != x.rank || y.rank != x.rank || bias.rank != 1)
    return "ranks do not fit: " + shapes();
  if (c.activation < COMPRESS_ACTIVATION_NONE ||
      c.activation > COMPRESS_ACTIVATION_RELU)
    return "unknown activation " + std::to_string(c.activation);
  s = {};
  s.spatial = static_cast<int>(c.spatial);
  s.N = x.sizes[0];
  s.IC = x.sizes[1];
  s.OC = w.sizes[0];
  s.group = c.group;
  if (c.group < 1 || s.IC % c.group || s.OC % c.group ||
      w.sizes[1] != s.IC / c.group || y.sizes[0] != s.N || y.sizes[1] != s.OC ||
      (bias.sizes[0] && bias.sizes[0] != s.OC))
    return "channels do not fit: " + shapes();
  for (int d = 0; d < s.spatial; ++d) {
    s.in[d] = x.sizes[2 + d];
    s.kernel[d] = w.sizes[2 + d];
    s.out[d] = y.sizes[2 + d];
    s.stride[d] = c.stride[d];
    s.dilation[d] = c.dilation[d];
    s.padBegin[d] = c.padBegin[d];
    s.padEnd[d] = c.padEnd[d];
    if (s.stride[d] < 1 || s.dilation[d] < 1 || s.kernel[d] < 1)
      return "stride, dilation and kernel must be positive: " + shapes();
    int64_t span = s.in[d] + s.padBegin[d] + s.padEnd[d] -
                   ((s.kernel[d] - 1) * s.dilation[d] + 1);
    int64_t out = span < 0 ? 0 : span / s.stride[d] + 1;
    if (out != s.out[d])
      return "output dimension " + std::to_string(d) + " should be " +
             std::to_string(out) + ": " + shapes();
  }
  std::copy_n(x.strides, x.rank, s.x);
  std::copy_n(w.strides, x.rank, s.w);
  std::copy_n(y.strides, x.rank, s.y);
  return "";
}

bool isEmpty(const MemRef &m) {
  return std::find(m.sizes, m.sizes + m.rank, 0) != m.sizes + m.rank;
}

std::string convF32(Context &ctx, Slot &slot, const MemRef &x, const MemRef &w,
                    const MemRef &bias, const MemRef &y,
                    const ConvParameters &c) {
  ConvF32 p = {};
  std::string error = convShape(x, w, bias, y, c, p.shape);
  if (!error.empty() || isEmpty(y))
    return error;
  p.X = x.f32();
  p.W = w.f32();
  p.Y = y.f32();
  p.bias = bias.sizes[0] ? bias.f32() : nullptr;
  p.biasStride = bias.strides[0];
  p.relu = c.activation == COMPRESS_ACTIVATION_RELU;
  p.constantWeights = ctx.isConstant(w.data);
  KernelThreads threads(multiplyAdds(p.shape));
  if (isEmpty(x) || !convOneDNN(slot, p, threads.get()))
    convPortable(p);
  return "";
}

std::string convQ8(Context &ctx, Slot &slot, const MemRef &x,
                   const MemRef &xScale, const MemRef &xZero, const MemRef &w,
                   const MemRef &wScale, const MemRef &bias, const MemRef &y,
                   bool xUnsigned, const ConvParameters &c) {
  ConvQ8 p = {};
  std::string error = convShape(x, w, bias, y, c, p.shape);
  if (!error.empty() || isEmpty(y))
    return error;
  if (xScale.rank != 1 || xScale.sizes[0] != 1 || xZero.rank != 1 ||
      xZero.sizes[0] != 1 || wScale.rank != 1 ||
      (wScale.sizes[0] != 1 && wScale.sizes[0] != p.shape.OC))
    return "scales do not fit: input scale " + xScale.shape() +
           ", zero point " + xZero.shape() + ", weight scale " +
           wScale.shape() + " for W " + w.shape();
  p.X = x.data;
  p.xUnsigned = xUnsigned;
  p.xScale = *xScale.f32();
  p.xZero = *reinterpret_cast<const int32_t *>(xZero.data);
  p.W = reinterpret_cast<const int8_t *>(w.data);
  p.wScale = wScale.f32();
  p.wScaleStride = wScale.sizes[0] == 1 ? 0 : wScale.strides[0];
  p.Y = y.f32();
  p.bias = bias.sizes[0] ? bias.f32() : nullptr;
  p.biasStride = bias.strides[0];
  p.relu = c.activation == COMPRESS_ACTIVATION_RELU;
  p.constantWeights = ctx.isConstant(w.data);
  KernelThreads threads(multiplyAdds(p.shape));
  if (isEmpty(x) || !convOneDNN(slot, p, threads.get()))
    convPortable(p);
  return "";
}

void observe(void *ctxPtr, int64_t slot, const CompressUnrankedMemRef *ref,
             CompressDType dtype) {
  auto &ctx = *static_cast<Context *>(ctxPtr);
  if (!ctx.observer)
    return;
  MemRef x(ref, elementSize(dtype));
  ctx.observer(
      ctx.observerData, slot,
      {x.data, dtype, static_cast<int32_t>(x.rank), x.sizes, x.strides});
}

} // namespace

extern "C" {

void _mlir_ciface_compress_rt_matmul_f32(void *ctxPtr, int64_t slot,
                                         CompressUnrankedMemRef *A,
                                         CompressUnrankedMemRef *B,
                                         CompressUnrankedMemRef *bias,
                                         CompressUnrankedMemRef *C,
                                         int64_t activation) {
  auto &ctx = *static_cast<Context *>(ctxPtr);
  if (!guarded(ctx, "matmul_f32", slot, [&](Slot &s) {
        return matmul(ctx, s, MemRef(A, 4), MemRef(B, 4), MemRef(bias, 4),
                      MemRef(C, 4), activation);
      }))
    leaveRun(&ctx);
}

void _mlir_ciface_compress_rt_conv_f32(
    void *ctxPtr, int64_t slot, CompressUnrankedMemRef *X,
    CompressUnrankedMemRef *W, CompressUnrankedMemRef *bias,
    CompressUnrankedMemRef *Y, int64_t group, int64_t activation,
    int64_t spatial, int64_t stride0, int64_t stride1, int64_t stride2,
    int64_t dilation0, int64_t dilation1, int64_t dilation2, int64_t padBegin0,
    int64_t padBegin1, int64_t padBegin2, int64_t padEnd0, int64_t padEnd1,
    int64_t padEnd2) {
  auto &ctx = *static_cast<Context *>(ctxPtr);
  if (!guarded(ctx, "conv_f32", slot, [&](Slot &s) {
        return convF32(ctx, s, MemRef(X, 4), MemRef(W, 4), MemRef(bias, 4),
                       MemRef(Y, 4),
                       {group,
                        activation,
                        spatial,
                        {stride0, stride1, stride2},
                        {dilation0, dilation1, dilation2},
                        {padBegin0, padBegin1, padBegin2},
                        {padEnd0, padEnd1, padEnd2}});
      }))
    leaveRun(&ctx);
}

void _mlir_ciface_compress_rt_conv_q8(
    void *ctxPtr, int64_t slot, CompressUnrankedMemRef *Xq,
    CompressUnrankedMemRef *xScale, CompressUnrankedMemRef *xZero,
    CompressUnrankedMemRef *Wq, CompressUnrankedMemRef *wScale,
    CompressUnrankedMemRef *bias, CompressUnrankedMemRef *Y, int64_t xUnsigned,
    int64_t group, int64_t activation, int64_t spatial, int64_t stride0,
    int64_t stride1, int64_t stride2, int64_t dilation0, int64_t dilation1,
    int64_t dilation2, int64_t padBegin0, int64_t padBegin1, int64_t padBegin2,
    int64_t padEnd0, int64_t padEnd1, int64_t padEnd2) {
  auto &ctx = *static_cast<Context *>(ctxPtr);
  if (!guarded(ctx, "conv_q8", slot, [&](Slot &s) {
        return convQ8(ctx, s, MemRef(Xq, 1), MemRef(xScale, 4),
                      MemRef(xZero, 4), MemRef(Wq, 1), MemRef(wScale, 4),
                      MemRef(bias, 4), MemRef(Y, 4), xUnsigned != 0,
                      {group,
                       activation,
                       spatial,
                       {stride0, stride1, stride2},
                       {dilation0, dilation1, dilation2},
                       {padBegin0, padBegin1, padBegin2},
                       {padEnd0, padEnd1, padEnd2}});
      }))
    leaveRun(&ctx);
}

void _mlir_ciface_compress_rt_observe(void *ctx, int64_t slot,
                                      CompressUnrankedMemRef *X) {
  observe(ctx, slot, X, COMPRESS_DTYPE_F32);
}

#define COMPRESS_RT_DEFINE(NAME, DTYPE)                                        \
  void _mlir_ciface_compress_rt_observe_##NAME(void *ctx, int64_t slot,        \
                                               CompressUnrankedMemRef *X) {    \
    observe(ctx, slot, X, COMPRESS_DTYPE_##DTYPE);                             \
  }
COMPRESS_RT_OBSERVE_TYPES(COMPRESS_RT_DEFINE)
#undef COMPRESS_RT_DEFINE

void memrefCopy(int64_t elementSize, CompressUnrankedMemRef *source,
                CompressUnrankedMemRef *target) {
  MemRef from(source, elementSize), to(target, elementSize);
  int64_t rank = from.rank;
  if (isEmpty(from))
    return;
  // Dimensions [inner, rank) are contiguous on both sides.
  int64_t dense = 1, inner = rank;
  while (inner > 0 &&
         (from.sizes[inner - 1] == 1 ||
          (from.strides[inner - 1] == dense && to.strides[inner - 1] == dense)))
    dense *= from.sizes[--inner];
  int64_t outer = 1;
  for (int64_t d = 0; d < inner; ++d)
    outer *= from.sizes[d];
  auto copyChunks = [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      int64_t rest = n, src = 0, dst = 0;
      for (int64_t d = inner; d-- > 0;) {
        int64_t i = rest % from.sizes[d];
        rest /= from.sizes[d];
        src += i * from.strides[d];
        dst += i * to.strides[d];
      }
      const char *s = from.data + src * elementSize;
      char *t = to.data + dst * elementSize;
      // A constant size lets the compiler drop the call to memcpy.
      if (dense == 1 && elementSize == 4)
        std::memcpy(t, s, 4);
      else if (dense == 1 && elementSize == 1)
        *t = *s;
      else
        std::memcpy(t, s, dense * elementSize);
    }
  };
  int64_t bytes = outer * dense * elementSize;
  if (bytes < (64 << 10) || outer == 1 || omp_in_parallel())
    return copyChunks(0, outer);
#pragma omp parallel
  {
    int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
    copyChunks(outer * thread / threads, outer * (thread + 1) / threads);
  }
}

} // extern "C"
