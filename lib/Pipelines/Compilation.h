//===- Compilation.h - One compile, stage by stage --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_COMPILATION_H
#define COMPRESS_LIB_PIPELINES_COMPILATION_H

#include "BiasCorrection.h"
#include "ChoosePlan.h"
#include "DiagnosticCollector.h"
#include "EmitStages.h"
#include "OutputDirectory.h"
#include "Reestimation.h"
#include "SiteTimer.h"
#include "compress/Dialect/ONNX/Transforms/ExpandExperts/ExpandExperts.h"
#include "compress/Dialect/ONNX/Transforms/ShrinkChannels/ShrinkChannels.h"
#include "compress/Pipelines/Compiler.h"

namespace compress {

using Module = mlir::OwningOpRef<mlir::ModuleOp>;

Module clone(const Module &module);
mlir::FunctionOpInterface getMain(mlir::ModuleOp module);

/// Inputs of one shape to time a model on.
struct TimedSample {
  std::string shape;
  /// Weights add up to 1.
  double weight;
  std::vector<NpyArray> inputs;
  /// Made when they are first needed.
  std::optional<SiteTimer> timer;
  std::optional<ShapedModel> shaped;
};

/// One compile, stage by stage.
class Compilation {
public:
  Compilation(const CompilerOptions &options, mlir::MLIRContext &context,
              const Target &target, PlanRequest request, EmitStages emit,
              OutputDirectory output, JobPool *pool)
      : options(options), context(context), target(target),
        request(std::move(request)), emit(std::move(emit)),
        output(std::move(output)), pool(pool),
        diagnostics(&context, options.model) {}

  llvm::Expected<Report> run();

private:
  llvm::Error importModel();
  /// Notes which experts the router asks for on the calibration data.
  void noteExperts();
  llvm::Error readData();
  llvm::Error holdOut();
  llvm::Error calibrate();
  /// Compiles a model with observers, and runs it on all of the data.
  llvm::Expected<JITModel> makeObserved(Module observed);
  llvm::Error runObserved(JITModel &model, Statistics &seen,
                          llvm::StringRef title);
  llvm::Error choose();
  llvm::Error apply();
  llvm::Error exportModel();
  /// Writes a model as the chosen consumer of ONNX takes it.
  llvm::Error writeONNX(Module exported, llvm::StringRef path,
                        bool emits = false);
  llvm::Error compile();
  llvm::Error measure();
  llvm::Error compareAlternatives();
  llvm::Error writeReports();

  /// Runs a stage and keeps its time.
  llvm::Error stage(llvm::StringRef name, llvm::Error (Compilation::*run)());
  /// Puts the model's file before an error of it.
  llvm::Error inModel(llvm::Error error) {
    return atFile(options.model, std::move(error));
  }

  llvm::Expected<CompiledModel>
  compileModule(Module module, const Target &target,
                llvm::ArrayRef<TargetOptions> machines, bool remarks = false);
  /// The float model, compiled when it is first asked for.
  llvm::Expected<JITModel *> getFloatModel();
  /// How much worse the model gets with a plan.
  llvm::Expected<double> measureDrop(const Plan &plan);
  /// What the user's command says about the model with a plan (null: float).
  llvm::Expected<double> measureByCommand(const Plan *plan);
  /// The same about the model that was compiled.
  llvm::Error measureResultByCommand();
  llvm::Error measureLatencies(JITModel &floatModel, JITModel &model);
  /// Seconds of one run of each, the weighted mean over shapes.
  llvm::Expected<std::vector<double>>
  timeModels(llvm::ArrayRef<JITModel *> models, double seconds);
  /// Evaluates what needs no compilation: plans that round no activations.
  llvm::Error evaluateStitched(StitchedModel &model);
  /// The float model with a plan, running in this process.
  llvm::Expected<JITModel> makeModel(const Plan &plan);
  /// What the model is timed on: one sample for each shape that counts.
  llvm::Expected<llvm::MutableArrayRef<TimedSample>> getTimedSamples();
  /// What models are compared on, and at most how many samples of it.
  std::pair<std::optional<EvaluationData>, int64_t>
  getComparedSamples(bool isOfFloat);
  /// Why this machine does not run the code; empty where it does.
  const std::string &getUntimedReason();
  /// What is known of the time of a site where nothing can be run.
  llvm::Expected<double> predictOrFail(const Site &site, const Level &level);
  /// Measured, or predicted where the code does not run here.
  llvm::Expected<double> timeSite(const Site &site, const Level &level);
  llvm::Expected<std::optional<double>>
  timeGroup(const Site &site, const Level &removal, bool isFloat);
  llvm::Expected<SiteTimer *> getTimer(TimedSample &sample);
  /// The weighted sum over the samples; nothing where one of them has none.
  llvm::Expected<std::optional<double>> sumOverSamples(
      llvm::function_ref<llvm::Expected<std::optional<double>>(SiteTimer &)>
          getSeconds);
  /// What the target predicts; nothing where it cannot.
  llvm::Expected<std::optional<double>> predictSite(const Site &site,
                                                    const Level &level);
  /// Fills in the predicted times of the report.
  llvm::Error predictSites(llvm::MutableArrayRef<SiteResult> results);
  /// Null: of the float model. Plans take turns with it. Where the code does
  /// not run here, the sum of what sites are predicted to take.
  llvm::Expected<double> timePlan(const Plan *plan);
  llvm::Expected<SiteWork> measureWork(const Site &site, const Level &level,
                                       CompressedTensorType stored);
  llvm::Expected<uint64_t> measureMemory(const Plan *plan);
  llvm::Expected<uint64_t> measureMemory(JITModel &model);
  /// Fills in what the sites of the report take.
  void countWork(llvm::MutableArrayRef<SiteResult> results);

  /// One of the processes that only help the first.
  bool isHelper() const { return pool && !pool->isFirst(); }
  llvm::Error openCache();
  ApplyOptions getApplyOptions();
  /// What else applying a plan did.
  struct Applied {
    BiasCorrection::Result corrected;
    Reestimation::Result reestimated;
    /// Of levels that remove inputs, of which there were so many.
    onnx::ShrinkResult shrunk;
    size_t numRemovals = 0;
  };
  /// Applies a plan to a copy of the float module; shrinks what computes
  /// removed inputs, and corrects biases and variances where that is asked for.
  llvm::Expected<ApplyReport> applyTo(Module &copy, const Plan &candidate,
                                      const ApplyOptions &applyOptions,
                                      Applied *extra = nullptr);

  const CompilerOptions &options;
  mlir::MLIRContext &context;
  const Target &target;
  PlanRequest request;
  EmitStages emit;
  OutputDirectory output;
  JobPool *pool;
  DiagnosticCollector diagnostics;

  Report report;
  /// Simplified and float; then the same with the plan applied.
  Module floatModule, module;
  std::vector<InputSpec> inputs;
  std::optional<std::string> untimedReason;
  std::optional<CalibrationData> data;
  std::optional<EvaluationData> evaluation;
  /// `data` with labels, where a measure wants them.
  std::optional<EvaluationData> labelledData;
  std::optional<double> commandOfFloat;
  std::optional<Statistics> statistics;
  /// Made when it is first needed.
  std::optional<Reestimation> reestimation;
  std::unique_ptr<ContentCache> cache;
  LevelDatabase database;
  std::vector<TimedSample> timedSamples;
  EnergyModel energy;
  /// Of the float model when `timePlan` was first asked for it.
  std::optional<double> floatSeconds;
  /// Mixtures of experts in the model.
  std::vector<onnx::ExpertLayer> experts;
  Plan plan;
  std::vector<Alternative> alternatives;
  /// Nothing was encoded: both models are the same.
  bool isFloat = false;
  std::optional<CompiledModel> compiled;
  std::optional<JITModel> floatModel;
};

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_COMPILATION_H
