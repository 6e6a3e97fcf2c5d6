//===- ONNXToCompress.cpp - convert-onnx-qdq-to-compress ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Conversion/ONNXToCompress/ONNXToCompress.h"
#include "Readers.h"
#include "compress/Conversion/CompressToONNX/CompressToONNX.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"

namespace compress {
#define GEN_PASS_DEF_CONVERTONNXQDQTOCOMPRESS
#include "compress/Conversion/ONNXToCompress/ONNXToCompress.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// A dense leaf as the operand of `compress.encode`.
static Value buildDense(OpBuilder &b, Location loc, RankedTensorType type,
                        const HostTensor &leaf) {
  SmallVector<Attribute> elements;
  for (int64_t i = 0, e = leaf.getNumElements(); i < e; ++i) {
    APInt bits(leaf.getBitWidth(), leaf.getBits(i));
    if (auto real = dyn_cast<FloatType>(type.getElementType()))
      elements.push_back(
          FloatAttr::get(real, APFloat(real.getFloatSemantics(), bits)));
    else
      elements.push_back(IntegerAttr::get(type.getElementType(), bits));
  }
  return arith::ConstantOp::create(b, loc,
                                   DenseElementsAttr::get(type, elements));
}

static SmallVector<Value> buildParameters(OpBuilder &b, Location loc,
                                          const CompressedValue &value) {
  SmallVector<Value> result;
  ArrayRef<HostTensor> leaves = value.leaves;
  SmallVector<Component> components = value.type.getComponents();
  unsigned count = value.type.getEncoding().getNumParameters();
  for (const Component &component :
       ArrayRef<Component>(components).take_back(count)) {
    if (leaves.empty())
      break;
    unsigned size = getNumLeaves(component.type);
    if (auto nested = dyn_cast<CompressedTensorType>(component.type))
      result.push_back(compress::ConstantOp::create(b, loc, nested,
                                                    leaves.take_front(size)));
    else
      result.push_back(buildDense(
          b, loc, cast<RankedTensorType>(component.type), leaves.front()));
    leaves = leaves.drop_front(size);
  }
  return result;
}

/// Erases `op` and what it alone was computed from; notes what in `erased`.
static void eraseDead(Operation *op,
                      llvm::SmallPtrSetImpl<Operation *> &erased) {
  SmallVector<Operation *> worklist{op};
  while (!worklist.empty()) {
    Operation *dead = worklist.pop_back_val();
    if (!dead->use_empty())
      continue;
    llvm::SmallSetVector<Operation *, 4> operands;
    for (Value operand : dead->getOperands())
      if (Operation *def = operand.getDefiningOp())
        if (isa<onnx::ONNXDialect>(def->getDialect()))
          operands.insert(def);
    // Once unused it is not met again: its only users are gone.
    erased.insert(dead);
    dead->erase();
    for (Operation *def : operands)
      if (def->use_empty() && !llvm::is_contained(worklist, def))
        worklist.push_back(def);
  }
}

namespace {
struct ConvertONNXQDQToCompressPass
    : compress::impl::ConvertONNXQDQToCompressBase<
          ConvertONNXQDQToCompressPass> {
  using ConvertONNXQDQToCompressBase::ConvertONNXQDQToCompressBase;

  void runOnOperation() override;

private:
  void replace(Operation *root, const CompressedValue &value);

  llvm::SmallPtrSet<Operation *, 16> erased;
};
} // namespace

void ConvertONNXQDQToCompressPass::replace(Operation *root,
                                           const CompressedValue &value) {
  OpBuilder b(root);
  Location loc = root->getLoc();
  Operation *stored;
  if (value.source) {
    SmallVector<Value> parameters = buildParameters(b, loc, value);
    stored = EncodeOp::create(b, loc, value.type, value.source, parameters);
  } else {
    stored = compress::ConstantOp::create(b, loc, value.type, value.leaves,
                                          value.site);
  }
  if (!value.site.empty())
    stored->setAttr(metadata::site, b.getStringAttr(value.site));
  if (!value.level.empty())
    stored->setAttr(metadata::level, b.getStringAttr(value.level));
  Value decoded = DecodeOp::create(b, loc, stored->getResult(0));
  root->getResult(0).replaceAllUsesWith(decoded);
  eraseDead(root, erased);
}

void ConvertONNXQDQToCompressPass::runOnOperation() {
  func::FuncOp function = getOperation();
  if (function.isExternal())
    return;
  auto explain = [&](Operation *op, StringRef reason) {
    if (remarks)
      op->emitRemark() << onnx::Node(op).describe()
                       << " stays as it is: " << reason;
  };

  SmallVector<Operation *> roots;
  function.walk([&](Operation *op) {
    if (op->getNumResults() == 1 &&
        isa_and_nonnull<onnx::ONNXDialect>(op->getDialect()) &&
        !getMetadata(op, metadata::type).empty())
      roots.push_back(op);
  });
  erased.clear();
  for (Operation *root : roots) {
    if (erased.contains(root))
      continue;
    std::string reason;
    auto value = restore(root, reason);
    if (failed(value)) {
      // The file claims something that does not hold: say so in any case.
      root->emitWarning() << onnx::Node(root).describe()
                          << " stays as it is: " << reason;
      continue;
    }
    replace(root, *value);
    ++numRestored;
  }

  SmallVector<onnx::DequantizeLinearOp> nodes(
      function.getOps<onnx::DequantizeLinearOp>());
  erased.clear();
  for (onnx::DequantizeLinearOp node : nodes) {
    if (erased.contains(node))
      continue;
    std::string reason;
    auto value = readDequantize(node, reason);
    if (failed(value)) {
      explain(node, reason);
      continue;
    }
    if (value->source)
      ++numActivations;
    else
      ++numWeights;
    replace(node, *value);
  }

  // Helpers of subgraphs, and types of results that are now exact.
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(function.front())))
    if (auto initializer = dyn_cast<onnx::InitializerOp>(op))
      if (initializer.use_empty() &&
          initializer.getName().starts_with("compress_"))
        op.erase();
  if (!llvm::hasSingleElement(function.getBody()))
    return;
  auto terminator = dyn_cast<func::ReturnOp>(function.front().getTerminator());
  if (terminator)
    function.setFunctionType(
        FunctionType::get(&getContext(), function.getArgumentTypes(),
                          llvm::to_vector(terminator.getOperandTypes())));
}
