//===- SiteTimer.cpp - The time of a level at a site ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SiteTimer.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Transforms/ShrinkChannels/ShrinkChannels.h"
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

std::string SiteTimer::getMachineKey() const {
  std::string key;
  llvm::raw_string_ostream os(key);
  os << "seconds 1\nmachine " << options.target->getName() << " "
     << options.machine.triple << " " << options.machine.cpu << " "
     << options.machine.features << "\ncoded "
     << stringify(options.machine.coded) << "\nthreads " << options.threads;
  return key;
}

llvm::Expected<double>
SiteTimer::getCached(const std::string &key,
                     llvm::function_ref<llvm::Expected<double>()> measure) {
  if (auto it = known.find(key); it != known.end())
    return it->second;
  if (ContentCache *cache = database->getCache())
    if (auto text = cache->lookup(key))
      return known[key] = std::strtod(text->c_str(), nullptr);
  auto seconds = measure();
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

/// A module with one function of these operations, in their order: what they
/// read besides constants becomes its arguments, what others read its results.
static llvm::Expected<OwningOpRef<ModuleOp>>
isolate(ModuleOp model, ArrayRef<Operation *> ops) {
  OpBuilder builder(model.getContext());
  Location loc = ops.front()->getLoc();
  OwningOpRef<ModuleOp> alone = ModuleOp::create(loc);
  (*alone)->setAttrs(model->getAttrs());
  builder.setInsertionPointToStart(alone->getBody());
  auto function = func::FuncOp::create(builder, loc, mainName,
                                       builder.getFunctionType({}, {}));
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  IRMapping mapping;
  SmallVector<Value> results;
  for (Operation *op : ops) {
    for (Value operand : op->getOperands()) {
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
    Operation *copy = builder.clone(*op, mapping);
    if (llvm::any_of(op->getUsers(), [&](Operation *user) {
          return !llvm::is_contained(ops, user);
        }))
      llvm::append_range(results, copy->getResults());
  }
  func::ReturnOp::create(builder, loc, results);
  function.setFunctionType(builder.getFunctionType(
      body->getArgumentTypes(), ValueRange(results).getTypes()));
  return alone;
}

static FunctionOpInterface getFunction(ModuleOp module) {
  func::FuncOp function = *module.getOps<func::FuncOp>().begin();
  return cast<FunctionOpInterface>(function.getOperation());
}

llvm::Expected<double> SiteTimer::measure(const Site &site, const SiteUse &use,
                                          const Level &level) {
  auto alone = isolate(*shaped.module, use.op);
  if (!alone)
    return alone.takeError();
  Plan plan;
  PlanEntry &entry = plan.sites.emplace_back();
  entry.name = site.name;
  entry.level = level.getSpelling().str();
  ApplyOptions apply;
  apply.statistics = database->getStatistics();
  apply.encode = [&](const Site &, const Level &level) {
    return database->encode(site, level);
  };
  auto applied = applyPlan(getFunction(**alone), plan, apply);
  if (!applied)
    return applied.takeError();
  return run(**alone);
}

llvm::Expected<std::optional<double>>
SiteTimer::getGroupSeconds(const Site &site, const Level &removal,
                           bool isFloat) {
  const Site *own = shaped.sites.lookup(site.name);
  if (!own || own->uses.size() != 1)
    return std::nullopt;
  auto encoded = database->encode(site, removal);
  if (!encoded)
    return encoded.takeError();
  const SiteUse &use = own->uses.front();
  auto group = onnx::findShrinkingGroup(use.op, use.role, encoded->type,
                                        encoded->weight.leaves);
  if (!group)
    return std::nullopt;
  SmallVector<Operation *> ops = group->getOps();
  auto alone = isolate(*shaped.module, ops);
  if (!alone)
    return alone.takeError();
  // Which inputs are removed does not change the time.
  std::string key = getMachineKey();
  llvm::raw_string_ostream os(key);
  os << "\ngroup " << (isFloat ? "f32" : "") << "\nstored ";
  if (!isFloat)
    os << removal.getSpelling() << " " << encoded->type;
  for (Operation *op : ops) {
    os << "\nop " << op->getName() << " " << op->getAttrDictionary().size();
    for (NamedAttribute attribute : op->getAttrs())
      if (attribute.getName() != "onnx.node_name" &&
          attribute.getName() != "onnx.outputs" &&
          !attribute.getName().strref().starts_with("compress."))
        os << " " << attribute.getName() << "=" << attribute.getValue();
    for (Value operand : op->getOperands())
      os << "\noperand " << operand.getType();
  }
  os << "\nprogram " << LevelDatabase::getProgramHash() << "\n";
  auto seconds = getCached(key, [&]() -> llvm::Expected<double> {
    if (isFloat)
      return run(**alone);
    Plan plan;
    PlanEntry &entry = plan.sites.emplace_back();
    entry.name = site.name;
    entry.level = removal.getSpelling().str();
    ApplyOptions apply;
    apply.statistics = database->getStatistics();
    apply.encode = [&](const Site &, const Level &) {
      return llvm::Expected<EncodedSite>(*encoded);
    };
    FunctionOpInterface main = getFunction(**alone);
    auto applied = applyPlan(main, plan, apply);
    if (!applied)
      return applied.takeError();
    auto shrunk = onnx::shrinkChannels(main);
    if (!shrunk)
      return shrunk.takeError();
    return run(**alone);
  });
  if (!seconds)
    return seconds.takeError();
  return *seconds;
}

llvm::Expected<double> SiteTimer::getUseSeconds(const Site &site,
                                                const SiteUse &use,
                                                const Level &level) {
  std::string key = getMachineKey();
  llvm::raw_string_ostream os(key);
  os << "\nlevel " << level.getSpelling() << "\nstored ";
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

  return getCached(key, [&] { return measure(site, use, level); });
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
