//===- Evolve.h - Refinement by running candidates --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sums of layer errors do not order assignments exactly. From the best sum, an
// evolutionary search looks for something that is better when it is run
// (EvoPress, arXiv:2410.14649): mutations switch levels so that the limits are
// kept, and candidates survive on more and more samples.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_SEARCH_EVOLVE_H
#define COMPRESS_SEARCH_EVOLVE_H

#include "compress/Search/Search.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace compress {

struct EvolveOptions {
  uint64_t seed = 0;
  unsigned generations = 20;
  unsigned offspring = 16;
  /// Samples there are; stages of a generation use a part of them.
  size_t numSamples = 1;
};

struct EvolveResult {
  Assignment best;
  /// On all samples: of the result and of what it began with; lower is better.
  double fitness = 0, seedFitness = 0;
  /// Calls, and samples in all of them.
  size_t numEvaluations = 0, numSampleRuns = 0;
};

/// How bad an assignment is on some samples, by their indices.
using FitnessCallback = llvm::function_ref<llvm::Expected<double>(
    const Assignment &, llvm::ArrayRef<size_t> samples)>;

/// Refines `seed`, which meets the limits of the problem. The result meets them
/// too and is never worse on all samples. The same seed gives the same result.
llvm::Expected<EvolveResult>
evolve(const Problem &problem, const Assignment &seed, FitnessCallback fitness,
       const EvolveOptions &options,
       llvm::function_ref<void(unsigned generation)> progress = {});

} // namespace compress

#endif // COMPRESS_SEARCH_EVOLVE_H
