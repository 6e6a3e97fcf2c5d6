//===- BatchNorm.cpp - Statistics of batch normalizations -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/BatchNorm.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

static constexpr unsigned meanOperand = 3, varianceOperand = 4;

std::vector<BatchNorm> compress::onnx::findBatchNorms(Operation *root) {
  std::vector<BatchNorm> found;
  root->walk([&](BatchNormalizationOp op) {
    Node node(op);
    if (node.getInt("training_mode", 0) != 0 || node.getInt("spatial", 1) == 0)
      return;
    BatchNorm norm{op, {}, {}, {}, {}, node.getFloat("epsilon", 1e-5)};
    SmallVector<double> *parameters[] = {&norm.scales, &norm.biases,
                                         &norm.means, &norm.variances};
    for (auto [i, values] : llvm::enumerate(parameters)) {
      auto constant = getConstantFloats(node.getInput(i + 1));
      if (!constant || (i && constant->size() != norm.scales.size()))
        return;
      *values = std::move(*constant);
    }
    found.push_back(std::move(norm));
  });
  return found;
}

void BatchNorm::setStatistics(ArrayRef<double> newMeans,
                              ArrayRef<double> newVariances) {
  means.assign(newMeans.begin(), newMeans.end());
  variances.assign(newVariances.begin(), newVariances.end());
  OpBuilder builder(op);
  for (unsigned operand : {meanOperand, varianceOperand}) {
    Value old = op->getOperand(operand);
    auto type = cast<RankedTensorType>(old.getType());
    HostTensor values =
        HostTensor::allocate(type.getShape(), type.getElementType());
    for (auto [i, value] :
         llvm::enumerate(operand == meanOperand ? means : variances))
      values.setDouble(i, value);
    std::string name =
        Node(op).describe() + (operand == meanOperand ? ".mean" : ".variance");
    if (auto given = old.getDefiningOp()->getAttrOfType<StringAttr>("name");
        given && old.hasOneUse())
      name = given.str();
    op->setOperand(operand, InitializerOp::create(builder, op.getLoc(), type,
                                                  builder.getStringAttr(name),
                                                  toAttr(values, name),
                                                  DictionaryAttr()));
    if (old.use_empty())
      old.getDefiningOp()->erase();
  }
}
