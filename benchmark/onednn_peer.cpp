//===- onednn_peer.cpp - oneDNN's matrix product, as a peer -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// y [M, N] = x [M, K] times constant w [K, N], with the weights in the layout
// that oneDNN asks for: all f32, or s8 x s8 to f32 with a scale for each column
// and one for all of x, which comes as codes. Called by peers.py; C functions,
// null or nonzero on failure.
//
//===----------------------------------------------------------------------===//

#include <cstdint>
#include <cstring>
#include <memory>
#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

namespace {
using Tag = dnnl::memory::format_tag;

struct Product {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::matmul matmul;
  dnnl::memory x, w, y, scales;
  int threads;
};
using Type = dnnl::memory::data_type;

dnnl::memory::desc describe(int64_t rows, int64_t columns, Tag tag,
                            Type type = Type::f32) {
  return {{rows, columns}, type, tag};
}

dnnl::matmul::primitive_desc plan(const dnnl::engine &engine, int64_t m,
                                  int64_t k, int64_t n, Type type,
                                  const dnnl::primitive_attr &attributes) {
  auto x = describe(m, k, Tag::ab, type), w = describe(k, n, Tag::any, type),
       y = describe(m, n, Tag::ab);
#if DNNL_VERSION_MAJOR >= 3
  return {engine, x, w, y, attributes};
#else
  return {dnnl::matmul::desc(x, w, y), attributes, engine};
#endif
}

/// `scales`: of each column, or null for f32.
Product *create(int64_t m, int64_t k, int64_t n, const void *w,
                const float *scales, int threads) {
  omp_set_num_threads(threads);
  auto product = std::make_unique<Product>();
  Product &p = *product;
  p.threads = threads;
  Type type = scales ? Type::s8 : Type::f32;
  dnnl::primitive_attr attributes;
  if (scales) {
#if DNNL_VERSION_MAJOR >= 3
    attributes.set_scales_mask(DNNL_ARG_WEIGHTS, 1 << 1);
    p.scales = dnnl::memory({{n}, Type::f32, Tag::a}, p.engine);
    std::memcpy(p.scales.get_data_handle(), scales, n * sizeof(float));
#else
    attributes.set_output_scales(1 << 1,
                                 std::vector<float>(scales, scales + n));
#endif
  }
  auto planned = plan(p.engine, m, k, n, type, attributes);
  p.matmul = dnnl::matmul(planned);
  dnnl::memory given(describe(k, n, Tag::ab, type), p.engine,
                     const_cast<void *>(w));
  p.w = dnnl::memory(planned.weights_desc(), p.engine);
  dnnl::reorder(given, p.w).execute(p.stream, given, p.w);
  p.stream.wait();
  p.x = dnnl::memory(planned.src_desc(), p.engine, DNNL_MEMORY_NONE);
  p.y = dnnl::memory(planned.dst_desc(), p.engine, DNNL_MEMORY_NONE);
  return product.release();
}
} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void *onednn_create(int64_t m, int64_t k, int64_t n, const void *w,
                           const float *scales, int threads) {
  try {
    return create(m, k, n, w, scales, threads);
  } catch (const dnnl::error &) {
    return nullptr;
  }
}

EXPORT int onednn_run(void *handle, const void *x, float *y) {
  try {
    auto &p = *static_cast<Product *>(handle);
    omp_set_num_threads(p.threads);
    p.x.set_data_handle(const_cast<void *>(x));
    p.y.set_data_handle(y);
    std::unordered_map<int, dnnl::memory> arguments{
        {DNNL_ARG_SRC, p.x}, {DNNL_ARG_WEIGHTS, p.w}, {DNNL_ARG_DST, p.y}};
#if DNNL_VERSION_MAJOR >= 3
    if (p.scales)
      arguments[DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS] = p.scales;
#endif
    p.matmul.execute(p.stream, arguments);
    p.stream.wait();
    return 0;
  } catch (const dnnl::error &) {
    return 1;
  }
}
