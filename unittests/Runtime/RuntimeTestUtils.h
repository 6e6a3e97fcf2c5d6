//===- RuntimeTestUtils.h - Memrefs and models for tests --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_UNITTESTS_RUNTIME_RUNTIMETESTUTILS_H
#define COMPRESS_UNITTESTS_RUNTIME_RUNTIMETESTUTILS_H

#include "compress/Runtime/Functions.h"
#include "compress/Runtime/ModelInstance.h"

#include "gtest/gtest.h"
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

namespace compress::runtime::test {

/// A tensor with memory of its own and chosen strides, as a runtime function
/// receives it.
template <typename T> class Tensor {
public:
  /// `order` lists dimensions from outermost to innermost in memory; empty is
  /// row-major. `slack` elements are left unused after each innermost row.
  explicit Tensor(std::vector<int64_t> sizes, std::vector<int> order = {},
                  int64_t slack = 0)
      : sizes(sizes), strides(sizes.size()) {
    if (order.empty())
      for (size_t d = 0; d < sizes.size(); ++d)
        order.push_back(static_cast<int>(d));
    int64_t stride = 1;
    for (size_t i = order.size(); i-- > 0;) {
      strides[order[i]] = stride;
      stride *= sizes[order[i]];
      if (i + 1 == order.size())
        stride += slack;
    }
    storage.assign(stride + offset, T(77));
  }

  Tensor &fill(unsigned seed, double low = -1, double high = 1) {
    std::mt19937 rng(seed);
    std::uniform_real_distribution<double> dist(low, high);
    forEach([&](const std::vector<int64_t> &i) {
      at(i) = static_cast<T>(dist(rng));
    });
    return *this;
  }

  T &at(const std::vector<int64_t> &index) {
    int64_t position = offset;
    for (size_t d = 0; d < sizes.size(); ++d)
      position += index[d] * strides[d];
    return storage[position];
  }

  void forEach(const std::function<void(const std::vector<int64_t> &)> &body) {
    std::vector<int64_t> index(sizes.size(), 0);
    for (int64_t s : sizes)
      if (s == 0)
        return;
    while (true) {
      body(index);
      size_t d = sizes.size();
      while (d > 0 && ++index[d - 1] == sizes[d - 1])
        index[--d] = 0;
      if (d == 0)
        return;
    }
  }

  CompressUnrankedMemRef *ref() {
    descriptor.resize(3 + 2 * sizes.size());
    descriptor[0] = reinterpret_cast<int64_t>(storage.data());
    descriptor[1] = descriptor[0];
    descriptor[2] = offset;
    for (size_t d = 0; d < sizes.size(); ++d) {
      descriptor[3 + d] = sizes[d];
      descriptor[3 + sizes.size() + d] = strides[d];
    }
    unranked = {static_cast<int64_t>(sizes.size()),
                reinterpret_cast<CompressMemRefHead *>(descriptor.data())};
    return &unranked;
  }

  std::vector<int64_t> sizes, strides;
  std::vector<T> storage;

private:
  static constexpr int64_t offset = 3; // Offsets must be honored, too.
  std::vector<int64_t> descriptor;
  CompressUnrankedMemRef unranked;
};

/// Runs `body(ctx)` as if it were the code of a model.
class Harness {
public:
  explicit Harness(int64_t slots = 4, int32_t threads = 0,
                   const void *weights = nullptr, size_t weightsSize = 0) {
    info.abi_version = COMPRESS_MODEL_ABI_VERSION;
    info.cpu_features = "";
    info.num_slots = slots;
    info.weights_size = weightsSize;
    CompressModelOptions options = {threads, 0};
    CompressStatus status;
    std::string error;
    model = ModelInstance::create(entry, info,
                                  Weights::borrow(weights, weightsSize),
                                  options, status, error);
    EXPECT_TRUE(model) << error;
  }

  CompressStatus run(std::function<void(void *)> body) {
    current = &body;
    return model->run(nullptr, 0, nullptr, 0);
  }

  std::unique_ptr<ModelInstance> model;

private:
  static void entry(void *ctx, const void *, void **, void **) {
    (*current)(ctx);
  }
  static inline std::function<void(void *)> *current = nullptr;
  CompressModelInfo info = {};
};

} // namespace compress::runtime::test

#endif // COMPRESS_UNITTESTS_RUNTIME_RUNTIMETESTUTILS_H
