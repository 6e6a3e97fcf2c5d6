//===- OneDNNConv.cpp - Convolution through oneDNN --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "OneDNNAdapter.h"

#include <algorithm>

using namespace compress::runtime;
using namespace compress::runtime::onednn;

namespace {

using DataType = memory::data_type;

struct Key {
  ConvShape shape;
  int threads;
  bool relu, bias, constantWeights, quantized, xUnsigned, zeroPoint;

  bool operator==(const Key &o) const {
    return shape == o.shape && threads == o.threads && relu == o.relu &&
           bias == o.bias && constantWeights == o.constantWeights &&
           quantized == o.quantized && xUnsigned == o.xUnsigned &&
           zeroPoint == o.zeroPoint;
  }
};

/// Whether the tensor is dense in the order of `order`, ignoring dimensions of
/// size 1, whose strides say nothing; `strides` gets the canonical ones.
bool isDense(const Dims &sizes, const int64_t *given,
             const std::vector<int> &order, Dims &strides) {
  int64_t stride = 1;
  strides.resize(sizes.size());
  for (size_t i = order.size(); i-- > 0;) {
    int d = order[i];
    if (sizes[d] != 1 && given[d] != stride)
      return false;
    strides[d] = stride;
    stride *= sizes[d];
  }
  return true;
}

/// NCHW or NHWC as oneDNN names them, or any other strides as they are.
MD activationDesc(const Dims &sizes, const int64_t *given, DataType type) {
  std::vector<int> channelsFirst, channelsLast = {0};
  for (int d = 0; d < static_cast<int>(sizes.size()); ++d) {
    channelsFirst.push_back(d);
    if (d >= 2)
      channelsLast.push_back(d);
  }
  channelsLast.push_back(1);
  Dims strides;
  if (isDense(sizes, given, channelsFirst, strides) ||
      isDense(sizes, given, channelsLast, strides))
    return MD(sizes, type, strides);
  return MD(sizes, type, Dims(given, given + sizes.size()));
}

/// Kernels for plain layouts save two reorders of the activations, blocked
/// ones compute faster. Measured: only for 1x1 kernels on larger images, which
/// are a matrix product as they stand, is the plain layout the faster one.
bool prefersPlain(const ConvShape &s) {
  int64_t outputs = 1;
  for (int d = 0; d < s.spatial; ++d) {
    if (s.kernel[d] != 1 || s.stride[d] != 1 || s.padBegin[d] || s.padEnd[d])
      return false;
    outputs *= s.out[d];
  }
  return s.group == 1 && outputs >= 128;
}

std::unique_ptr<Kernel> prepare(const Key &key) {
  const ConvShape &s = key.shape;
  Dims x = {s.N, s.IC}, y = {s.N, s.OC}, w, wStrides;
  if (s.group > 1) {
    w = {s.group, s.OC / s.group, s.IC / s.group};
    wStrides = {s.w[0] * (s.OC / s.group), s.w[0], s.w[1]};
  } else {
    w = {s.OC, s.IC};
    wStrides = {s.w[0], s.w[1]};
  }
  Dims strides, dilations, padBegin, padEnd;
  for (int d = 0; d < s.spatial; ++d) {
    x.push_back(s.in[d]);
    y.push_back(s.out[d]);
    w.push_back(s.kernel[d]);
    wStrides.push_back(s.w[2 + d]);
    strides.push_back(s.stride[d]);
    dilations.push_back(s.dilation[d] - 1); // 0 is dense for oneDNN
    padBegin.push_back(s.padBegin[d]);
    padEnd.push_back(s.padEnd[d]);
    if (s.padBegin[d] < 0 || s.padEnd[d] < 0)
      return nullptr;
  }
  for (int d = 0; d < s.spatial + 2; ++d)
    if ((s.x[d] <= 0 && x[d] > 1) || (s.y[d] <= 0 && y[d] > 1))
      return nullptr;
  int64_t stride = 1;
  for (size_t d = w.size(); d-- > 0;) {
    if (w[d] == 1)
      wStrides[d] = stride;
    else if (wStrides[d] <= 0)
      return nullptr;
    stride = std::max(stride, wStrides[d] * w[d]);
  }
  DataType xType = !key.quantized  ? DataType::f32
                   : key.xUnsigned ? DataType::u8
                                   : DataType::s8;
  DataType wType = key.quantized ? DataType::s8 : DataType::f32;
  DataType yType = key.quantized ? DataType::s32 : DataType::f32;
  MD xUser = activationDesc(x, s.x, xType),
     yUser = activationDesc(y, s.y, yType);
  MD wUser(w, wType, wStrides);
  MD bias;
  if (key.bias && !key.quantized)
    bias = MD({s.OC}, DataType::f32, memory::format_tag::x);
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (key.relu && !key.quantized) {
    dnnl::post_ops ops;
    appendRelu(ops);
    attr.set_post_ops(ops);
  }
  if (key.zeroPoint)
    setSourceZeroPoint(attr);

  auto any = [](const Dims &sizes, DataType type) {
    return MD(sizes, type, memory::format_tag::any);
  };
  bool plainFirst = prefersPlain(s) && !key.quantized;
  for (bool plain : {plainFirst, !plainFirst}) {
    try {
      auto pd = convDesc(plain ? xUser : any(x, xType), any(w, wType), bias,
                         plain ? yUser : any(y, yType), strides, dilations,
                         padBegin, padEnd, attr);
      if (isReference(pd))
        continue;
      auto kernel = std::make_unique<Kernel>();
      kernel->src = Operand(xUser, pd.src_desc(), false);
      kernel->weights = Operand(wUser, pd.weights_desc(), false);
      kernel->dst = Operand(yUser, pd.dst_desc(), true);
      kernel->primitive = dnnl::convolution_forward(pd);
      kernel->keepWeights = key.constantWeights;
      kernel->finish(pd, !isEmpty(bias), key.zeroPoint);
      return kernel;
    } catch (const dnnl::error &) {
      // The other layout may be implemented.
    }
  }
  return nullptr;
}

/// In place: int32 sums become scaled floats.
void dequantize(const ConvQ8 &p) {
  const ConvShape &s = p.shape;
  int64_t outer = 1;
  for (int d = 0; d + 1 < s.spatial; ++d)
    outer *= s.out[d];
  int64_t width = s.out[s.spatial - 1], step = s.y[2 + s.spatial - 1];
  int64_t rows = s.N * s.OC * outer;
#pragma omp parallel for schedule(static) if (rows * width > 16384)
  for (int64_t row = 0; row < rows; ++row) {
    int64_t rest = row, offset = 0;
    for (int d = s.spatial - 1; d-- > 0;) {
      offset += rest % s.out[d] * s.y[2 + d];
      rest /= s.out[d];
    }
    int64_t oc = rest % s.OC;
    offset += oc * s.y[1] + rest / s.OC * s.y[0];
    float scale = p.xScale * p.wScale[oc * p.wScaleStride];
    float bias = p.bias ? p.bias[oc * p.biasStride] : 0.0f;
    bool hasBias = p.bias, relu = p.relu;
    float *y = p.Y + offset;
    for (int64_t i = 0; i < width; ++i) {
      int32_t sum;
      __builtin_memcpy(&sum, y + i * step, sizeof sum);
      float v = static_cast<float>(sum) * scale;
      if (hasBias)
        v += bias;
      y[i * step] = relu && v < 0 ? 0 : v;
    }
  }
}

} // namespace

bool compress::runtime::convOneDNN(Slot &slot, const ConvF32 &p, int threads) {
  Key key = {p.shape,           threads, p.relu, p.bias != nullptr,
             p.constantWeights, false,   false,  false};
  auto &cache = slot.get<KernelCache<Key>>();
  Kernel *kernel = cache.find(key, [&] { return prepare(key); });
  if (!kernel)
    return false;
  try {
    std::vector<float> storage;
    const float *bias = denseBias(p.bias, p.biasStride, p.shape.OC, storage);
    return kernel->run(p.X, p.W, bias, p.Y, nullptr);
  } catch (const dnnl::error &) {
    return false;
  }
}

bool compress::runtime::convOneDNN(Slot &slot, const ConvQ8 &p, int threads) {
  // Without VNNI oneDNN adds pairs of products in 16 bits, which saturates.
  static const bool exact = missingCPUFeatures("avx512vnni").empty() ||
                            missingCPUFeatures("avxvnni").empty();
  if (!exact)
    return false;
  Key key = {p.shape,           threads, false,       false,
             p.constantWeights, true,    p.xUnsigned, p.xZero != 0};
  auto &cache = slot.get<KernelCache<Key>>();
  Kernel *kernel = cache.find(key, [&] { return prepare(key); });
  if (!kernel)
    return false;
  try {
    if (!kernel->run(p.X, p.W, nullptr, p.Y, p.xZero ? &p.xZero : nullptr))
      return false;
  } catch (const dnnl::error &) {
    return false;
  }
  dequantize(p);
  return true;
}
