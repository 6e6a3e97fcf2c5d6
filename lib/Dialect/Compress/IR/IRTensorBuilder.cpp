//===- IRTensorBuilder.cpp - Decodes as linalg and tensor ops ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "compress/Dialect/Compress/IR/Hadamard.h"
#include "compress/Dialect/Compress/IR/StretchedShape.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;

namespace {

class IRTensorBuilder : public TensorBuilder {
public:
  IRTensorBuilder(OpBuilder &b, Location loc)
      : TensorBuilder(b.getContext()), b(b), loc(loc) {}

  LogicalResult emitFailure(const Twine &message) override {
    return emitError(loc) << message;
  }

  FailureOr<DenseValue> decode(const ComponentValue &part) override {
    auto value = buildDecodeComponent(b, loc, part.value, part.component);
    if (failed(value))
      return failure();
    return wrap(*value);
  }

  DenseValue constant(const HostTensor &tensor) override {
    auto type =
        RankedTensorType::get(tensor.getShape(), tensor.getElementType());
    bool isSplat = tensor.getNumElements() > 0;
    for (int64_t i = 1, e = tensor.getNumElements(); i < e && isSplat; ++i)
      isSplat = tensor.getBits(i) == tensor.getBits(0);
    SmallVector<Attribute> elements;
    for (int64_t i = 0, e = isSplat ? 1 : tensor.getNumElements(); i < e; ++i) {
      APInt bits(tensor.getBitWidth(), tensor.getBits(i));
      if (auto real = dyn_cast<FloatType>(tensor.getElementType()))
        elements.push_back(
            FloatAttr::get(real, APFloat(real.getFloatSemantics(), bits)));
      else
        elements.push_back(IntegerAttr::get(tensor.getElementType(), bits));
    }
    return wrap(arith::ConstantOp::create(
        b, loc, DenseElementsAttr::get(type, elements)));
  }

  DenseValue cast(const DenseValue &x, Type elementType) override {
    if (x.elementType == elementType)
      return x;
    return elementwise(elementType, x.shape, {x},
                       [&](OpBuilder &b, Location loc, ValueRange in) {
                         return buildNumericCast(b, loc, in[0], x.elementType,
                                                 elementType);
                       });
  }

  DenseValue reshape(const DenseValue &x, ArrayRef<int64_t> shape) override {
    if (ArrayRef(x.shape) == shape)
      return x;
    int64_t count = countElements(shape);
    Value flat = x.value;
    if (x.getRank() != 1) {
      SmallVector<ReassociationIndices> all;
      if (x.getRank() > 0)
        all.push_back(llvm::to_vector(llvm::seq<int64_t>(x.getRank())));
      auto flatType = RankedTensorType::get({count}, x.elementType);
      flat = x.getRank() == 0
                 ? Value(tensor::ExpandShapeOp::create(b, loc, flatType, flat,
                                                       all))
                 : Value(tensor::CollapseShapeOp::create(b, loc, flatType, flat,
                                                         all));
    }
    if (shape.size() == 1)
      return wrap(flat);
    SmallVector<ReassociationIndices> all;
    if (!shape.empty())
      all.push_back(llvm::to_vector(llvm::seq<int64_t>(shape.size())));
    auto type = RankedTensorType::get(shape, x.elementType);
    if (shape.empty())
      return wrap(tensor::CollapseShapeOp::create(b, loc, type, flat, all));
    return wrap(tensor::ExpandShapeOp::create(b, loc, type, flat, all));
  }

  DenseValue transpose(const DenseValue &x,
                       ArrayRef<int64_t> permutation) override {
    // result[d...] reads x where axis permutation[i] has d_i.
    SmallVector<int64_t> shape;
    SmallVector<AffineExpr> exprs(x.getRank());
    for (auto [i, axis] : llvm::enumerate(permutation)) {
      shape.push_back(x.shape[axis]);
      exprs[axis] = b.getAffineDimExpr(i);
    }
    AffineMap map = AffineMap::get(x.getRank(), 0, exprs, getContext());
    return elementwise(
        x.elementType, shape, {x},
        [](OpBuilder &, Location, ValueRange in) { return in[0]; }, {map});
  }

  DenseValue slice(const DenseValue &x, int64_t axis, int64_t begin,
                   int64_t size) override {
    SmallVector<int64_t> shape(x.shape);
    shape[axis] = size;
    // Slices of nothing do not verify.
    if (llvm::is_contained(shape, 0) && !ShapedType::isDynamicShape(shape))
      return wrap(tensor::EmptyOp::create(b, loc, shape, x.elementType));
    SmallVector<OpFoldResult> offsets(x.getRank(), b.getIndexAttr(0)),
        sizes = tensor::getMixedSizes(b, loc, x.value),
        strides(x.getRank(), b.getIndexAttr(1));
    offsets[axis] = b.getIndexAttr(begin);
    sizes[axis] = b.getIndexAttr(size);
    return wrap(tensor::ExtractSliceOp::create(b, loc, x.value, offsets, sizes,
                                               strides));
  }

  DenseValue concat(ArrayRef<DenseValue> parts, int64_t axis) override {
    SmallVector<int64_t> shape(parts[0].shape);
    shape[axis] = 0;
    for (const DenseValue &part : parts)
      shape[axis] += part.shape[axis];
    Value out = tensor::EmptyOp::create(b, loc, shape, parts[0].elementType);
    int64_t begin = 0;
    for (const DenseValue &part : parts) {
      if (llvm::is_contained(part.shape, 0))
        continue;
      SmallVector<OpFoldResult> offsets(shape.size(), b.getIndexAttr(0)),
          strides(shape.size(), b.getIndexAttr(1)),
          sizes = tensor::getMixedSizes(b, loc, part.value);
      offsets[axis] = b.getIndexAttr(begin);
      out = tensor::InsertSliceOp::create(b, loc, part.value, out, offsets,
                                          sizes, strides);
      begin += part.shape[axis];
    }
    return wrap(out);
  }

  DenseValue binary(TensorBinary op, const DenseValue &a,
                    const DenseValue &other) override {
    bool isFloat = isa<FloatType>(a.elementType);
    bool compares = op == TensorBinary::Equal || op == TensorBinary::Less;
    Type result = compares ? Type(b.getI1Type()) : a.elementType;
    return elementwise(
        result, getStretchedShape(a.shape, other.shape), {a, other},
        [&](OpBuilder &b, Location loc, ValueRange in) -> Value {
          Value x = in[0], y = in[1];
          switch (op) {
          case TensorBinary::Add:
            return isFloat ? Value(arith::AddFOp::create(b, loc, x, y))
                           : Value(arith::AddIOp::create(b, loc, x, y));
          case TensorBinary::Sub:
            return isFloat ? Value(arith::SubFOp::create(b, loc, x, y))
                           : Value(arith::SubIOp::create(b, loc, x, y));
          case TensorBinary::Mul:
            return isFloat ? Value(arith::MulFOp::create(b, loc, x, y))
                           : Value(arith::MulIOp::create(b, loc, x, y));
          case TensorBinary::And:
            return arith::AndIOp::create(b, loc, x, y);
          case TensorBinary::Or:
            return arith::OrIOp::create(b, loc, x, y);
          case TensorBinary::Xor:
            return arith::XOrIOp::create(b, loc, x, y);
          case TensorBinary::Shl:
            return arith::ShLIOp::create(b, loc, x, y);
          case TensorBinary::ShrU:
            return arith::ShRUIOp::create(b, loc, x, y);
          case TensorBinary::Equal:
            return isFloat ? Value(arith::CmpFOp::create(
                                 b, loc, arith::CmpFPredicate::OEQ, x, y))
                           : Value(arith::CmpIOp::create(
                                 b, loc, arith::CmpIPredicate::eq, x, y));
          case TensorBinary::Less:
            return isFloat ? Value(arith::CmpFOp::create(
                                 b, loc, arith::CmpFPredicate::OLT, x, y))
                           : Value(arith::CmpIOp::create(
                                 b, loc, arith::CmpIPredicate::slt, x, y));
          }
          llvm_unreachable("unknown operation");
        });
  }

  DenseValue select(const DenseValue &condition, const DenseValue &a,
                    const DenseValue &other) override {
    return elementwise(
        a.elementType,
        getStretchedShape(condition.shape,
                          getStretchedShape(a.shape, other.shape)),
        {condition, a, other},
        [](OpBuilder &b, Location loc, ValueRange in) -> Value {
          return arith::SelectOp::create(b, loc, in[0], in[1], in[2]);
        });
  }

  DenseValue gather(const DenseValue &x, const DenseValue &indices,
                    int64_t axis) override {
    return wrap(buildGatherRows(
        b, loc, x.value, x.elementType, indices.value, axis,
        [&](OpBuilder &b, Location loc, ValueRange position) -> Value {
          return tensor::ExtractOp::create(b, loc, x.value, position);
        },
        /*wrapNegative=*/false));
  }

  DenseValue scatter(const DenseValue &indices, const DenseValue &values,
                     int64_t size, bool accumulate) override {
    DenseValue zeros = splat(0, {size}, values.elementType);
    Value zero = index(0), one = index(1), extent = index(size);
    auto loop = scf::ForOp::create(
        b, loc, zero, index(values.shape[0]), one, zeros.value,
        [&](OpBuilder &b, Location loc, Value k, ValueRange carried) {
          Value at = tensor::ExtractOp::create(b, loc, indices.value, k);
          at = arith::IndexCastOp::create(b, loc, b.getIndexType(), at);
          Value inside = arith::CmpIOp::create(
              b, loc, arith::CmpIPredicate::ult, at, extent);
          auto store = scf::IfOp::create(
              b, loc, inside,
              [&](OpBuilder &b, Location loc) {
                Value value =
                    tensor::ExtractOp::create(b, loc, values.value, k);
                if (accumulate) {
                  Value old = tensor::ExtractOp::create(b, loc, carried[0], at);
                  value =
                      isa<FloatType>(values.elementType)
                          ? Value(arith::AddFOp::create(b, loc, old, value))
                          : Value(arith::AddIOp::create(b, loc, old, value));
                }
                Value out =
                    tensor::InsertOp::create(b, loc, value, carried[0], at);
                scf::YieldOp::create(b, loc, out);
              },
              [&](OpBuilder &b, Location loc) {
                scf::YieldOp::create(b, loc, carried[0]);
              });
          scf::YieldOp::create(b, loc, store.getResult(0));
        });
    return wrap(loop.getResult(0));
  }

  DenseValue exclusiveSum(const DenseValue &x) override {
    Value init = tensor::EmptyOp::create(b, loc, x.shape, x.elementType);
    Value none =
        arith::ConstantOp::create(b, loc, b.getIntegerAttr(x.elementType, 0));
    auto loop = scf::ForOp::create(
        b, loc, index(0), index(x.shape[0]), index(1), ValueRange{init, none},
        [&](OpBuilder &b, Location loc, Value k, ValueRange carried) {
          Value out =
              tensor::InsertOp::create(b, loc, carried[1], carried[0], k);
          Value value = tensor::ExtractOp::create(b, loc, x.value, k);
          Value sum = arith::AddIOp::create(b, loc, carried[1], value);
          scf::YieldOp::create(b, loc, ValueRange{out, sum});
        });
    return wrap(loop.getResult(0));
  }

  DenseValue expandGroups(const DenseValue &x, ArrayRef<int64_t> group,
                          const DenseValue &like) override {
    Value init = buildEmptyLike(b, loc, like.value, x.elementType);
    unsigned rank = like.getRank();
    SmallVector<AffineMap> maps{getGroupMap(group, getContext()),
                                b.getMultiDimIdentityMap(rank)};
    SmallVector<utils::IteratorType> iterators(rank,
                                               utils::IteratorType::parallel);
    auto generic = linalg::GenericOp::create(
        b, loc, init.getType(), x.value, init, maps, iterators,
        [](OpBuilder &b, Location loc, ValueRange in) {
          linalg::YieldOp::create(b, loc, in[0]);
        });
    return wrap(generic.getResult(0));
  }

  DenseValue contract(const DenseValue &a, ArrayRef<unsigned> aLabels,
                      const DenseValue &other, ArrayRef<unsigned> bLabels,
                      ArrayRef<unsigned> resultLabels) override {
    return wrap(buildEinsum(b, loc, a.value, aLabels, other.value, bLabels,
                            resultLabels));
  }

  DenseValue hadamard(const DenseValue &x, int64_t axis,
                      int64_t block) override {
    return wrap(buildHadamard(b, loc, x.value, axis, block));
  }

  DenseValue iota(int64_t size, Type elementType) override {
    DenseValue none;
    return elementwise(elementType, {size}, {},
                       [&](OpBuilder &b, Location loc, ValueRange) -> Value {
                         Value i = linalg::IndexOp::create(b, loc, 0);
                         return arith::IndexCastOp::create(b, loc, elementType,
                                                           i);
                       });
  }

private:
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }

  static DenseValue wrap(Value value) {
    auto type = mlir::cast<RankedTensorType>(value.getType());
    DenseValue result;
    result.shape.assign(type.getShape().begin(), type.getShape().end());
    result.elementType = type.getElementType();
    result.value = value;
    return result;
  }

  /// One linalg.generic; inputs of size 1 along an axis stretch unless `maps`
  /// say where they are read.
  DenseValue elementwise(Type resultElement, ArrayRef<int64_t> shape,
                         ArrayRef<DenseValue> inputs, BodyBuilder body,
                         ArrayRef<AffineMap> inputMaps = {}) {
    unsigned rank = shape.size();
    SmallVector<OpFoldResult> sizes;
    for (unsigned axis = 0; axis < rank; ++axis) {
      if (!ShapedType::isDynamic(shape[axis])) {
        sizes.push_back(b.getIndexAttr(shape[axis]));
        continue;
      }
      for (const DenseValue &input : inputs)
        if (ShapedType::isDynamic(input.shape[axis])) {
          sizes.push_back(tensor::getMixedSize(b, loc, input.value, axis));
          break;
        }
    }
    Value init = tensor::EmptyOp::create(b, loc, sizes, resultElement);
    SmallVector<AffineMap> maps(inputMaps);
    SmallVector<Value> values;
    for (const DenseValue &input : inputs) {
      values.push_back(input.value);
      if (!inputMaps.empty())
        continue;
      SmallVector<AffineExpr> exprs;
      for (unsigned axis = 0; axis < rank; ++axis)
        exprs.push_back(input.shape[axis] == shape[axis]
                            ? b.getAffineDimExpr(axis)
                            : b.getAffineConstantExpr(0));
      maps.push_back(AffineMap::get(rank, 0, exprs, getContext()));
    }
    maps.push_back(b.getMultiDimIdentityMap(rank));
    SmallVector<utils::IteratorType> iterators(rank,
                                               utils::IteratorType::parallel);
    auto generic = linalg::GenericOp::create(
        b, loc, init.getType(), values, init, maps, iterators,
        [&](OpBuilder &nested, Location loc, ValueRange args) {
          linalg::YieldOp::create(nested, loc,
                                  body(nested, loc, args.drop_back()));
        });
    return wrap(generic.getResult(0));
  }

  OpBuilder &b;
  Location loc;
};

} // namespace

FailureOr<Value> compress::buildDecodeByDescription(OpBuilder &builder,
                                                    Location loc,
                                                    CompressedTensorType type,
                                                    ValueRange components) {
  SmallVector<ComponentValue> parts;
  for (auto [component, value] :
       llvm::zip_equal(type.getComponents(), components)) {
    ComponentValue &part = parts.emplace_back();
    part.component = component;
    part.value = value;
  }
  IRTensorBuilder tensors(builder, loc);
  auto result = describeDecode(tensors, type, parts);
  if (failed(result))
    return failure();
  return result->value;
}

Value compress::buildHadamard(OpBuilder &b, Location loc, Value value,
                              int64_t axis, int64_t block) {
  auto type = cast<RankedTensorType>(value.getType());
  int64_t n = type.getDimSize(axis), rank = type.getRank();
  Type element = type.getElementType();
  auto elementwise = [&](Value source, BodyBuilder body) {
    return buildElementwise(b, loc, element, source, body);
  };
  for (int64_t h = 1; 2 * h <= block; h *= 2) {
    int64_t end = getButterflyEnd(n, h);
    if (end == 0)
      break;
    Value source = value;
    value = elementwise(source, [&](OpBuilder &b, Location loc, ValueRange in) {
      SmallVector<Value> position;
      for (int64_t d = 0; d < rank; ++d)
        position.push_back(linalg::IndexOp::create(b, loc, d));
      Value i = position[axis];
      Value distance = arith::ConstantIndexOp::create(b, loc, h);
      Value partner = arith::XOrIOp::create(b, loc, i, distance);
      // Elements of the tail have no partner; any index that exists will do.
      Value last = arith::ConstantIndexOp::create(b, loc, n - 1);
      position[axis] = arith::MinUIOp::create(b, loc, partner, last);
      Value other = tensor::ExtractOp::create(b, loc, source, position);
      Value bit = arith::AndIOp::create(b, loc, i, distance);
      Value zero = arith::ConstantIndexOp::create(b, loc, 0);
      Value isFirst =
          arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, bit, zero);
      Value sum = arith::AddFOp::create(b, loc, in[0], other);
      Value difference = arith::SubFOp::create(b, loc, other, in[0]);
      Value result = arith::SelectOp::create(b, loc, isFirst, sum, difference);
      if (end == n)
        return result;
      Value bound = arith::ConstantIndexOp::create(b, loc, end);
      Value inside =
          arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, i, bound);
      return arith::SelectOp::create(b, loc, inside, result, in[0]).getResult();
    });
  }
  return elementwise(value, [&](OpBuilder &b, Location loc, ValueRange in) {
    Value i = linalg::IndexOp::create(b, loc, axis);
    auto constant = [&](double number) -> Value {
      return arith::ConstantOp::create(b, loc, b.getFloatAttr(element, number));
    };
    auto scaleOf = [&](int64_t size) {
      return constant(element.isF64() ? getHadamardScale<double>(size)
                                      : getHadamardScale<float>(size));
    };
    // From the smallest block, at the end, to the largest.
    Value scale = constant(1.0);
    for (int64_t size = 2; size <= block; size *= 2) {
      int64_t end = n & ~(size - 1);
      if (end == 0)
        break;
      Value bound = arith::ConstantIndexOp::create(b, loc, end);
      Value inside =
          arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, i, bound);
      scale = arith::SelectOp::create(b, loc, inside, scaleOf(size), scale);
    }
    return arith::MulFOp::create(b, loc, in[0], scale).getResult();
  });
}
