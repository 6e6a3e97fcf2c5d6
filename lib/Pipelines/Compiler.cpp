//===- Compiler.cpp - From a model file to artifacts ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Pipelines/Compiler.h"
#include "ChoosePlan.h"
#include "DiagnosticCollector.h"
#include "EmitStages.h"
#include "OutputDirectory.h"
#include "SiteTimer.h"
#include "compress/Calibration/Observe.h"
#include "compress/Conversion/CompressToONNX/CompressToONNX.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Frontend/ONNX/ONNXFrontend.h"
#include "compress/Pipelines/Pipelines.h"
#include "compress/Support/Format.h"
#include "compress/Support/OutputFile.h"
#include "compress/Support/ProgressBar.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <chrono>
#include <mutex>

using namespace mlir;
using namespace compress;

namespace {

using Module = OwningOpRef<ModuleOp>;

Module clone(const Module &module) {
  return cast<ModuleOp>(module.get()->clone());
}

FunctionOpInterface getMain(ModuleOp module) {
  for (auto function : module.getOps<FunctionOpInterface>())
    if (!function.isExternal())
      return function;
  return {};
}

/// Bytes of the constants that something uses.
uint64_t getConstantBytes(ModuleOp module) {
  uint64_t bytes = 0;
  module.walk([&](Operation *op) {
    if (!isa<onnx::InitializerOp, onnx::ConstantOp>(op) || op->use_empty())
      return;
    auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    if (type && type.hasStaticShape() && type.getElementType().isIntOrFloat())
      bytes += HostTensor::getByteSize(type.getShape(), type.getElementType());
  });
  return bytes;
}

/// One compile, stage by stage.
class Compilation {
public:
  Compilation(const CompilerOptions &options, MLIRContext &context,
              const Target &target, PlanRequest request, EmitStages emit,
              OutputDirectory output)
      : options(options), context(context), target(target),
        request(std::move(request)), emit(std::move(emit)),
        output(std::move(output)), diagnostics(&context, options.model) {}

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
  llvm::Error stage(StringRef name, llvm::Error (Compilation::*run)());
  /// Puts the model's file before an error of it.
  llvm::Error inModel(llvm::Error error) {
    return atFile(options.model, std::move(error));
  }

  llvm::Expected<CompiledModel> compileModule(Module module,
                                              const Target &target,
                                              ArrayRef<TargetOptions> machines,
                                              bool remarks = false);
  /// The float model, compiled when it is first asked for.
  llvm::Expected<JITModel *> getFloatModel();
  /// How much worse the model gets with a plan.
  llvm::Expected<double> measureDrop(const Plan &plan);
  llvm::Error measureLatencies(JITModel &floatModel, JITModel &model);
  /// The float model with a plan, running in this process.
  llvm::Expected<JITModel> makeModel(const Plan &plan);
  /// What the model is timed on.
  llvm::Expected<std::vector<NpyArray>> getTimedSample();
  /// What models are compared on, and at most how many samples of it.
  std::pair<std::optional<EvaluationData>, int64_t> getComparedSamples();
  llvm::Expected<double> timeSite(const Site &site, const Level &level);
  llvm::Expected<double> timePlan(const Plan *plan);

  llvm::Error openCache();
  ApplyOptions getApplyOptions();

  const CompilerOptions &options;
  MLIRContext &context;
  const Target &target;
  PlanRequest request;
  EmitStages emit;
  OutputDirectory output;
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
  Plan plan;
  std::vector<Alternative> alternatives;
  /// Nothing was encoded: both models are the same.
  bool isFloat = false;
  std::optional<CompiledModel> compiled;
  std::optional<JITModel> floatModel;
};

} // namespace

//===----------------------------------------------------------------------===//
// Models
//===----------------------------------------------------------------------===//

llvm::Expected<CompiledModel>
Compilation::compileModule(Module module, const Target &target,
                           ArrayRef<TargetOptions> machines, bool remarks) {
  StringRef name = llvm::sys::path::stem(options.model);
  auto model =
      CompiledModel::compile(module.get(), name, target, machines, remarks);
  if (!model)
    return diagnostics.takeError(llvm::toString(model.takeError()));
  return model;
}

llvm::Expected<JITModel *> Compilation::getFloatModel() {
  if (!floatModel) {
    auto compiled = compileModule(clone(floatModule), target, options.machines);
    if (!compiled)
      return compiled.takeError();
    auto model = JITModel::create(std::move(*compiled), options.threads);
    if (!model)
      return inModel(model.takeError());
    floatModel.emplace(std::move(*model));
  }
  return &*floatModel;
}

llvm::Error Compilation::openCache() {
  std::string directory = options.cache;
  if (directory.empty() && options.resume)
    directory = output.getPath().str() + ".cache";
  if (directory.empty())
    return llvm::Error::success();
  auto opened = ContentCache::open(directory);
  if (!opened)
    return llvm::createStringError(
        StringRef(options.cache.empty() ? "--resume: " : "--cache: ") +
        llvm::toString(opened.takeError()));
  cache = std::move(*opened);
  return llvm::Error::success();
}

/// The functions live as long as this object.
ApplyOptions Compilation::getApplyOptions() {
  ApplyOptions applyOptions;
  applyOptions.statistics = statistics ? &*statistics : nullptr;
  applyOptions.encode = [this](const Site &site, const Level &level) {
    return database.encode(site, level);
  };
  return applyOptions;
}

llvm::Expected<JITModel> Compilation::makeModel(const Plan &candidate) {
  Module copy = clone(floatModule);
  auto applied = applyPlan(getMain(*copy), candidate, getApplyOptions());
  if (!applied)
    return applied.takeError();
  auto compiled = compileModule(std::move(copy), target, options.machines);
  if (!compiled)
    return compiled.takeError();
  return JITModel::create(std::move(*compiled), options.threads);
}

llvm::Expected<double> Compilation::measureDrop(const Plan &candidate) {
  auto reference = getFloatModel();
  if (!reference)
    return reference.takeError();
  auto model = makeModel(candidate);
  if (!model)
    return model.takeError();
  auto result = evaluate(**reference, *model, *evaluation);
  if (!result)
    return result.takeError();
  return result->getDrop();
}

llvm::Expected<std::vector<NpyArray>> Compilation::getTimedSample() {
  if (evaluation)
    return evaluation->samples.getSample(0);
  if (data)
    return data->getSample(0);
  return makeRandomInputs(inputs, options.seed);
}

llvm::Expected<double> Compilation::timeSite(const Site &site,
                                             const Level &level) {
  if (!siteTimer) {
    auto sample = getTimedSample();
    if (!sample)
      return sample.takeError();
    auto timer = SiteTimer::create(
        *floatModule, *sample, database,
        {&target, options.machines.front(), options.threads, options.seed});
    if (!timer)
      return timer.takeError();
    siteTimer.emplace(std::move(*timer));
  }
  return siteTimer->getSeconds(site, level);
}

llvm::Expected<double> Compilation::timePlan(const Plan *candidate) {
  auto sample = getTimedSample();
  if (!sample)
    return sample.takeError();
  auto measure = [&](JITModel &model) -> llvm::Expected<double> {
    auto latencies = compress::measureLatencies({&model}, *sample);
    if (!latencies)
      return latencies.takeError();
    return latencies->front().median;
  };
  if (!candidate) {
    auto model = getFloatModel();
    if (!model)
      return model.takeError();
    return measure(**model);
  }
  auto model = makeModel(*candidate);
  if (!model)
    return model.takeError();
  return measure(*model);
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

llvm::Error Compilation::importModel() {
  uint64_t size = 0;
  llvm::sys::fs::file_size(options.model, size);
  report.modelBytes = size;
  auto imported = onnx::importONNX(options.model, &context);
  if (failed(imported))
    return diagnostics.takeError("cannot be read");
  floatModule = std::move(*imported);
  if (llvm::Error error =
          emit.write("import", *floatModule, output.getStaging()))
    return error;
  PassManager pm(&context);
  buildSimplifyPipeline(pm);
  if (failed(pm.run(*floatModule)))
    return diagnostics.takeError("cannot be simplified");
  if (!getMain(*floatModule))
    return inModel(llvm::createStringError("the model has no graph"));
  return emit.write("simplify", *floatModule, output.getStaging());
}

llvm::Error Compilation::readData() {
  auto specs = getInputSpecs(getMain(*floatModule));
  if (!specs)
    return inModel(specs.takeError());
  inputs = std::move(*specs);
  if (!options.data.empty()) {
    auto samples = CalibrationData::load(options.data, inputs);
    if (!samples)
      return atFile(options.data, samples.takeError());
    data = std::move(*samples);
  }
  if (!options.eval.empty()) {
    auto samples = EvaluationData::load(options.eval, inputs);
    if (!samples)
      return atFile(options.eval, samples.takeError());
    evaluation = std::move(*samples);
  }
  return llvm::Error::success();
}

/// Runs the float model with observers on the CPU target, which is exact enough
/// and fast, wherever the result is to run.
llvm::Error Compilation::calibrate() {
  if (!data || request.isFloat())
    return llvm::Error::success();
  Module observed = clone(floatModule);
  SiteList list = findSites(getMain(*observed));
  if (list.sites.empty())
    return llvm::Error::success();
  statistics = insertObservers(list.sites, options.seed);
  auto cpu = TargetRegistry::get().lookup("cpu");
  if (!cpu)
    return cpu.takeError();
  auto compiled = compileModule(std::move(observed), **cpu, TargetOptions());
  if (!compiled)
    return compiled.takeError();
  auto model = JITModel::create(std::move(*compiled), options.threads);
  if (!model)
    return inModel(model.takeError());
  ObserverSink sink(*statistics);
  model->setObserver([&](int64_t id, CompressDType dtype,
                         ArrayRef<int64_t> shape, ArrayRef<int64_t> strides,
                         const void *values) {
    sink.observe(id, dtype, shape, strides, values);
  });
  ProgressBar bar("calibrate", data->size());
  for (int64_t i = 0; i < data->size(); ++i) {
    auto outputs = model->run(data->getSample(i));
    llvm::Error error = sink.takeError();
    if (!outputs)
      error = llvm::joinErrors(outputs.takeError(), std::move(error));
    if (error)
      return llvm::createStringError(options.data + ": sample " + Twine(i) +
                                     ": " + llvm::toString(std::move(error)));
    bar.update(i + 1);
  }
  report.calibrationFile = llvm::sys::path::filename(options.data);
  report.calibrationSamples = data->size();
  return llvm::Error::success();
}

llvm::Error Compilation::choose() {
  SiteList list = findSites(getMain(*floatModule));
  auto measure = [this](const Plan &plan) { return measureDrop(plan); };
  database = LevelDatabase(statistics ? &*statistics : nullptr, cache.get());
  auto timeOneSite = [this](const Site &site, const Level &level) {
    return timeSite(site, level);
  };
  auto timeModel = [this](const Plan *plan) { return timePlan(plan); };
  std::optional<StitchedModel> stitched;
  auto stitch = [&]() -> llvm::Expected<StitchedModel *> {
    constexpr size_t maxSamples = 64;
    auto model = StitchedModel::create(
        *floatModule, list.sites, *data, maxSamples, database, target,
        options.machines.front(), options.threads);
    if (!model)
      return model.takeError();
    stitched.emplace(std::move(*model));
    return &*stitched;
  };
  PlanSubject subject{list,        getConstantBytes(*floatModule),
                      database,    measure,
                      timeOneSite, timeModel,
                      nullptr};
  if (data)
    subject.stitch = stitch;
  auto chosen = choosePlan(request, subject, report.notes);
  if (!chosen)
    return inModel(chosen.takeError());
  plan = std::move(chosen->plan);
  alternatives = std::move(chosen->alternatives);
  report.choice = request.description;
  return llvm::Error::success();
}

llvm::Error Compilation::apply() {
  module = clone(floatModule);
  report.bytesBefore = getConstantBytes(*module);
  ProgressBar bar("encode", plan.sites.size());
  std::mutex mutex;
  ApplyOptions applyOptions = getApplyOptions();
  applyOptions.progress = [&](size_t done, size_t) {
    std::lock_guard<std::mutex> lock(mutex);
    bar.update(done);
  };
  auto applied = applyPlan(getMain(*module), plan, applyOptions);
  bar.finish();
  if (!applied)
    return inModel(applied.takeError());
  report.excluded = std::move(applied->excluded);
  report.bytesAfter = report.bytesBefore;
  isFloat = true;
  for (const SiteResult &site : applied->sites) {
    report.bytesAfter -= site.bytesBefore;
    report.bytesAfter += site.bytesAfter;
    isFloat &= site.level == "f32";
  }
  report.sites = applied->sites;
  if (llvm::Error error =
          applied->toPlan(llvm::sys::path::filename(options.model))
              .save(output.getFile("plan.yaml")))
    return error;
  return emit.write("plan", *module, output.getStaging());
}

llvm::Error Compilation::exportModel() {
  Module exported = clone(module);
  PassManager pm(&context);
  ConvertCompressToONNXOptions conversion;
  conversion.profile = options.profile;
  pm.addPass(createConvertCompressToONNX(conversion));
  if (failed(pm.run(*exported)))
    return diagnostics.takeError("cannot be exported to ONNX");
  if (llvm::Error error = emit.write("onnx", *exported, output.getStaging()))
    return error;
  onnx::ExportOptions exportOptions;
  // Protobuf's limit is 2 GB, with the graph.
  constexpr uint64_t largestInline = 1800000000;
  if (getConstantBytes(*exported) > largestInline)
    exportOptions.externalThreshold = 1024;
  if (failed(onnx::exportONNX(*exported, output.getFile("model.onnx"),
                              exportOptions)))
    return diagnostics.takeError("cannot be exported to ONNX");
  return llvm::Error::success();
}

llvm::Error Compilation::compile() {
  if (llvm::Error error = emit.writePasses(*module, output.getStaging(), target,
                                           options.machines.front()))
    return inModel(std::move(error));
  auto model = compileModule(std::move(module), target, options.machines,
                             options.remarks);
  if (!model)
    return model.takeError();
  compiled = std::move(*model);
  if (emit.wantsLLVM())
    if (llvm::Error error =
            writeFile(output.getFile("model.ll"), compiled->getLLVMIR()))
      return error;
  return inModel(compiled->writeArtifacts(output.getStaging()));
}

llvm::Error Compilation::measureLatencies(JITModel &floatModel,
                                          JITModel &model) {
  auto sample = getTimedSample();
  if (!sample)
    return sample.takeError();
  SmallVector<JITModel *> models{&model};
  if (&floatModel != &model)
    models.push_back(&floatModel);
  auto latencies = compress::measureLatencies(models, *sample);
  if (!latencies)
    return latencies.takeError();
  report.latencyAfter = latencies->front();
  if (isFloat || models.size() > 1)
    report.latencyBefore = latencies->back();
  // Float is timed again, since machines change their speed.
  if (options.maxLatency && report.latencyBefore) {
    double limit = options.maxLatency->getSeconds(report.latencyBefore->median);
    double time = report.latencyAfter->median;
    report.notes.push_back(
        "--max-latency: " + formatDuration(limit) + " asked for, " +
        formatDuration(time) + " in the end" +
        (time > limit * 1.05 ? ": slower than promised, the machine was busy"
                             : ""));
  }
  for (auto [input, array] : llvm::zip_equal(inputs, *sample))
    report.latencyInputs += (report.latencyInputs.empty() ? "" : ", ") +
                            input.name + " " + describe(array);
  return llvm::Error::success();
}

std::pair<std::optional<EvaluationData>, int64_t>
Compilation::getComparedSamples() {
  // Without evaluation data, calibration data tells how far the outputs are.
  constexpr int64_t maxCalibrationSamples = 64;
  if (evaluation || !data || isFloat || !options.compare)
    return {evaluation, INT64_MAX};
  return {EvaluationData{options.data, *data, std::nullopt, 1},
          maxCalibrationSamples};
}

/// Runs what the search did not choose, to compare with.
llvm::Error Compilation::compareAlternatives() {
  auto [samples, maxSamples] = getComparedSamples();
  ProgressBar bar("compare", alternatives.size());
  bool runs = options.compare && report.latencyAfter && samples;
  for (auto [index, alternative] : llvm::enumerate(alternatives)) {
    SearchPoint point = alternative.point;
    if (point.isChosen) {
      point.evaluation = report.evaluation;
      if (report.latencyAfter)
        point.seconds = report.latencyAfter->median;
    } else if (runs) {
      auto reference = getFloatModel();
      if (!reference)
        return reference.takeError();
      auto model = makeModel(alternative.plan);
      if (!model)
        return model.takeError();
      auto result = evaluate(**reference, *model, *samples, maxSamples);
      if (!result)
        return result.takeError();
      point.evaluation = std::move(*result);
      auto sample = getTimedSample();
      if (!sample)
        return sample.takeError();
      auto latencies = compress::measureLatencies({&*model}, *sample, 0.1);
      if (!latencies)
        return latencies.takeError();
      point.seconds = latencies->front().median;
    }
    report.points.push_back(std::move(point));
    bar.update(index + 1);
  }
  return llvm::Error::success();
}

llvm::Error Compilation::measure() {
  auto model = JITModel::create(std::move(*compiled), options.threads);
  compiled.reset();
  if (!model) {
    const TargetOptions &machine = options.machines.front();
    if (machine.triple.empty() && machine.cpu.empty() &&
        machine.features.empty())
      return inModel(model.takeError());
    // Compiled for another machine, which is no error.
    report.notes.push_back("not run here: " +
                           llvm::toString(model.takeError()));
    return llvm::Error::success();
  }
  JITModel *reference = &*model;
  if (!isFloat && options.compare) {
    auto compiledFloat = getFloatModel();
    if (!compiledFloat)
      return compiledFloat.takeError();
    reference = *compiledFloat;
  }

  auto [samples, maxSamples] = getComparedSamples();
  if (samples) {
    int64_t total = std::min(samples->samples.size(), maxSamples);
    ProgressBar bar("evaluate", total);
    auto result = evaluate(*reference, *model, *samples, total,
                           [&](int64_t done, int64_t) { bar.update(done); });
    if (!result)
      return result.takeError();
    report.evaluation = std::move(*result);
    report.evaluationFile = llvm::sys::path::filename(samples->path);
    if (!options.compare && !isFloat) {
      report.evaluation->reference.reset();
      report.evaluation->outputs.clear();
    }
  }
  if (llvm::Error error = measureLatencies(*reference, *model)) {
    std::string reason = llvm::toString(std::move(error));
    if (evaluation || data)
      return inModel(llvm::createStringError(Twine(reason)));
    // Invented inputs need not suit the model.
    report.notes.push_back("latency was not measured, since made-up inputs "
                           "failed (give --data): " +
                           reason);
  }
  return llvm::Error::success();
}

llvm::Error Compilation::writeReports() {
  std::error_code code;
  for (llvm::sys::fs::recursive_directory_iterator
           it(output.getStaging(), code),
       end;
       it != end && !code; it.increment(code)) {
    if (llvm::sys::fs::is_directory(it->path()))
      continue;
    StringRef name(it->path());
    name.consume_front(output.getStaging());
    uint64_t size = 0;
    llvm::sys::fs::file_size(it->path(), size);
    report.artifacts.emplace_back(
        name.drop_while([](char c) { return llvm::sys::path::is_separator(c); })
            .str(),
        size);
  }
  if (code)
    return llvm::createStringError(output.getPath() + ": " + code.message());
  llvm::sort(report.artifacts);
  // Three compiles of one model may say the same.
  for (std::string &warning : diagnostics.takeWarnings())
    if (!llvm::is_contained(report.notes, warning))
      report.notes.push_back(std::move(warning));

  std::string json, html;
  {
    llvm::raw_string_ostream jsonStream(json), htmlStream(html);
    report.writeJSON(jsonStream);
    report.writeHTML(htmlStream);
  }
  for (const auto &[name, text] :
       {std::pair("report.html", &html), std::pair("report.json", &json)}) {
    if (llvm::Error error = writeFile(output.getFile(name), *text))
      return error;
    report.artifacts.emplace_back(name, text->size());
  }
  return output.commit();
}

llvm::Error Compilation::stage(StringRef name,
                               llvm::Error (Compilation::*run)()) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin = Clock::now();
  llvm::Error error = (this->*run)();
  report.stages.emplace_back(
      name.str(), std::chrono::duration<double>(Clock::now() - begin).count());
  return error;
}

llvm::Expected<Report> Compilation::run() {
  report.model = llvm::sys::path::filename(options.model);
  report.target = target.getName();
  report.profile = options.profile;
  report.threads = options.threads;
  report.seed = options.seed;
  report.outputDirectory = output.getPath();
  if (llvm::Error error = openCache())
    return std::move(error);
  static constexpr std::pair<const char *, llvm::Error (Compilation::*)()>
      stages[] = {{"import", &Compilation::importModel},
                  {"data", &Compilation::readData},
                  {"calibrate", &Compilation::calibrate},
                  {"plan", &Compilation::choose},
                  {"encode", &Compilation::apply},
                  {"export", &Compilation::exportModel},
                  {"compile", &Compilation::compile},
                  {"measure", &Compilation::measure},
                  {"compare", &Compilation::compareAlternatives}};
  report.explains = options.explain;
  for (auto [name, run] : stages)
    if (llvm::Error error = stage(name, run))
      return std::move(error);
  if (cache && cache->getNumBroken())
    report.notes.push_back(std::to_string(cache->getNumBroken()) +
                           " entries of " + cache->getDirectory().str() +
                           " were broken and have been made again");
  if (llvm::Error error = writeReports())
    return std::move(error);
  // Only what this run made for itself.
  if (cache && options.cache.empty())
    llvm::sys::fs::remove_directories(cache->getDirectory());
  return std::move(report);
}

llvm::Expected<Report> compress::compileModel(const CompilerOptions &options,
                                              MLIRContext &context) {
  // What is quickly seen to be wrong comes before any work.
  registerAllTargets();
  context.loadDialect<CompressDialect, onnx::ONNXDialect, arith::ArithDialect,
                      func::FuncDialect>();
  auto request = PlanRequest::parse(options);
  if (!request)
    return request.takeError();
  auto emit = EmitStages::parse(options.emit);
  if (!emit)
    return emit.takeError();
  auto target = TargetRegistry::get().lookup(options.target);
  if (!target)
    return llvm::createStringError("--target: " +
                                   llvm::toString(target.takeError()));
  for (TargetOptions machine : options.machines) {
    llvm::Error available = machine.resolve();
    if (!available)
      available = (*target)->checkAvailable(machine);
    if (available)
      return llvm::createStringError("--target " + options.target + ": " +
                                     llvm::toString(std::move(available)));
  }
  auto output = OutputDirectory::create(options.output);
  if (!output)
    return output.takeError();
  Compilation compilation(options, context, **target, std::move(*request),
                          std::move(*emit), std::move(*output));
  auto report = compilation.run();
  if (!report)
    return llvm::createStringError(
        Twine(toOneLine(llvm::toString(report.takeError()))));
  return report;
}
