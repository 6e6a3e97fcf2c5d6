//===- RemoveStructures.h - Inputs that a layer can do without --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Structured optimal brain surgeon: E. Kurtic et al., "ZipLM: Inference-Aware
// Structured Pruning of Language Models" (NeurIPS 2023), after B. Hassibi and
// D. Stork (1992). For vectors w of weights with the error dw^T H dw, one
// structure S (neighbouring inputs) after the other is removed, the one whose
// removal costs least,
//
//   sum over w of  w_S^T ((H^-1)_SS)^-1 w_S ,
//
// and the other weights are changed so that they make up for it best,
//
//   w -= (H^-1)_:S ((H^-1)_SS)^-1 w_S .
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_NUMERIC_REMOVESTRUCTURES_H
#define COMPRESS_NUMERIC_REMOVESTRUCTURES_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace compress {

/// `hessian` is [inputs, inputs], symmetric and positive definite; `weights`
/// [vectors, inputs], row-major, and changed: removed inputs get zeros. Without
/// `update` the others stay as they are. `structure` divides `inputs`. Returns
/// the inputs that are left, rising; `numKept` structures of them. The same for
/// any number of threads. Empty when the matrix is not positive definite.
std::vector<int64_t> removeStructures(llvm::ArrayRef<double> hessian,
                                      int64_t inputs,
                                      llvm::MutableArrayRef<double> weights,
                                      int64_t structure, int64_t numKept,
                                      bool update);

} // namespace compress

#endif // COMPRESS_NUMERIC_REMOVESTRUCTURES_H
