//===- OneDNNMatmul.cpp - Matmul through oneDNN -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "OneDNNAdapter.h"

#include <algorithm>
#include <tuple>

using namespace compress::runtime;
using namespace compress::runtime::onednn;

namespace {

/// The problem without its pointers.
struct Key {
  MatmulProblem p;
  int threads;

  Key(const MatmulProblem &problem, int threads)
      : p(problem), threads(threads) {
    for (int d = p.batchRank; d < maxBatchDims; ++d)
      p.batch[d] = p.aBatch[d] = p.bBatch[d] = p.cBatch[d] = 0;
  }
  bool operator==(const Key &o) const {
    auto scalars = [](const Key &k) {
      return std::make_tuple(k.p.batchRank, k.p.M, k.p.N, k.p.K, k.p.aM, k.p.aK,
                             k.p.bK, k.p.bN, k.p.cM, k.p.cN, k.p.relu,
                             k.p.bias != nullptr, k.p.constantB, k.threads);
    };
    auto same = [](const int64_t *a, const int64_t *b) {
      return std::equal(a, a + maxBatchDims, b);
    };
    return scalars(*this) == scalars(o) && same(p.batch, o.p.batch) &&
           same(p.aBatch, o.p.aBatch) && same(p.bBatch, o.p.bBatch) &&
           same(p.cBatch, o.p.cBatch);
  }
};

/// [batch.., rows, columns] with the strides of the problem; a batch dimension
/// of stride 0 is one of size 1, which oneDNN broadcasts.
struct Layout {
  Dims sizes, strides;
  bool usable = true; // row- or column-major matrices, no overlap
};

Layout layout(const MatmulProblem &p, const int64_t *batchStrides, int64_t rows,
              int64_t columns, int64_t rowStride, int64_t columnStride) {
  Layout l;
  // Strides of dimensions of size 1 are arbitrary; make them plausible.
  if (columns == 1)
    columnStride = rowStride == 1 ? std::max<int64_t>(rows, 1) : 1;
  if (rows == 1)
    rowStride = columnStride == 1 ? columns : 1;
  l.usable = (columnStride == 1 && rowStride >= columns) ||
             (rowStride == 1 && columnStride >= rows);
  int64_t dense = rows * columns;
  for (int d = 0; d < p.batchRank; ++d) {
    bool broadcast = batchStrides[d] == 0;
    l.sizes.push_back(broadcast ? 1 : p.batch[d]);
    l.strides.push_back(broadcast ? dense : batchStrides[d]);
    l.usable &= l.strides.back() > 0;
  }
  l.sizes.push_back(rows);
  l.sizes.push_back(columns);
  l.strides.push_back(rowStride);
  l.strides.push_back(columnStride);
  return l;
}

MD describe(const Layout &l, bool dense) {
  if (!dense)
    return MD(l.sizes, memory::data_type::f32, l.strides);
  Dims strides(l.sizes.size());
  int64_t stride = 1;
  for (size_t d = l.sizes.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= l.sizes[d];
  }
  return MD(l.sizes, memory::data_type::f32, strides);
}

std::unique_ptr<Kernel> prepare(const MatmulProblem &p) {
  Layout a = layout(p, p.aBatch, p.M, p.K, p.aM, p.aK);
  Layout b = layout(p, p.bBatch, p.K, p.N, p.bK, p.bN);
  Layout c = layout(p, p.cBatch, p.M, p.N, p.cM, p.cN);
  // A reorder cannot read or write through overlapping or reversed strides.
  for (const Layout *l : {&a, &b, &c})
    for (size_t d = 0; d < l->sizes.size(); ++d)
      if (l->strides[d] <= 0)
        return nullptr;
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (p.relu) {
    dnnl::post_ops ops;
    appendRelu(ops);
    attr.set_post_ops(ops);
  }
  MD bias;
  if (p.bias) {
    Dims sizes(a.sizes.size(), 1), strides(a.sizes.size(), p.N);
    sizes.back() = p.N;
    strides.back() = 1;
    bias = MD(sizes, memory::data_type::f32, strides);
  }
  // Constant weights are copied once into the layout that the kernel likes: it
  // reads them up to three times faster, even a single row of A by B.
  bool blockB = p.constantB;
  // First as the operands are; then, if oneDNN has no fast kernel for their
  // strides, with dense copies.
  for (bool dense : {false, true}) {
    MD bKernel =
        blockB ? MD(b.sizes, memory::data_type::f32, memory::format_tag::any)
               : describe(b, dense || !b.usable);
    try {
      auto pd = matmulDesc(describe(a, dense || !a.usable), bKernel, bias,
                           describe(c, dense || !c.usable), attr);
      if (isReference(pd))
        continue;
      auto kernel = std::make_unique<Kernel>();
      kernel->src = Operand(describe(a, false), pd.src_desc(), false);
      kernel->weights = Operand(describe(b, false), pd.weights_desc(), false);
      kernel->dst = Operand(describe(c, false), pd.dst_desc(), true);
      kernel->primitive = dnnl::matmul(pd);
      kernel->keepWeights = p.constantB;
      kernel->finish(pd, p.bias != nullptr, false);
      return kernel;
    } catch (const dnnl::error &) {
      if (dense)
        throw;
    }
  }
  return nullptr;
}

} // namespace

bool compress::runtime::matmulOneDNN(Slot &slot, const MatmulProblem &p,
                                     int threads) {
  auto &cache = slot.get<KernelCache<Key>>();
  Kernel *kernel = cache.find(Key(p, threads), [&] { return prepare(p); });
  if (!kernel)
    return false;
  try {
    std::vector<float> storage;
    const float *bias = denseBias(p.bias, p.biasStride, p.N, storage);
    return kernel->run(p.A, p.B, bias, p.C, nullptr);
  } catch (const dnnl::error &) {
    return false;
  }
}

const char *compress::runtime::kernelLibrary() {
  static const std::string name = [] {
    const dnnl_version_t *v = dnnl_version();
    return "oneDNN " + std::to_string(v->major) + "." +
           std::to_string(v->minor) + "." + std::to_string(v->patch);
  }();
  return name.c_str();
}
