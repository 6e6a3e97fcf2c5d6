//===- ChannelsLast.cpp - Between layouts of images -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChannelsLast.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

static Value emitTransposition(OpBuilder &b, Location loc, Value value,
                               ArrayRef<int64_t> order) {
  SmallVector<OpFoldResult> from = tensor::getMixedSizes(b, loc, value), sizes;
  for (int64_t axis : order)
    sizes.push_back(from[axis]);
  Value init = tensor::EmptyOp::create(b, loc, sizes,
                                       getElementTypeOrSelf(value.getType()));
  return linalg::TransposeOp::create(b, loc, value, init, order)->getResult(0);
}

Value compress::cpu::toChannelsLast(OpBuilder &b, Location loc, Value value) {
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  SmallVector<int64_t> order{0};
  llvm::append_range(order, llvm::seq<int64_t>(2, rank));
  order.push_back(1);
  return emitTransposition(b, loc, value, order);
}

Value compress::cpu::toChannelsFirst(OpBuilder &b, Location loc, Value value) {
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  SmallVector<int64_t> order{0, rank - 1};
  llvm::append_range(order, llvm::seq<int64_t>(1, rank - 1));
  Value result = emitTransposition(b, loc, value, order);
  result.getDefiningOp()->setAttr(kLayoutAttr, b.getUnitAttr());
  return result;
}
