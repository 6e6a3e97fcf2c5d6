//===- FoldConstants.cpp - Decode at compile time ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/Transforms/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSFOLDCONSTANTS
#include "compress/Dialect/Compress/Transforms/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

static Value materialize(OpBuilder &builder, Location loc,
                         const HostTensor &tensor) {
  auto type = RankedTensorType::get(tensor.getShape(), tensor.getElementType());
  SmallVector<Attribute> elements;
  for (int64_t i = 0, e = tensor.getNumElements(); i < e; ++i) {
    APInt bits(tensor.getBitWidth(), tensor.getBits(i));
    if (auto real = dyn_cast<FloatType>(tensor.getElementType()))
      elements.push_back(
          FloatAttr::get(real, APFloat(real.getFloatSemantics(), bits)));
    else
      elements.push_back(IntegerAttr::get(tensor.getElementType(), bits));
  }
  return arith::ConstantOp::create(builder, loc,
                                   DenseElementsAttr::get(type, elements));
}

namespace {
struct FoldConstants
    : public compress::impl::CompressFoldConstantsBase<FoldConstants> {
  using Base::Base;

  void runOnOperation() override {
    // Program order, so that what an operation gives feeds the next.
    bool ok = true;
    getOperation()->walk([&](Operation *op) {
      if (op->getNumResults() != 1 || !ok)
        return;
      auto type = dyn_cast<ShapedType>(op->getResult(0).getType());
      if (!type || !type.hasStaticShape() ||
          uint64_t(type.getNumElements()) > maxElements)
        return;
      auto replacement = fold(op);
      if (!replacement) {
        op->emitOpError() << llvm::toString(replacement.takeError());
        ok = false;
        return;
      }
      if (!*replacement)
        return;
      op->getResult(0).replaceAllUsesWith(*replacement);
      op->erase();
      ++numFolded;
    });
    if (!ok)
      return signalPassFailure();
    getOperation()->walk([](ConstantOp op) {
      if (op->use_empty())
        op->erase();
    });
  }

  /// The value of the operation as a constant; null when it is not known.
  llvm::Expected<Value> fold(Operation *op) {
    OpBuilder builder(op);
    if (auto decode = dyn_cast<DecodeOp>(op)) {
      auto source = decode.getSource().getDefiningOp<ConstantOp>();
      if (!source)
        return Value();
      auto value = decodeTensor({source.getType(), source.getLeaves()});
      if (!value)
        return value.takeError();
      return materialize(builder, op->getLoc(), *value);
    }
    if (auto encode = dyn_cast<EncodeOp>(op)) {
      ElementsAttr elements;
      if (!encode.getParameters().empty() ||
          !matchPattern(encode.getSource(), m_Constant(&elements)))
        return Value();
      auto value = HostTensor::fromAttr(elements);
      if (!value)
        return value.takeError();
      auto encoded = encodeTensor(encode.getType(), *value);
      if (!encoded)
        return encoded.takeError();
      if (encoded->type != encode.getType() &&
          !acceptsAnyEncoding(encode.getResult()))
        return Value();
      return ConstantOp::create(builder, op->getLoc(), encoded->type,
                                encoded->leaves)
          .getResult();
    }
    if (auto cast = dyn_cast<CastOp>(op)) {
      auto source = cast.getSource().getDefiningOp<ConstantOp>();
      if (!source)
        return Value();
      auto encoded =
          castTensor({source.getType(), source.getLeaves()}, cast.getType());
      if (!encoded)
        return encoded.takeError();
      if (encoded->type != cast.getType() &&
          !acceptsAnyEncoding(cast.getResult()))
        return Value();
      return ConstantOp::create(builder, op->getLoc(), encoded->type,
                                encoded->leaves)
          .getResult();
    }
    return Value();
  }
};
} // namespace
