/*===- affine.c - A model by hand, as the compiler would emit it --*- C -*-===*\
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
|* y = x * w[0] + w[1], x and y f32 [BATCH, 3]; count = i64 scalar, the size  *|
|* of the batch. BATCH is -2 (dynamic) or 1.                                  *|
\*===----------------------------------------------------------------------===*/
#include "compress/Runtime/ModelABI.h"

void *_mlir_memref_to_llvm_alloc(uint64_t size);

#define STRING_(x) #x
#define STRING(x) STRING_(x)

static const int64_t dims[2] = {BATCH, 3};
static const CompressTensorInfo inputs[1] = {
    {"x", COMPRESS_DTYPE_F32, 2, dims}};
static const CompressTensorInfo outputs[2] = {
    {"y", COMPRESS_DTYPE_F32, 2, dims}, {"count", COMPRESS_DTYPE_I64, 0, dims}};

static const CompressModelInfo info = {COMPRESS_MODEL_ABI_VERSION,
                                       0,
                                       "affine",
                                       "hand",
                                       inputs,
                                       outputs,
                                       1,
                                       2,
                                       8,
                                       WEIGHTS_HASH,
                                       "",
                                       0};

typedef struct Matrix {
  CompressMemRefHead head;
  int64_t sizes[2], strides[2];
} Matrix;

static void entry(void *ctx, const void *weights, void **in, void **out) {
  const float *w = (const float *)weights;
  const Matrix *x = (const Matrix *)in[0];
  Matrix *y = (Matrix *)out[0];
  CompressMemRefHead *count = (CompressMemRefHead *)out[1];
  const float *from = (const float *)x->head.aligned + x->head.offset;
  float *to;
  int64_t i, n = x->sizes[0] * 3;
  (void)ctx;
  *y = *x;
  y->head.offset = 0;
  y->head.allocated = y->head.aligned =
      _mlir_memref_to_llvm_alloc((uint64_t)n * 4);
  to = (float *)y->head.aligned;
  for (i = 0; i < n; ++i)
    to[i] = from[i] * w[0] + w[1];
  count->allocated = count->aligned = _mlir_memref_to_llvm_alloc(8);
  count->offset = 0;
  *(int64_t *)count->aligned = x->sizes[0];
}

const CompressModelVariant compress_model_variants[] = {{&info, entry}, {0, 0}};
