//===- CompressibleOpInterfaceImpl.cpp - Weights of ONNX ops ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Interfaces/CompressibleOpInterfaceImpl.h"
#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "mlir/IR/DialectRegistry.h"

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

/// The rank of a value; nothing when it is not known.
static std::optional<int64_t> getRank(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return std::nullopt;
  return type.getRank();
}

/// Every axis below `rank` that is not `axis`.
static SmallVector<int64_t> allAxesBut(int64_t rank, int64_t axis) {
  SmallVector<int64_t> axes;
  for (int64_t i = 0; i < rank; ++i)
    if (i != axis)
      axes.push_back(i);
  return axes;
}

//===----------------------------------------------------------------------===//
// Biases
//===----------------------------------------------------------------------===//

/// The operation that adds the bias, and its operand; one past the last where
/// there is none yet.
using BiasPlace = std::optional<std::pair<Operation *, unsigned>>;

static int64_t getNumOutputs(Operation *op, const WeightOperand &role) {
  auto type =
      dyn_cast<RankedTensorType>(op->getOperand(role.operand).getType());
  return type && role.outputAxes.size() == 1
             ? type.getDimSize(role.outputAxes[0])
             : 0;
}

/// f32 values, one for each output.
static bool isBias(Value value, int64_t outputs) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.hasStaticShape() && type.getElementType().isF32() &&
         type.getNumElements() == outputs && type.getRank() > 0 &&
         type.getShape().back() == outputs &&
         value.getDefiningOp<InitializerOp>();
}

/// Of an operation that adds its third operand.
static BiasPlace findOwnBias(Operation *op, const WeightOperand &role) {
  int64_t outputs = getNumOutputs(op, role);
  if (outputs == 0 || role.operand != 1)
    return std::nullopt;
  for (StringRef name : {"alpha", "beta"})
    if (auto factor = op->getAttrOfType<FloatAttr>(name);
        factor && factor.getValueAsDouble() != 1)
      return std::nullopt;
  if (op->getNumOperands() == 2 ||
      (op->getNumOperands() == 3 && isBias(op->getOperand(2), outputs)))
    return std::pair(op, 2u);
  return std::nullopt;
}

/// Of a product that only gets a constant vector added.
static BiasPlace findAddedBias(Operation *op, const WeightOperand &role) {
  int64_t outputs = getNumOutputs(op, role);
  if (outputs == 0 || role.operand != 1 || !op->getResult(0).hasOneUse())
    return std::nullopt;
  OpOperand &use = *op->getResult(0).use_begin();
  Operation *sum = use.getOwner();
  if (!isa<AddOp>(sum) || sum->getNumOperands() != 2 ||
      sum->hasAttr("broadcast"))
    return std::nullopt;
  unsigned other = 1 - use.getOperandNumber();
  if (!isBias(sum->getOperand(other), outputs))
    return std::nullopt;
  return std::pair(sum, other);
}

static std::optional<Value> getBiasAt(const BiasPlace &place) {
  if (!place)
    return std::nullopt;
  auto [op, operand] = *place;
  return operand < op->getNumOperands() ? op->getOperand(operand) : Value();
}

static void setBiasAt(const BiasPlace &place, ElementsAttr elements,
                      StringRef name) {
  auto [op, operand] = *place;
  OpBuilder builder(op);
  Value bias = InitializerOp::create(builder, op->getLoc(), elements.getType(),
                                     builder.getStringAttr(name), elements,
                                     DictionaryAttr());
  if (operand == op->getNumOperands())
    return op->insertOperands(operand, bias);
  Value old = op->getOperand(operand);
  op->setOperand(operand, bias);
  if (old.use_empty())
    old.getDefiningOp()->erase();
}

namespace {

/// Adds the methods about biases, which `find` finds.
template <typename Model, typename Op,
          BiasPlace (*find)(Operation *, const WeightOperand &)>
struct ModelWithBias : CompressibleOpInterface::ExternalModel<Model, Op> {
  std::optional<Value> getBias(Operation *op, const WeightOperand &role) const {
    return getBiasAt(find(op, role));
  }
  void setBias(Operation *op, const WeightOperand &role, ElementsAttr elements,
               StringRef name) const {
    setBiasAt(find(op, role), elements, name);
  }
};

/// W is [outputs, inputs / group, window...].
struct ConvModel : ModelWithBias<ConvModel, ConvOp, findOwnBias> {
  SmallVector<WeightOperand> getWeightOperands(Operation *op) const {
    std::optional<int64_t> rank = getRank(cast<ConvOp>(op).getW());
    if (!rank || *rank < 3)
      return {};
    WeightOperand use;
    use.operand = 1;
    use.activation = 0;
    use.outputAxes = {0};
    use.reductionAxes = allAxesBut(*rank, 0);
    use.activationChannelAxis = 1;
    return {use};
  }
};

/// W is [inputs, outputs / group, window...].
struct ConvTransposeModel
    : CompressibleOpInterface::ExternalModel<ConvTransposeModel,
                                             ConvTransposeOp> {
  SmallVector<WeightOperand> getWeightOperands(Operation *op) const {
    std::optional<int64_t> rank = getRank(cast<ConvTransposeOp>(op).getW());
    if (!rank || *rank < 3)
      return {};
    WeightOperand use;
    use.operand = 1;
    use.activation = 0;
    use.outputAxes = {1};
    use.reductionAxes = allAxesBut(*rank, 1);
    use.activationChannelAxis = 1;
    return {use};
  }

  /// Each pixel of the input is multiplied with the whole weight.
  std::optional<WeightWork> getWork(Operation *op,
                                    const WeightOperand &role) const {
    std::optional<WeightWork> work = getWorkByShapes(op, role);
    if (work)
      work->outputs = work->inputs;
    return work;
  }
};

struct GemmModel : ModelWithBias<GemmModel, GemmOp, findOwnBias> {
  SmallVector<WeightOperand> getWeightOperands(Operation *op) const {
    auto gemm = cast<GemmOp>(op);
    if (getRank(gemm.getA()) != 2 || getRank(gemm.getB()) != 2)
      return {};
    int64_t kOfA = gemm.getTransA().value_or(0) ? 0 : 1;
    int64_t kOfB = gemm.getTransB().value_or(0) ? 1 : 0;
    WeightOperand a, b;
    a.operand = b.activation = 0;
    b.operand = a.activation = 1;
    a.reductionAxes = {kOfA};
    a.outputAxes = {1 - kOfA};
    a.activationChannelAxis = kOfB;
    b.reductionAxes = {kOfB};
    b.outputAxes = {1 - kOfB};
    b.activationChannelAxis = kOfA;
    return {a, b};
  }
};

/// Batched [..., M, K] x [..., K, N]; a vector has only the K axis.
struct MatMulModel : ModelWithBias<MatMulModel, MatMulOp, findAddedBias> {
  SmallVector<WeightOperand> getWeightOperands(Operation *op) const {
    auto matmul = cast<MatMulOp>(op);
    std::optional<int64_t> rankA = getRank(matmul.getA());
    std::optional<int64_t> rankB = getRank(matmul.getB());
    SmallVector<WeightOperand> uses;
    int64_t kOfA = rankA ? *rankA - 1 : -1;
    int64_t kOfB = rankB ? std::max<int64_t>(*rankB - 2, 0) : -1;
    if (rankA && *rankA > 0) {
      WeightOperand &a = uses.emplace_back();
      a.operand = 0;
      a.activation = 1;
      a.reductionAxes = {kOfA};
      a.outputAxes = allAxesBut(*rankA, kOfA);
      a.activationChannelAxis = kOfB;
    }
    if (rankB && *rankB > 0) {
      WeightOperand &b = uses.emplace_back();
      b.operand = 1;
      b.activation = 0;
      b.reductionAxes = {kOfB};
      b.outputAxes = allAxesBut(*rankB, kOfB);
      b.activationChannelAxis = kOfA;
    }
    return uses;
  }
};

/// A table: each looked-up slice is an output.
struct GatherModel
    : CompressibleOpInterface::ExternalModel<GatherModel, onnx::GatherOp> {
  SmallVector<WeightOperand> getWeightOperands(Operation *op) const {
    auto gather = cast<onnx::GatherOp>(op);
    std::optional<int64_t> rank = getRank(gather.getData());
    int64_t axis = gather.getAxis().value_or(0);
    if (!rank || axis < -*rank || axis >= *rank)
      return {};
    axis = axis < 0 ? axis + *rank : axis;
    WeightOperand use;
    use.operand = 0;
    use.outputAxes = {axis};
    use.reductionAxes = allAxesBut(*rank, axis);
    return {use};
  }
};

/// Operands that meet each other element by element. Groups of values that go
/// together lie along the longest axis, the last of those.
template <typename Op>
struct ElementwiseModel
    : CompressibleOpInterface::ExternalModel<ElementwiseModel<Op>, Op> {
  SmallVector<WeightOperand> getWeightOperands(Operation *op) const {
    SmallVector<WeightOperand> uses;
    for (auto [index, operand] : llvm::enumerate(op->getOperands())) {
      auto type = dyn_cast<RankedTensorType>(operand.getType());
      if (!type || type.getRank() == 0 || !type.hasStaticShape() ||
          !isa<FloatType>(type.getElementType()))
        continue;
      int64_t longest = 0;
      for (int64_t axis = 1; axis < type.getRank(); ++axis)
        if (type.getDimSize(axis) >= type.getDimSize(longest))
          longest = axis;
      WeightOperand &use = uses.emplace_back();
      use.operand = index;
      use.isElementwise = true;
      use.outputAxes = allAxesBut(type.getRank(), longest);
      use.reductionAxes = {longest};
    }
    return uses;
  }
};

template <typename... Ops> void attachElementwise(MLIRContext *context) {
  (Ops::template attachInterface<ElementwiseModel<Ops>>(*context), ...);
}

} // namespace

void compress::onnx::registerCompressibleOpInterfaceExternalModels(
    DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, ONNXDialect *) {
    ConvOp::attachInterface<ConvModel>(*context);
    ConvTransposeOp::attachInterface<ConvTransposeModel>(*context);
    GemmOp::attachInterface<GemmModel>(*context);
    MatMulOp::attachInterface<MatMulModel>(*context);
    onnx::GatherOp::attachInterface<GatherModel>(*context);
    attachElementwise<AddOp, SubOp, MulOp, DivOp, MinOp, MaxOp, WhereOp>(
        context);
  });
}
