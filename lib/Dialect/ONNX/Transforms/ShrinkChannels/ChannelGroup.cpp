//===- ChannelGroup.cpp - Who computes the channels of a weight -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From the activation of the reader, slices spread through every operation that
// treats entries of an axis alike, to its other operands and results, until
// they end at constants and at the reader. One that spreads to anything else
// cannot be taken.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"
#include "compress/Dialect/ONNX/Transforms/ShrinkChannels/ShrinkChannels.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

SmallVector<Operation *> ChannelGroup::getOps() const {
  llvm::SmallSetVector<Operation *, 8> ops;
  for (const auto &entry : values)
    ops.insert(entry.first.getDefiningOp());
  SmallVector<Operation *> sorted(ops.begin(), ops.end());
  llvm::sort(sorted,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  sorted.push_back(reader);
  return sorted;
}

std::optional<SmallVector<int64_t>>
compress::onnx::getKeptChannels(CompressedTensorType type,
                                ArrayRef<HostTensor> leaves,
                                const WeightOperand &role) {
  auto sparse = dyn_cast<SparseAttr>(type.getEncoding());
  if (!sparse || sparse.getPattern() != SparsePattern::Channels ||
      role.reductionAxes.empty() ||
      sparse.getAxis(type.getRank()) != role.reductionAxes[0])
    return std::nullopt;
  SmallVector<int64_t> kept;
  const HostTensor &positions = leaves.back();
  for (int64_t i = 0, e = positions.getNumElements(); i < e; ++i)
    kept.push_back(int64_t(positions.getBits(i)));
  return kept;
}

static bool isElementwise(StringRef type) {
  static const llvm::StringSet<> names = {"Abs",
                                          "Add",
                                          "Cast",
                                          "Ceil",
                                          "Celu",
                                          "Clip",
                                          "Cos",
                                          "Div",
                                          "Elu",
                                          "Erf",
                                          "Exp",
                                          "Floor",
                                          "Gelu",
                                          "HardSigmoid",
                                          "HardSwish",
                                          "Identity",
                                          "LeakyRelu",
                                          "Log",
                                          "Max",
                                          "Min",
                                          "Mish",
                                          "Mul",
                                          "Neg",
                                          "Pow",
                                          "PRelu",
                                          "Reciprocal",
                                          "Relu",
                                          "Selu",
                                          "Sigmoid",
                                          "Sign",
                                          "Sin",
                                          "Softplus",
                                          "Softsign",
                                          "Sqrt",
                                          "Sub",
                                          "Tanh",
                                          "ThresholdedRelu",
                                          "Where"};
  return names.contains(type);
}

/// The same slice on the other side of a reshape; nothing where it is none.
static std::optional<Slice>
reshapeSlice(ArrayRef<int64_t> from, ArrayRef<int64_t> to, const Slice &slice) {
  auto countDynamic = [](ArrayRef<int64_t> shape) {
    return llvm::count_if(shape, ShapedType::isDynamic);
  };
  if (countDynamic(from) > 1 || countDynamic(to) > 1)
    return std::nullopt;
  size_t i = 0, j = 0;
  while (i < from.size() && j < to.size()) {
    size_t i0 = i, j0 = j;
    int64_t a = from[i++], b = to[j++];
    if (ShapedType::isDynamic(a) != ShapedType::isDynamic(b))
      return std::nullopt;
    if (!ShapedType::isDynamic(a))
      while (a != b) {
        if (a < b ? i == from.size() : j == to.size())
          return std::nullopt;
        int64_t next = a < b ? from[i++] : to[j++];
        if (ShapedType::isDynamic(next))
          return std::nullopt;
        (a < b ? a : b) *= next;
      }
    if (size_t(slice.axis) < i0 || size_t(slice.axis) >= i)
      continue;
    if (ShapedType::isDynamic(a))
      return std::nullopt;
    // Entries that are kept of what the axis and those inside of it span.
    int64_t outer = 1, inner = 1;
    for (size_t k = i0; k < size_t(slice.axis); ++k)
      outer *= from[k];
    for (size_t k = slice.axis + 1; k < i; ++k)
      inner *= from[k];
    int64_t span = from[slice.axis] * inner;
    SmallVector<bool> keeps(span, false);
    for (int64_t index : slice.kept)
      std::fill_n(keeps.begin() + index * inner, inner, true);
    int64_t before = 1;
    for (size_t k = j0; k < j; before *= to[k++]) {
      if (before != outer || to[k] == 0 || span % to[k] != 0 ||
          (to[k] == 1 && span > 1))
        continue;
      int64_t block = 1;
      for (size_t m = k + 1; m < j; ++m)
        block *= to[m];
      if (to[k] * block != span)
        continue;
      Slice result{int64_t(k), {}};
      for (int64_t index = 0; index < to[k]; ++index) {
        auto part = ArrayRef<bool>(keeps).slice(index * block, block);
        if (llvm::all_equal(part)) {
          if (part.front())
            result.kept.push_back(index);
          continue;
        }
        return std::nullopt;
      }
      return result;
    }
    return std::nullopt;
  }
  return std::nullopt;
}

namespace {

class Spreader {
public:
  explicit Spreader(ChannelGroup &group) : group(group) {}

  /// Whether it ends well; otherwise `reason` says what is in the way.
  bool run(Value activation, Slice slice) {
    if (!take(activation, std::move(slice)))
      return false;
    // The map grows while it is read.
    for (size_t i = 0; i < group.values.size(); ++i) {
      Value value = group.values.begin()[i].first;
      Slice slice = group.values.begin()[i].second;
      if (!spreadToOperands(value, slice))
        return false;
      for (OpOperand &use : value.getUses())
        if (!spreadToUser(use, slice))
          return false;
    }
    return true;
  }

  std::string reason;

private:
  bool fail(Operation *op) {
    if (reason.empty())
      reason = isa<onnx::ONNXDialect>(op->getDialect())
                   ? Node(op).describe() + " needs the channels together"
                   : "'" + op->getName().getStringRef().str() +
                         "' needs all channels";
    return false;
  }

  static std::optional<ArrayRef<int64_t>> getShape(Value value) {
    auto type = dyn_cast<ShapedType>(value.getType());
    if (auto stored = dyn_cast<CompressedTensorType>(value.getType()))
      return stored.getShape();
    if (!type || !type.hasRank())
      return std::nullopt;
    return type.getShape();
  }

  bool take(Value value, Slice slice) {
    auto shape = getShape(value);
    if (!shape || slice.axis < 0 || slice.axis >= int64_t(shape->size()) ||
        ShapedType::isDynamic((*shape)[slice.axis])) {
      if (reason.empty())
        reason = "the number of channels is not known everywhere";
      return false;
    }
    auto [it, isNew] = group.values.insert({value, slice});
    if (isNew && !value.getDefiningOp()) {
      reason = "the channels are an input of the model";
      return false;
    }
    if (!isNew && !(it->second == slice)) {
      reason = "the channels meet others in another order";
      return false;
    }
    return true;
  }

  /// An operand is to keep this.
  bool require(OpOperand &operand, Slice slice) {
    Value value = operand.get();
    if (!compress::onnx::isConstant(value))
      return take(value, std::move(slice));
    auto type = cast<RankedTensorType>(value.getType());
    // Weights that others use too would be stored twice.
    if (type.getRank() > 1 &&
        type.getNumElements() > type.getDimSize(slice.axis) &&
        !value.hasOneUse()) {
      reason = "a weight before it has other users";
      return false;
    }
    auto [it, isNew] = group.constants.insert({&operand, slice});
    return isNew || it->second == slice || fail(operand.getOwner());
  }

  /// The same for an operand that is broadcast to a result of this rank.
  bool requireBroadcast(OpOperand &operand, int64_t rank, const Slice &slice) {
    auto shape = getShape(operand.get());
    if (!shape)
      return fail(operand.getOwner());
    int64_t axis = slice.axis - (rank - int64_t(shape->size()));
    if (axis < 0 || (*shape)[axis] == 1)
      return true;
    return require(operand, {axis, slice.kept});
  }

  bool spreadToOperands(Value value, const Slice &slice) {
    Operation *op = value.getDefiningOp();
    int64_t rank = getShape(value)->size();
    if (isa<DecodeOp, EncodeOp>(op)) {
      // Parameters per channel would have to shrink too.
      if (op->getNumOperands() == 1 || hasWholeAxis(op, slice.axis))
        return require(op->getOpOperand(0), slice);
      return fail(op);
    }
    if (!isa<onnx::ONNXDialect>(op->getDialect()))
      return fail(op);
    Node node(op);
    StringRef type = node.getOpType();
    if (isElementwise(type)) {
      for (OpOperand &operand : op->getOpOperands())
        if (isGiven(operand.get()) && !requireBroadcast(operand, rank, slice))
          return false;
      return true;
    }
    if (type == "MatMul") {
      auto a = getShape(op->getOperand(0)), b = getShape(op->getOperand(1));
      if (!a || !b || a->size() < 2 || b->size() < 2)
        return fail(op);
      if (slice.axis == rank - 1)
        return require(op->getOpOperand(1),
                       {int64_t(b->size()) - 1, slice.kept});
      if (slice.axis == rank - 2)
        return require(op->getOpOperand(0),
                       {int64_t(a->size()) - 2, slice.kept});
      return requireBroadcast(op->getOpOperand(0), rank, slice) &&
             requireBroadcast(op->getOpOperand(1), rank, slice);
    }
    if (type == "Gemm" && slice.axis == 1) {
      int64_t axis = node.getInt("transB", 0) ? 0 : 1;
      return require(op->getOpOperand(1), {axis, slice.kept}) &&
             (!node.hasInput(2) ||
              requireBroadcast(op->getOpOperand(2), rank, slice));
    }
    if (type == "Conv" && slice.axis == 1 && node.getInt("group", 1) == 1)
      return require(op->getOpOperand(1), {0, slice.kept}) &&
             (!node.hasInput(2) ||
              require(op->getOpOperand(2), {0, slice.kept}));
    if ((type == "MaxPool" || type == "AveragePool" ||
         type == "GlobalAveragePool" || type == "GlobalMaxPool") &&
        slice.axis == 1 && op->getNumResults() == 1)
      return require(op->getOpOperand(0), slice);
    if (type == "Transpose") {
      auto permutation = node.findInts("perm");
      int64_t axis =
          permutation ? (*permutation)[slice.axis] : rank - 1 - slice.axis;
      return require(op->getOpOperand(0), {axis, slice.kept});
    }
    if (type == "Softmax" || type == "LogSoftmax") {
      auto along = normalizeAxis(node.getInt("axis", -1), rank);
      // Before opset 13 all axes from this one on are summed over.
      if (!along || slice.axis >= *along)
        return fail(op);
      return require(op->getOpOperand(0), slice);
    }
    if (type == "Reshape" || type == "Flatten")
      return spreadThroughReshape(op, *getShape(value), slice,
                                  /*toOperand=*/true);
    return fail(op);
  }

  /// Whether all groups of a code's parameters hold the axis whole.
  static bool hasWholeAxis(Operation *op, int64_t axis) {
    auto type = dyn_cast<CompressedTensorType>(op->getResult(0).getType());
    auto quant = type ? dyn_cast<QuantAttr>(type.getEncoding()) : QuantAttr();
    return quant && axis < int64_t(quant.getGroup().size()) &&
           ShapedType::isDynamic(quant.getGroup()[axis]);
  }

  bool spreadThroughReshape(Operation *op, ArrayRef<int64_t> from,
                            const Slice &slice, bool toOperand) {
    auto to = getShape(toOperand ? op->getOperand(0) : op->getResult(0));
    auto other = to ? reshapeSlice(from, *to, slice) : std::nullopt;
    if (!other || (isa<ReshapeOp>(op) && !getConstantInts(op->getOperand(1))))
      return fail(op);
    return toOperand ? require(op->getOpOperand(0), std::move(*other))
                     : take(op->getResult(0), std::move(*other));
  }

  bool spreadToUser(OpOperand &use, const Slice &slice) {
    Operation *op = use.getOwner();
    unsigned index = use.getOperandNumber();
    if (op == group.reader && int(index) == group.role.activation &&
        slice.axis == group.role.activationChannelAxis)
      return true;
    if (op->getNumResults() != 1 || op == group.reader)
      return fail(op);
    Value result = op->getResult(0);
    if (isa<DecodeOp, EncodeOp>(op))
      return index == 0 ? take(result, slice) : fail(op);
    if (!isa<onnx::ONNXDialect>(op->getDialect()))
      return fail(op);
    StringRef type = Node(op).getOpType();
    auto shape = getShape(use.get()), resultShape = getShape(result);
    if (!resultShape)
      return fail(op);
    int64_t rank = shape->size(), resultRank = resultShape->size();
    int64_t aligned = slice.axis + resultRank - rank;
    if (isElementwise(type))
      return take(result, {aligned, slice.kept});
    if (type == "MatMul") {
      // Where it is summed over, the other operand would have to follow.
      int64_t sum = index == 0 ? rank - 1 : rank - 2;
      return rank < 2 || slice.axis == sum
                 ? fail(op)
                 : take(result, {aligned, slice.kept});
    }
    if (type == "MaxPool" || type == "AveragePool" ||
        type == "GlobalAveragePool" || type == "GlobalMaxPool")
      return slice.axis == 1 ? take(result, slice) : fail(op);
    if (type == "Transpose") {
      auto permutation = Node(op).findInts("perm");
      int64_t axis = rank - 1 - slice.axis;
      if (permutation)
        axis = llvm::find(*permutation, slice.axis) - permutation->begin();
      return take(result, {axis, slice.kept});
    }
    if (type == "Softmax" || type == "LogSoftmax")
      return take(result, slice);
    if ((type == "Reshape" || type == "Flatten") && index == 0)
      return spreadThroughReshape(op, *shape, slice, /*toOperand=*/false);
    return fail(op);
  }

  ChannelGroup &group;
};

} // namespace

llvm::Expected<ChannelGroup>
compress::onnx::findChannelGroup(Operation *reader, const WeightOperand &role,
                                 ArrayRef<int64_t> kept) {
  ChannelGroup group;
  group.reader = reader;
  group.role = role;
  if (role.activation < 0 || role.reductionAxes.empty())
    return llvm::createStringError("it has no activation");
  Value activation = reader->getOperand(role.activation);
  auto weight =
      dyn_cast<RankedTensorType>(reader->getOperand(role.operand).getType());
  auto type = dyn_cast<RankedTensorType>(activation.getType());
  int64_t axis = role.activationChannelAxis;
  if (!weight || !type || axis < 0 || axis >= type.getRank() ||
      type.getDimSize(axis) != weight.getDimSize(role.reductionAxes[0]))
    return llvm::createStringError(
        "channels of the activation are not those of the weight");
  Spreader spreader(group);
  if (!spreader.run(activation, {axis, SmallVector<int64_t>(kept)}))
    return llvm::createStringError(Twine(spreader.reason));
  return group;
}

std::optional<ChannelGroup>
compress::onnx::findShrinkingGroup(Operation *reader, const WeightOperand &role,
                                   CompressedTensorType type,
                                   ArrayRef<HostTensor> leaves) {
  auto kept = getKeptChannels(type, leaves, role);
  if (!kept)
    return std::nullopt;
  auto group = findChannelGroup(reader, role, *kept);
  if (!group) {
    llvm::consumeError(group.takeError());
    return std::nullopt;
  }
  return std::move(*group);
}
