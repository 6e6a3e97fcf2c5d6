//===- CodeProduct.cpp - Products of 8-bit codes ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeProduct.h"
#include "compress/Target/Contraction.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;
using namespace compress::sme;

/// So many products of bytes add up to less than 2^31.
static constexpr int64_t kMaxSteps = 1 << 15;

namespace {
/// Reads the codes of quantized tensors, wherever they are nested, in place of
/// values.
class CodeReader : public LazyTensorBuilder {
public:
  using LazyTensorBuilder::LazyTensorBuilder;

  FailureOr<DenseValue> decode(const ComponentValue &part) override {
    auto type = dyn_cast<CompressedTensorType>(part.component.type);
    if (type && isa<QuantAttr>(type.getEncoding()))
      return LazyTensorBuilder::decode(getParts(part)[0]);
    return LazyTensorBuilder::decode(part);
  }
};
} // namespace

/// The quantized tensor that a type is, or whose elements it stores in an N:M
/// pattern.
static QuantAttr getQuant(CompressedTensorType type) {
  if (auto sparse = dyn_cast<SparseAttr>(type.getEncoding())) {
    auto of = dyn_cast<QuantAttr>(sparse.getOf());
    return sparse.getPattern() == SparsePattern::NM && of && !of.getZero()
               ? of
               : QuantAttr();
  }
  return dyn_cast<QuantAttr>(type.getEncoding());
}

std::optional<CodeProduct::Side>
CodeProduct::matchSide(ContractOp op, unsigned number,
                       LazyTensorBuilder &codes) {
  Value operand = number ? op.getRhs() : op.getLhs();
  auto type = cast<CompressedTensorType>(operand.getType());
  QuantAttr quant = getQuant(type);
  if (quant.isFloatCode() || quant.getCodeWidth() > 8 ||
      !type.getElementType().isF32())
    return std::nullopt;
  SmallVector<ComponentValue> parts = codes.getParts(operand);
  ArrayRef<int64_t> shape = type.getShape();
  if (isa<SparseAttr>(type.getEncoding())) {
    auto values = cast<CompressedTensorType>(parts[0].component.type);
    // Positions in a pattern count along an axis, which groups must not cut.
    shape = values.getShape();
    parts = codes.getParts(parts[0]);
  }
  Side side;
  side.group.assign(quant.getGroup().begin(), quant.getGroup().end());
  side.isSigned = quant.isSignedCode();
  for (auto [axis, expr] : llvm::enumerate(op.getMap(number).getResults())) {
    bool isSummed = shape[axis] != type.getShape()[axis];
    for (unsigned d = 0; d < op.getNumLoops(); ++d)
      isSummed |= op.isReductionDim(d) && expr.isFunctionOfDim(d);
    int64_t extent = shape[axis], group = side.group[axis];
    bool isWhole = ShapedType::isDynamic(group) ||
                   (!ShapedType::isDynamic(extent) && group >= extent);
    if (isSummed && !isWhole)
      return std::nullopt;
    if (isWhole)
      side.group[axis] = ShapedType::kDynamic;
  }
  auto code = codes.read(operand);
  if (failed(code))
    return std::nullopt;
  side.code = *code;
  auto scale = codes.readPart(parts[1]);
  if (failed(scale))
    return std::nullopt;
  side.scale = *scale;
  if (quant.getZero()) {
    auto dense = dyn_cast<DenseAttr>(quant.getZero());
    if (!dense || !isa<IntegerType>(dense.getStorageType()))
      return std::nullopt;
    auto zero = codes.readPart(parts[2]);
    if (failed(zero))
      return std::nullopt;
    side.zero = *zero;
  }
  return side;
}

std::optional<CodeProduct> CodeProduct::match(ContractOp op, ElementKernel &k) {
  // Both before either adds buffers.
  for (Value operand : {op.getLhs(), op.getRhs()}) {
    auto type = dyn_cast<CompressedTensorType>(operand.getType());
    if (!type || !getQuant(type))
      return std::nullopt;
  }
  int64_t steps = 1;
  SmallVector<int64_t> extents = getLoopExtents(op);
  for (unsigned d = 0; d < op.getNumLoops(); ++d)
    if (op.isReductionDim(d)) {
      if (ShapedType::isDynamic(extents[d]) || extents[d] > kMaxSteps)
        return std::nullopt;
      steps *= std::max<int64_t>(extents[d], 1);
    }
  if (steps > kMaxSteps)
    return std::nullopt;
  CodeProduct product;
  product.k = &k;
  product.codes = std::make_shared<CodeReader>(k);
  for (unsigned i = 0; i < 2; ++i) {
    auto side = matchSide(op, i, *product.codes);
    if (!side)
      return std::nullopt;
    product.sides[i] = std::move(*side);
  }
  return product;
}

Product CodeProduct::getProduct() const {
  if (sides[0].isSigned)
    return sides[1].isSigned ? Product::S8S8 : Product::S8U8;
  return sides[1].isSigned ? Product::U8S8 : Product::U8U8;
}

/// Whole numbers may be held as floats.
static Value toInteger(ElementKernel &k, Value value) {
  if (isa<FloatType>(value.getType()))
    return arith::FPToSIOp::create(k.b, k.loc, k.b.getI32Type(), value);
  return k.toI32(value);
}

Value CodeProduct::read(unsigned side, ValueRange position) const {
  return toInteger(*k, sides[side].code(position));
}

SmallVector<Value> CodeProduct::getGroup(const Side &side,
                                         ValueRange position) const {
  SmallVector<Value> where;
  for (auto [at, group] : llvm::zip_equal(position, side.group))
    where.push_back(ShapedType::isDynamic(group) ? k->index(0)
                                                 : k->div(at, group));
  return where;
}

Value CodeProduct::scale(Value sum, const Value lineSums[2],
                         const SmallVector<Value> positions[2],
                         Value numSteps) const {
  OpBuilder &b = k->b;
  Location loc = k->loc;
  Value scales[2], zeros[2];
  for (unsigned i = 0; i < 2; ++i) {
    SmallVector<Value> where = getGroup(sides[i], positions[i]);
    scales[i] = sides[i].scale(where);
    if (sides[i].zero)
      zeros[i] = toInteger(*k, sides[i].zero(where));
  }
  for (unsigned i = 0; i < 2; ++i)
    if (zeros[i])
      sum = k->sub(sum, k->mul(zeros[i], lineSums[1 - i]));
  if (zeros[0] && zeros[1])
    sum = k->add(sum, k->mul(k->mul(zeros[0], zeros[1]), k->toI32(numSteps)));
  Value value = arith::SIToFPOp::create(b, loc, b.getF32Type(), sum);
  Value scale = arith::MulFOp::create(b, loc, scales[0], scales[1]);
  return arith::MulFOp::create(b, loc, value, scale);
}
