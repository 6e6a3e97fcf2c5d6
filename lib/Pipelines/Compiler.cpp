//===- Compiler.cpp - From a model file to artifacts ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Pipelines/Compiler.h"
#include "Compilation.h"
#include "compress/Conversion/CompressToONNX/CompressToONNX.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Transforms/InferShapes/InferShapes.h"
#include "compress/Dialect/ONNX/Transforms/ShrinkChannels/ShrinkChannels.h"
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

compress::Module compress::clone(const Module &module) {
  return cast<ModuleOp>(module.get()->clone());
}

FunctionOpInterface compress::getMain(ModuleOp module) {
  for (auto function : module.getOps<FunctionOpInterface>())
    if (!function.isExternal())
      return function;
  return {};
}

/// Bytes of the constants that something uses.
static uint64_t getConstantBytes(ModuleOp module) {
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

llvm::Error Compilation::openCache() {
  std::string directory = options.cache;
  if (directory.empty() && options.resume)
    directory = output.getPath().str() + ".cache";
  if (directory.empty()) {
    if (!options.dryRun)
      OutputDirectory::setInterruptNote(
          "nothing was written; --resume would have kept the work so far");
    return llvm::Error::success();
  }
  auto opened = ContentCache::open(directory);
  if (!opened)
    return llvm::createStringError(
        StringRef(options.cache.empty() ? "--resume: " : "--cache: ") +
        llvm::toString(opened.takeError()));
  cache = std::move(*opened);
  OutputDirectory::setInterruptNote("the same command goes on from what " +
                                    directory + " keeps");
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

/// Puts what became of other sites into the report of all, whose sizes are
/// those of the model before anything shrank.
static void mergeReport(ApplyReport &all, ApplyReport part) {
  for (SiteResult &site : part.sites) {
    auto own = llvm::find_if(all.sites, [&](const SiteResult &result) {
      return result.name == site.name;
    });
    if (own == all.sites.end())
      continue;
    // Inputs of the weight were removed, and what is left is a site again,
    // which may have lost outputs too.
    if (own->level != "f32") {
      int64_t elements = 1;
      for (int64_t dim : own->shape)
        elements *= dim;
      own->bytesAfter = site.bytesAfter;
      own->bits = double(own->bytesAfter) * 8 / double(elements);
      continue;
    }
    std::vector<int64_t> shape = std::move(own->shape);
    uint64_t before = own->bytesBefore;
    *own = std::move(site);
    if (own->shape != shape) {
      int64_t elements = 1;
      for (int64_t dim : shape)
        elements *= dim;
      own->bits = double(own->bytesAfter) * 8 / double(elements);
    }
    own->shape = std::move(shape);
    own->bytesBefore = before;
  }
}

llvm::Expected<ApplyReport>
Compilation::applyTo(Module &copy, const Plan &candidate,
                     const ApplyOptions &applyOptions, Applied *extra) {
  FunctionOpInterface main = getMain(*copy);
  // Inputs are removed first, so that other levels encode what is left.
  Plan removals, others;
  removals.model = others.model = candidate.model;
  for (const PlanEntry &entry : candidate.sites) {
    auto level = Level::parse(entry.level);
    if (!level)
      return level.takeError();
    (level->removesInputs() ? removals : others).sites.push_back(entry);
  }
  std::optional<ApplyReport> report;
  if (!removals.sites.empty()) {
    if (llvm::Error error = candidate.verify(findSites(main)))
      return std::move(error);
    // What is left has other shapes.
    for (PlanEntry &entry : others.sites)
      entry.shape.reset();
    auto applied = applyPlan(main, removals, applyOptions);
    if (!applied)
      return applied.takeError();
    report = std::move(*applied);
    auto shrunk = onnx::shrinkChannels(main);
    if (!shrunk)
      return shrunk.takeError();
    if (extra) {
      extra->shrunk = std::move(*shrunk);
      extra->numRemovals = removals.sites.size();
    }
  }
  std::optional<BiasCorrection> correction;
  if (options.correctBias && statistics)
    correction.emplace(main, *statistics);
  std::optional<Reestimation::Places> places;
  if (options.reestimate && statistics)
    places.emplace(main);
  auto applied = applyPlan(main, others, applyOptions);
  if (!applied)
    return applied;
  if (report) {
    mergeReport(*report, std::move(*applied));
    applied = std::move(*report);
  }
  if (correction) {
    auto result = correction->apply();
    if (!result)
      return result.takeError();
    if (extra)
      extra->corrected = *result;
  }
  if (places) {
    ObservedRuns runs;
    runs.compile = [&](Module observed) {
      return makeObserved(std::move(observed));
    };
    runs.run = [&](JITModel &model, Statistics &seen) {
      return runObserved(model, seen, "reestimate");
    };
    if (!reestimation) {
      auto created = Reestimation::create(*floatModule, runs);
      if (!created)
        return created.takeError();
      reestimation.emplace(std::move(*created));
    }
    auto result = reestimation->apply(*copy, *places, runs);
    if (!result)
      return result.takeError();
    if (extra)
      extra->reestimated = std::move(*result);
  }
  return applied;
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
  if (FunctionOpInterface main = getMain(*floatModule)) {
    // Shapes behind a mixture are known once it is expanded.
    while (main.walk([](onnx::CustomOp op) {
                 return op.getOpType() == "MoE" ? WalkResult::interrupt()
                                                : WalkResult::advance();
               })
               .wasInterrupted()) {
      PassManager shapes(&context);
      shapes.addNestedPass<func::FuncOp>(onnx::createInferShapes());
      if (failed(shapes.run(*floatModule)))
        return diagnostics.takeError("cannot be simplified");
      auto found = onnx::expandExperts(main, options.expertThreshold);
      if (found.empty())
        break;
      llvm::append_range(experts, found);
    }
  }
  if (options.expertThreshold > 0 && experts.empty())
    return llvm::createStringError(
        "--expert-threshold: the model has no mixture of experts");
  PassManager pm(&context);
  buildSimplifyPipeline(pm);
  if (failed(pm.run(*floatModule)))
    return diagnostics.takeError("cannot be simplified");
  if (!getMain(*floatModule))
    return inModel(llvm::createStringError("the model has no graph"));
  return emit.write("simplify", *floatModule, output.getStaging());
}

llvm::Error Compilation::choose() {
  SiteList list = findSites(getMain(*floatModule));
  auto measure = [this](const Plan &plan) { return measureDrop(plan); };
  database = LevelDatabase(statistics ? &*statistics : nullptr, cache.get());
  auto timeOneSite = [this](const Site &site, const Level &level) {
    return timeSite(site, level);
  };
  auto timeOneGroup = [this](const Site &site, const Level &level,
                             bool isFloat) {
    return timeGroup(site, level, isFloat);
  };
  auto predictOneSite = [this](const Site &site, const Level &level) {
    return predictSite(site, level);
  };
  auto timeWhole = [this](const Plan *plan) { return timePlan(plan); };
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
  auto measureSiteWork = [&](const Site &site,
                             const Level &level) -> llvm::Expected<SiteWork> {
    if (level.isNone())
      return measureWork(site, level, {});
    auto summary = database.getSummary(site, level);
    if (!summary)
      return summary.takeError();
    return measureWork(site, level, summary->type);
  };
  auto measurePlanMemory = [this](const Plan *plan) {
    return measureMemory(plan);
  };
  PlanSubject subject{list,
                      getConstantBytes(*floatModule),
                      database,
                      measure,
                      timeOneSite,
                      timeOneGroup,
                      predictOneSite,
                      timeWhole,
                      measureSiteWork,
                      measurePlanMemory,
                      nullptr,
                      nullptr,
                      pool};
  EvaluationData unlabelled;
  if (data) {
    subject.stitch = stitch;
    unlabelled.samples = *data;
    subject.calibration = labelledData ? &*labelledData : &unlabelled;
  }
  subject.untimed = getUntimedReason();
  if (!options.energyModel.empty()) {
    auto loaded = EnergyModel::load(options.energyModel);
    if (!loaded)
      return atOption("--energy-model", loaded.takeError());
    energy = *loaded;
  }
  auto chosen = choosePlan(request, subject, report.notes);
  if (!chosen)
    return inModel(chosen.takeError());
  plan = std::move(chosen->plan);
  alternatives = std::move(chosen->alternatives);
  report.choice = request.description;
  unsigned numPlans = 0;
  for (Alternative &alternative : alternatives) {
    SearchPoint &point = alternative.point;
    if (point.isBaseline())
      continue;
    if (point.isChosen) {
      point.planFile = "plan.yaml";
      continue;
    }
    point.planFile = "plan-" + std::to_string(++numPlans) + ".yaml";
    if (options.dryRun)
      continue;
    alternative.plan.model = llvm::sys::path::filename(options.model);
    if (llvm::Error error =
            alternative.plan.save(output.getFile(point.planFile)))
      return error;
  }
  if (options.stitchFrontier && options.compare && stitched)
    return evaluateStitched(*stitched);
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
  Applied extra;
  auto applied = applyTo(module, plan, applyOptions, &extra);
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
  report.bytesAfter +=
      extra.corrected.bytes + extra.reestimated.bytes - extra.shrunk.savedBytes;
  if (options.correctBias)
    report.notes.push_back("--correct-bias: biases of " +
                           std::to_string(extra.corrected.numCorrected) +
                           " of " + std::to_string(extra.corrected.numLayers) +
                           " compressed layers were shifted");
  if (options.reestimate)
    extra.reestimated.addNotes(report.notes);
  if (extra.numRemovals)
    report.notes.push_back("inputs of " + std::to_string(extra.numRemovals) +
                           " weights were removed; what computes them shrank "
                           "for " +
                           std::to_string(extra.shrunk.numShrunk));
  for (const auto &[site, reason] : extra.shrunk.kept)
    report.notes.push_back(
        "site '" + site +
        "': its removed inputs are still computed: " + reason);
  countWork(applied->sites);
  if (llvm::Error error = predictSites(applied->sites))
    return inModel(std::move(error));
  report.sites = applied->sites;
  if (llvm::Error error =
          applied->toPlan(llvm::sys::path::filename(options.model))
              .save(output.getFile("plan.yaml")))
    return error;
  return emit.write("plan", *module, output.getStaging());
}

llvm::Error Compilation::writeONNX(Module exported, StringRef path,
                                   bool emits) {
  PassManager pm(&context);
  ConvertCompressToONNXOptions conversion;
  conversion.profile = options.profile;
  pm.addPass(createConvertCompressToONNX(conversion));
  if (failed(pm.run(*exported)))
    return diagnostics.takeError("cannot be exported to ONNX");
  if (emits)
    if (llvm::Error error = emit.write("onnx", *exported, output.getStaging()))
      return error;
  onnx::ExportOptions exportOptions;
  // Protobuf's limit is 2 GB, with the graph.
  constexpr uint64_t largestInline = 1800000000;
  if (getConstantBytes(*exported) > largestInline)
    exportOptions.externalThreshold = 1024;
  if (failed(onnx::exportONNX(*exported, path, exportOptions)))
    return diagnostics.takeError("cannot be exported to ONNX");
  return llvm::Error::success();
}

llvm::Error Compilation::exportModel() {
  return writeONNX(clone(module), output.getFile("model.onnx"), /*emits=*/true);
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
  static constexpr llvm::StringRef madeFiles[] = {"export", "compile",
                                                  "measure"};
  for (auto [name, run] : stages) {
    if (options.dryRun && llvm::is_contained(madeFiles, name))
      continue;
    if (llvm::Error error = stage(name, run))
      return std::move(error);
    if (run == &Compilation::choose && isHelper())
      return std::move(report);
  }
  if (cache && cache->getNumBroken())
    report.notes.push_back(std::to_string(cache->getNumBroken()) +
                           " entries of " + cache->getDirectory().str() +
                           " were broken and have been made again");
  // What it wrote so far is not kept; the cache is, for the run that does.
  if (options.dryRun)
    return std::move(report);
  if (llvm::Error error = writeReports())
    return std::move(error);
  // Only what this run made for itself.
  if (cache && options.cache.empty())
    llvm::sys::fs::remove_directories(cache->getDirectory());
  return std::move(report);
}

llvm::Expected<Report> compress::compileModel(const CompilerOptions &options,
                                              MLIRContext &context,
                                              JobPool *pool) {
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
    llvm::Error available = (*target)->resolve(machine);
    if (!available)
      available = (*target)->checkAvailable(machine);
    if (available)
      return llvm::createStringError("--target " + options.target + ": " +
                                     llvm::toString(std::move(available)));
  }
  bool isHelper = pool && !pool->isFirst();
  // What is given is not searched for.
  if (isHelper && (request->level || request->plan))
    return Report();
  auto output = isHelper ? OutputDirectory::unused(options.output)
                         : OutputDirectory::create(options.output);
  if (!output)
    return output.takeError();
  Compilation compilation(options, context, **target, std::move(*request),
                          isHelper ? EmitStages() : std::move(*emit),
                          std::move(*output), pool);
  auto report = compilation.run();
  if (!report)
    return llvm::createStringError(
        Twine(toOneLine(llvm::toString(report.takeError()))));
  return report;
}
