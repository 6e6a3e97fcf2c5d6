//===- Compilation.h - One compile, stage by stage --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_COMPILATION_H
#define COMPRESS_LIB_PIPELINES_COMPILATION_H

#include "ChoosePlan.h"
#include "DiagnosticCollector.h"
#include "EmitStages.h"
#include "OutputDirectory.h"
#include "SiteTimer.h"
#include "compress/Pipelines/Compiler.h"

namespace compress {

using Module = mlir::OwningOpRef<mlir::ModuleOp>;

Module clone(const Module &module);
mlir::FunctionOpInterface getMain(mlir::ModuleOp module);

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
  llvm::Error readData();
  llvm::Error calibrate();
  llvm::Error choose();
  llvm::Error apply();
  llvm::Error exportModel();
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
  llvm::Error measureLatencies(JITModel &floatModel, JITModel &model);
  /// The float model with a plan, running in this process.
  /// Evaluates what needs no compilation: plans that round no activations.
  llvm::Error evaluateStitched(StitchedModel &model);
  llvm::Expected<JITModel> makeModel(const Plan &plan);
  /// What the model is timed on.
  llvm::Expected<std::vector<NpyArray>> getTimedSample();
  /// What models are compared on, and at most how many samples of it.
  std::pair<std::optional<EvaluationData>, int64_t> getComparedSamples();
  llvm::Expected<double> timeSite(const Site &site, const Level &level);
  /// Null: of the float model. Plans take turns with it.
  llvm::Expected<double> timePlan(const Plan *plan);

  /// One of the processes that only help the first.
  bool isHelper() const { return pool && !pool->isFirst(); }
  llvm::Error openCache();
  ApplyOptions getApplyOptions();

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
  std::optional<CalibrationData> data;
  std::optional<EvaluationData> evaluation;
  std::optional<Statistics> statistics;
  std::unique_ptr<ContentCache> cache;
  LevelDatabase database;
  std::optional<SiteTimer> siteTimer;
  /// Of the float model when `timePlan` was first asked for it.
  std::optional<double> floatSeconds;
  Plan plan;
  std::vector<Alternative> alternatives;
  /// Nothing was encoded: both models are the same.
  bool isFloat = false;
  std::optional<CompiledModel> compiled;
  std::optional<JITModel> floatModel;
};

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_COMPILATION_H
