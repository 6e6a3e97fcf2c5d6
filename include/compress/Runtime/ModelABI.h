/*===- ModelABI.h - Between generated code and runtime ------------*- C -*-===*\
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
|* What the object file that the compiler emits has to define, and how the    *|
|* runtime calls it. Users of a compiled model need Model.h only.             *|
|*                                                                            *|
|* The struct types of Model.h in LLVM terms (64-bit targets):                *|
|*   CompressTensorInfo = { ptr, i32, i32, ptr }                              *|
|*   CompressModelInfo  = { i32, i32, ptr, ptr, ptr, ptr, i64, i64, i64, i64, *|
|*                          ptr, i64 }                                        *|
\*===----------------------------------------------------------------------===*/
#ifndef COMPRESS_RUNTIME_MODELABI_H
#define COMPRESS_RUNTIME_MODELABI_H

#include "compress/Runtime/Model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A ranked memref descriptor of MLIR, as one block of memory:
 *   { void *allocated; void *aligned; int64_t offset;
 *     int64_t sizes[rank]; int64_t strides[rank]; }
 * This is its head; offset, sizes and strides are counted in elements. */
typedef struct CompressMemRefHead {
  void *allocated;
  void *aligned;
  int64_t offset;
} CompressMemRefHead;

/* An unranked memref: how memrefs arrive in the C interface of a runtime
 * function (`_mlir_ciface_*`). */
typedef struct CompressUnrankedMemRef {
  int64_t rank;
  CompressMemRefHead *descriptor; /* head, then sizes, then strides */
} CompressUnrankedMemRef;

/* The entry point of the generated code.
 *  - ctx is opaque and handed on to runtime functions;
 *  - weights is the data section of the weight file, 64-byte aligned,
 * read-only;
 *  - inputs[i] points to the descriptor of input i (dense, row-major, at least
 *    element aligned); inputs are read-only;
 *  - outputs[i] points to room for the descriptor of output i, which the callee
 *    fills with memory from `_mlir_memref_to_llvm_alloc` (fresh memory: no
 *    alias of an input, a weight or another output).
 * Errors are reported through ctx by the runtime functions that fail. */
typedef void (*CompressEntry)(void *ctx, const void *weights, void **inputs,
                              void **outputs);

/* The code of a model for one kind of processor. Variants of a model differ in
 * `cpu_features` and `num_slots` only. */
typedef struct CompressModelVariant {
  const CompressModelInfo *info;
  CompressEntry entry;
} CompressModelVariant;

/* Defined by the generated object: the best variant first; an entry of null
 * pointers ends it. The first whose features the machine has is run. */
extern const CompressModelVariant compress_model_variants[];

/* Key of the weight file's `__metadata__` that records, as 16 lower-case
 * hexadecimal digits, the XXH64 (seed 0) of its data section. */
#define COMPRESS_WEIGHTS_HASH_KEY "compress.hash"

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* COMPRESS_RUNTIME_MODELABI_H */
