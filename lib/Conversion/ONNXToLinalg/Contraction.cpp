//===- Contraction.cpp - Conv, Gemm, MatMul ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;
using mlir::utils::IteratorType;

ProductRule ProductRule::get(Lowering &l, unsigned lhs, unsigned rhs) {
  ProductRule rule;
  rule.lhsType = l.sourceElement(lhs);
  rule.rhsType = l.sourceElement(rhs);
  rule.sumType = rule.lhsType;
  if (isa<FloatType>(rule.sumType) && rule.sumType.getIntOrFloatBitWidth() < 32)
    rule.sumType = l.b.getF32Type();
  return rule;
}

Value compress::contract(Lowering &l, Value lhs, Value rhs, Value init,
                         ArrayRef<AffineMap> maps,
                         ArrayRef<IteratorType> iterators,
                         const ProductRule &rule) {
  SmallVector<Value> inputs{lhs, rhs};
  SmallVector<AffineMap> allMaps{maps[0], maps[1]};
  int64_t loops = iterators.size();
  int lhsZero = -1, rhsZero = -1;
  auto addZero = [&](Value zero, int64_t loop) -> int {
    if (!zero)
      return -1;
    inputs.push_back(zero);
    auto rank = cast<RankedTensorType>(zero.getType()).getRank();
    SmallVector<AffineExpr> exprs;
    if (rank == 1)
      exprs.push_back(loop >= 0 ? l.b.getAffineDimExpr(loop)
                                : l.b.getAffineConstantExpr(0));
    allMaps.push_back(AffineMap::get(loops, 0, exprs, l.b.getContext()));
    return inputs.size() - 1;
  };
  lhsZero = addZero(rule.lhsZero, -1);
  rhsZero = addZero(rule.rhsZero, rule.rhsZeroLoop);
  allMaps.push_back(maps[2]);
  return l.generic(
      inputs, init, allMaps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Type type = rule.sumType;
        Value x = castScalar(b, loc, args[0], rule.lhsType, type);
        Value w = castScalar(b, loc, args[1], rule.rhsType, type);
        if (isa<FloatType>(type)) {
          Value product = arith::MulFOp::create(b, loc, x, w);
          return arith::AddFOp::create(b, loc, args.back(), product);
        }
        if (lhsZero >= 0)
          x = arith::SubIOp::create(
              b, loc, x, castScalar(b, loc, args[lhsZero], rule.lhsType, type));
        if (rhsZero >= 0)
          w = arith::SubIOp::create(
              b, loc, w, castScalar(b, loc, args[rhsZero], rule.rhsType, type));
        Value product = arith::MulIOp::create(b, loc, x, w);
        return arith::AddIOp::create(b, loc, args.back(), product);
      });
}

//===----------------------------------------------------------------------===//
// Windows
//===----------------------------------------------------------------------===//

/// How far windows reach over the end of the padded input (ceil_mode).
static int64_t overhang(const onnx::Window &window, unsigned axis,
                        int64_t size) {
  auto [begin, end] = window.getPads(axis, size);
  int64_t reach =
      (window.getOutputSize(axis, size) - 1) * window.strides[axis] +
      window.getExtent(axis);
  return std::max<int64_t>(0, reach - (size + begin + end));
}

Value compress::padSpatial(Lowering &l, Value input, const onnx::Window &window,
                           Value value) {
  auto type = cast<RankedTensorType>(input.getType());
  OpFoldResult zero = l.b.getIndexAttr(0);
  // Axes in front of the spatial ones are not padded.
  unsigned lead = type.getRank() - window.kernel.size();
  SmallVector<OpFoldResult> low(lead, zero), high(lead, zero);
  for (unsigned i = 0, e = window.kernel.size(); i < e; ++i) {
    int64_t size = type.getDimSize(lead + i);
    bool dynamic = ShapedType::isDynamic(size);
    if (dynamic && (window.padsDependOnSize(i) || window.ceilMode)) {
      (void)l.fail("auto_pad or ceil_mode along a dynamic axis is not "
                   "supported");
      return {};
    }
    auto [begin, end] = window.getPads(i, dynamic ? 0 : size);
    if (!dynamic)
      end += overhang(window, i, size);
    low.push_back(l.b.getIndexAttr(begin));
    high.push_back(l.b.getIndexAttr(end));
  }
  return l.pad(input, low, high, value);
}

Sizes compress::slideSizes(Lowering &l, Value input, const onnx::Window &window,
                           RankedTensorType resultType) {
  Sizes sizes;
  unsigned lead = resultType.getRank() - window.kernel.size();
  auto type = cast<RankedTensorType>(input.getType());
  unsigned inputLead = type.getRank() - window.kernel.size();
  for (unsigned i = 0, e = window.kernel.size(); i < e; ++i) {
    if (!resultType.isDynamicDim(lead + i)) {
      sizes.push_back(l.b.getIndexAttr(resultType.getDimSize(lead + i)));
      continue;
    }
    auto [begin, end] = window.getPads(i, 0);
    AffineExpr size = l.b.getAffineDimExpr(0);
    int64_t room = begin + end - window.getExtent(i);
    sizes.push_back(l.apply((size + room).floorDiv(window.strides[i]) + 1,
                            l.dim(input, inputLead + i)));
  }
  return sizes;
}

Value compress::convolve(Lowering &l, Value input, Value weight, Value bias,
                         int64_t groups, const onnx::Window &window,
                         ProductRule rule, Value padValue) {
  auto inputType = cast<RankedTensorType>(input.getType());
  auto weightType = cast<RankedTensorType>(weight.getType());
  auto type = l.outType();
  int64_t spatial = window.kernel.size();
  Sizes inputSizes = l.sizes(input);
  Sizes spatialSizes = slideSizes(l, input, window, type);
  int64_t filters = weightType.getDimSize(0), depth = weightType.getDimSize(1);
  if (ShapedType::isDynamic(filters) || ShapedType::isDynamic(depth)) {
    (void)l.fail("the weight has a dynamic number of channels");
    return {};
  }
  bool grouped = groups > 1;
  int64_t perGroup = filters / groups;

  // Groups are an axis of their own; with one filter for each group (depthwise
  // convolution) the weight [f, c, k...] already is [g, c, k...].
  bool splitFilters = grouped && perGroup > 1;
  if (grouped) {
    SmallVector<int64_t> shape{inputType.getDimSize(0), groups, depth};
    Sizes sizes{inputSizes[0], l.b.getIndexAttr(groups),
                l.b.getIndexAttr(depth)};
    llvm::append_range(shape, inputType.getShape().drop_front(2));
    sizes.append(inputSizes.begin() + 2, inputSizes.end());
    input = l.reshape(
        input, RankedTensorType::get(shape, inputType.getElementType()), sizes);
  }
  if (splitFilters) {
    SmallVector<int64_t> shape{groups, perGroup};
    Sizes weightSizes = l.sizes(weight);
    Sizes sizes{l.b.getIndexAttr(groups), l.b.getIndexAttr(perGroup)};
    llvm::append_range(shape, weightType.getShape().drop_front(1));
    sizes.append(weightSizes.begin() + 1, weightSizes.end());
    weight = l.reshape(
        weight, RankedTensorType::get(shape, weightType.getElementType()),
        sizes);
    if (bias)
      bias = l.reshape(bias,
                       RankedTensorType::get({groups, perGroup}, rule.sumType),
                       {sizes[0], sizes[1]});
    if (rule.rhsZero &&
        cast<RankedTensorType>(rule.rhsZero.getType()).getRank() == 1 &&
        cast<RankedTensorType>(rule.rhsZero.getType()).getDimSize(0) != 1) {
      (void)l.fail("zero points per channel of a grouped weight are not "
                   "supported");
      return {};
    }
  }
  if (!padValue)
    padValue = l.scalar(inputType.getElementType(), 0);
  input = padSpatial(l, input, window, padValue);
  if (!input)
    return {};

  // Loops: n, (g), (f), o..., c, k...
  SmallVector<AffineExpr> lhs, rhs, out;
  SmallVector<IteratorType> iterators;
  Sizes outSizes;
  int64_t next = 0;
  auto loop = [&](IteratorType iterator) {
    iterators.push_back(iterator);
    return l.b.getAffineDimExpr(next++);
  };
  AffineExpr n = loop(IteratorType::parallel);
  lhs.push_back(n);
  out.push_back(n);
  outSizes.push_back(inputSizes[0]);
  if (grouped) {
    AffineExpr g = loop(IteratorType::parallel);
    lhs.push_back(g);
    rhs.push_back(g);
    out.push_back(g);
    outSizes.push_back(l.b.getIndexAttr(groups));
  }
  if (!grouped || splitFilters) {
    AffineExpr f = loop(IteratorType::parallel);
    rhs.push_back(f);
    out.push_back(f);
    outSizes.push_back(l.b.getIndexAttr(perGroup));
  }
  rule.rhsZeroLoop = 1; // the filter, or the group when it is the filter
  SmallVector<AffineExpr> positions;
  for (int64_t i = 0; i < spatial; ++i) {
    positions.push_back(loop(IteratorType::parallel));
    out.push_back(positions.back());
    outSizes.push_back(spatialSizes[i]);
  }
  AffineExpr c = loop(IteratorType::reduction);
  lhs.push_back(c);
  rhs.push_back(c);
  for (int64_t i = 0; i < spatial; ++i) {
    AffineExpr k = loop(IteratorType::reduction);
    rhs.push_back(k);
    lhs.push_back(positions[i] * window.strides[i] + k * window.dilations[i]);
  }

  Value init;
  if (bias) {
    // The bias along its axes of the result.
    SmallVector<int64_t> added{0};
    int64_t channelAxes = splitFilters ? 2 : 1;
    for (int64_t i = 1 + channelAxes, e = outSizes.size(); i < e; ++i)
      added.push_back(i);
    init = linalg::BroadcastOp::create(l.b, l.loc, bias,
                                       l.empty(outSizes, rule.sumType), added)
               ->getResult(0);
  } else {
    init = l.filled(outSizes, l.scalarInt(rule.sumType, 0));
  }
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(next, 0, exprs, l.b.getContext());
  };
  Value result = contract(l, input, weight, init,
                          {map(lhs), map(rhs), map(out)}, iterators, rule);
  if (!splitFilters)
    return result;
  SmallVector<int64_t> shape{inputType.getDimSize(0), filters};
  Sizes sizes{outSizes[0], l.b.getIndexAttr(filters)};
  for (int64_t i = 0; i < spatial; ++i)
    shape.push_back(type.getDimSize(2 + i));
  llvm::append_range(sizes, spatialSizes);
  return l.reshape(result, RankedTensorType::get(shape, rule.sumType), sizes);
}

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

Value compress::matmul(Lowering &l, Value lhs, Value rhs, RankedTensorType type,
                       ProductRule rule) {
  auto lhsType = cast<RankedTensorType>(lhs.getType());
  auto rhsType = cast<RankedTensorType>(rhs.getType());
  bool rowVector = lhsType.getRank() == 1,
       columnVector = rhsType.getRank() == 1;
  int64_t batch = type.getRank() - !rowVector - !columnVector;
  // A batch dimension of 1 that meets another size is not an axis.
  auto dropUnits = [&](Value &value, RankedTensorType &valueType,
                       bool isVector) {
    SmallVector<std::optional<int64_t>> loops;
    int64_t axes = isVector ? 0 : valueType.getRank() - 2;
    SmallVector<int64_t> shape;
    Sizes all = l.sizes(value), sizes;
    for (int64_t i = 0; i < valueType.getRank(); ++i) {
      if (i < axes) {
        int64_t loop = batch - axes + i;
        if (valueType.getDimSize(i) == 1 && type.getDimSize(loop) != 1)
          continue;
        loops.push_back(loop);
      }
      shape.push_back(valueType.getDimSize(i));
      sizes.push_back(all[i]);
    }
    auto kept = RankedTensorType::get(shape, valueType.getElementType());
    value = l.reshape(value, kept, sizes);
    valueType = kept;
    return loops;
  };
  Sizes outSizes;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    if (!type.isDynamicDim(i)) {
      outSizes.push_back(l.b.getIndexAttr(type.getDimSize(i)));
      continue;
    }
    if (i >= batch) {
      bool isRow = i == batch && !rowVector;
      outSizes.push_back(isRow ? l.dim(lhs, lhsType.getRank() - 2)
                               : l.dim(rhs, rhsType.getRank() - 1));
      continue;
    }
    auto find = [&](Value value, RankedTensorType valueType) -> OpFoldResult {
      int64_t axis = i - (batch - (valueType.getRank() - 2));
      if (valueType.getRank() < 3 || axis < 0 ||
          valueType.getDimSize(axis) == 1)
        return {};
      return l.dim(value, axis);
    };
    OpFoldResult size = find(lhs, lhsType);
    outSizes.push_back(size ? size : find(rhs, rhsType));
  }
  auto lhsLoops = dropUnits(lhs, lhsType, rowVector);
  auto rhsLoops = dropUnits(rhs, rhsType, columnVector);

  int64_t next = batch;
  SmallVector<IteratorType> iterators(batch, IteratorType::parallel);
  SmallVector<AffineExpr> lhsExprs, rhsExprs, outExprs;
  for (auto loop : lhsLoops)
    lhsExprs.push_back(l.b.getAffineDimExpr(*loop));
  for (auto loop : rhsLoops)
    rhsExprs.push_back(l.b.getAffineDimExpr(*loop));
  for (int64_t i = 0; i < batch; ++i)
    outExprs.push_back(l.b.getAffineDimExpr(i));
  if (!rowVector) {
    AffineExpr m = l.b.getAffineDimExpr(next++);
    iterators.push_back(IteratorType::parallel);
    lhsExprs.push_back(m);
    outExprs.push_back(m);
  }
  AffineExpr n;
  if (!columnVector) {
    n = l.b.getAffineDimExpr(next++);
    iterators.push_back(IteratorType::parallel);
    outExprs.push_back(n);
    rule.rhsZeroLoop = next - 1;
  }
  AffineExpr k = l.b.getAffineDimExpr(next++);
  iterators.push_back(IteratorType::reduction);
  lhsExprs.push_back(k);
  rhsExprs.push_back(k);
  if (n)
    rhsExprs.push_back(n);
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(next, 0, exprs, l.b.getContext());
  };
  Value init = l.filled(outSizes, l.scalarInt(rule.sumType, 0));
  return contract(l, lhs, rhs, init,
                  {map(lhsExprs), map(rhsExprs), map(outExprs)}, iterators,
                  rule);
}

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

LogicalResult compress::requireFloat(Lowering &l) {
  if (!isa<FloatType>(l.sourceElement(0)))
    return l.fail("integer operands are not supported");
  return success();
}

static LogicalResult lowerMatMul(Lowering &l) {
  if (l.inType(0).getRank() == 0 || l.inType(1).getRank() == 0)
    return l.fail("operands must not be scalars");
  ProductRule rule = ProductRule::get(l, 0, 1);
  Value result = matmul(l, l.in(0), l.in(1), l.outType(), rule);
  if (isa<FloatType>(rule.sumType))
    result = l.convertFloat(result, l.outType().getElementType());
  return l.replace(result);
}

static LogicalResult lowerGemm(Lowering &l) {
  if (failed(requireFloat(l)))
    return failure();
  double alpha = l.node.getFloat("alpha", 1), beta = l.node.getFloat("beta", 1);
  bool transA = l.node.getInt("transA", 0), transB = l.node.getInt("transB", 0);
  ProductRule rule = ProductRule::get(l, 0, 1);
  auto type = RankedTensorType::get(l.outType().getShape(), rule.sumType);
  Sizes sizes{l.dim(l.in(0), transA ? 1 : 0), l.dim(l.in(1), transB ? 0 : 1)};
  Value bias = beta != 0 ? l.in(2) : Value();
  auto scaled = [&](double factor) {
    return [factor, &rule](OpBuilder &b, Location loc,
                           ValueRange args) -> Value {
      Value x = castScalar(b, loc, args[0], args[0].getType(), rule.sumType);
      if (factor == 1)
        return x;
      return arith::MulFOp::create(
          b, loc, x, scalarConstant(b, loc, rule.sumType, factor));
    };
  };
  if (bias) {
    auto biasType = cast<RankedTensorType>(bias.getType());
    if (beta != 1 || biasType.getElementType() != rule.sumType)
      bias = l.elementwise(
          RankedTensorType::get(biasType.getShape(), rule.sumType), bias,
          scaled(beta));
  }
  Value init;
  if (bias && alpha == 1) {
    auto biasType = cast<RankedTensorType>(bias.getType());
    // A row vector is broadcast by name, as later stages look for it.
    int64_t columns = type.getDimSize(1);
    if (biasType.getRank() == 2 && biasType.getDimSize(0) == 1 &&
        type.getDimSize(0) != 1) {
      auto row = RankedTensorType::get({biasType.getDimSize(1)}, rule.sumType);
      Sizes rowSizes{l.dim(bias, 1)};
      bias = l.reshape(bias, row, rowSizes);
      biasType = row;
    }
    if (biasType.getRank() == 1 && biasType.getDimSize(0) == columns)
      init = linalg::BroadcastOp::create(l.b, l.loc, bias,
                                         l.empty(sizes, rule.sumType),
                                         ArrayRef<int64_t>{0})
                 ->getResult(0);
    else
      init = l.mapped(
          sizes, rule.sumType, bias,
          l.broadcastMap(biasType.getShape(), type.getShape()),
          [](OpBuilder &, Location, ValueRange args) { return args[0]; });
  } else {
    init = l.filled(sizes, l.scalar(rule.sumType, 0));
  }
  AffineExpr m = l.b.getAffineDimExpr(0), n = l.b.getAffineDimExpr(1),
             k = l.b.getAffineDimExpr(2);
  auto map = [&](AffineExpr first, AffineExpr second) {
    return AffineMap::get(3, 0, {first, second}, l.b.getContext());
  };
  Value result = contract(
      l, l.in(0), l.in(1), init,
      {transA ? map(k, m) : map(m, k), transB ? map(n, k) : map(k, n),
       map(m, n)},
      {IteratorType::parallel, IteratorType::parallel, IteratorType::reduction},
      rule);
  if (alpha != 1) {
    auto resultType = cast<RankedTensorType>(result.getType());
    SmallVector<Value> parts{result};
    if (bias)
      parts.push_back(bias);
    result = l.elementwise(
        resultType, parts, [&](OpBuilder &b, Location loc, ValueRange args) {
          Value x = arith::MulFOp::create(
              b, loc, args[0], scalarConstant(b, loc, rule.sumType, alpha));
          if (args.size() > 1)
            x = arith::AddFOp::create(b, loc, x, args[1]);
          return x;
        });
  }
  return l.replace(l.convertFloat(result, l.outType().getElementType()));
}

FailureOr<onnx::Window> compress::getConvWindow(Lowering &l, unsigned weight) {
  auto type = l.inType(weight);
  std::string reason;
  auto window = onnx::Window::get(l.node, type.getRank() - 2,
                                  type.getShape().drop_front(2), reason);
  if (failed(window))
    return l.fail(reason);
  return window;
}

static LogicalResult lowerConv(Lowering &l) {
  if (failed(requireFloat(l)))
    return failure();
  FailureOr<onnx::Window> window = getConvWindow(l, 1);
  if (failed(window))
    return failure();
  ProductRule rule = ProductRule::get(l, 0, 1);
  Value bias = l.in(2) ? l.convertFloat(l.in(2), rule.sumType) : Value();
  Value result = convolve(l, l.in(0), l.in(1), bias, l.node.getInt("group", 1),
                          *window, rule, Value());
  if (!result)
    return failure();
  return l.replace(l.convertFloat(result, l.outType().getElementType()));
}

void compress::addContractionLowerings(LowerTable &table) {
  table["MatMul"] = lowerMatMul;
  table["Gemm"] = lowerGemm;
  table["Conv"] = lowerConv;
  table["ConvTranspose"] = lowerConvTranspose;
}
