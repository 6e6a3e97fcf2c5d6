//===- UpgradeOpset.cpp - onnx-upgrade-opset ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/UpgradeOpset/UpgradeOpset.h"
#include "Rules.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/IR/ONNXSchema.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace compress::onnx {
#define GEN_PASS_DEF_UPGRADEOPSET
#include "compress/Dialect/ONNX/Transforms/UpgradeOpset/UpgradeOpset.h.inc"
} // namespace compress::onnx

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

int64_t onnx::getIRVersion(int64_t opset) {
  // "Released Versions" of the ONNX documentation: the IR version of the
  // release that brought the opset.
  static constexpr std::pair<int64_t, int64_t> firstOpset[] = {
      {28, 14}, {25, 13}, {24, 12}, {23, 11}, {21, 10}, {19, 9},
      {15, 8},  {12, 7},  {11, 6},  {10, 5},  {9, 4}};
  for (auto [first, version] : firstOpset)
    if (opset >= first)
      return version;
  return 3;
}

//===----------------------------------------------------------------------===//
// What the dialect carries without a model
//===----------------------------------------------------------------------===//

static bool isStandard(std::optional<StringRef> domain) {
  return !domain || domain->empty() || *domain == "ai.onnx";
}

/// A node with subgraphs, whose operators cannot be seen.
static bool hasSubgraph(CustomOp op) {
  if (op.getCaptures() && !op.getCaptures()->empty())
    return true;
  StringRef type = op.getOpType();
  return isStandard(op.getDomain()) &&
         (type == "If" || type == "Loop" || type == "Scan" ||
          type == "SequenceMap");
}

static LogicalResult verifyCustom(CustomOp op, Upgrade &upgrade) {
  if (hasSubgraph(op))
    return upgrade.fail("has a subgraph");
  // Known to the dialect, yet carried as custom: not as the standard has it.
  const OpSchema *schema =
      isStandard(op.getDomain()) ? lookupSchema(op.getOpType()) : nullptr;
  if (schema && op.getOpType() != "GroupNormalization")
    return upgrade.fail("does not follow the standard");
  return success();
}

static LogicalResult verifyFunctions(ModuleOp module, int64_t version) {
  auto functions = module->getAttrOfType<ArrayAttr>("onnx.functions");
  if (!functions || functions.empty())
    return success();
  return module.emitError("cannot upgrade to opset ")
         << version
         << ": the model has functions of its own, whose operators "
            "are not visible";
}

//===----------------------------------------------------------------------===//
// The model
//===----------------------------------------------------------------------===//

static void setVersions(ModuleOp module, int64_t version) {
  Builder b(module.getContext());
  SmallVector<Attribute> imports;
  bool found = false;
  if (auto old = module->getAttrOfType<ArrayAttr>("onnx.opset_imports"))
    for (Attribute attr : old) {
      auto entry = cast<DictionaryAttr>(attr);
      auto domain = entry.getAs<StringAttr>("domain");
      if (isStandard(domain ? domain.getValue() : StringRef())) {
        NamedAttrList keys(entry);
        keys.set("version", b.getI64IntegerAttr(version));
        attr = keys.getDictionary(module.getContext());
        found = true;
      }
      imports.push_back(attr);
    }
  if (!found)
    imports.push_back(b.getDictionaryAttr(
        {b.getNamedAttr("domain", b.getStringAttr("")),
         b.getNamedAttr("version", b.getI64IntegerAttr(version))}));
  module->setAttr("onnx.opset_imports", b.getArrayAttr(imports));
  int64_t ir = getIRVersion(version);
  if (auto old = module->getAttrOfType<IntegerAttr>("onnx.ir_version"))
    ir = std::max(ir, old.getInt());
  module->setAttr("onnx.ir_version", b.getI64IntegerAttr(ir));
}

FailureOr<unsigned> onnx::upgradeOpset(ModuleOp module, int64_t version) {
  int64_t from = getOpsetVersion(module);
  if (from >= version)
    return 0u;
  if (failed(verifyFunctions(module, version)))
    return failure();
  const llvm::StringMap<UpgradeRule> &rules = getUpgradeRules();
  SmallVector<Operation *> ops;
  module.walk([&](Operation *op) {
    if (isa_and_nonnull<ONNXDialect>(op->getDialect()))
      ops.push_back(op);
  });
  unsigned changed = 0;
  for (Operation *op : ops) {
    Upgrade upgrade(op, from, version);
    auto custom = dyn_cast<CustomOp>(op);
    if (custom && failed(verifyCustom(custom, upgrade)))
      return failure();
    if (custom && !isStandard(custom.getDomain()))
      continue;
    auto rule = rules.find(upgrade.node.getOpType());
    if (rule == rules.end())
      continue;
    if (failed(rule->second(upgrade)))
      return failure();
    changed += upgrade.isChanged();
  }
  setVersions(module, version);
  return changed;
}

namespace {
struct UpgradeOpsetPass
    : compress::onnx::impl::UpgradeOpsetBase<UpgradeOpsetPass> {
  using UpgradeOpsetBase::UpgradeOpsetBase;

  void runOnOperation() override {
    int64_t newest = getNewestOpsetVersion();
    if (version < 0 || version > newest) {
      getOperation().emitError("option 'version' must be from 1 to ")
          << newest << ", found " << version.getValue();
      return signalPassFailure();
    }
    FailureOr<unsigned> changed =
        upgradeOpset(getOperation(), version ? version : newest);
    if (failed(changed))
      return signalPassFailure();
    numUpgraded += *changed;
  }
};
} // namespace
