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

namespace {

/// W is [outputs, inputs / group, window...].
struct ConvModel : CompressibleOpInterface::ExternalModel<ConvModel, ConvOp> {
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

struct GemmModel : CompressibleOpInterface::ExternalModel<GemmModel, GemmOp> {
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
struct MatMulModel
    : CompressibleOpInterface::ExternalModel<MatMulModel, MatMulOp> {
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

} // namespace

void compress::onnx::registerCompressibleOpInterfaceExternalModels(
    DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, ONNXDialect *) {
    ConvOp::attachInterface<ConvModel>(*context);
    ConvTransposeOp::attachInterface<ConvTransposeModel>(*context);
    GemmOp::attachInterface<GemmModel>(*context);
    MatMulOp::attachInterface<MatMulModel>(*context);
    onnx::GatherOp::attachInterface<GatherModel>(*context);
  });
}
