//===- OpenMPOverGOMP.cpp - LLVM's OpenMP calls, GCC's runtime --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// Generated code calls LLVM's OpenMP runtime. A cross compiler of GCC brings
// its own instead: in runtimes built with one, these are the entry points that
// generated code needs, on top of libgomp. Signatures and meaning as in
// openmp/runtime/src/kmp.h and kmp_sched.cpp; names as the ABI has them.
//
//===----------------------------------------------------------------------===//

#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <omp.h>
#include <type_traits>

extern "C" {
void GOMP_parallel(void (*body)(void *), void *data, unsigned threads,
                   unsigned flags);
void GOMP_barrier();
}

namespace {

/// What a parallel region runs: `body(&thread, &thread, arguments...)`.
using Body = void (*)(int32_t *, int32_t *, ...);

struct Region {
  static constexpr int maxArguments = 8;
  Body body;
  int count;
  void *arguments[maxArguments];
};

/// What `__kmpc_push_num_threads` asked for; 0: as many as there are.
thread_local unsigned requestedThreads = 0;

void runRegion(void *data) {
  const Region &r = *static_cast<const Region *>(data);
  int32_t thread = omp_get_thread_num(), bound = thread;
  void *const *a = r.arguments;
  // Pointers travel alike in variadic and other calls on Linux.
  switch (r.count) {
  case 0:
    return r.body(&thread, &bound);
  case 1:
    return r.body(&thread, &bound, a[0]);
  case 2:
    return r.body(&thread, &bound, a[0], a[1]);
  case 3:
    return r.body(&thread, &bound, a[0], a[1], a[2]);
  case 4:
    return r.body(&thread, &bound, a[0], a[1], a[2], a[3]);
  default:
    return r.body(&thread, &bound, a[0], a[1], a[2], a[3], a[4], a[5], a[6],
                  a[7]);
  }
}

/// The part of `lower` to `upper` (inclusive) that this thread runs.
template <typename Int>
void initStatic(int32_t schedule, int32_t *isLast, Int *lower, Int *upper,
                std::make_signed_t<Int> *stride,
                std::make_signed_t<Int> increment,
                std::make_signed_t<Int> chunk) {
  using Unsigned = std::make_unsigned_t<Int>;
  constexpr int32_t staticChunked = 33;
  Unsigned step = increment > 0 ? Unsigned(increment) : -Unsigned(increment);
  bool isEmpty = increment > 0 ? *upper < *lower : *lower < *upper;
  if (isEmpty) {
    if (isLast)
      *isLast = 0;
    *stride = increment;
    return;
  }
  Unsigned span = increment > 0 ? Unsigned(*upper) - Unsigned(*lower)
                                : Unsigned(*lower) - Unsigned(*upper);
  Unsigned last = span / step; // the number of the last iteration
  Unsigned threads = omp_get_num_threads(), thread = omp_get_thread_num();
  Unsigned size = chunk > 0 ? Unsigned(chunk) : 1;
  if (schedule != staticChunked)
    size = last / threads + 1;
  auto at = [&](Unsigned iteration) {
    return Int(Unsigned(*lower) + iteration * Unsigned(increment));
  };
  Unsigned first = thread * size;
  *stride = std::make_signed_t<Int>(threads * size) * increment;
  if (schedule != staticChunked && first > last) {
    // An empty part: its lower bound lies behind its upper one.
    *upper = at(last);
    *lower = at(last + 1);
  } else {
    Int begin = at(first);
    *upper = at(schedule == staticChunked ? first + size - 1
                                          : std::min(first + size - 1, last));
    *lower = begin;
  }
  if (isLast)
    *isLast = (last / size) % threads == thread;
}

} // namespace

extern "C" {

int32_t __kmpc_global_thread_num(void *) { return omp_get_thread_num(); }

void __kmpc_push_num_threads(void *, int32_t, int32_t threads) {
  requestedThreads = threads > 0 ? unsigned(threads) : 0;
}

void __kmpc_fork_call(void *, int32_t count, Body body, ...) {
  Region region = {body, count, {}};
  // LLVM hands over what a region captures as one pointer to a struct.
  if (count > Region::maxArguments)
    std::abort();
  va_list list;
  va_start(list, body);
  for (int i = 0; i < count; ++i)
    region.arguments[i] = va_arg(list, void *);
  va_end(list);
  unsigned threads = requestedThreads;
  requestedThreads = 0;
  GOMP_parallel(runRegion, &region, threads, 0);
}

void __kmpc_barrier(void *, int32_t) { GOMP_barrier(); }

#define STATIC_INIT(NAME, INT)                                                 \
  void __kmpc_for_static_init_##NAME(                                          \
      void *, int32_t, int32_t schedule, int32_t *isLast, INT *lower,          \
      INT *upper, std::make_signed_t<INT> *stride,                             \
      std::make_signed_t<INT> increment, std::make_signed_t<INT> chunk) {      \
    initStatic<INT>(schedule, isLast, lower, upper, stride, increment, chunk); \
  }
STATIC_INIT(4, int32_t)
STATIC_INIT(4u, uint32_t)
STATIC_INIT(8, int64_t)
STATIC_INIT(8u, uint64_t)

void __kmpc_for_static_fini(void *, int32_t) {}

} // extern "C"
