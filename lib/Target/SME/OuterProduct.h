//===- OuterProduct.h - Sums of outer products in ZA ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The only code that runs in streaming mode: one function per instruction, for
// every streaming vector length. It is given packed blocks and knows nothing of
// how tensors are stored.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_SME_OUTERPRODUCT_H
#define COMPRESS_LIB_TARGET_SME_OUTERPRODUCT_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace compress::sme {

/// What one step multiplies: f32 numbers, or words of four 8-bit codes whose
/// products are added up in i32.
enum class Product { F32, S8S8, U8S8, S8U8, U8U8 };

/// The function
///
///   (ptr a, ptr b, ptr c, i64 m, i64 n, i64 k, i64 lda, i64 ldb)
///
/// that adds to c[i * ldb + j] the sum over x < k of a[x * lda + i] *
/// b[x * ldb + j], for i < m and j < n. Elements have 32 bits. Steps with
/// k = 0 leave c as it is.
mlir::func::FuncOp getOuterProduct(mlir::ModuleOp module, Product product);

} // namespace compress::sme

#endif // COMPRESS_LIB_TARGET_SME_OUTERPRODUCT_H
