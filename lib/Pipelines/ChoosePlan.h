//===- ChoosePlan.h - From options to a plan --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_CHOOSEPLAN_H
#define COMPRESS_LIB_PIPELINES_CHOOSEPLAN_H

#include "StitchedModel.h"
#include "compress/Pipelines/Compiler.h"
#include "compress/Plan/LevelDatabase.h"
#include "compress/Plan/Plan.h"
#include "compress/Search/Search.h"
#include "compress/Search/Work.h"

namespace compress {

/// What decides about the plan, checked as far as possible without a model.
struct PlanRequest {
  /// Errors name the option: unknown levels and searches, options that exclude
  /// each other, a broken plan file.
  static llvm::Expected<PlanRequest> parse(const CompilerOptions &options);

  /// For the report.
  std::string description;
  /// Exactly one of these three; levels are what a search chooses from.
  std::optional<Level> level;
  std::optional<Plan> plan;
  std::vector<Level> levels;

  const Search *search = nullptr;
  std::optional<SizeLimit> maxSize;
  std::optional<double> maxDrop;
  std::optional<LatencyLimit> maxLatency;
  std::optional<double> maxBits, maxError;
  std::optional<CostLimit> maxFlops, maxBops, maxEnergy;
  std::optional<SizeLimit> maxMemory;
  /// Null for the default.
  const QualityMeasure *quality = nullptr;
  /// What is minimized, as the problem names it: "error", "bytes", "seconds",
  /// "flops", "bops", "joules". With `maxDrop` it is a cost.
  std::string objective = "error";
  std::vector<SizeLimit> frontier;
  std::vector<LatencyLimit> frontierLatency;
  std::vector<SiteRule> rules;
  std::vector<std::string> same;
  bool sameSiblings = false;
  uint64_t seed = 0;
  unsigned refine = 0;
  unsigned numBaselines = 0;
  bool layerErrors = false;
  bool weighLevels = false;

  /// The option of the first limit, for errors.
  llvm::StringRef getLimitOption() const;
  /// Whether every site stays float.
  bool isFloat() const { return level && level->isNone(); }
};

/// Puts the option's name before an error.
llvm::Error atOption(llvm::StringRef option, llvm::Error error);

/// The model that a plan is for.
struct PlanSubject {
  const SiteList &sites;
  /// Bytes of all weights and constants, sites or not.
  uint64_t bytes;
  const LevelDatabase &database;
  /// Measures how much worse the model gets with a plan
  /// (`Evaluation::getDrop`).
  llvm::function_ref<llvm::Expected<double>(const Plan &)> measureDrop;
  /// Seconds of a site alone at a level.
  llvm::function_ref<llvm::Expected<double>(const Site &, const Level &)>
      timeSite;
  /// Seconds of all that shrinks with a level that removes inputs of the site,
  /// before (true) or after; nothing where nothing else does, or nothing can be
  /// timed.
  llvm::function_ref<llvm::Expected<std::optional<double>>(const Site &,
                                                           const Level &, bool)>
      timeGroup;
  /// The same as `timeSite` as the target predicts it; nothing where it cannot.
  llvm::function_ref<llvm::Expected<std::optional<double>>(const Site &,
                                                           const Level &)>
      predictSite;
  /// Seconds of one run of the model with a plan (null: of the float model).
  llvm::function_ref<llvm::Expected<double>(const Plan *)> timePlan;
  /// The work of a site in one run at a level.
  llvm::function_ref<llvm::Expected<SiteWork>(const Site &, const Level &)>
      measureWork;
  /// Bytes that one run takes, weights and all, with a plan (null: of the float
  /// model).
  llvm::function_ref<llvm::Expected<uint64_t>(const Plan *)> measureMemory;
  /// The model to run plans on calibration data; null without data.
  llvm::function_ref<llvm::Expected<StitchedModel *>()> stitch;
  /// What `stitch` runs on, with labels if there are any; null without data.
  const EvaluationData *calibration = nullptr;
  /// Who fills the table.
  JobPool *pool = nullptr;
  /// Why nothing can be timed here, so that times are predicted; empty where
  /// they are measured.
  std::string untimed = {};
};

/// A plan to run beside the chosen one.
struct Alternative {
  Plan plan;
  /// What is known without running it.
  SearchPoint point;
};

struct PlanChoice {
  Plan plan;
  /// For a search: the frontier by bytes, the chosen plan in it, each point
  /// followed by what `uniform` and `random` find with the same limits.
  std::vector<Alternative> alternatives;
};

/// For `maxLatency`, sites are timed alone, and what is found is timed as a
/// whole until it keeps the limit; for `maxDrop` it is the smallest found by
/// bisection over size budgets, each candidate measured. `notes` gets what the
/// user should know. Nothing is chosen but by the first process of the pool.
llvm::Expected<PlanChoice> choosePlan(PlanRequest request,
                                      const PlanSubject &subject,
                                      std::vector<std::string> &notes);

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_CHOOSEPLAN_H
