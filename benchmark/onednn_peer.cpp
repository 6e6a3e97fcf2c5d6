//===- onednn_peer.cpp - oneDNN's matrix product, as a peer -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// y [M, N] = x [M, K] times constant w [K, N] in f32, with the weights in the
// layout that oneDNN asks for. Called by peers.py; C functions, null or nonzero
// on failure.
//
//===----------------------------------------------------------------------===//

#include <cstdint>
#include <cstring>
#include <memory>
#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>

namespace {
using Tag = dnnl::memory::format_tag;

struct Product {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::matmul matmul;
  dnnl::memory x, w, y;
  int threads;
};

dnnl::memory::desc describe(int64_t rows, int64_t columns, Tag tag) {
  return {{rows, columns}, dnnl::memory::data_type::f32, tag};
}

dnnl::matmul::primitive_desc plan(const dnnl::engine &engine, int64_t m,
                                  int64_t k, int64_t n) {
  auto x = describe(m, k, Tag::ab), w = describe(k, n, Tag::any),
       y = describe(m, n, Tag::ab);
#if DNNL_VERSION_MAJOR >= 3
  return {engine, x, w, y};
#else
  return {dnnl::matmul::desc(x, w, y), engine};
#endif
}
} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void *onednn_create(int64_t m, int64_t k, int64_t n, const float *w,
                           int threads) {
  try {
    omp_set_num_threads(threads);
    auto product = std::make_unique<Product>();
    Product &p = *product;
    p.threads = threads;
    auto planned = plan(p.engine, m, k, n);
    p.matmul = dnnl::matmul(planned);
    dnnl::memory given(describe(k, n, Tag::ab), p.engine,
                       const_cast<float *>(w));
    p.w = dnnl::memory(planned.weights_desc(), p.engine);
    dnnl::reorder(given, p.w).execute(p.stream, given, p.w);
    p.stream.wait();
    p.x = dnnl::memory(planned.src_desc(), p.engine, DNNL_MEMORY_NONE);
    p.y = dnnl::memory(planned.dst_desc(), p.engine, DNNL_MEMORY_NONE);
    return product.release();
  } catch (const dnnl::error &) {
    return nullptr;
  }
}

EXPORT int onednn_run(void *handle, const float *x, float *y) {
  try {
    auto &p = *static_cast<Product *>(handle);
    omp_set_num_threads(p.threads);
    p.x.set_data_handle(const_cast<float *>(x));
    p.y.set_data_handle(y);
    p.matmul.execute(
        p.stream,
        {{DNNL_ARG_SRC, p.x}, {DNNL_ARG_WEIGHTS, p.w}, {DNNL_ARG_DST, p.y}});
    p.stream.wait();
    return 0;
  } catch (const dnnl::error &) {
    return 1;
  }
}
