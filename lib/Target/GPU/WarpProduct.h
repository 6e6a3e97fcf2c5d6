//===- WarpProduct.h - Contractions by warps --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two kernels for contractions of any form, convolutions included: loops that
// both factors, one of them or none have are batches, rows (m), columns (n) and
// what is summed over (k).
//
//  - Matrix: a workgroup computes a tile by matrix instructions. Both factors
//    go to shared memory, decoded as f32 and split into terms of bf16 (two
//    terms have 16 bits of an f32, one all of a bf16), as f16 where both
//    factors are, or as 8-bit codes.
//  - Vector: few rows. A warp computes a column; its lanes share k, and read
//    the weight once, where neighbours in a word are found once.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_GPU_WARPPRODUCT_H
#define COMPRESS_LIB_TARGET_GPU_WARPPRODUCT_H

#include "../Elements/LazyTensor.h"
#include "DotProduct.h"

namespace compress::device {

enum class ProductKernel { Element, Vector, Matrix };

struct ProductLoops {
  llvm::SmallVector<unsigned> batch, m, n, k;
  static ProductLoops get(ContractOp op);
};

/// The kernel with the least predicted time, and that. Unknown extents count
/// as 64. Without peaks, no time is known.
struct ProductChoice {
  ProductKernel kernel = ProductKernel::Element;
  double seconds = 0;
};
ProductChoice chooseProductKernel(ContractOp op, const DeviceInterface &device);

/// The most rows that the vector kernel takes.
inline constexpr int64_t kManyRows = 8;

/// What a kernel computes from.
struct ProductOperands {
  ContractOp op;
  llvm::ArrayRef<Value> extents;
  Element start;
  /// Either the elements of both factors or their codes.
  std::optional<Element> factors[2];
  std::optional<ByteDot> dot;
};

/// The result; null with a reason where the device cannot.
Value emitVectorProduct(DeviceKernel &k, const ProductOperands &operands,
                        std::string &reason);
Value emitMatrixProduct(DeviceKernel &k, const ProductOperands &operands,
                        std::string &reason);

/// How many terms of bf16 or f16 give the elements of a type, at least 16 bits;
/// nothing where their range is not that of the type.
std::optional<unsigned> countTerms(mlir::Type type,
                                   MatrixInstruction::Element element);

/// The elements of the instruction for factors that are not codes: f16 where
/// that is exact and takes fewer products.
MatrixInstruction::Element chooseElement(ContractOp op,
                                         const WarpInterface &warp);

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_GPU_WARPPRODUCT_H
