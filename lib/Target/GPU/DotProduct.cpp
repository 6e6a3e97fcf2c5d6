//===- DotProduct.cpp - Integer dot products on a device --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DotProduct.h"
#include "compress/Target/Contraction.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

/// So many products of bytes add up to less than 2^31.
static constexpr int64_t kMaxExtent = 1 << 15;

/// The codes with the axis of k last and its rows filled up with zeros to whole
/// words.
static HostTensor packCodes(const HostTensor &codes, unsigned kAxis,
                            int64_t stride) {
  ArrayRef<int64_t> shape = codes.getShape();
  int64_t outer = 1, inner = 1, extent = shape[kAxis];
  for (int64_t size : shape.take_front(kAxis))
    outer *= size;
  for (int64_t size : shape.drop_front(kAxis + 1))
    inner *= size;
  HostTensor packed = HostTensor::allocate(
      {outer * inner, stride},
      IntegerType::get(codes.getElementType().getContext(), 8));
  const char *from = codes.getBytes().data();
  char *to = packed.getMutableBytes().data();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t at = 0; at < extent; ++at)
      for (int64_t i = 0; i < inner; ++i)
        to[(o * inner + i) * stride + at] = from[(o * extent + at) * inner + i];
  return packed;
}

std::optional<ByteDot::Side> ByteDot::matchSide(ContractOp op, unsigned number,
                                                unsigned kLoop, DeviceKernel &k,
                                                LazyTensorBuilder &lazy,
                                                bool isSparse) {
  Value operand = number ? op.getRhs() : op.getLhs();
  auto type = dyn_cast<CompressedTensorType>(operand.getType());
  Attribute encoding = type ? type.getEncoding() : Attribute();
  if (isSparse)
    encoding = cast<SparseAttr>(encoding).getOf();
  auto quant = dyn_cast_or_null<QuantAttr>(encoding);
  if (!quant || quant.isFloatCode() || quant.getCodeWidth() != 8 ||
      !type.getElementType().isF32())
    return std::nullopt;
  Side side;
  for (auto [axis, expr] : llvm::enumerate(op.getMap(number).getResults())) {
    unsigned loop = cast<AffineDimExpr>(expr).getPosition();
    side.axes.push_back(loop);
    if (loop == kLoop)
      side.kAxis = axis;
  }
  int64_t extent = type.getShape()[side.kAxis];
  int64_t group = quant.getGroup()[side.kAxis];
  // SparseRows::find has looked at the groups of those.
  if (ShapedType::isDynamic(extent) || extent > kMaxExtent ||
      (!isSparse && !ShapedType::isDynamic(group) && group < extent))
    return std::nullopt;
  bool isConstant = bool(operand.getDefiningOp<ConstantOp>());
  if (!isConstant && (isSparse || side.kAxis + 1 != side.axes.size()))
    return std::nullopt;
  SmallVector<ComponentValue> parts = lazy.getParts(operand);
  if (isSparse)
    parts = lazy.getParts(parts[0]);
  auto scale = lazy.readPart(parts[1]);
  if (failed(scale))
    return std::nullopt;
  side.scale = *scale;
  if (quant.getZero()) {
    auto dense = dyn_cast<DenseAttr>(quant.getZero());
    if (!dense || !isa<IntegerType>(dense.getStorageType()))
      return std::nullopt;
    auto zero = lazy.readPart(parts[2]);
    if (failed(zero))
      return std::nullopt;
    side.zero = *zero;
  }
  side.group.assign(quant.getGroup().begin(), quant.getGroup().end());
  side.isUnsigned = !quant.isSignedCode();
  if (isSparse) {
    side.stride = llvm::alignTo(extent, 16);
  } else if (isConstant) {
    // Warps copy 16 bytes at a time.
    side.stride = llvm::alignTo(extent, k.device.warp.lanes ? 16 : 4);
    side.buffer =
        k.addConstant(packCodes(parts[0].leaves[0], side.kAxis, side.stride),
                      lazy.getName("codes"));
  } else {
    side.buffer = k.addInput(parts[0].value);
    side.stride = extent;
  }
  for (auto [axis, loop] : llvm::enumerate(side.axes)) {
    if (loop == kLoop)
      continue;
    int64_t size = type.getShape()[axis];
    side.loops.push_back(loop);
    side.extents.push_back(ShapedType::isDynamic(size)
                               ? k.size(parts[0].value, axis)
                               : k.index(size));
  }
  return side;
}

std::optional<ByteDot> ByteDot::match(ContractOp op, DeviceKernel &k,
                                      LazyTensorBuilder &lazy,
                                      std::optional<unsigned> sparse) {
  auto shape = matchMatmul(op);
  if (!k.device.dotBytes || !shape || shape->k.size() != 1)
    return std::nullopt;
  // Both before either adds buffers.
  for (unsigned i = 0; i < 2; ++i) {
    auto type = dyn_cast<CompressedTensorType>(
        (i ? op.getRhs() : op.getLhs()).getType());
    if (i != sparse && (!type || !isa<QuantAttr>(type.getEncoding())))
      return std::nullopt;
  }
  ByteDot dot;
  dot.k = &k;
  for (unsigned i = 0; i < 2; ++i) {
    auto side = matchSide(op, i, shape->k[0], k, lazy, i == sparse);
    if (!side)
      return std::nullopt;
    dot.sides[i] = *side;
  }
  auto type = cast<ShapedType>(op.getLhs().getType());
  dot.extent = type.getDimSize(dot.sides[0].kAxis);
  return dot;
}

Value ByteDot::getRow(unsigned i, ArrayRef<Value> loops) const {
  const Side &side = sides[i];
  SmallVector<Value> row;
  for (unsigned loop : side.loops)
    row.push_back(loops[loop]);
  return k->mul(k->linearize(row, side.extents), side.stride);
}

Value ByteDot::loadCodes(unsigned i, Value first, Value word) const {
  const Side &side = sides[i];
  Value bytes = k->add(first, k->mul(word, 4));
  Value at = k->div(bytes, 4);
  Value codes = k->loadWord(side.buffer, at);
  if (side.stride % 4) {
    // A row may start within a word; see DeviceKernel::loadBits.
    Value shift = k->toI32(k->mul(k->rem(bytes, 4), 8));
    Value next = k->loadWord(side.buffer, k->add(at, 1));
    Value high = k->shiftLeft(k->shiftLeft(next, 1), k->sub(k->i32(31), shift));
    codes = k->bitOr(k->shiftRight(codes, shift), high);
  }
  if (side.isUnsigned)
    codes = arith::XOrIOp::create(k->b, k->loc, codes, k->i32(0x80808080));
  return codes;
}

Value ByteDot::getOnes(Value word) const {
  auto compare = [&](arith::CmpIPredicate predicate) {
    return k->compare(predicate, word, k->index(extent / 4));
  };
  int64_t part = 0x01010101 & ((int64_t(1) << 8 * (extent % 4)) - 1);
  Value last =
      k->select(compare(arith::CmpIPredicate::eq), k->i32(part), k->i32(0));
  return k->select(compare(arith::CmpIPredicate::ult), k->i32(0x01010101),
                   last);
}

Value ByteDot::loadCodesMasked(unsigned i, Value row, Value word) const {
  Value ones = getOnes(word);
  Value inside = k->compare(arith::CmpIPredicate::ne, ones, k->i32(0));
  Value codes = loadCodes(i, row, k->select(inside, word, k->index(0)));
  return arith::AndIOp::create(k->b, k->loc, codes, k->mul(ones, 255));
}

SmallVector<Value> ByteDot::getPosition(const Side &side,
                                        ArrayRef<Value> loops) const {
  SmallVector<Value> where;
  for (unsigned axis = 0; axis < side.axes.size(); ++axis)
    where.push_back(axis == side.kAxis ||
                            ShapedType::isDynamic(side.group[axis])
                        ? k->index(0)
                        : k->div(loops[side.axes[axis]], side.group[axis]));
  return where;
}

Value ByteDot::combine(ArrayRef<Value> loops, Value init, Value total,
                       Value sumA, Value sumB) const {
  OpBuilder &b = k->b;
  Location loc = k->loc;
  Value scales[2], zeros[2];
  for (unsigned i = 0; i < 2; ++i) {
    const Side &side = sides[i];
    SmallVector<Value> where = getPosition(side, loops);
    scales[i] = side.scale(where);
    if (side.zero)
      zeros[i] = (*side.zero)(where);
    if (side.isUnsigned)
      zeros[i] = zeros[i] ? k->add(zeros[i], -128) : k->i32(-128);
  }
  if (zeros[1])
    total = k->sub(total, k->mul(sumA, zeros[1]));
  if (zeros[0])
    total = k->sub(total, k->mul(sumB, zeros[0]));
  if (zeros[0] && zeros[1])
    total = k->add(total, k->mul(k->mul(zeros[0], zeros[1]), extent));
  Value value = arith::SIToFPOp::create(b, loc, b.getF32Type(), total);
  Value scale = arith::MulFOp::create(b, loc, scales[0], scales[1]);
  return arith::AddFOp::create(b, loc, init,
                               arith::MulFOp::create(b, loc, value, scale));
}

Value ByteDot::emit(ArrayRef<Value> loops, Value init) const {
  OpBuilder &b = k->b;
  Location loc = k->loc;
  Value rows[2] = {getRow(0, loops), getRow(1, loops)};
  // sum a b, sum a, sum b.
  SmallVector<Value> sums(3, k->i32(0));
  auto step = [&](Value word, Value ones, Value mask,
                  ValueRange carried) -> SmallVector<Value> {
    Value codes[2];
    for (unsigned i = 0; i < 2; ++i) {
      codes[i] = loadCodes(i, rows[i], word);
      if (mask)
        codes[i] = arith::AndIOp::create(b, loc, codes[i], mask);
    }
    SmallVector<Value> next{
        k->device.dotBytes(b, loc, codes[0], codes[1], carried[0])};
    for (unsigned i = 0; i < 2; ++i)
      next.push_back(needsSum(i) ? k->device.dotBytes(b, loc, codes[i], ones,
                                                      carried[1 + i])
                                 : carried[1 + i]);
    return next;
  };
  if (extent >= 4) {
    auto loop = scf::ForOp::create(b, loc, k->index(0), k->index(extent / 4),
                                   k->index(1), sums);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    scf::YieldOp::create(b, loc,
                         step(loop.getInductionVar(), k->i32(0x01010101),
                              Value(), loop.getRegionIterArgs()));
    sums.assign(loop.result_begin(), loop.result_end());
  }
  if (extent % 4) {
    int64_t bits = 8 * (extent % 4);
    int64_t mask = (int64_t(1) << bits) - 1;
    sums = step(k->index(extent / 4), k->i32(0x01010101 & mask), k->i32(mask),
                sums);
  }
  return combine(loops, init, sums[0], sums[1], sums[2]);
}
