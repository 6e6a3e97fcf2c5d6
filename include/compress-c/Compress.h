/*===- Compress.h - C API ------------------------------------------*- C
-*-===*\
|*                                                                            *|
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception                    *|
|*                                                                            *|
\*===----------------------------------------------------------------------===*/

#ifndef COMPRESS_C_COMPRESS_H
#define COMPRESS_C_COMPRESS_H

#include "mlir-c/IR.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Handle of the compress dialect (register and load through it). */
MLIR_DECLARE_CAPI_DIALECT_REGISTRATION(Compress, compress);

/* Adds our dialects, with the interfaces of other dialects that they need. */
void compressRegisterAllDialects(MlirDialectRegistry registry);

/* Registers our passes and pipelines for textual pass pipelines. */
void compressRegisterAllPasses(void);

/* Whether a type is a !compress.tensor. */
bool compressTypeIsACompressedTensor(MlirType type);

/* The compressed tensor with this shape (-1 for a dynamic dimension), logical
 * element type and encoding attribute; a null type, with a diagnostic at the
 * location, when they do not fit. */
MlirType compressCompressedTensorTypeGetChecked(MlirLocation location,
                                                intptr_t rank,
                                                const int64_t *shape,
                                                MlirType elementType,
                                                MlirAttribute encoding);

MlirAttribute compressCompressedTensorTypeGetEncoding(MlirType type);

/* Exact stored bits, all components counted; -1 for a dynamic shape. */
int64_t compressCompressedTensorTypeGetStorageBits(MlirType type);

#ifdef __cplusplus
}
#endif

#endif /* COMPRESS_C_COMPRESS_H */
