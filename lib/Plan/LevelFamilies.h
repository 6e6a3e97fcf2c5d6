//===- LevelFamilies.h - The level names of this library --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PLAN_LEVELFAMILIES_H
#define COMPRESS_LIB_PLAN_LEVELFAMILIES_H

#include "compress/Plan/Level.h"

namespace compress {

/// Integers and floats.
std::vector<LevelFamily> getBuiltinLevelFamilies();
/// Tables, sparsity, factors, codes and combinations.
std::vector<LevelFamily> getCompositeLevelFamilies();

/// Adds unsigned asymmetric activations of `bits` bits: per tensor from
/// statistics, or at run time, then per token for matrix products. With a
/// `blockSize` those are signed and symmetric, scaled per so many elements.
void addActivation(LevelEncoding &level, unsigned bits, bool dynamic,
                   int64_t blockSize = 0);
/// Runs `action` and returns the first error that it reports on this thread.
std::string captureErrors(mlir::MLIRContext *context,
                          llvm::function_ref<void()> action);
/// The compressed type, or what the verifier of the encoding objects to.
llvm::Expected<CompressedTensorType>
makeCompressedType(mlir::RankedTensorType type, EncodingAttrInterface encoding);

} // namespace compress

#endif // COMPRESS_LIB_PLAN_LEVELFAMILIES_H
