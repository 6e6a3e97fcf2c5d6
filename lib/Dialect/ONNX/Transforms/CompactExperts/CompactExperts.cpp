//===- CompactExperts.cpp - onnx-compact-experts ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/CompactExperts/CompactExperts.h"
#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Transforms/ExpandExperts/ExpandExperts.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"
#include "llvm/ADT/SetVector.h"

namespace compress::onnx {
#define GEN_PASS_DEF_COMPACTEXPERTS
#include "compress/Dialect/ONNX/Transforms/CompactExperts/CompactExperts.h.inc"
} // namespace compress::onnx

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

namespace {

/// One expert: everything from the product with its mask to its outputs.
struct Expert {
  Operation *masked, *output;
  /// In the order of the program, `output` is the last.
  SmallVector<Operation *> ops;
  /// Operands with a row for each token that come from elsewhere.
  SmallVector<OpOperand *> outside;
};

} // namespace

static RankedTensorType getType(Value value) {
  return dyn_cast<RankedTensorType>(value.getType());
}

/// Whether each row of the result is computed from the same row of the operands
/// that have one for each token.
static bool isRowwise(Operation *op) {
  return isa<MatMulOp, AddOp, SubOp, MulOp, DivOp, ReluOp, SigmoidOp, TanhOp,
             ErfOp, PowOp, MinOp, MaxOp, ClipOp>(op);
}

/// A size of one, or a constant, is the same for all rows.
static bool isForAllRows(Value value) {
  auto type = getType(value);
  return type &&
         (type.getRank() < 2 || type.getDimSize(0) == 1 || isConstant(value));
}

/// Nothing where another operation would see fewer rows than it is used to.
static std::optional<Expert> matchExpert(Operation *masked) {
  Expert expert;
  expert.masked = masked;
  expert.output = nullptr;
  llvm::SmallSetVector<Operation *, 16> ops;
  auto isInside = [&](Value value) {
    Operation *op = value.getDefiningOp();
    return op && (op == masked || ops.contains(op));
  };
  for (Operation *op = masked->getNextNode(); op && !expert.output;
       op = op->getNextNode()) {
    if (llvm::none_of(op->getOperands(), isInside))
      continue;
    if (op->getNumResults() != 1 || op->getNumRegions() != 0)
      return std::nullopt;
    // A code has rows as its value has, parameters are constants.
    bool isCode = isa<EncodeOp, DecodeOp>(op);
    if (!isCode && !isRowwise(op))
      return std::nullopt;
    for (OpOperand &operand : op->getOpOperands()) {
      Value value = operand.get();
      if (isInside(value)) {
        // Only rows of what is multiplied.
        if (operand.getOperandNumber() > 0 && isa<MatMulOp>(op))
          return std::nullopt;
        continue;
      }
      if (isCode || isa<MatMulOp>(op) || isForAllRows(value))
        continue;
      auto type = getType(value);
      if (!type || type.getRank() != 2)
        return std::nullopt;
      expert.outside.push_back(&operand);
    }
    ops.insert(op);
    if (auto role = op->getAttrOfType<StringAttr>(routedAttr);
        role && role.getValue() == routedOut)
      expert.output = op;
  }
  if (!expert.output)
    return std::nullopt;
  // All else that reads these rows would miss some.
  auto isKnown = [&](Operation *op) {
    return op == expert.output ||
           llvm::all_of(op->getUsers(),
                        [&](Operation *user) { return ops.contains(user); });
  };
  if (!isKnown(masked) || !llvm::all_of(ops, isKnown))
    return std::nullopt;
  expert.ops = ops.takeVector();
  return expert;
}

/// The same type with an unknown number of rows.
static Type getRows(Type type) {
  auto change = [](ArrayRef<int64_t> shape) {
    SmallVector<int64_t> result(shape);
    result[0] = ShapedType::kDynamic;
    return result;
  };
  if (auto code = dyn_cast<CompressedTensorType>(type))
    return CompressedTensorType::get(type.getContext(), change(code.getShape()),
                                     code.getElementType(), code.getEncoding());
  auto tensor = cast<RankedTensorType>(type);
  return RankedTensorType::get(change(tensor.getShape()),
                               tensor.getElementType());
}

static void compact(Expert &expert) {
  OpBuilder b(expert.masked);
  Location loc = expert.masked->getLoc();
  auto make = [&](StringRef type, ValueRange operands, Type result,
                  ArrayRef<NamedAttribute> attributes = {}) -> Value {
    OperationState state(loc, ("onnx." + type).str());
    state.addOperands(operands);
    state.addAttributes(attributes);
    state.addTypes(result);
    return b.create(state)->getResult(0);
  };
  auto integers = [&](ArrayRef<int64_t> values, StringRef name) -> Value {
    auto type = RankedTensorType::get({int64_t(values.size())}, b.getI64Type());
    return InitializerOp::create(b, loc, type, b.getStringAttr(name),
                                 DenseElementsAttr::get(type, values),
                                 DictionaryAttr());
  };
  auto tensor = [&](ArrayRef<int64_t> shape, Type element) {
    return RankedTensorType::get(shape, element);
  };
  constexpr int64_t any = ShapedType::kDynamic;
  Type i64 = b.getI64Type();
  Value x = expert.masked->getOperand(0), mask = expert.masked->getOperand(1);
  int64_t tokens = getType(mask).getDimSize(0);
  Value last = integers({-1}, "last");
  Value flat = make("Reshape", {mask, last},
                    tensor({tokens}, getType(mask).getElementType()));
  Value rows =
      make("Reshape", {make("NonZero", flat, tensor({1, any}, i64)), last},
           tensor({any}, i64));
  auto axis = b.getNamedAttr("axis", b.getI64IntegerAttr(0));
  auto gather = [&](Value value) {
    return make("Gather", {value, rows}, getRows(value.getType()), axis);
  };
  expert.masked->getResult(0).replaceAllUsesWith(gather(x));
  for (OpOperand *operand : expert.outside) {
    b.setInsertionPoint(operand->getOwner());
    operand->set(gather(operand->get()));
  }
  for (Operation *op : expert.ops)
    op->getResult(0).setType(getRows(op->getResult(0).getType()));

  // To their places among zeros, or in what is added.
  Value y = expert.output->getResult(0);
  auto type = RankedTensorType::get({tokens, getType(y).getDimSize(1)},
                                    getType(y).getElementType());
  Operation *sum = y.hasOneUse() ? *y.user_begin() : nullptr;
  if (sum && isa<AddOp>(sum) && sum->getOperand(1) == y &&
      sum->getOperand(0) != y && getType(sum->getOperand(0)) == type &&
      getType(sum->getResult(0)) == type) {
    b.setInsertionPoint(sum);
    Value before = sum->getOperand(0);
    Value places = make("Reshape", {rows, integers({-1, 1}, "places")},
                        tensor({any, 1}, i64));
    Value added = make("Add", {gather(before), y}, y.getType());
    Value result = make("ScatterND", {before, places, added}, type);
    sum->getResult(0).replaceAllUsesWith(result);
    sum->erase();
  } else {
    b.setInsertionPointAfter(expert.output);
    Value places = make("Reshape", {rows, integers({-1, 1}, "places")},
                        tensor({any, 1}, i64));
    Value shape =
        make("Concat",
             {make("Gather",
                   {make("Shape", x, tensor({2}, i64)), integers({0}, "0")},
                   tensor({1}, i64), axis),
              integers({type.getDimSize(1)}, "outputs")},
             tensor({2}, i64), axis);
    Value zeros = make("ConstantOfShape", shape, type);
    Value result = make("ScatterND", {zeros, places, y}, type);
    y.replaceAllUsesExcept(result, result.getDefiningOp());
  }
  expert.masked->erase();
}

namespace {
struct CompactExpertsPass : onnx::impl::CompactExpertsBase<CompactExpertsPass> {
  using CompactExpertsBase::CompactExpertsBase;

  void runOnOperation() override {
    SmallVector<Operation *> masked;
    getOperation().walk([&](Operation *op) {
      auto role = op->getAttrOfType<StringAttr>(routedAttr);
      if (!role || role.getValue() != routedIn || !isa<MulOp>(op))
        return;
      auto x = getType(op->getOperand(0)), mask = getType(op->getOperand(1));
      if (x && mask && x.getRank() == 2 && mask.getRank() == 2 &&
          mask.getDimSize(1) == 1 && !x.isDynamicDim(1) &&
          x.getDimSize(0) == mask.getDimSize(0))
        masked.push_back(op);
    });
    for (Operation *op : masked)
      if (auto expert = matchExpert(op);
          expert && !getType(expert->output->getResult(0)).isDynamicDim(1)) {
        compact(*expert);
        ++numCompacted;
      }
  }
};
} // namespace
