//===- OneDNNAdapter.h - One API over oneDNN 2.x and 3.x --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// oneDNN 3 dropped operation descriptors and changed how attributes take
// scales and zero points. Everything that differs is here; the rest of the
// runtime compiles against either. The C++ interface of oneDNN throws: its
// callers catch at the boundary of matmulOneDNN and convOneDNN.
//
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_LIB_RUNTIME_ONEDNNADAPTER_H
#define COMPRESS_LIB_RUNTIME_ONEDNNADAPTER_H

#include "Kernels.h"

#include "oneapi/dnnl/dnnl.hpp"

#include <unordered_map>
#include <vector>

namespace compress::runtime::onednn {

using dnnl::memory;
using MD = memory::desc;
using Dims = memory::dims;

inline const dnnl::engine &engine() {
  // Never destroyed: models may be destroyed during process exit.
  static const auto *engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

inline void appendRelu(dnnl::post_ops &ops) {
#if DNNL_VERSION_MAJOR >= 3
  ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
#else
  ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
#endif
}

/// One zero point for the whole source, given when the kernel runs.
inline void setSourceZeroPoint(dnnl::primitive_attr &attr) {
#if DNNL_VERSION_MAJOR >= 3
  attr.set_zero_points_mask(DNNL_ARG_SRC, 0);
#else
  attr.set_zero_points(DNNL_ARG_SRC, 0, {DNNL_RUNTIME_S32_VAL});
#endif
}

inline bool isEmpty(const MD &md) { return md == MD(); }

inline dnnl::matmul::primitive_desc
matmulDesc(const MD &a, const MD &b, const MD &bias, const MD &c,
           const dnnl::primitive_attr &attr) {
#if DNNL_VERSION_MAJOR >= 3
  if (isEmpty(bias))
    return {engine(), a, b, c, attr};
  return {engine(), a, b, bias, c, attr};
#else
  if (isEmpty(bias))
    return {dnnl::matmul::desc(a, b, c), attr, engine()};
  return {dnnl::matmul::desc(a, b, bias, c), attr, engine()};
#endif
}

inline dnnl::convolution_forward::primitive_desc
convDesc(const MD &x, const MD &w, const MD &bias, const MD &y,
         const Dims &strides, const Dims &dilations, const Dims &padBegin,
         const Dims &padEnd, const dnnl::primitive_attr &attr) {
  constexpr auto kind = dnnl::prop_kind::forward_inference;
  constexpr auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  if (isEmpty(bias))
    return {engine(), kind,      algorithm, x,      w,   y,
            strides,  dilations, padBegin,  padEnd, attr};
  return {engine(), kind,    algorithm, x,        w,      bias,
          y,        strides, dilations, padBegin, padEnd, attr};
#else
  using Desc = dnnl::convolution_forward::desc;
  if (isEmpty(bias))
    return {
        Desc(kind, algorithm, x, w, y, strides, dilations, padBegin, padEnd),
        attr, engine()};
  return {Desc(kind, algorithm, x, w, bias, y, strides, dilations, padBegin,
               padEnd),
          attr, engine()};
#endif
}

/// Whether oneDNN picked its unoptimized loops, which ours beat.
template <typename PrimitiveDesc> bool isReference(const PrimitiveDesc &pd) {
  return std::string(pd.impl_info_str()).find("ref") != std::string::npos;
}

/// An operand: the caller's memory, and the kernel's where that wants another
/// layout. One-time objects are kept, since making them costs microseconds.
class Operand {
public:
  Operand() = default;
  Operand(const MD &user, const MD &kernel, bool isOutput)
      : userMem(user, engine(), nullptr) {
    if (user == kernel)
      return;
    kernelMem = memory(kernel, engine(), nullptr);
    copies = true;
    copy = isOutput ? dnnl::reorder(kernelMem, userMem)
                    : dnnl::reorder(userMem, kernelMem);
  }

  bool isCopied() const { return copies; }
  MD kernelDesc() const { return kernelMemory().get_desc(); }
  const memory &kernelMemory() const { return copies ? kernelMem : userMem; }

  /// Points the operand at the caller's data; gets the kernel's own memory if
  /// it needs one. False when there is none left.
  bool bind(const void *data) {
    userMem.set_data_handle(const_cast<void *>(data));
    if (!copies || (buffer && *buffer))
      return true;
    return adopt(std::make_shared<Buffer>(kernelDesc().get_size()));
  }
  /// Takes `memory` for the kernel's own. False if it is empty.
  bool adopt(std::shared_ptr<Buffer> memory) {
    buffer = std::move(memory);
    if (*buffer)
      kernelMem.set_data_handle(buffer->get());
    return static_cast<bool>(*buffer);
  }
  const std::shared_ptr<Buffer> &ownMemory() const { return buffer; }
  /// User to kernel for inputs, before it; kernel to user for outputs, after.
  void transfer(dnnl::stream &stream, bool isOutput) {
    if (!copies)
      return;
    if (isOutput)
      copy.execute(stream, kernelMem, userMem);
    else
      copy.execute(stream, userMem, kernelMem);
  }
  /// Gives the kernel's memory back to the pool.
  void unbind() { buffer.reset(); }

private:
  memory userMem, kernelMem;
  dnnl::reorder copy;
  bool copies = false;
  std::shared_ptr<Buffer> buffer;
};

/// Constant weights in a kernel's layout. Kernels of one call site for several
/// shapes share them.
struct PackedWeights {
  const void *source;
  MD layout;
  std::weak_ptr<Buffer> memory;
};

/// A prepared kernel with its operands; shared by matmul and convolution.
struct Kernel {
  dnnl::primitive primitive;
  Operand src, weights, dst;
  memory bias, scratch, zeroPoint;
  std::unordered_map<int, memory> args;
  dnnl::stream stream{engine()};
  // Constant weights are reordered once; which ones, and what is there already.
  const void *boundWeights = nullptr;
  bool keepWeights = false;
  std::vector<PackedWeights> *packed = nullptr;

  template <typename PrimitiveDesc>
  void finish(const PrimitiveDesc &pd, bool hasBias, bool hasZeroPoint) {
    scratch = memory(pd.scratchpad_desc(), engine(), nullptr);
    args = {{DNNL_ARG_SRC, src.kernelMemory()},
            {DNNL_ARG_WEIGHTS, weights.kernelMemory()},
            {DNNL_ARG_DST, dst.kernelMemory()},
            {DNNL_ARG_SCRATCHPAD, scratch}};
    if (hasBias) {
      bias = memory(pd.bias_desc(), engine(), nullptr);
      args[DNNL_ARG_BIAS] = bias;
    }
    if (hasZeroPoint) {
      zeroPoint =
          memory({{1}, memory::data_type::s32, Dims{1}}, engine(), nullptr);
      args[DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC] = zeroPoint;
    }
  }

  /// Adopts what another kernel made of weights `w` in this one's layout.
  bool findPacked(const void *w) {
    for (size_t i = packed->size(); i-- > 0;) {
      PackedWeights &p = (*packed)[i];
      std::shared_ptr<Buffer> memory = p.memory.lock();
      if (!memory)
        packed->erase(packed->begin() + i);
      else if (p.source == w && p.layout == weights.kernelDesc())
        return weights.adopt(std::move(memory));
    }
    return false;
  }

  /// Pointers are the user's; bias is dense. False: out of memory.
  bool run(const void *x, const void *w, const float *b, void *y,
           const int32_t *zero) {
    Buffer scratchpad;
    if (size_t bytes = scratch.get_desc().get_size()) {
      scratchpad = Buffer(bytes);
      if (!scratchpad)
        return false;
      scratch.set_data_handle(scratchpad.get());
    }
    bool newWeights = !keepWeights || boundWeights != w;
    if (newWeights && keepWeights && weights.isCopied()) {
      weights.unbind();
      if (findPacked(w))
        newWeights = false;
    }
    if (!src.bind(x) || !weights.bind(w) || !dst.bind(y))
      return false;
    if (b)
      bias.set_data_handle(const_cast<float *>(b));
    if (zero)
      zeroPoint.set_data_handle(const_cast<int32_t *>(zero));
    src.transfer(stream, false);
    if (newWeights) {
      weights.transfer(stream, false);
      if (keepWeights && weights.isCopied())
        packed->push_back({w, weights.kernelDesc(), weights.ownMemory()});
    }
    boundWeights = w;
    primitive.execute(stream, args);
    dst.transfer(stream, true);
    stream.wait();
    src.unbind();
    dst.unbind();
    if (!keepWeights)
      weights.unbind();
    return true;
  }
};

/// Kernels of one call site by what they were prepared for, most recent first.
/// Dynamic shapes make several; old ones go.
template <typename Key> struct KernelCache : SlotState {
  struct Entry {
    Key key;
    std::unique_ptr<Kernel> kernel; // null: oneDNN cannot do it well
  };
  std::vector<PackedWeights> packed;
  std::vector<Entry> entries; // destroyed first: kernels refer to `packed`

  /// `make` returns the kernel or null, and may throw dnnl::error.
  template <typename Make> Kernel *find(const Key &key, Make make) {
    for (size_t i = 0; i < entries.size(); ++i)
      if (entries[i].key == key) {
        if (i)
          std::swap(entries[0], entries[i]);
        return entries[0].kernel.get();
      }
    std::unique_ptr<Kernel> kernel;
    try {
      kernel = make();
      if (kernel)
        kernel->packed = &packed;
    } catch (const dnnl::error &) {
      // Not implemented for this problem.
    }
    constexpr size_t most = 8;
    if (entries.size() >= most)
      entries.pop_back();
    entries.insert(entries.begin(), Entry{key, std::move(kernel)});
    return entries[0].kernel.get();
  }
};

/// A bias with stride 1: `bias` itself or a copy in `storage`.
inline const float *denseBias(const float *bias, int64_t stride, int64_t size,
                              std::vector<float> &storage) {
  if (!bias || stride == 1 || size == 1)
    return bias;
  storage.resize(size);
  for (int64_t i = 0; i < size; ++i)
    storage[i] = bias[i * stride];
  return storage.data();
}

} // namespace compress::runtime::onednn

#endif // COMPRESS_LIB_RUNTIME_ONEDNNADAPTER_H
