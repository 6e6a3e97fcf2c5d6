/*===- Model.h - C interface of a compiled model ------------------*- C -*-===*\
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
|* A compiled model is a shared library (`model.so`) that exports one symbol, *|
|* `compress_model_api`, plus one weight file (`model.safetensors`) that is   *|
|* mapped, not copied, when a model is created. This header is plain C99 and  *|
|* includes nothing of ours; the generated `model.h` carries a copy of it.    *|
\*===----------------------------------------------------------------------===*/
#ifndef COMPRESS_RUNTIME_MODEL_H
#define COMPRESS_RUNTIME_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when a struct below or the meaning of a field changes. A library
 * built with another version is refused, never misread. */
#define COMPRESS_MODEL_ABI_VERSION 1u

/* The most dimensions an input or output may have. */
#define COMPRESS_MAX_RANK 8

/* Element types, numbered as in ONNX (TensorProto.DataType). Sub-byte types
 * never appear in inputs or outputs. A bool is one byte. */
typedef enum CompressDType {
  COMPRESS_DTYPE_UNDEFINED = 0,
  COMPRESS_DTYPE_F32 = 1,
  COMPRESS_DTYPE_U8 = 2,
  COMPRESS_DTYPE_I8 = 3,
  COMPRESS_DTYPE_U16 = 4,
  COMPRESS_DTYPE_I16 = 5,
  COMPRESS_DTYPE_I32 = 6,
  COMPRESS_DTYPE_I64 = 7,
  COMPRESS_DTYPE_BOOL = 9,
  COMPRESS_DTYPE_F16 = 10,
  COMPRESS_DTYPE_F64 = 11,
  COMPRESS_DTYPE_U32 = 12,
  COMPRESS_DTYPE_U64 = 13,
  COMPRESS_DTYPE_C64 = 14,
  COMPRESS_DTYPE_C128 = 15,
  COMPRESS_DTYPE_BF16 = 16
} CompressDType;

/* What a call returns. Everything but COMPRESS_OK comes with a message. */
typedef enum CompressStatus {
  COMPRESS_OK = 0,
  COMPRESS_ERROR_ARGUMENT = 1,    /* null pointer, wrong count or option */
  COMPRESS_ERROR_SHAPE = 2,       /* rank or dimension differs from the model */
  COMPRESS_ERROR_DTYPE = 3,       /* element type differs from the model */
  COMPRESS_ERROR_WEIGHTS = 4,     /* weight file missing, truncated or not the
                                     one that the model was compiled with */
  COMPRESS_ERROR_UNSUPPORTED = 5, /* ABI version or CPU features missing */
  COMPRESS_ERROR_MEMORY = 6,      /* out of memory */
  COMPRESS_ERROR_INTERNAL = 7     /* a kernel failed; the message says which */
} CompressStatus;

/* One input or output of the model. A negative dimension is dynamic: -1 may
 * take any size, and all dimensions of a model with the same value below -1
 * (a named ONNX dimension such as "batch") must have the same size. */
typedef struct CompressTensorInfo {
  const char *name;
  int32_t dtype; /* CompressDType */
  int32_t rank;
  const int64_t *dims; /* rank elements */
} CompressTensorInfo;

/* What a model is. All pointers live as long as the library is loaded. */
typedef struct CompressModelInfo {
  uint32_t abi_version; /* COMPRESS_MODEL_ABI_VERSION */
  uint32_t flags;       /* 0 */
  const char *model_name;
  const char *producer; /* compiler and version */
  const CompressTensorInfo *inputs;
  const CompressTensorInfo *outputs;
  int64_t num_inputs;
  int64_t num_outputs;
  uint64_t weights_size;    /* bytes in the data section of the weight file;
                               0: the model has no weight file */
  uint64_t weights_hash;    /* XXH64 (seed 0) of that data section */
  const char *cpu_features; /* comma separated LLVM names, such as
                               "avx2,avx512vnni", that the code needs; may be
                               empty */
  int64_t num_slots;        /* call sites that keep state in the runtime */
} CompressModelInfo;

/* A dense tensor in row-major order.
 *
 * As an input, the caller fills data, dtype, rank and dims, and keeps the
 * memory alive during the call; the model never writes to it.
 * As an output, either
 *  - data is the caller's buffer of `capacity` bytes: results are copied there;
 *    too small is an error that says how many bytes are needed; or
 *  - data is NULL: the runtime allocates and the caller gives the tensor back
 *    with `release` (also valid after `destroy`, while the library is loaded).
 * dtype, rank and dims of an output are always written by the call. */
typedef struct CompressTensor {
  void *data;
  size_t capacity; /* bytes at data; for inputs 0 means "as dims say" */
  int32_t dtype;   /* CompressDType */
  int32_t rank;
  int64_t dims[COMPRESS_MAX_RANK];
  void *owned; /* private to the runtime; NULL in tensors of the caller */
} CompressTensor;

/* Zero-initialize, then set what you need. */
typedef struct CompressModelOptions {
  int32_t threads;        /* 0: all cores that the process may use, shared
                             with other runs at the same time (or what
                             OMP_NUM_THREADS says) */
  int32_t verify_weights; /* 1: read the whole weight file and check its hash;
                             0: check size and the hash its header records */
} CompressModelOptions;

typedef struct CompressModel CompressModel;

/* The table of functions that a model library offers. Functions may only be
 * appended: check struct_size before using one newer than your header. */
typedef struct CompressModelAPI {
  uint32_t abi_version;
  uint32_t struct_size;

  /* Never fails. */
  const CompressModelInfo *(*info)(void);

  /* Loads the model. weights_path NULL means the file beside the library whose
   * name ends in .safetensors instead of .so. options may be NULL. On failure
   * *model is NULL and errbuf (may be NULL) holds a one-line message. */
  CompressStatus (*create)(const char *weights_path,
                           const CompressModelOptions *options,
                           CompressModel **model, char *errbuf,
                           size_t errbuf_size);

  /* Runs the model once. Calls on one model are serialized; use one model per
   * thread to run in parallel (they share the mapped weights). On failure no
   * output is allocated, and last_error says why. */
  CompressStatus (*run)(CompressModel *model, const CompressTensor *inputs,
                        size_t num_inputs, CompressTensor *outputs,
                        size_t num_outputs);

  /* Frees the data of outputs that the runtime allocated; others are left. */
  void (*release)(CompressTensor *tensors, size_t count);

  /* Threads used by later runs; 0: all cores that the process may use. */
  CompressStatus (*set_threads)(CompressModel *model, int32_t threads);

  /* Message of the last call that failed on this model, "" if none did. */
  const char *(*last_error)(const CompressModel *model);

  /* Most bytes that were allocated at one time during the last run:
   * intermediate tensors, outputs and kernel scratch, not weights. */
  size_t (*peak_bytes)(const CompressModel *model);

  /* NULL is allowed. */
  void (*destroy)(CompressModel *model);
} CompressModelAPI;

/* The one symbol that a model library exports. */
const CompressModelAPI *compress_model_api(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* COMPRESS_RUNTIME_MODEL_H */
