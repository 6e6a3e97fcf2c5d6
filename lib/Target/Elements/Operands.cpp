//===- Operands.cpp - Operands of claimed operations ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Operands.h"
#include "compress/Target/Contraction.h"
#include "compress/Target/Host/Passes.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

LogicalResult compress::device::leave(PatternRewriter &rewriter, Operation *op,
                                      bool isLast, const Twine &reason) {
  if (isLast)
    op->setAttr(kRemarkAttr, rewriter.getStringAttr(reason));
  return rewriter.notifyMatchFailure(op, reason);
}

FailureOr<Element> compress::device::readOperand(ElementKernel &k,
                                                 LazyTensorBuilder &lazy,
                                                 Value operand,
                                                 bool decodeOnHost) {
  auto element = lazy.read(operand);
  if (succeeded(element) || !decodeOnHost ||
      !isa<CompressedTensorType>(operand.getType()))
    return element;
  auto decode = DecodeOp::create(k.host, k.loc, operand);
  std::string text;
  llvm::raw_string_ostream(text)
      << operand.getType() << " is decoded on the host"
      << (operand.getDefiningOp<ConstantOp>() ? " when the model is loaded"
                                              : "")
      << ": " << lazy.reason;
  decode->setAttr(kRemarkAttr, k.host.getStringAttr(text));
  lazy.reason.clear();
  return lazy.read(decode);
}

std::optional<Element> compress::device::readInit(ElementKernel &k,
                                                  LazyTensorBuilder &lazy,
                                                  ContractOp op) {
  bool isZero = false;
  unsigned rank = cast<RankedTensorType>(op.getInit().getType()).getRank();
  for (unsigned axis = 0; axis < std::max(rank, 1u); ++axis) {
    Value bias = matchBias(op, axis, isZero);
    if (isZero)
      return Element([&k](ValueRange) { return k.f32(0); });
    if (!bias || rank == 0)
      continue;
    auto element = lazy.read(bias);
    if (failed(element))
      return std::nullopt;
    return Element([axis, vector = *element](ValueRange position) {
      return vector(position[axis]);
    });
  }
  auto element = lazy.read(op.getInit());
  if (failed(element))
    return std::nullopt;
  return *element;
}

Value compress::device::loadIndex(ElementKernel &k, unsigned buffer, Value at,
                                  unsigned width, int64_t extent) {
  using Predicate = arith::CmpIPredicate;
  Value value = k.loadBits(buffer, at, width);
  if (width < 32) {
    Value up = k.shiftLeft(value, 32 - width);
    value = k.shiftRightSigned(up, 32 - width);
  }
  Value zero = k.i32(0);
  if (width == 64) {
    // What does not fit 32 bits is out of range on its side.
    Value high = k.loadWord(buffer, k.add(k.mul(at, 2), 1));
    Value fits = k.compare(Predicate::eq, high, k.shiftRightSigned(value, 31));
    Value limit = k.select(k.compare(Predicate::slt, high, zero),
                           k.i32(INT32_MIN), k.i32(INT32_MAX));
    value = k.select(fits, value, limit);
  }
  Value wrapped = k.add(value, extent);
  value = k.select(k.compare(Predicate::slt, value, zero), wrapped, value);
  value = arith::MaxSIOp::create(k.b, k.loc, value, zero);
  value = arith::MinSIOp::create(k.b, k.loc, value, k.i32(extent - 1));
  return k.toIndex(value);
}
