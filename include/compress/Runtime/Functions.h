//===- Functions.h - Runtime functions of generated code --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// Generated code calls these by name. In IR they are private functions with the
// attribute `llvm.emit_c_interface` and unranked memref operands, for example
//
//   func.func private @compress_rt_matmul_f32(!llvm.ptr, i64,
//       memref<*xf32>, memref<*xf32>, memref<*xf32>, memref<*xf32>, i64)
//       attributes {llvm.emit_c_interface}
//
// so that the symbol is `_mlir_ciface_<name>` and each memref arrives as a
// pointer to CompressUnrankedMemRef. The first two arguments are always `ctx`,
// as given to the entry point, and `slot`, the number of the call site: the
// runtime keeps kernels prepared for the shapes seen there (0 <= slot <
// num_slots of the model).
//
// Failures (shapes that do not fit each other at run time, out of memory) end
// the run with an error; they never crash the process.
//
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_RUNTIME_FUNCTIONS_H
#define COMPRESS_RUNTIME_FUNCTIONS_H

#include "compress/Runtime/ModelABI.h"

extern "C" {

/// Activation fused into a kernel.
enum CompressActivation : int64_t {
  COMPRESS_ACTIVATION_NONE = 0,
  COMPRESS_ACTIVATION_RELU = 1
};

//===--- Memory: MLIR's generic allocation functions ----------------------===//
// 64-byte aligned, cached between runs. free(null) is allowed.

void *_mlir_memref_to_llvm_alloc(uint64_t size);
void *_mlir_memref_to_llvm_aligned_alloc(uint64_t alignment, uint64_t size);
void _mlir_memref_to_llvm_free(void *ptr);

/// Copies between memrefs of equal shape; what `memref.copy` lowers to when a
/// side is not contiguous. Operands must not overlap.
void memrefCopy(int64_t elementSize, CompressUnrankedMemRef *source,
                CompressUnrankedMemRef *target);

//===--- Prepared weights -------------------------------------------------===//

/// Memory of this model instance, zero when first asked for, where the entry
/// point keeps what `compress_prepare` returned. The size is always the same.
void *compress_rt_prepared(void *ctx, int64_t bytes);
/// Hands a block made during this run over to the instance: it stays until the
/// instance is destroyed, never changes, and kernels may cache what they derive
/// from it.
void compress_rt_own(void *ctx, void *block, int64_t bytes);

//===--- Contractions -----------------------------------------------------===//

/// C = activation(A x B + bias), f32.
/// A: [batch.., M, K], B: [batch.., K, N], C: [batch.., M, N] of equal rank
/// 2..6 and with any strides (a transposed operand is one of swapped strides);
/// a batch dimension of A or B may be 1 and is then broadcast.
/// bias: [N], or rank 1 of size 0 for none.
void _mlir_ciface_compress_rt_matmul_f32(void *ctx, int64_t slot,
                                         CompressUnrankedMemRef *A,
                                         CompressUnrankedMemRef *B,
                                         CompressUnrankedMemRef *bias,
                                         CompressUnrankedMemRef *C,
                                         int64_t activation);

/// Y = activation(conv(X, W) + bias), f32, cross-correlation as in ONNX Conv.
/// X: [N, IC, spatial..], W: [OC, IC/group, kernel..], Y: [N, OC, spatial..],
/// any strides (NHWC data is NCHW shape with NHWC strides); bias: [OC] or
/// empty. `spatial` is 1..3; of each group of three parameters the first
/// `spatial` count. Padding is by zeros. If W lies in the weight file it is
/// taken as constant and its reordered form is kept.
void _mlir_ciface_compress_rt_conv_f32(
    void *ctx, int64_t slot, CompressUnrankedMemRef *X,
    CompressUnrankedMemRef *W, CompressUnrankedMemRef *bias,
    CompressUnrankedMemRef *Y, int64_t group, int64_t activation,
    int64_t spatial, int64_t stride0, int64_t stride1, int64_t stride2,
    int64_t dilation0, int64_t dilation1, int64_t dilation2, int64_t padBegin0,
    int64_t padBegin1, int64_t padBegin2, int64_t padEnd0, int64_t padEnd1,
    int64_t padEnd2);

/// Integer convolution with a float result:
///   acc[oc] = sum (Xq - xZero) * Wq in int32;
///   Y = activation(acc[oc] * (xScale * wScale[oc]) + bias[oc]).
/// Xq: i8, or u8 when xUnsigned is 1; xScale: f32 [1]; xZero: i32 [1];
/// Wq: i8; wScale: f32 [OC] or [1]; other operands as for conv_f32 (padding
/// adds xZero, that is, real zeros).
void _mlir_ciface_compress_rt_conv_q8(
    void *ctx, int64_t slot, CompressUnrankedMemRef *Xq,
    CompressUnrankedMemRef *xScale, CompressUnrankedMemRef *xZero,
    CompressUnrankedMemRef *Wq, CompressUnrankedMemRef *wScale,
    CompressUnrankedMemRef *bias, CompressUnrankedMemRef *Y, int64_t xUnsigned,
    int64_t group, int64_t activation, int64_t spatial, int64_t stride0,
    int64_t stride1, int64_t stride2, int64_t dilation0, int64_t dilation1,
    int64_t dilation2, int64_t padBegin0, int64_t padBegin1, int64_t padBegin2,
    int64_t padEnd0, int64_t padEnd1, int64_t padEnd2);

//===--- Entropy coding ---------------------------------------------------===//

/// Restores `out`, i8 [n], from the zstd frame of exactly n bytes that begins
/// at byte `first` of `stream`, i8 [m].
void _mlir_ciface_compress_rt_inflate_zstd(void *ctx, int64_t slot,
                                           CompressUnrankedMemRef *stream,
                                           CompressUnrankedMemRef *out,
                                           int64_t first);

//===--- Observation ------------------------------------------------------===//
// Hands X to the observer of the model, if one is set. The suffix is the
// element type; without one it is f32.

void _mlir_ciface_compress_rt_observe(void *ctx, int64_t slot,
                                      CompressUnrankedMemRef *X);
#define COMPRESS_RT_OBSERVE_TYPES(X)                                           \
  X(f32, F32)                                                                  \
  X(f64, F64)                                                                  \
  X(f16, F16)                                                                  \
  X(bf16, BF16)                                                                \
  X(i1, BOOL)                                                                  \
  X(i8, I8)                                                                    \
  X(u8, U8)                                                                    \
  X(i16, I16)                                                                  \
  X(u16, U16)                                                                  \
  X(i32, I32)                                                                  \
  X(u32, U32)                                                                  \
  X(i64, I64)                                                                  \
  X(u64, U64)
#define COMPRESS_RT_DECLARE(NAME, DTYPE)                                       \
  void _mlir_ciface_compress_rt_observe_##NAME(void *ctx, int64_t slot,        \
                                               CompressUnrankedMemRef *X);
COMPRESS_RT_OBSERVE_TYPES(COMPRESS_RT_DECLARE)
#undef COMPRESS_RT_DECLARE

//===--- What runtimes of devices build on --------------------------------===//

/// Ends the run with an error: `status` is a CompressStatus, `message` one
/// line, copied. Does not return where it can avoid it (see leaveRun): no frame
/// between here and the generated code may hold an object with a destructor.
void compress_rt_fail(void *ctx, int32_t status, const char *message);
/// Whether `address` lies in weights that never change while the instance
/// lives.
int64_t compress_rt_is_constant(void *ctx, const void *address);
/// A place for what a device's runtime keeps for this instance, null at first.
/// `destroy`, also its key, is called with what lies there at the end.
void **compress_rt_extension(void *ctx, void (*destroy)(void *));

//===--- Symbols for a JIT ------------------------------------------------===//

struct CompressSymbol {
  const char *name;
  void *address;
};

/// All functions above and the OpenMP runtime's entry points that MLIR's
/// lowering of the `omp` dialect calls. Ends with {nullptr, nullptr}.
extern const CompressSymbol compress_rt_symbols[];

} // extern "C"

#endif // COMPRESS_RUNTIME_FUNCTIONS_H
