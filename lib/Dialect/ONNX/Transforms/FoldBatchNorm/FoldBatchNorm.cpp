//===- FoldBatchNorm.cpp - onnx-fold-batch-norm -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/FoldBatchNorm/FoldBatchNorm.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"
#include <cmath>

namespace compress::onnx {
#define GEN_PASS_DEF_FOLDBATCHNORM
#include "compress/Dialect/ONNX/Transforms/FoldBatchNorm/FoldBatchNorm.h.inc"
} // namespace compress::onnx

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

namespace {
/// `y = factor * x + offset` for each channel.
struct Affine {
  SmallVector<double> factor, offset;
};

/// An operator whose weight absorbs the normalization.
struct Producer {
  Operation *op;
  /// The `Add` of a constant bias after a MatMul, or null.
  Operation *biasAdd = nullptr;
  /// Weight axis of the output channels; ConvTranspose has groups before it.
  unsigned channelAxis = 0;
  int64_t groups = 1;
  /// What the operator multiplies its product and its bias with (Gemm).
  double alpha = 1, beta = 1;
};
} // namespace

static std::optional<Affine> getAffine(BatchNormalizationOp op) {
  Node node(op);
  if (node.getInt("training_mode", 0) != 0 || node.getInt("spatial", 1) == 0)
    return std::nullopt;
  for (Value result : op->getResults().drop_front())
    if (!result.use_empty())
      return std::nullopt;
  SmallVector<double> parameters[4];
  for (unsigned i = 0; i < 4; ++i) {
    auto values = getConstantFloats(node.getInput(i + 1));
    if (!values || (i && values->size() != parameters[0].size()))
      return std::nullopt;
    parameters[i] = std::move(*values);
  }
  double epsilon = node.getFloat("epsilon", 1e-5);
  Affine affine;
  for (size_t c = 0; c < parameters[0].size(); ++c) {
    double factor = parameters[0][c] / std::sqrt(parameters[3][c] + epsilon);
    double offset = parameters[1][c] - parameters[2][c] * factor;
    if (!std::isfinite(factor) || !std::isfinite(offset))
      return std::nullopt;
    affine.factor.push_back(factor);
    affine.offset.push_back(offset);
  }
  return affine;
}

static std::optional<Producer> getProducer(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !value.hasOneUse())
    return std::nullopt;
  Node node(op);
  if (isa<ConvOp>(op))
    return Producer{op};
  if (isa<ConvTransposeOp>(op)) {
    Producer producer{op};
    producer.channelAxis = 1;
    producer.groups = node.getInt("group", 1);
    return producer;
  }
  if (isa<GemmOp>(op)) {
    Producer producer{op};
    producer.channelAxis = node.getInt("transB", 0) ? 0 : 1;
    producer.alpha = node.getFloat("alpha", 1);
    producer.beta = node.getFloat("beta", 1);
    return producer;
  }
  // The channels of a rank-2 MatMul are its columns.
  auto isMatrix = [](Value v) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    return type && type.getRank() == 2;
  };
  if (isa<MatMulOp>(op) && isMatrix(op->getOperand(1)) && isMatrix(value)) {
    Producer producer{op};
    producer.channelAxis = 1;
    return producer;
  }
  if (isa<AddOp>(op) && !node.hasAttr("broadcast"))
    for (unsigned i : {0u, 1u}) {
      Value other = op->getOperand(1 - i), product = op->getOperand(i);
      if (!isa_and_nonnull<MatMulOp>(product.getDefiningOp()) ||
          !isConstant(other))
        continue;
      std::optional<Producer> producer = getProducer(product);
      if (!producer)
        continue;
      producer->biasAdd = op;
      return producer;
    }
  return std::nullopt;
}

/// The bias as one value per channel; zeros when there is none.
static std::optional<SmallVector<double>> getBias(const Producer &producer,
                                                  int64_t channels) {
  Value bias;
  if (producer.biasAdd) {
    bool first = producer.biasAdd->getOperand(0).getDefiningOp() == producer.op;
    bias = producer.biasAdd->getOperand(first ? 1 : 0);
  } else if (!isa<MatMulOp>(producer.op)) {
    bias = Node(producer.op).getInput(2);
  }
  if (!bias)
    return SmallVector<double>(channels, 0.0);
  auto type = dyn_cast<RankedTensorType>(bias.getType());
  auto values = getConstantFloats(bias);
  if (!values || !type)
    return std::nullopt;
  if (values->size() == 1)
    return SmallVector<double>(channels, (*values)[0]);
  // Only a bias that is the same in every row.
  if (int64_t(values->size()) != channels || type.getShape().back() != channels)
    return std::nullopt;
  return *values;
}

static Value makeInitializer(OpBuilder &builder, Location loc,
                             const HostTensor &tensor, StringRef name) {
  ElementsAttr attr = toAttr(tensor, name);
  return InitializerOp::create(builder, loc, attr.getType(),
                               builder.getStringAttr(name), attr,
                               DictionaryAttr())
      .getResult();
}

static bool foldInto(BatchNormalizationOp op, const Affine &affine,
                     const Producer &producer) {
  Value weight = Node(producer.op).getInput(1);
  auto initializer = weight.getDefiningOp<InitializerOp>();
  if (!initializer || !weight.hasOneUse())
    return false;
  FailureOr<HostTensor> tensor = getConstant(weight);
  if (failed(tensor) || !isa<FloatType>(tensor->getElementType()))
    return false;
  int64_t rank = tensor->getRank();
  if (int64_t(producer.channelAxis) >= rank || producer.groups < 1)
    return false;
  ArrayRef<int64_t> shape = tensor->getShape();
  int64_t perGroup = shape[producer.channelAxis];
  int64_t channels = perGroup * producer.groups;
  if (channels != int64_t(affine.factor.size()) ||
      shape[0] % producer.groups != 0)
    return false;
  auto bias = getBias(producer, channels);
  if (!bias)
    return false;

  int64_t inner = 1;
  for (int64_t i = producer.channelAxis + 1; i < rank; ++i)
    inner *= shape[i];
  int64_t rowsPerGroup =
      producer.channelAxis == 0 ? shape[0] : shape[0] / producer.groups;
  HostTensor scaled = HostTensor::allocate(shape, tensor->getElementType());
  for (int64_t i = 0, e = tensor->getNumElements(); i < e; ++i) {
    int64_t channel = i / inner % perGroup;
    int64_t group =
        producer.channelAxis == 0 ? 0 : i / inner / perGroup / rowsPerGroup;
    scaled.setDouble(i, tensor->getDouble(i) * producer.alpha *
                            affine.factor[group * perGroup + channel]);
  }
  HostTensor shifted =
      HostTensor::allocate({channels}, tensor->getElementType());
  for (int64_t c = 0; c < channels; ++c)
    shifted.setDouble(c, (*bias)[c] * producer.beta * affine.factor[c] +
                             affine.offset[c]);

  // The weight keeps its name. The bias takes that of the old bias or of the
  // normalization's, if nothing else uses it.
  OpBuilder builder(producer.op);
  std::string name = initializer.getName().str();
  std::string biasName = name + "_bias";
  Value oldBias = producer.biasAdd || isa<MatMulOp>(producer.op)
                      ? Value()
                      : Node(producer.op).getInput(2);
  for (Value candidate : {oldBias, op->getOperand(2)})
    if (candidate && candidate.hasOneUse())
      if (auto source = candidate.getDefiningOp<InitializerOp>()) {
        biasName = source.getName().str();
        break;
      }
  Location loc = producer.op->getLoc();
  Value newWeight = makeInitializer(builder, loc, scaled, name);
  Value newBias = makeInitializer(builder, loc, shifted, biasName);
  producer.op->setOperand(1, newWeight);
  Operation *last = producer.op;
  if (isa<MatMulOp>(producer.op)) {
    builder.setInsertionPointAfter(producer.op);
    last = AddOp::create(builder, op.getLoc(), op->getResultTypes(),
                         ValueRange{producer.op->getResult(0), newBias});
    if (producer.biasAdd) {
      if (Attribute nodeName = producer.biasAdd->getAttr("onnx.node_name"))
        last->setAttr("onnx.node_name", nodeName);
      producer.biasAdd->replaceAllUsesWith(last);
    }
  } else {
    SmallVector<Value> operands(producer.op->getOperands());
    operands.resize(2);
    operands.push_back(newBias);
    producer.op->setOperands(operands);
    if (isa<GemmOp>(producer.op)) {
      producer.op->removeAttr("alpha");
      producer.op->removeAttr("beta");
    }
  }
  if (Attribute outputs = op->getAttr("onnx.outputs"))
    last->setAttr("onnx.outputs",
                  builder.getArrayAttr(cast<ArrayAttr>(outputs)[0]));
  last->getResult(0).setType(op->getResult(0).getType());
  op->getResult(0).replaceAllUsesWith(last->getResult(0));
  op.erase();
  if (producer.biasAdd)
    producer.biasAdd->erase();
  initializer.erase();
  return true;
}

namespace {
struct FoldBatchNormPass : onnx::impl::FoldBatchNormBase<FoldBatchNormPass> {
  using FoldBatchNormBase::FoldBatchNormBase;

  void runOnOperation() override {
    SmallVector<BatchNormalizationOp> ops;
    getOperation().walk([&](BatchNormalizationOp op) { ops.push_back(op); });
    for (BatchNormalizationOp op : ops) {
      std::optional<Producer> producer = getProducer(op->getOperand(0));
      std::optional<Affine> affine = getAffine(op);
      if (producer && affine && foldInto(op, *affine, *producer))
        ++numFolded;
      else
        ++numKept;
    }
    if (getOperation().isExternal())
      return;
    for (Operation &op : llvm::make_early_inc_range(
             llvm::reverse(getOperation().getBody().front())))
      if (isa<InitializerOp>(op) && op.use_empty())
        op.erase();
  }
};
} // namespace
