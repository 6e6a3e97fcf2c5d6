//===- roofline.cpp - What this machine can do at most ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prints, as JSON, the ceilings that kernels are compared with: bytes per
// second read from buffers of given sizes, f32 multiply-adds and 8-bit integer
// multiply-adds per second, all by a given number of threads together.
//
//   compress-roofline [THREADS [BYTES...]]
//
// On x86 the widest instructions that the processor has are used; elsewhere
// what the compiler makes of plain loops.
//
//===----------------------------------------------------------------------===//

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>
#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

/// Keeps the compiler from dropping what computes `value`.
template <typename T> void keep(T &value) { asm volatile("" : "+m"(value)); }

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

using ReadFunction = void (*)(const char *data, size_t bytes);

/// Kernels read large weights in several streams at once; so do we: `bytes` is
/// cut into four parts.
template <typename V, typename Load>
[[gnu::always_inline]] inline void readStreams(const char *data, size_t bytes,
                                               V zero, Load load) {
  constexpr size_t kStreams = 4, kLine = 64;
  size_t part = bytes / kStreams / kLine * kLine;
  V sums[kStreams] = {zero, zero, zero, zero};
  for (size_t i = 0; i < part; i += kLine)
    for (size_t s = 0; s < kStreams; ++s)
      load(sums[s], data + s * part + i);
  for (V &sum : sums)
    keep(sum);
}

void readPortable(const char *data, size_t bytes) {
  readStreams(data, bytes, uint64_t(0), [](uint64_t &sum, const char *p) {
    uint64_t words[8];
    std::memcpy(words, p, sizeof(words));
    for (uint64_t word : words)
      sum ^= word;
  });
}

#if defined(__x86_64__)
// Lambdas do not inherit `target`, so the loops are written out.
__attribute__((target("avx512f"))) void readAVX512(const char *data,
                                                   size_t bytes) {
  size_t part = bytes / 4 / 64 * 64;
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
  for (size_t i = 0; i < part; i += 64) {
    a = _mm512_xor_si512(a, _mm512_loadu_si512(data + i));
    b = _mm512_xor_si512(b, _mm512_loadu_si512(data + part + i));
    c = _mm512_xor_si512(c, _mm512_loadu_si512(data + 2 * part + i));
    d = _mm512_xor_si512(d, _mm512_loadu_si512(data + 3 * part + i));
  }
  a = _mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d));
  keep(a);
}

__attribute__((target("avx2"))) void readAVX2(const char *data, size_t bytes) {
  size_t part = bytes / 4 / 32 * 32;
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  auto at = [&](size_t i) {
    return reinterpret_cast<const __m256i *>(data + i);
  };
  for (size_t i = 0; i < part; i += 32) {
    a = _mm256_xor_si256(a, _mm256_loadu_si256(at(i)));
    b = _mm256_xor_si256(b, _mm256_loadu_si256(at(part + i)));
    c = _mm256_xor_si256(c, _mm256_loadu_si256(at(2 * part + i)));
    d = _mm256_xor_si256(d, _mm256_loadu_si256(at(3 * part + i)));
  }
  a = _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d));
  keep(a);
}
#endif

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

/// A loop of `count` iterations; gives its operations (a multiplication and an
/// addition are two).
using PeakFunction = double (*)(int64_t count);

constexpr int kChains = 16; // More than latency times issue width.

double floatPortable(int64_t count) {
  constexpr int kLanes = 64;
  float sums[kLanes] = {}, a = 1.0f;
  keep(a);
  for (int64_t i = 0; i < count; ++i)
    for (float &sum : sums)
      sum += sum * a;
  keep(sums);
  return 2.0 * kLanes * count;
}

double intPortable(int64_t count) {
  constexpr int kLanes = 64;
  int32_t sums[kLanes] = {};
  int8_t a[kLanes], b[kLanes];
  std::memset(a, 1, sizeof(a));
  std::memset(b, 1, sizeof(b));
  for (int64_t i = 0; i < count; ++i) {
    keep(a);
    for (int lane = 0; lane < kLanes; ++lane)
      sums[lane] += int32_t(a[lane]) * b[lane];
  }
  keep(sums);
  return 2.0 * kLanes * count;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) double floatAVX512(int64_t count) {
  __m512 sums[kChains], a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(1.0f);
  keep(a);
  keep(b);
  for (__m512 &sum : sums)
    sum = b;
  for (int64_t i = 0; i < count; ++i) {
#pragma GCC unroll 16
    for (__m512 &sum : sums)
      sum = _mm512_fmadd_ps(sum, a, b);
  }
  for (__m512 &sum : sums)
    keep(sum);
  return 2.0 * 16 * kChains * count;
}

__attribute__((target("avx2,fma"))) double floatAVX2(int64_t count) {
  constexpr int kRegisters = 12;
  __m256 sums[kRegisters], a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(1.0f);
  keep(a);
  keep(b);
  for (__m256 &sum : sums)
    sum = b;
  for (int64_t i = 0; i < count; ++i) {
#pragma GCC unroll 12
    for (__m256 &sum : sums)
      sum = _mm256_fmadd_ps(sum, a, b);
  }
  for (__m256 &sum : sums)
    keep(sum);
  return 2.0 * 8 * kRegisters * count;
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) double
intVNNI(int64_t count) {
  __m512i sums[kChains], a = _mm512_set1_epi8(1), b = a;
  keep(a);
  keep(b);
  for (__m512i &sum : sums)
    sum = a;
  for (int64_t i = 0; i < count; ++i) {
#pragma GCC unroll 16
    for (__m512i &sum : sums)
      sum = _mm512_dpbusd_epi32(sum, a, b);
  }
  for (__m512i &sum : sums)
    keep(sum);
  return 2.0 * 64 * kChains * count;
}

/// Pairs of products in 16 bits, then sums in 32, as without a dot product.
__attribute__((target("avx2"))) double intAVX2(int64_t count) {
  constexpr int kRegisters = 8;
  __m256i sums[kRegisters], a = _mm256_set1_epi8(1), b = a;
  __m256i ones = _mm256_set1_epi16(1);
  keep(b);
  for (__m256i &sum : sums)
    sum = a;
  for (int64_t i = 0; i < count; ++i) {
    keep(a);
#pragma GCC unroll 8
    for (__m256i &sum : sums) {
      // Made new for each sum, or it would be computed once for all.
      asm volatile("" : "+x"(b));
      __m256i pairs = _mm256_maddubs_epi16(a, b);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
  }
  for (__m256i &sum : sums)
    keep(sum);
  return 2.0 * 32 * kRegisters * count;
}
#endif

#if defined(__x86_64__) && defined(__linux__)
/// Products of tiles: 16 rows of 64 bytes by 16 columns.
__attribute__((target("amx-int8,amx-tile"))) double intAMX(int64_t count) {
  struct {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t rowBytes[16] = {};
    uint8_t rows[16] = {};
  } config;
  static_assert(sizeof(config) == 64);
  for (int tile = 0; tile < 8; ++tile) {
    config.rowBytes[tile] = 64;
    config.rows[tile] = 16;
  }
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  // Four sums, as in a kernel of two by two tiles.
  for (int64_t i = 0; i < count; ++i) {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  _tile_release();
  return 2.0 * 16 * 16 * 64 * 4 * count;
}

/// Linux grants the tile registers to a process that asks.
bool requestTiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#else
double intAMX(int64_t) { return 0; }
bool requestTiles() { return false; }
#endif

struct Machine {
  const char *isa = "portable";
  ReadFunction read = readPortable;
  PeakFunction peakFloat = floatPortable;
  PeakFunction peakInt = intPortable;
  PeakFunction peakTiles = nullptr;
};

Machine detect() {
  Machine machine;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    machine = {"avx2", readAVX2, floatAVX2, intAVX2, nullptr};
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
    machine = {"avx512", readAVX512, floatAVX512, intAVX2, nullptr};
  if (__builtin_cpu_supports("avx512vnni"))
    machine = {"avx512vnni", readAVX512, floatAVX512, intVNNI, nullptr};
  if (__builtin_cpu_supports("amx-int8") && requestTiles())
    machine.peakTiles = intAMX;
#endif
  return machine;
}

//===----------------------------------------------------------------------===//
// Timing
//===----------------------------------------------------------------------===//

/// Keeps the calling thread on the n-th of our processors, so that the
/// scheduler does not put two on one for a while.
void pin([[maybe_unused]] int n) {
#if defined(__linux__)
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof(allowed), &allowed))
    return;
  n %= CPU_COUNT(&allowed);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed) && n-- == 0) {
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      sched_setaffinity(0, sizeof(one), &one);
      return;
    }
#endif
}

double now() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/// Runs `task(thread)` on all threads at once; gives the seconds from the
/// common start to the last end.
template <typename Task> double timeTogether(int threads, Task task) {
  std::atomic<int> waiting{threads};
  std::vector<double> begin(threads), end(threads);
  std::vector<std::thread> pool;
  for (int thread = 0; thread < threads; ++thread)
    pool.emplace_back([&, thread] {
      pin(thread);
      --waiting;
      while (waiting.load() > 0) {
      }
      begin[thread] = now();
      task(thread);
      end[thread] = now();
    });
  for (std::thread &thread : pool)
    thread.join();
  return *std::max_element(end.begin(), end.end()) -
         *std::min_element(begin.begin(), begin.end());
}

/// The most of five trials of about 40 ms: a ceiling is what is possible.
template <typename Task>
double bestRate(int threads, double amountOfOne, Task task) {
  auto run = [&](int64_t repeats) {
    return timeTogether(threads, [&](int thread) { task(thread, repeats); });
  };
  int64_t repeats = 1;
  while (run(repeats) < 0.02 && repeats < (int64_t(1) << 40))
    repeats *= 2;
  repeats *= 2;
  double best = 0;
  for (int trial = 0; trial < 5; ++trial)
    best = std::max(best, amountOfOne * double(repeats) / run(repeats));
  return best;
}

double measureRead(const Machine &machine, int threads, size_t bytes) {
  // Each thread reads its own part, as it would of the weights.
  size_t part = std::max<size_t>(bytes / threads / 256 * 256, 256);
  char *data = static_cast<char *>(std::aligned_alloc(64, part * threads));
  if (!data)
    return 0;
  std::memset(data, 1, part * threads);
  double rate = bestRate(threads, double(part * threads),
                         [&](int thread, int64_t repeats) {
                           for (int64_t i = 0; i < repeats; ++i)
                             machine.read(data + part * thread, part);
                         });
  std::free(data);
  return rate;
}

double measurePeak(int threads, PeakFunction peak) {
  constexpr int64_t kCount = 1000;
  double operations = peak(kCount) * threads;
  return bestRate(threads, operations,
                  [&](int, int64_t repeats) { peak(kCount * repeats); });
}

} // namespace

int main(int argc, char **argv) {
  int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  if (threads < 1 || threads > 1024) {
    std::fprintf(stderr, "usage: %s [THREADS [BYTES...]]\n", argv[0]);
    return 2;
  }
  std::vector<size_t> sizes;
  for (int i = 2; i < argc; ++i)
    sizes.push_back(std::strtoull(argv[i], nullptr, 10));
  if (sizes.empty())
    sizes = {size_t(1) << 20, size_t(16) << 20, size_t(512) << 20};
  Machine machine = detect();
  std::printf("{\"isa\": \"%s\", \"threads\": %d,\n \"read\": [", machine.isa,
              threads);
  for (size_t i = 0; i < sizes.size(); ++i)
    std::printf("%s{\"bytes\": %zu, \"bytes_per_second\": %.4g}",
                i ? ",\n          " : "", sizes[i],
                measureRead(machine, threads, sizes[i]));
  std::printf("],\n \"f32_ops_per_second\": %.4g,\n",
              measurePeak(threads, machine.peakFloat));
  if (machine.peakTiles)
    std::printf(" \"int8_tile_ops_per_second\": %.4g,\n",
                measurePeak(threads, machine.peakTiles));
  std::printf(" \"int8_ops_per_second\": %.4g}\n",
              measurePeak(threads, machine.peakInt));
}
