//===- PrepareAtLoad.cpp - Compute from constants once ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSPREPAREATLOAD
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// What an operation reads, in its regions too.
static llvm::SetVector<Value> getReadValues(Operation *op) {
  llvm::SetVector<Value> values(op->operand_begin(), op->operand_end());
  for (Region &region : op->getRegions())
    getUsedValuesDefinedAbove(region, values);
  return values;
}

namespace {
/// What is known about a value that depends on constants only.
struct Known {
  /// It depends on a constant with contents, not only on zeros and sizes.
  bool hasData = false;
  /// Computing it takes time.
  bool hasWork = false;
  /// Elements of the largest tensor with contents that it comes from; what is
  /// larger than that repeats itself and is cheaper to compute than to keep.
  int64_t maxElements = 0;
};

struct PrepareAtLoad
    : public compress::impl::CompressPrepareAtLoadBase<PrepareAtLoad> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>(kMainFunction);
    if (!main || main.isExternal())
      return;
    SmallVector<Value> roots = findRoots(main);
    if (roots.empty())
      return;
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    SmallVector<Type> types;
    SmallVector<int64_t> elementBytes;
    for (Value root : roots) {
      types.push_back(root.getType());
      elementBytes.push_back(cast<RankedTensorType>(root.getType())
                                 .getElementType()
                                 .getIntOrFloatBitWidth() /
                             8);
    }
    module->setAttr(kPreparedBytesAttr,
                    builder.getDenseI64ArrayAttr(elementBytes));
    auto prepare =
        func::FuncOp::create(builder, module.getLoc(), kPrepareFunction,
                             builder.getFunctionType({}, types));
    prepare.setPrivate();
    builder.setInsertionPointToStart(prepare.addEntryBlock());
    IRMapping mapping;
    SmallVector<Value> results;
    for (Value root : roots)
      results.push_back(cloneInto(builder, root, mapping));
    func::ReturnOp::create(builder, module.getLoc(), results);
    for (Value root : roots) {
      unsigned index = main.getNumArguments();
      auto attrs = builder.getDictionaryAttr(
          {builder.getNamedAttr(kArgumentRoleAttr,
                                builder.getStringAttr("prepared")),
           builder.getNamedAttr("bufferization.writable",
                                builder.getBoolAttr(false))});
      if (failed(
              main.insertArgument(index, root.getType(), attrs, root.getLoc())))
        return signalPassFailure();
      root.replaceAllUsesWith(main.getArgument(index));
      ++numPrepared;
    }
    // What only served the roots is dead now; users come after definitions.
    for (Operation &op :
         llvm::make_early_inc_range(llvm::reverse(main.front())))
      if (known.contains(&op) && op.use_empty())
        op.erase();
  }

  /// The results that the program needs of computations on constants.
  SmallVector<Value> findRoots(func::FuncOp main) {
    for (Operation &op : main.front())
      if (std::optional<Known> facts = analyze(&op))
        known.insert({&op, *facts});
    SmallVector<Value> roots;
    for (Operation &op : main.front()) {
      auto it = known.find(&op);
      if (it == known.end() || !it->second.hasData || !it->second.hasWork ||
          op.getNumResults() != 1)
        continue;
      auto type = dyn_cast<RankedTensorType>(op.getResult(0).getType());
      if (!type || !type.hasStaticShape() ||
          type.getNumElements() > it->second.maxElements ||
          !type.getElementType().isIntOrFloat() ||
          type.getElementType().getIntOrFloatBitWidth() % 8 != 0)
        continue;
      bool isNeeded = llvm::any_of(op.getUsers(), [&](Operation *user) {
        Operation *top = main.front().findAncestorOpInBlock(*user);
        return !top || !known.contains(top);
      });
      if (isNeeded)
        roots.push_back(op.getResult(0));
    }
    return roots;
  }

  /// Nothing when the operation depends on more than constants.
  std::optional<Known> analyze(Operation *op) {
    // Kernels may keep a state of their own.
    auto kernel = dyn_cast<KernelOp>(op);
    if (kernel && (kernel.getStateful() || kernel.getSideEffect()))
      return std::nullopt;
    if (op->hasTrait<OpTrait::IsTerminator>() || !isMemoryEffectFree(op))
      return std::nullopt;
    Known facts;
    for (Value value : getReadValues(op)) {
      auto it = known.find(value.getDefiningOp());
      if (!value.getDefiningOp() || it == known.end())
        return std::nullopt;
      facts.hasData |= it->second.hasData;
      facts.hasWork |= it->second.hasWork;
      facts.maxElements = std::max(facts.maxElements, it->second.maxElements);
    }
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
      facts.hasData =
          isa<ElementsAttr>(constant.getValue()) && !(dense && dense.isSplat());
    }
    facts.hasData |= isa<ConstantOp>(op);
    if (isa<arith::ConstantOp, DecodeOp, KernelOp>(op) && op->getNumResults())
      if (auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
          type && facts.hasData && type.hasStaticShape())
        facts.maxElements = std::max(facts.maxElements, type.getNumElements());
    // Views cost nothing, and what they view would be stored twice.
    facts.hasWork |=
        isa<DecodeOp, EncodeOp, GatherOp, KernelOp, scf::ForOp>(op) ||
        isa<linalg::LinalgOp>(op);
    return facts;
  }

  Value cloneInto(OpBuilder &builder, Value value, IRMapping &mapping) {
    if (Value copy = mapping.lookupOrNull(value))
      return copy;
    Operation *op = value.getDefiningOp();
    for (Value read : getReadValues(op))
      cloneInto(builder, read, mapping);
    builder.clone(*op, mapping);
    return mapping.lookup(value);
  }

  llvm::DenseMap<Operation *, Known> known;
};
} // namespace
