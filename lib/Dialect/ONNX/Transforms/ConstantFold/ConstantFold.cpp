//===- ConstantFold.cpp - onnx-constant-fold --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/ConstantFold/ConstantFold.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "llvm/ADT/StringSet.h"

namespace compress::onnx {
#define GEN_PASS_DEF_CONSTANTFOLD
#include "compress/Dialect/ONNX/Transforms/ConstantFold/ConstantFold.h.inc"
} // namespace compress::onnx

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

namespace {
struct ConstantFoldPass : onnx::impl::ConstantFoldBase<ConstantFoldPass> {
  using ConstantFoldBase::ConstantFoldBase;

  void runOnOperation() override;

private:
  /// The value that `op` passes on unchanged; null when it does something.
  Value getPassedOn(Operation *op);
  /// Attributes for all results, empty when `op` cannot be folded.
  SmallVector<ElementsAttr> fold(Operation *op);
  std::string makeName(Operation *op, unsigned result);

  llvm::StringSet<> names;
};
} // namespace

/// A name for an initializer: that of the value in the model where it has one.
std::string ConstantFoldPass::makeName(Operation *op, unsigned result) {
  if (auto outputs = op->getAttrOfType<ArrayAttr>("onnx.outputs"))
    if (result < outputs.size())
      if (auto name = dyn_cast<StringAttr>(outputs[result]))
        if (!name.getValue().empty())
          return name.getValue().str();
  for (unsigned number = names.size();; ++number) {
    std::string name = "folded_" + std::to_string(number);
    if (names.insert(name).second)
      return name;
  }
}

static bool isReturned(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) {
    return user->hasTrait<OpTrait::IsTerminator>();
  });
}

Value ConstantFoldPass::getPassedOn(Operation *op) {
  Node node(op);
  StringRef type = node.getOpType();
  Value input = node.getInput(0);
  if (!input || op->getNumResults() == 0 || isa<CustomOp>(op))
    return {};
  auto sameType = [&] {
    auto ranked = dyn_cast<RankedTensorType>(input.getType());
    return ranked && ranked == op->getResult(0).getType();
  };
  auto sameStaticType = [&] {
    return sameType() && cast<ShapedType>(input.getType()).hasStaticShape();
  };
  if (type == "Identity")
    return input;
  if (type == "Dropout") {
    for (Value mask : op->getResults().drop_front())
      if (!mask.use_empty())
        return {};
    if (Value training = node.getInput(2)) {
      auto flag = getConstantInts(training);
      if (!flag || flag->size() != 1 || (*flag)[0])
        return {};
    }
    return input;
  }
  if (type == "Cast" || type == "CastLike") {
    auto from = dyn_cast<ShapedType>(input.getType());
    auto to = dyn_cast<ShapedType>(op->getResult(0).getType());
    bool same = from && to && from.getElementType() == to.getElementType() &&
                !isa<UnknownType>(from.getElementType());
    return same ? input : Value();
  }
  if (type == "Transpose") {
    auto perm = node.findInts("perm");
    if (!perm)
      return {};
    for (auto [i, axis] : llvm::enumerate(*perm))
      if (axis != int64_t(i))
        return {};
    return input;
  }
  if (type == "Reshape" || type == "Flatten" || type == "Expand")
    return sameStaticType() ? input : Value();
  if (type == "Pad") {
    // With pads of both signs an unchanged size may still be a shift.
    auto pads = node.hasAttr("pads") ? node.findInts("pads")
                                     : getConstantInts(node.getInput(1));
    if (!pads || llvm::any_of(*pads, [](int64_t pad) { return pad != 0; }))
      return {};
    return input;
  }
  if (type == "Slice") {
    if (!sameStaticType())
      return {};
    if (Value steps = node.getInput(4)) {
      auto values = getConstantInts(steps);
      if (!values || llvm::any_of(*values, [](int64_t s) { return s != 1; }))
        return {};
    }
    return input;
  }
  if (type == "Sum" || type == "Max" || type == "Min" || type == "Mean" ||
      type == "Concat")
    return op->getNumOperands() == 1 ? input : Value();
  return {};
}

/// A splat attribute costs one element, whatever the shape.
static SmallVector<ElementsAttr> foldConstantOfShape(const Node &node) {
  auto type =
      dyn_cast<RankedTensorType>(node.getOperation()->getResult(0).getType());
  if (!type || !type.hasStaticShape() || !isConstant(node.getInput(0)))
    return {};
  auto value = dyn_cast_or_null<ElementsAttr>(node.getAttr("value"));
  if (!value) {
    if (!type.getElementType().isF32())
      return {};
    return {DenseElementsAttr::get(type, 0.0f)};
  }
  FailureOr<HostTensor> fill = getConstant(value);
  if (failed(fill) || fill->getNumElements() != 1 ||
      fill->getElementType() != type.getElementType())
    return {};
  llvm::APInt bits(fill->getBitWidth(), fill->getBits(0));
  if (auto floatType = dyn_cast<FloatType>(type.getElementType()))
    return {DenseElementsAttr::get(
        type, llvm::APFloat(floatType.getFloatSemantics(), bits))};
  return {DenseElementsAttr::get(type, bits)};
}

SmallVector<ElementsAttr> ConstantFoldPass::fold(Operation *op) {
  Node node(op);
  if (isa<CustomOp, InitializerOp>(op))
    return {};
  if (isa<ConstantOp>(op)) {
    ElementsAttr attr = getConstantElements(op->getResult(0));
    if (!attr || attr.getType() != op->getResult(0).getType())
      return {};
    return {attr};
  }
  if (isa<ConstantOfShapeOp>(op))
    return foldConstantOfShape(node);
  std::string name = op->getNumResults() ? makeName(op, 0) : "";
  if (isa<ShapeOp, SizeOp>(op)) {
    Value input = node.getInput(0);
    auto type = input ? dyn_cast<RankedTensorType>(input.getType()) : nullptr;
    auto resultType = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    if (!type || !type.hasStaticShape() || !resultType ||
        !resultType.hasStaticShape())
      return {};
    SmallVector<int64_t> values;
    if (isa<SizeOp>(op)) {
      values = {type.getNumElements()};
    } else {
      int64_t start = node.getInt("start", 0), rank = type.getRank();
      start = std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank);
      values.append(type.getShape().begin() + start,
                    type.getShape().begin() +
                        std::min(rank, start + resultType.getNumElements()));
    }
    if (int64_t(values.size()) != resultType.getNumElements())
      return {};
    return {DenseElementsAttr::get(resultType, ArrayRef<int64_t>(values))};
  }
  if (!canEvaluate(node.getOpType()))
    return {};
  SmallVector<HostTensor> inputs;
  int64_t inputBytes = 0, resultBytes = 0;
  for (Value operand : op->getOperands())
    if (!isa<NoneType>(operand.getType()) && !isConstant(operand))
      return {};
  for (Type type : op->getResultTypes()) {
    auto ranked = dyn_cast<RankedTensorType>(type);
    if (!ranked || !ranked.hasStaticShape())
      return {};
    unsigned width = HostTensor::getWidth(ranked.getElementType());
    int64_t elements = 1;
    for (int64_t size : ranked.getShape())
      if (llvm::MulOverflow(elements, std::max<int64_t>(size, 1), elements) ||
          elements > int64_t(1) << 40)
        return {};
    resultBytes += elements * width / 8;
  }
  for (Value operand : op->getOperands()) {
    if (isa<NoneType>(operand.getType())) {
      inputs.emplace_back();
      continue;
    }
    FailureOr<HostTensor> tensor = getConstant(operand);
    if (failed(tensor))
      return {};
    inputBytes += tensor->getBytes().size();
    inputs.push_back(*tensor);
  }
  if (resultBytes > maxBytes && resultBytes > inputBytes)
    return {};
  FailureOr<SmallVector<HostTensor>> outputs = evaluate(node, inputs);
  if (failed(outputs))
    return {};
  SmallVector<ElementsAttr> attrs;
  for (auto [i, output] : llvm::enumerate(*outputs))
    attrs.push_back(toAttr(output, i ? makeName(op, i) : name));
  return attrs;
}

void ConstantFoldPass::runOnOperation() {
  func::FuncOp function = getOperation();
  names.clear();
  function.walk([&](Operation *op) {
    if (auto initializer = dyn_cast<InitializerOp>(op))
      names.insert(initializer.getName());
    if (auto outputs = op->getAttrOfType<ArrayAttr>("onnx.outputs"))
      for (Attribute name : outputs)
        if (auto text = dyn_cast<StringAttr>(name))
          names.insert(text.getValue());
  });
  SmallVector<Operation *> ops;
  function.walk([&](Operation *op) {
    if (isa_and_nonnull<ONNXDialect>(op->getDialect()))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    if (Value passed = getPassedOn(op)) {
      // The graph's outputs must stay distinct values with a name of their own.
      bool nameless = !passed.getDefiningOp() ||
                      isa<InitializerOp>(passed.getDefiningOp()) ||
                      isReturned(passed);
      if (!(isReturned(op->getResult(0)) && nameless)) {
        op->getResult(0).replaceAllUsesWith(passed);
        op->erase();
        ++numRemoved;
        continue;
      }
    }
    if (llvm::any_of(op->getResults(), isReturned))
      continue;
    SmallVector<ElementsAttr> attrs = fold(op);
    if (attrs.empty())
      continue;
    OpBuilder builder(op);
    for (auto [i, attr] : llvm::enumerate(attrs)) {
      if (op->getResult(i).use_empty())
        continue;
      auto initializer = InitializerOp::create(
          builder, op->getLoc(), attr.getType(),
          builder.getStringAttr(makeName(op, i)), attr, DictionaryAttr());
      op->getResult(i).replaceAllUsesWith(initializer.getResult());
    }
    op->erase();
    ++numFolded;
  }
  // Constants that only folded operators used.
  if (function.isExternal())
    return;
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
    if (isa<InitializerOp, NoValueOp, ConstantOp>(op) && op.use_empty())
      op.erase();
}
