//===- SitePredictor.cpp - The predicted time of a level --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a target's cost model says about a level at a site: the operation alone,
// with the weight as an argument of the type that the level stores, is brought
// to contractions and these are offered to `Target::estimateSeconds`.
//
//===----------------------------------------------------------------------===//

#include "SiteTimer.h"
#include "compress/Pipelines/Pipelines.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace compress;

llvm::Expected<std::optional<double>>
SiteTimer::predictUse(const SiteUse &use, const Level &level,
                      CompressedTensorType type) {
  MLIRContext *context = use.op->getContext();
  OpBuilder builder(context);
  Location loc = use.op->getLoc();
  OwningOpRef<ModuleOp> alone = ModuleOp::create(loc);
  (*alone)->setAttrs((*shaped.module)->getAttrs());
  builder.setInsertionPointToStart(alone->getBody());
  auto function = func::FuncOp::create(builder, loc, "main_graph",
                                       builder.getFunctionType({}, {}));
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  CompressedTensorType activation;
  if (!level.isNone()) {
    auto encoded = level.getActivationType(use);
    if (!encoded)
      return encoded.takeError();
    activation = *encoded;
  }
  SmallVector<Value> operands;
  for (auto [index, operand] : llvm::enumerate(use.op->getOperands())) {
    auto shaped = dyn_cast<RankedTensorType>(operand.getType());
    Operation *source = operand.getDefiningOp();
    bool isWeight = int64_t(index) == int64_t(use.role.operand);
    if (isWeight && type) {
      Value stored = body->addArgument(type, loc);
      operands.push_back(DecodeOp::create(builder, loc, stored));
    } else if (source && source->getNumOperands() == 0 &&
               source->getNumRegions() == 0) {
      operands.push_back(builder.clone(*source)->getResult(0));
    } else if (!shaped || !shaped.hasStaticShape()) {
      return std::nullopt;
    } else {
      Value value = body->addArgument(shaped, loc);
      if (int64_t(index) == use.role.activation && activation) {
        Value codes =
            EncodeOp::create(builder, loc, activation, value, ValueRange());
        value = DecodeOp::create(builder, loc, codes);
      }
      operands.push_back(value);
    }
  }
  Operation *op = builder.clone(*use.op);
  op->setOperands(operands);
  func::ReturnOp::create(builder, loc, op->getResults());
  function.setFunctionType(
      builder.getFunctionType(body->getArgumentTypes(), op->getResultTypes()));

  // What cannot be lowered has no time; nobody asked to compile it.
  ScopedDiagnosticHandler handler(context,
                                  [](Diagnostic &) { return success(); });
  PassManager pm(context);
  buildContractPipeline(pm);
  if (failed(pm.run(*alone)))
    return std::nullopt;
  std::optional<double> sum = 0;
  bool any = false;
  TargetOptions machine = options.machine;
  machine.threads = options.threads;
  alone->walk([&](ContractOp contract) {
    any = true;
    auto seconds = options.target->estimateSeconds(contract, machine);
    if (seconds && sum)
      *sum += *seconds;
    else
      sum = std::nullopt;
  });
  return any ? sum : std::nullopt;
}

llvm::Expected<std::optional<double>>
SiteTimer::predictSeconds(const Site &site, const Level &level) {
  const Site *own = shaped.sites.lookup(site.name);
  if (!own)
    return std::nullopt;
  CompressedTensorType type;
  if (!level.isNone()) {
    auto stored = database->getType(site, level);
    if (!stored)
      return stored.takeError();
    type = *stored;
  }
  double sum = 0;
  for (const SiteUse &use : own->uses) {
    // Lookups read next to nothing.
    if (!use.getActivation())
      continue;
    auto seconds = predictUse(use, level, type);
    if (!seconds || !*seconds)
      return seconds;
    sum += **seconds;
  }
  return sum;
}
