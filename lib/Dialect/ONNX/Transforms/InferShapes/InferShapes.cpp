//===- InferShapes.cpp - onnx-infer-shapes ----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/InferShapes/InferShapes.h"
#include "ShapeContext.h"

namespace compress::onnx {
#define GEN_PASS_DEF_INFERSHAPES
#include "compress/Dialect/ONNX/Transforms/InferShapes/InferShapes.h.inc"
} // namespace compress::onnx

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

namespace {
struct InferShapesPass : onnx::impl::InferShapesBase<InferShapesPass> {
  using InferShapesBase::InferShapesBase;

  void runOnOperation() override;

private:
  void seedArguments(func::FuncOp function, ShapeState &state);
  void assign(ShapeContext &context, OpResult result, ShapeState &state);
  void updateSignature(func::FuncOp function);
};
} // namespace

static Type toType(const ValueInfo &info, MLIRContext *context) {
  Type elementType =
      info.elementType ? info.elementType : UnknownType::get(context);
  if (!info.shape)
    return UnrankedTensorType::get(elementType);
  SmallVector<int64_t> shape;
  for (const Dim &dim : *info.shape)
    shape.push_back(dim.isConstant() ? dim.coefficient : ShapedType::kDynamic);
  return RankedTensorType::get(shape, elementType);
}

/// Sets the batch size and ties dimensions of the same name to one symbol.
void InferShapesPass::seedArguments(func::FuncOp function, ShapeState &state) {
  if (function.isExternal())
    return;
  for (BlockArgument argument : function.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type)
      continue;
    if (batch > 0 && type.getRank() > 0 && type.isDynamicDim(0)) {
      SmallVector<int64_t> shape(type.getShape());
      shape[0] = batch;
      type = RankedTensorType::get(shape, type.getElementType());
      argument.setType(type);
    }
    auto names = function.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(),
                                                      "onnx.dim_params");
    if (names && !names.empty() && type.getRank() > 0 &&
        !type.isDynamicDim(0)) {
      // A known size has no name.
      SmallVector<Attribute> kept(names.begin(), names.end());
      kept[0] = StringAttr::get(&getContext(), "");
      names = ArrayAttr::get(&getContext(), kept);
      function.setArgAttr(argument.getArgNumber(), "onnx.dim_params", names);
    }
    ValueInfo info;
    info.elementType = type.getElementType();
    info.shape.emplace();
    for (auto [i, size] : llvm::enumerate(type.getShape())) {
      StringRef name;
      if (names && i < names.size())
        if (auto attr = dyn_cast<StringAttr>(names[i]))
          name = attr.getValue();
      if (!ShapedType::isDynamic(size))
        info.shape->push_back(Dim(size));
      else
        info.shape->push_back(name.empty() ? state.fresh() : state.named(name));
    }
    state.set(argument, std::move(info));
  }
}

/// Merges what was inferred with the declared type and stores both.
void InferShapesPass::assign(ShapeContext &context, OpResult result,
                             ShapeState &state) {
  auto declared = dyn_cast<ShapedType>(result.getType());
  if (!declared)
    return;
  ValueInfo info = context.result(result.getResultNumber());
  ValueInfo known;
  if (!isa<UnknownType>(declared.getElementType()))
    known.elementType = declared.getElementType();
  if (!info.elementType)
    info.elementType = known.elementType;
  if (declared.hasRank()) {
    bool disagree = info.elementType != known.elementType && known.elementType;
    if (!info.shape) {
      info.shape.emplace();
      for (int64_t size : declared.getShape())
        info.shape->push_back(ShapedType::isDynamic(size) ? state.fresh()
                                                          : Dim(size));
    } else if (info.shape->size() != size_t(declared.getRank())) {
      disagree = true;
    } else {
      for (auto [dim, size] : llvm::zip(*info.shape, declared.getShape())) {
        if (ShapedType::isDynamic(size))
          continue;
        // Declared sizes are those of another batch when one is set.
        if (!dim.isConstant() && batch == 0)
          dim = Dim(size);
        else if (dim.isConstant() && dim.coefficient != size && batch == 0)
          disagree = true;
      }
    }
    if (disagree)
      emitWarning(result.getLoc())
          << context.node.describe() << ": the model declares "
          << result.getType() << " for result " << result.getResultNumber()
          << ", but it is " << toType(info, &getContext());
  }
  Type type = toType(info, &getContext());
  if (type != result.getType()) {
    ++numInferred;
    result.setType(type);
  }
  if (!info.shape)
    ++numUnranked;
  state.set(result, std::move(info));
}

void InferShapesPass::updateSignature(func::FuncOp function) {
  if (function.isExternal())
    return;
  SmallVector<Type> results;
  for (Block &block : function.getBody())
    if (auto terminator = dyn_cast<func::ReturnOp>(block.getTerminator()))
      results.assign(terminator.getOperandTypes().begin(),
                     terminator.getOperandTypes().end());
  function.setFunctionType(FunctionType::get(
      &getContext(), function.getBody().getArgumentTypes(), results));
}

void InferShapesPass::runOnOperation() {
  func::FuncOp function = getOperation();
  if (batch < 0) {
    function.emitError("option 'batch' must not be negative");
    return signalPassFailure();
  }
  ShapeState state;
  seedArguments(function, state);
  int64_t opset = getOpsetVersion(function);
  const ShapeRules &rules = getShapeRules();
  WalkResult walk = function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (!isa_and_nonnull<ONNXDialect>(op->getDialect()))
      return WalkResult::advance();
    Node node(op);
    // Custom operators share names with standard ones; go by the op itself.
    auto rule = rules.find(op->getName().stripDialect());
    if (rule == rules.end())
      return WalkResult::advance();
    ShapeContext context(state, node, opset);
    if (failed(rule->second(context)))
      return WalkResult::interrupt();
    for (OpResult result : op->getResults())
      assign(context, result, state);
    return WalkResult::advance();
  });
  if (walk.wasInterrupted())
    return signalPassFailure();
  updateSignature(function);
}
