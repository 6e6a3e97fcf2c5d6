//===- CostModel.h - The time that contractions take ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_COSTMODEL_H
#define COMPRESS_LIB_TARGET_CPU_COSTMODEL_H

#include "KernelISA.h"
#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress::cpu {

/// A product of `m` rows by a weight of n outputs and k inputs each. `codes`
/// says that the rows are encoded in integers of `codeBits`, at most 8.
struct ProductShape {
  double m, n, k;
  bool codes = false;
  unsigned codeBits = 8;
  bool hasWindow = false, isDepthwise = false;
};

/// Predicted seconds of a product by the kernels that this target would choose,
/// the encoding of its rows included. `weight` is the type of the weight, dense
/// or compressed; encodings that no kernel takes are decoded when the model is
/// loaded and cost what their decoded values do.
double estimateProduct(const KernelISA &isa, mlir::Type weight,
                       ProductShape shape, int threads,
                       CodedWeights coded = CodedWeights::Auto);

/// The same for a matrix product or convolution with static shapes; nothing for
/// anything else.
std::optional<double> estimateContract(const KernelISA &isa, ContractOp op,
                                       int threads, CodedWeights coded);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_COSTMODEL_H
