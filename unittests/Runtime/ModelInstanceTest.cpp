//===- ModelInstanceTest.cpp - Loading, running, allocating -----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Context.h"
#include "RuntimeTestUtils.h"
#include "compress/Runtime/Hash.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <omp.h>
#include <set>
#include <thread>
#include <unistd.h>

using namespace compress::runtime;
using namespace compress::runtime::test;

namespace {

//===--- Hash -------------------------------------------------------------===//

/// Published test vectors of XXH64, and independence of how data is cut.
TEST(ContentHash, XXH64) {
  EXPECT_EQ(ContentHash::of("", 0), 0xef46db3751d8e999u);
  EXPECT_EQ(ContentHash::of("a", 1), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(ContentHash::of("abc", 3), 0x44bc2cf5ad770999u);
  std::string text(1000, 'x');
  for (size_t i = 0; i < text.size(); ++i)
    text[i] = static_cast<char>(i * 7);
  uint64_t whole = ContentHash::of(text.data(), text.size());
  for (size_t step : {1, 3, 31, 32, 33, 100}) {
    ContentHash hash;
    for (size_t i = 0; i < text.size(); i += step)
      hash.update(text.data() + i, std::min(step, text.size() - i));
    EXPECT_EQ(hash.finish(), whole) << step;
  }
}

//===--- Allocator --------------------------------------------------------===//

TEST(Allocator, AlignedDistinctAndReused) {
  std::set<void *> seen;
  std::vector<void *> blocks;
  for (uint64_t size : {0u, 1u, 63u, 64u, 65u, 1000u, 5000u, 1u << 20,
                        (1u << 21) + 5, 9u << 20}) {
    void *p = _mlir_memref_to_llvm_alloc(size);
    ASSERT_TRUE(p);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
    EXPECT_TRUE(seen.insert(p).second);
    std::memset(p, 0xab, size);
    blocks.push_back(p);
  }
  for (void *p : blocks)
    _mlir_memref_to_llvm_free(p);
  _mlir_memref_to_llvm_free(nullptr);
  void *again = _mlir_memref_to_llvm_alloc((9u << 20) - 100);
  EXPECT_EQ(again, blocks.back());
  _mlir_memref_to_llvm_free(again);
  trimCache(0);
  for (uint64_t alignment : {1u, 64u, 128u, 4096u, 1u << 21}) {
    void *p = _mlir_memref_to_llvm_aligned_alloc(alignment, 100);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % alignment, 0u);
    std::memset(p, 1, 100);
    _mlir_memref_to_llvm_free(p);
  }
}

/// Every size class holds what it promises, with little waste.
TEST(Allocator, SizeClasses) {
  for (size_t size = 1; size < 3000000; size += 1 + size / 7) {
    size_t before = liveBytes();
    void *p = allocate(size);
    size_t taken = liveBytes() - before;
    EXPECT_GE(taken, size);
    EXPECT_LE(taken, std::max<size_t>(64, size + size / 4 + 16));
    std::memset(p, 0xcd, taken);
    deallocate(p);
    EXPECT_EQ(liveBytes(), before);
  }
}

TEST(Allocator, Threads) {
  size_t before = liveBytes();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      std::mt19937 rng(t);
      std::vector<std::pair<unsigned char *, size_t>> mine;
      for (int i = 0; i < 5000; ++i) {
        size_t size = rng() % 3000 + 1;
        auto *p = static_cast<unsigned char *>(allocate(size));
        std::memset(p, t, size);
        mine.push_back({p, size});
        if (mine.size() > 20) {
          auto [q, n] = mine[rng() % mine.size()];
          EXPECT_EQ(q[0], t);
          EXPECT_EQ(q[n - 1], t);
          mine.erase(std::find(mine.begin(), mine.end(), std::make_pair(q, n)));
          deallocate(q);
        }
      }
      for (auto &[q, n] : mine)
        deallocate(q);
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(liveBytes(), before);
}

TEST(Allocator, OutOfMemoryEndsTheRun) {
  Harness harness;
  size_t before = liveBytes();
  bool returned = false;
  EXPECT_EQ(harness.run([&](void *) {
    _mlir_memref_to_llvm_alloc(1 << 20); // given back when the run is left
    _mlir_memref_to_llvm_alloc(uint64_t(1) << 60);
    returned = true;
  }),
            COMPRESS_ERROR_MEMORY);
  EXPECT_FALSE(returned);
  EXPECT_EQ(liveBytes(), before);
  EXPECT_NE(std::string(harness.model->lastError()).find("out of memory"),
            std::string::npos);
  EXPECT_EQ(harness.run([](void *) {}), COMPRESS_OK);
}

//===--- memrefCopy -------------------------------------------------------===//

template <typename T> void checkCopy() {
  Tensor<T> from({3, 70, 5, 90}, {3, 0, 2, 1}),
      to({3, 70, 5, 90}, {0, 1, 2, 3}, 7);
  from.fill(1, 0, 100);
  memrefCopy(sizeof(T), from.ref(), to.ref());
  from.forEach(
      [&](const std::vector<int64_t> &i) { ASSERT_EQ(from.at(i), to.at(i)); });
}

TEST(MemRefCopy, Strided) {
  checkCopy<float>();
  checkCopy<int8_t>();
  checkCopy<double>();
  Tensor<float> a({0, 3}), b({0, 3});
  memrefCopy(4, a.ref(), b.ref());
}

//===--- Running ----------------------------------------------------------===//

/// y = x + w[0] for x: f32 [batch, 3]; z = flags as i64 [batch] (named, equal
/// batch). `layout` makes the output strided or aliased.
enum class Output { Fresh, Strided, Alias } layout = Output::Fresh;

void addEntry(void *, const void *weights, void **inputs, void **outputs) {
  auto *x = static_cast<int64_t *>(inputs[0]);
  auto *flags = static_cast<int64_t *>(inputs[1]);
  int64_t n = x[3];
  auto *data = reinterpret_cast<float *>(x[1]);
  auto *bytes = reinterpret_cast<unsigned char *>(flags[1]);
  float w = weights ? *static_cast<const float *>(weights) : 0;
  auto *y = static_cast<int64_t *>(outputs[0]);
  auto *z = static_cast<int64_t *>(outputs[1]);
  auto *out = static_cast<float *>(_mlir_memref_to_llvm_alloc(n * 3 * 4));
  bool strided = layout == Output::Strided;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < 3; ++j)
      out[strided ? j * n + i : i * 3 + j] = data[i * 3 + j] + w;
  int64_t yd[] = {reinterpret_cast<int64_t>(out),
                  reinterpret_cast<int64_t>(out),
                  0,
                  n,
                  3,
                  strided ? 1 : 3,
                  strided ? n : 1};
  if (layout == Output::Alias) {
    _mlir_memref_to_llvm_free(out);
    std::copy_n(x, 7, yd);
  }
  std::copy_n(yd, 7, y);
  auto *sums = static_cast<int64_t *>(_mlir_memref_to_llvm_alloc(n * 8));
  for (int64_t i = 0; i < n; ++i)
    sums[i] = bytes[i];
  int64_t zd[] = {reinterpret_cast<int64_t>(sums),
                  reinterpret_cast<int64_t>(sums), 0, n, 1};
  std::copy_n(zd, 5, z);
}

const int64_t xDims[] = {-2, 3}, flagDims[] = {-2}, zDims[] = {-1};
const CompressTensorInfo addInputs[] = {
    {"x", COMPRESS_DTYPE_F32, 2, xDims},
    {"flags", COMPRESS_DTYPE_BOOL, 1, flagDims}};
const CompressTensorInfo addOutputs[] = {{"y", COMPRESS_DTYPE_F32, 2, xDims},
                                         {"z", COMPRESS_DTYPE_I64, 1, zDims}};

class Running : public testing::Test {
protected:
  void SetUp() override {
    layout = Output::Fresh;
    info = {COMPRESS_MODEL_ABI_VERSION,
            0,
            "add",
            "test",
            addInputs,
            addOutputs,
            2,
            2,
            4,
            0,
            "",
            0};
    create();
    in[0] = {x, 0, COMPRESS_DTYPE_F32, 2, {2, 3}, nullptr};
    in[1] = {flags, 0, COMPRESS_DTYPE_BOOL, 1, {2}, nullptr};
  }
  void create() {
    model = ModelInstance::create(addEntry, info, Weights::borrow(&w, 4), {},
                                  status, error);
  }
  CompressStatus run() { return model->run(in, 2, out, 2); }

  float w = 10, x[6] = {1, 2, 3, 4, 5, 6};
  unsigned char flags[2] = {1, 200};
  CompressModelInfo info;
  std::unique_ptr<ModelInstance> model;
  CompressStatus status;
  std::string error;
  CompressTensor in[2] = {}, out[2] = {};
};

TEST_F(Running, RuntimeAllocatesOutputs) {
  size_t before = liveBytes();
  for (Output kind : {Output::Fresh, Output::Strided, Output::Alias}) {
    layout = kind;
    out[0] = out[1] = {};
    ASSERT_EQ(run(), COMPRESS_OK) << model->lastError();
    EXPECT_EQ(out[0].dims[0], 2);
    EXPECT_EQ(out[0].rank, 2);
    EXPECT_NE(out[0].data, x);
    for (int i = 0; i < 6; ++i)
      EXPECT_EQ(static_cast<float *>(out[0].data)[i],
                x[i] + (kind == Output::Alias ? 0 : 10));
    // A bool is 0 or 1 for the code, whatever the caller stored.
    EXPECT_EQ(static_cast<int64_t *>(out[1].data)[1], 1);
    EXPECT_EQ(flags[1], 200);
    releaseTensors(out, 2);
    EXPECT_EQ(out[0].data, nullptr);
    EXPECT_EQ(liveBytes(), before);
  }
}

TEST_F(Running, CallerProvidesOutputs) {
  float y[8];
  std::fill_n(y, 8, -1);
  out[0].data = y;
  out[0].capacity = sizeof y;
  size_t before = liveBytes();
  ASSERT_EQ(run(), COMPRESS_OK);
  EXPECT_EQ(y[5], 16);
  EXPECT_EQ(y[6], -1);
  EXPECT_EQ(out[0].owned, nullptr);
  releaseTensors(out, 2);
  EXPECT_EQ(out[0].data, y);
  out[0].capacity = 20;
  EXPECT_EQ(run(), COMPRESS_ERROR_ARGUMENT);
  EXPECT_STREQ(model->lastError(),
               "output 'y' of shape [2, 3] needs 24 bytes, the buffer given "
               "has 20");
  EXPECT_EQ(liveBytes(), before);
}

TEST_F(Running, MisalignedInput) {
  std::vector<char> bytes(32);
  std::memcpy(bytes.data() + 1, x, 24);
  in[0].data = bytes.data() + 1;
  ASSERT_EQ(run(), COMPRESS_OK);
  EXPECT_EQ(static_cast<float *>(out[0].data)[5], 16);
  releaseTensors(out, 2);
}

TEST_F(Running, EmptyBatch) {
  in[0].dims[0] = in[1].dims[0] = 0;
  in[0].data = in[1].data = nullptr;
  ASSERT_EQ(run(), COMPRESS_OK) << model->lastError();
  EXPECT_EQ(out[0].dims[0], 0);
  releaseTensors(out, 2);
}

TEST_F(Running, WrongInputs) {
  EXPECT_EQ(model->run(in, 1, out, 2), COMPRESS_ERROR_ARGUMENT);
  EXPECT_STREQ(model->lastError(), "the model has 2 inputs, given are 1");
  EXPECT_EQ(model->run(in, 2, out, 3), COMPRESS_ERROR_ARGUMENT);
  EXPECT_EQ(model->run(nullptr, 2, out, 2), COMPRESS_ERROR_ARGUMENT);
  auto with = [&](auto change) {
    CompressTensor saved = in[0];
    change(in[0]);
    CompressStatus result = run();
    in[0] = saved;
    return result;
  };
  EXPECT_EQ(with([](CompressTensor &t) { t.dtype = COMPRESS_DTYPE_F64; }),
            COMPRESS_ERROR_DTYPE);
  EXPECT_STREQ(model->lastError(),
               "input 'x' is f64, the model expects f32 [?, 3]");
  EXPECT_EQ(with([](CompressTensor &t) { t.dtype = 99; }),
            COMPRESS_ERROR_DTYPE);
  EXPECT_EQ(with([](CompressTensor &t) { t.rank = 1; }), COMPRESS_ERROR_SHAPE);
  EXPECT_EQ(with([](CompressTensor &t) { t.rank = 1 << 30; }),
            COMPRESS_ERROR_SHAPE);
  EXPECT_EQ(with([](CompressTensor &t) { t.dims[1] = 4; }),
            COMPRESS_ERROR_SHAPE);
  EXPECT_EQ(with([](CompressTensor &t) { t.dims[0] = -1; }),
            COMPRESS_ERROR_SHAPE);
  EXPECT_EQ(with([](CompressTensor &t) { t.dims[0] = 3; }),
            COMPRESS_ERROR_SHAPE);
  EXPECT_STREQ(model->lastError(),
               "input 'flags' has size 2 in dimension 0, but the same "
               "dimension of input 'x' is 3");
  EXPECT_EQ(with([](CompressTensor &t) { t.dims[0] = int64_t(1) << 62; }),
            COMPRESS_ERROR_SHAPE);
  EXPECT_EQ(with([](CompressTensor &t) { t.data = nullptr; }),
            COMPRESS_ERROR_ARGUMENT);
  EXPECT_EQ(with([](CompressTensor &t) { t.capacity = 23; }),
            COMPRESS_ERROR_SHAPE);
  EXPECT_EQ(run(), COMPRESS_OK);
  releaseTensors(out, 2);
}

TEST_F(Running, RefusedModels) {
  info.abi_version = 99;
  create();
  EXPECT_FALSE(model);
  EXPECT_EQ(status, COMPRESS_ERROR_UNSUPPORTED);
  info.abi_version = COMPRESS_MODEL_ABI_VERSION;
  info.cpu_features = "sse2,no-such-feature";
  create();
  EXPECT_EQ(status, COMPRESS_ERROR_UNSUPPORTED);
  EXPECT_NE(error.find("lacks no-such-feature"), std::string::npos) << error;
  info.cpu_features = "";
  info.weights_size = 5;
  create();
  EXPECT_EQ(status, COMPRESS_ERROR_WEIGHTS);
}

/// The model's thread count is what parallel regions see, and the caller's
/// setting comes back.
TEST(Threads, PerModel) {
  Harness one(0, 1), three(0, 3);
  omp_set_num_threads(2);
  for (int round = 0; round < 2; ++round) {
    for (auto *h : {&one, &three}) {
      int count = 0;
      h->run([&](void *) {
#pragma omp parallel
#pragma omp single
        count = omp_get_num_threads();
      });
      EXPECT_EQ(count, h == &one ? 1 : 3);
    }
    EXPECT_EQ(omp_get_max_threads(), 2);
  }
  EXPECT_EQ(one.model->setThreads(-1), COMPRESS_ERROR_ARGUMENT);
  EXPECT_EQ(one.model->setThreads(0), COMPRESS_OK);
  EXPECT_GE(one.model->threads(), 1);
}

TEST(Observing, GetsTensors) {
  Harness harness;
  Tensor<float> x({2, 3}, {1, 0});
  Tensor<int8_t> q({4});
  std::map<int64_t, std::string> seen;
  auto call = [&](void *ctx) {
    _mlir_ciface_compress_rt_observe(ctx, 7, x.ref());
    _mlir_ciface_compress_rt_observe_i8(ctx, 8, q.ref());
  };
  harness.run(call); // No observer: nothing happens.
  harness.model->setObserver(
      [](void *user, int64_t slot, const ObservedTensor &t) {
        std::string text = dtypeName(t.dtype);
        for (int i = 0; i < t.rank; ++i)
          text += " " + std::to_string(t.sizes[i]) + ":" +
                  std::to_string(t.strides[i]);
        (*static_cast<std::map<int64_t, std::string> *>(user))[slot] = text;
      },
      &seen);
  harness.run(call);
  EXPECT_EQ(seen[7], "f32 2:1 3:2");
  EXPECT_EQ(seen[8], "i8 4:1");
}

TEST(Symbols, AreComplete) {
  std::map<std::string, void *> table;
  for (const CompressSymbol *s = compress_rt_symbols; s->name; ++s)
    EXPECT_TRUE(table.emplace(s->name, s->address).second) << s->name;
  EXPECT_EQ(table["memrefCopy"], reinterpret_cast<void *>(&memrefCopy));
  EXPECT_TRUE(table.count("_mlir_ciface_compress_rt_observe_i1"));
#if defined(__clang__)
  for (auto &[name, address] : table)
    EXPECT_TRUE(address) << name;
#endif
}

//===--- Weight files -----------------------------------------------------===//

class WeightFile : public testing::Test {
protected:
  void SetUp() override {
    path = testing::TempDir() + "compress-weights-" + std::to_string(getpid()) +
           ".safetensors";
    data.resize(256);
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = static_cast<char>(i);
    hash = ContentHash::of(data.data(), data.size());
  }
  void TearDown() override { std::remove(path.c_str()); }

  std::string file() const {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx",
                  static_cast<unsigned long long>(hash));
    std::string header =
        std::string("{\"__metadata__\":{\"compress.hash\":\"") + digits +
        "\"}}";
    header.resize((header.size() + 8 + 63) / 64 * 64 - 8, ' ');
    uint64_t size = header.size();
    return std::string(reinterpret_cast<char *>(&size), 8) + header + data;
  }
  CompressStatus load(const std::string &bytes, bool verify = false) {
    std::ofstream(path, std::ios::binary) << bytes;
    return Weights::map(path, data.size(), hash, verify, weights, error);
  }

  std::string path, data, error;
  uint64_t hash;
  Weights weights;
};

TEST_F(WeightFile, Maps) {
  ASSERT_EQ(load(file(), true), COMPRESS_OK) << error;
  EXPECT_EQ(weights.size(), data.size());
  EXPECT_EQ(std::memcmp(weights.data(), data.data(), data.size()), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(weights.data()) % 64, 0u);
}

TEST_F(WeightFile, EveryPrefixIsRefused) {
  std::string whole = file();
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_EQ(load(whole.substr(0, n)), COMPRESS_ERROR_WEIGHTS) << n;
  EXPECT_EQ(load(whole + "x"), COMPRESS_ERROR_WEIGHTS);
}

TEST_F(WeightFile, CorruptionAndMixUps) {
  std::string whole = file();
  std::string changed = whole;
  changed.back() ^= 1;
  EXPECT_EQ(load(changed, false), COMPRESS_OK);
  EXPECT_EQ(load(changed, true), COMPRESS_ERROR_WEIGHTS);
  EXPECT_NE(error.find("is corrupted"), std::string::npos) << error;
  ++hash;
  EXPECT_EQ(load(whole), COMPRESS_ERROR_WEIGHTS);
  EXPECT_NE(error.find("another model"), std::string::npos) << error;
  EXPECT_EQ(Weights::map("/nonexistent/file", 1, 1, false, weights, error),
            COMPRESS_ERROR_WEIGHTS);
  EXPECT_EQ(error,
            "weight file '/nonexistent/file': No such file or directory");
  EXPECT_EQ(Weights::map("/", 1, 1, false, weights, error),
            COMPRESS_ERROR_WEIGHTS);
}

} // namespace
