//===- Symbols.cpp - What a JIT can resolve ---------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// No OpenMP pragmas here: the compiler would declare the same entry points
// with their real types.
//
//===----------------------------------------------------------------------===//

#include "compress/Runtime/Functions.h"

// The entry points of LLVM's OpenMP runtime that the `omp` dialect's
// translation emits. Weak: a build with another OpenMP runtime has none.
#define OPENMP_SYMBOLS(X)                                                      \
  X(__kmpc_global_thread_num)                                                  \
  X(__kmpc_fork_call)                                                          \
  X(__kmpc_fork_call_if)                                                       \
  X(__kmpc_push_num_threads)                                                   \
  X(__kmpc_serialized_parallel)                                                \
  X(__kmpc_end_serialized_parallel)                                            \
  X(__kmpc_barrier)                                                            \
  X(__kmpc_cancel_barrier)                                                     \
  X(__kmpc_for_static_init_4)                                                  \
  X(__kmpc_for_static_init_4u)                                                 \
  X(__kmpc_for_static_init_8)                                                  \
  X(__kmpc_for_static_init_8u)                                                 \
  X(__kmpc_for_static_fini)                                                    \
  X(__kmpc_dispatch_init_4)                                                    \
  X(__kmpc_dispatch_init_4u)                                                   \
  X(__kmpc_dispatch_init_8)                                                    \
  X(__kmpc_dispatch_init_8u)                                                   \
  X(__kmpc_dispatch_next_4)                                                    \
  X(__kmpc_dispatch_next_4u)                                                   \
  X(__kmpc_dispatch_next_8)                                                    \
  X(__kmpc_dispatch_next_8u)                                                   \
  X(__kmpc_dispatch_fini_4)                                                    \
  X(__kmpc_dispatch_fini_4u)                                                   \
  X(__kmpc_dispatch_fini_8)                                                    \
  X(__kmpc_dispatch_fini_8u)                                                   \
  X(__kmpc_dispatch_deinit)                                                    \
  X(__kmpc_critical)                                                           \
  X(__kmpc_critical_with_hint)                                                 \
  X(__kmpc_end_critical)                                                       \
  X(__kmpc_single)                                                             \
  X(__kmpc_end_single)                                                         \
  X(__kmpc_master)                                                             \
  X(__kmpc_end_master)                                                         \
  X(__kmpc_masked)                                                             \
  X(__kmpc_end_masked)                                                         \
  X(__kmpc_flush)                                                              \
  X(__kmpc_ordered)                                                            \
  X(__kmpc_end_ordered)                                                        \
  X(__kmpc_reduce)                                                             \
  X(__kmpc_reduce_nowait)                                                      \
  X(__kmpc_end_reduce)                                                         \
  X(__kmpc_end_reduce_nowait)                                                  \
  X(omp_get_thread_num)                                                        \
  X(omp_get_num_threads)                                                       \
  X(omp_get_max_threads)

#define FUNCTION_SYMBOLS(X)                                                    \
  X(_mlir_memref_to_llvm_alloc)                                                \
  X(_mlir_memref_to_llvm_aligned_alloc)                                        \
  X(_mlir_memref_to_llvm_free)                                                 \
  X(memrefCopy)                                                                \
  X(compress_rt_prepared)                                                      \
  X(compress_rt_own)                                                           \
  X(_mlir_ciface_compress_rt_matmul_f32)                                       \
  X(_mlir_ciface_compress_rt_conv_f32)                                         \
  X(_mlir_ciface_compress_rt_conv_q8)                                          \
  X(_mlir_ciface_compress_rt_inflate_zstd)                                     \
  X(_mlir_ciface_compress_rt_observe)

#define DECLARE(NAME) extern "C" __attribute__((weak)) char NAME[];
OPENMP_SYMBOLS(DECLARE)
#undef DECLARE

#define FUNCTION(NAME) {#NAME, reinterpret_cast<void *>(&NAME)},
#define OBSERVE(NAME, DTYPE) FUNCTION(_mlir_ciface_compress_rt_observe_##NAME)
#define DATA(NAME) {#NAME, NAME},
extern "C" const CompressSymbol compress_rt_symbols[] = {
    FUNCTION_SYMBOLS(FUNCTION) COMPRESS_RT_OBSERVE_TYPES(OBSERVE)
        OPENMP_SYMBOLS(DATA){nullptr, nullptr}};
