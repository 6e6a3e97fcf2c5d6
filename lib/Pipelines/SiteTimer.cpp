//===- SiteTimer.cpp - The time of a level at a site ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SiteTimer.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Pipelines/Pipelines.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/ScopeExit.h"

using namespace mlir;
using namespace compress;

static constexpr StringLiteral mainName = "main_graph";
/// Long enough for a median, short enough for sites times levels.
static constexpr double secondsPerMeasurement = 0.06;

/// Diagnostics of the measured code, which is not the user's.
static std::string capture(MLIRContext *context, function_ref<void()> action) {
  std::string message;
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error &&
        message.empty())
      message = diagnostic.str();
    return success();
  });
  action();
  return message;
}

llvm::Expected<SiteTimer> SiteTimer::create(ModuleOp model,
                                            ArrayRef<NpyArray> sample,
                                            const LevelDatabase &database,
                                            Options options) {
  SiteTimer timer;
  timer.database = &database;
  timer.options = std::move(options);
  if (llvm::Error error = timer.options.target->resolve(timer.options.machine))
    return std::move(error);
  auto shaped = ShapedModel::create(model, sample);
  if (!shaped)
    return shaped.takeError();
  timer.shaped = std::move(*shaped);
  return timer;
}

llvm::Expected<double> SiteTimer::getOverhead() {
  if (overhead)
    return *overhead;
  OpBuilder builder(shaped.module->getContext());
  OwningOpRef<ModuleOp> empty = ModuleOp::create(builder.getUnknownLoc());
  (*empty)->setAttrs((*shaped.module)->getAttrs());
  builder.setInsertionPointToStart(empty->getBody());
  auto type = RankedTensorType::get({1}, builder.getF32Type());
  auto function =
      func::FuncOp::create(builder, builder.getUnknownLoc(), mainName,
                           builder.getFunctionType({type}, {type}));
  builder.setInsertionPointToStart(function.addEntryBlock());
  OperationState state(builder.getUnknownLoc(), "onnx.Relu");
  state.addOperands(function.getArgument(0));
  state.addTypes(type);
  Operation *op = builder.create(state);
  func::ReturnOp::create(builder, builder.getUnknownLoc(), op->getResults());
  auto seconds = run(*empty);
  if (!seconds)
    return seconds.takeError();
  --numMeasured;
  return *(overhead = *seconds);
}

llvm::Expected<double> SiteTimer::run(ModuleOp module) {
  std::optional<CompiledModel> compiled;
  std::string reason;
  std::string message = capture(module.getContext(), [&] {
    auto made = CompiledModel::compile(module, "site", *options.target,
                                       options.machine);
    if (made)
      compiled.emplace(std::move(*made));
    else
      reason = llvm::toString(made.takeError());
  });
  if (!compiled)
    return llvm::createStringError(message.empty() ? reason : message);
  auto model = JITModel::create(std::move(*compiled), options.threads);
  if (!model)
    return model.takeError();
  std::vector<InputSpec> specs;
  const CompressModelInfo &info = model->getInfo();
  for (int i = 0; i < int(info.num_inputs); ++i) {
    InputSpec &spec = specs.emplace_back();
    spec.dtype = CompressDType(info.inputs[i].dtype);
    spec.shape.assign(info.inputs[i].dims,
                      info.inputs[i].dims + info.inputs[i].rank);
  }
  auto inputs = makeRandomInputs(specs, options.seed);
  if (!inputs)
    return inputs.takeError();
  auto latencies = measureLatencies({&*model}, *inputs, secondsPerMeasurement);
  if (!latencies)
    return latencies.takeError();
  ++numMeasured;
  return latencies->front().median;
}

llvm::Expected<double> SiteTimer::measure(const Site &site, const SiteUse &use,
                                          const Level &level) {
  MLIRContext *context = use.op->getContext();
  OpBuilder builder(context);
  Location loc = use.op->getLoc();
  OwningOpRef<ModuleOp> alone = ModuleOp::create(loc);
  (*alone)->setAttrs((*shaped.module)->getAttrs());
  builder.setInsertionPointToStart(alone->getBody());
  auto function = func::FuncOp::create(builder, loc, mainName,
                                       builder.getFunctionType({}, {}));
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  IRMapping mapping;
  for (Value operand : use.op->getOperands()) {
    if (mapping.contains(operand))
      continue;
    Operation *source = operand.getDefiningOp();
    if (source && source->getNumOperands() == 0 &&
        source->getNumRegions() == 0) {
      builder.clone(*source, mapping);
      continue;
    }
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type || !type.hasStaticShape())
      return llvm::createStringError(
          "the shapes that it works on depend on the data");
    mapping.map(operand, body->addArgument(type, loc));
  }
  Operation *op = builder.clone(*use.op, mapping);
  func::ReturnOp::create(builder, loc, op->getResults());
  function.setFunctionType(
      builder.getFunctionType(body->getArgumentTypes(), op->getResultTypes()));

  Plan plan;
  PlanEntry &entry = plan.sites.emplace_back();
  entry.name = site.name;
  entry.level = level.getSpelling().str();
  ApplyOptions apply;
  apply.statistics = database->getStatistics();
  apply.encode = [&](const Site &, const Level &level) {
    return database->encode(site, level);
  };
  auto applied = applyPlan(cast<FunctionOpInterface>(*function), plan, apply);
  if (!applied)
    return applied.takeError();
  return run(*alone);
}

llvm::Expected<double> SiteTimer::getUseSeconds(const Site &site,
                                                const SiteUse &use,
                                                const Level &level) {
  std::string key;
  llvm::raw_string_ostream os(key);
  os << "seconds 1\nmachine " << options.target->getName() << " "
     << options.machine.triple << " " << options.machine.cpu << " "
     << options.machine.features << "\ncoded "
     << stringify(options.machine.coded) << "\nthreads " << options.threads
     << "\nlevel " << level.getSpelling() << "\nstored ";
  if (level.isNone()) {
    os << site.type;
  } else {
    auto summary = database->getSummary(site, level);
    if (!summary)
      return summary.takeError();
    os << summary->type;
  }
  // Names of nodes and weights do not matter.
  os << "\nop " << use.op->getName();
  for (NamedAttribute attribute : use.op->getAttrs())
    if (attribute.getName() != "onnx.node_name" &&
        !attribute.getName().strref().starts_with("compress."))
      os << " " << attribute.getName() << "=" << attribute.getValue();
  for (Value operand : use.op->getOperands())
    os << "\noperand " << operand.getType()
       << (operand.getDefiningOp() &&
                   operand.getDefiningOp()->getNumOperands() == 0
               ? " constant"
               : "");
  os << "\nprogram " << LevelDatabase::getProgramHash() << "\n";

  if (auto it = known.find(key); it != known.end())
    return it->second;
  if (ContentCache *cache = database->getCache())
    if (auto text = cache->lookup(key))
      return known[key] = std::strtod(text->c_str(), nullptr);
  auto seconds = measure(site, use, level);
  if (!seconds)
    return seconds.takeError();
  auto overhead = getOverhead();
  if (!overhead)
    return overhead.takeError();
  double own = std::max(0.0, *seconds - *overhead);
  if (ContentCache *cache = database->getCache()) {
    char text[64];
    std::snprintf(text, sizeof text, "%a", own);
    if (llvm::Error error = cache->store(key, text))
      return std::move(error);
  }
  return known[key] = own;
}

llvm::Expected<double> SiteTimer::getSeconds(const Site &site,
                                             const Level &level) {
  const Site *own = shaped.sites.lookup(site.name);
  if (!own)
    return llvm::createStringError("site '" + Twine(site.name) +
                                   "' cannot be timed");
  double seconds = 0;
  for (const SiteUse &use : own->uses) {
    auto part = getUseSeconds(site, use, level);
    if (!part)
      return llvm::createStringError("site '" + Twine(site.name) +
                                     "', level '" + level.getSpelling() +
                                     "': " + llvm::toString(part.takeError()));
    seconds += *part;
  }
  return seconds;
}
