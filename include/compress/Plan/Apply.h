//===- Apply.h - From a plan to encoded weights -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_PLAN_APPLY_H
#define COMPRESS_PLAN_APPLY_H

#include "compress/Plan/Plan.h"

namespace compress {

/// What became of one site.
struct SiteResult {
  std::string name, op, node;
  std::vector<int64_t> shape;
  std::string level;
  /// Stored bits per weight, all components counted.
  double bits = 0;
  uint64_t bytesBefore = 0, bytesAfter = 0;
  /// Error of the weight; activations are not in it.
  LayerError error;
  /// As the plan says: seconds of the operations alone, and why this level.
  std::optional<double> seconds, predictedSeconds;
  std::string reason;
  /// What the weight is stored as; null where it stays as it is.
  CompressedTensorType type;
  /// As in `PlanEntry`, where somebody counted them.
  std::optional<double> flops, bops, joules;
};

struct ApplyReport {
  /// All sites in program order, those at `f32` too.
  std::vector<SiteResult> sites;
  std::vector<ExcludedSite> excluded;

  /// The plan with what is known about each site filled in.
  Plan toPlan(llvm::StringRef model) const;
};

/// Called after each of `total` pieces of work, from any thread.
using ProgressCallback = std::function<void(size_t done, size_t total)>;

/// One site encoded, not yet in the IR.
struct EncodedSite {
  CompressedTensorType type;
  WeightResult weight;
};

struct ApplyOptions {
  /// Sharpens methods and errors; needed by levels with static activations.
  const Statistics *statistics = nullptr;
  SiteOptions sites;
  ProgressCallback progress;
  /// What encodes a site; `encodeSite` when empty. Called from any thread.
  std::function<llvm::Expected<EncodedSite>(const Site &, const Level &)>
      encode;
};

/// What calibration sampled of a site's inputs, at most so many rows of each
/// use. No rows where nothing was, or where uses disagree.
LayerInputs gatherInputs(const Site &site, const Statistics &statistics,
                         int64_t maxRows);

/// The error of the layer's output on the inputs that calibration sampled,
/// which takes it that channels are correlated: tr(dW H dW^T) with the second
/// moments H of the rows of all uses. Convolutions: one such sum for each
/// position of the window. Nothing without samples.
std::optional<LayerError> measureOutputError(const Site &site,
                                             const HostTensor &weight,
                                             const HostTensor &decoded,
                                             const Statistics &statistics);

/// Runs the level's method on a site's weight; `level` is not none. The error
/// is `measureOutputError` where there are samples.
llvm::Expected<EncodedSite> encodeSite(const Site &site, const Level &level,
                                       const Statistics *statistics);

/// Bytes of the leaves of a compressed tensor, each rounded up to whole bytes.
uint64_t getStorageBytes(CompressedTensorType type);

/// Gives every site of the function the level of the plan; sites that the plan
/// does not name stay as they are. Weights become `compress.constant` and
/// `compress.decode`, activations of levels that round them pass through
/// `compress.encode` and `compress.decode`. Sites are encoded in parallel on
/// the context's threads; the result does not depend on their number. On error
/// the function is unchanged.
llvm::Expected<ApplyReport> applyPlan(mlir::FunctionOpInterface function,
                                      const Plan &plan,
                                      const ApplyOptions &options = {});

} // namespace compress

#endif // COMPRESS_PLAN_APPLY_H
