//===- MatrixProduct.cpp - Products with a weight on one side ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MatrixProduct.h"
#include "compress/Target/Contraction.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

static SmallVector<unsigned> getDims(AffineMap map) {
  SmallVector<unsigned> dims;
  for (AffineExpr expr : map.getResults())
    dims.push_back(cast<AffineDimExpr>(expr).getPosition());
  return dims;
}

std::optional<MatrixAxes> compress::cpu::matchMatrixAxes(ContractOp op,
                                                         bool weightFirst) {
  std::optional<MatmulShape> shape = matchMatmul(op);
  if (!shape || !shape->batch.empty() ||
      !getElementTypeOrSelf(op.getInit().getType()).isF32())
    return std::nullopt;
  MatrixAxes result;
  result.weight = weightFirst ? op.getLhs() : op.getRhs();
  result.weightMap = op.getMap(weightFirst ? 0 : 1);
  result.activation = weightFirst ? op.getRhs() : op.getLhs();
  result.m = weightFirst ? shape->n : shape->m;
  result.n = weightFirst ? shape->m : shape->n;
  // The other operand and the result must have their axes in this order.
  SmallVector<unsigned> axes = getDims(op.getMap(weightFirst ? 1 : 0));
  if (ArrayRef(axes).take_front(result.m.size()) != ArrayRef(result.m))
    return std::nullopt;
  result.k.assign(axes.begin() + result.m.size(), axes.end());
  SmallVector<unsigned> out(result.m);
  llvm::append_range(out, result.n);
  if (result.n.empty() || result.k.empty() || out != getDims(op.getMap(2)))
    return std::nullopt;
  return result;
}

SmallVector<int64_t>
compress::cpu::enumerateOffsets(ArrayRef<SmallVector<int64_t>> loops) {
  SmallVector<int64_t> result{0};
  for (ArrayRef<int64_t> loop : loops) {
    SmallVector<int64_t> next;
    next.reserve(result.size() * loop.size());
    for (int64_t outer : result)
      for (int64_t inner : loop)
        next.push_back(outer + inner);
    result = std::move(next);
  }
  return result;
}

std::optional<HostTensor> compress::cpu::getFloatConstant(Value value) {
  if (auto type = dyn_cast<CompressedTensorType>(value.getType())) {
    auto dense = dyn_cast<DenseAttr>(type.getEncoding());
    if (!dense || !type.getElementType().isF32())
      return std::nullopt;
    Type stored = dense.getStorageType();
    if (!stored.isF32() && !stored.isF16() && !stored.isBF16())
      return std::nullopt;
    if (auto constant = value.getDefiningOp<ConstantOp>())
      return constant.getLeaves()[0].bitcast(stored);
    // A component that a rule took out of its constant.
    auto pack = value.getDefiningOp<PackOp>();
    ElementsAttr elements;
    if (!pack || !matchPattern(pack.getComponents()[0], m_Constant(&elements)))
      return std::nullopt;
    auto host = HostTensor::fromAttr(elements);
    if (!host) {
      llvm::consumeError(host.takeError());
      return std::nullopt;
    }
    return host->bitcast(stored);
  }
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!constant || !type || !type.getElementType().isF32())
    return std::nullopt;
  auto elements = dyn_cast<ElementsAttr>(constant.getValue());
  auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
  if (!elements || (dense && dense.isSplat()))
    return std::nullopt;
  auto host = HostTensor::fromAttr(elements);
  if (!host) {
    llvm::consumeError(host.takeError());
    return std::nullopt;
  }
  return *host;
}

std::optional<FloatMatrix>
compress::cpu::getFloatMatrix(const MatrixAxes &axes,
                              ArrayRef<int64_t> extents) {
  auto values = getFloatConstant(axes.weight);
  if (!values)
    return std::nullopt;
  FloatMatrix result;
  result.values = *values;
  ArrayRef<int64_t> shape = cast<ShapedType>(axes.weight.getType()).getShape();
  SmallVector<SmallVector<int64_t>> offsets(extents.size());
  int64_t stride = 1;
  for (int64_t axis = int64_t(shape.size()) - 1; axis >= 0; --axis) {
    unsigned loop = axes.weightMap.getDimPosition(axis);
    for (int64_t i = 0; i < shape[axis]; ++i)
      offsets[loop].push_back(i * stride);
    stride *= shape[axis];
  }
  auto enumerate = [&](ArrayRef<unsigned> loops) {
    SmallVector<SmallVector<int64_t>> chosen;
    for (unsigned loop : loops)
      chosen.push_back(offsets[loop]);
    return enumerateOffsets(chosen);
  };
  result.columns = enumerate(axes.n);
  result.rows = enumerate(axes.k);
  if (result.columns.empty() || result.rows.empty())
    return std::nullopt;
  return result;
}
