//===- SplitFactors.h - Factors by singular value decompositions *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Private to CompressNumeric.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_NUMERIC_SPLITFACTORS_H
#define COMPRESS_LIB_NUMERIC_SPLITFACTORS_H

#include "Contraction.h"

namespace compress::numeric {

using FactorNames = llvm::SmallVector<llvm::SmallVector<unsigned>>;

/// Splits `tensor` into factors with these names, one factor at a time, by
/// truncated singular value decomposition of the unfolding that separates it
/// from the others: its vectors orthonormal, the singular values with the rest.
/// Every contracted name occurs in at least two factors. If the rank is more
/// than the unfolding has and `pad` is positive, the rest is random, of
/// this size relative to the tensor. `lowerBound`, if given, receives a bound
/// that no factors of this form can beat: the squared error of the first split.
std::vector<NamedTensor> splitFactors(NamedTensor tensor,
                                      const FactorNames &factors, Sizes sizes,
                                      uint32_t seed, double pad = 0,
                                      double *lowerBound = nullptr);

/// Rescales the factors, their contraction unchanged, so that along each shared
/// name the slices of all factors that have it are of equal norm (a factor with
/// this one name only takes all), and so are unconnected factors.
void balanceFactors(std::vector<NamedTensor> &factors, Sizes sizes);

} // namespace compress::numeric

#endif // COMPRESS_LIB_NUMERIC_SPLITFACTORS_H
