//===- Pooling.cpp - MaxPool, AveragePool, global pooling -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace compress;
using mlir::utils::IteratorType;

static FailureOr<onnx::Window> getWindow(Lowering &l) {
  std::string reason;
  auto window =
      onnx::Window::get(l.node, l.inType(0).getRank() - 2, {}, reason);
  if (failed(window))
    return l.fail(reason);
  return window;
}

/// Slides a window over `padded` and combines its elements into `init`.
/// Loops: n, c, o..., k...
static Value slide(Lowering &l, Value padded, const onnx::Window &window,
                   Value init, Body body) {
  int64_t spatial = window.kernel.size(), loops = 2 + 2 * spatial;
  SmallVector<AffineExpr> in{l.b.getAffineDimExpr(0), l.b.getAffineDimExpr(1)};
  SmallVector<AffineExpr> kernel, out(in);
  SmallVector<IteratorType> iterators(2 + spatial, IteratorType::parallel);
  iterators.append(spatial, IteratorType::reduction);
  Sizes kernelSizes;
  for (int64_t i = 0; i < spatial; ++i) {
    AffineExpr o = l.b.getAffineDimExpr(2 + i);
    AffineExpr k = l.b.getAffineDimExpr(2 + spatial + i);
    in.push_back(o * window.strides[i] + k * window.dilations[i]);
    kernel.push_back(k);
    out.push_back(o);
    kernelSizes.push_back(l.b.getIndexAttr(window.kernel[i]));
  }
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(loops, 0, exprs, l.b.getContext());
  };
  // A tensor that is never read tells the extent of the kernel loops.
  Value shape = l.empty(kernelSizes, l.b.getF32Type());
  return l.generic({padded, shape}, init, {map(in), map(kernel), map(out)},
                   iterators, body);
}

static Sizes resultSizes(Lowering &l, const onnx::Window &window) {
  Sizes sizes{l.dim(l.in(0), 0), l.dim(l.in(0), 1)};
  llvm::append_range(sizes, slideSizes(l, l.in(0), window, l.outType()));
  return sizes;
}

static LogicalResult maxPool(Lowering &l) {
  FailureOr<onnx::Window> window = getWindow(l);
  if (failed(window))
    return failure();
  if (l.isResultUsed(1))
    return l.fail("the output 'Indices' is not supported");
  Type type = l.sourceElement(0);
  Value lowest = lowestConstant(l.b, l.loc, type);
  Value padded = padSpatial(l, l.in(0), *window, lowest);
  if (!padded)
    return failure();
  Value init = l.filled(resultSizes(l, *window), lowest);
  Value result =
      slide(l, padded, *window, init,
            [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
              if (isa<FloatType>(type))
                return arith::MaximumFOp::create(b, loc, args[2], args[0]);
              if (onnx::isUnsigned(type))
                return arith::MaxUIOp::create(b, loc, args[2], args[0]);
              return arith::MaxSIOp::create(b, loc, args[2], args[0]);
            });
  SmallVector<Value> results{result};
  results.resize(l.node.getNumOutputs());
  return l.replace(results);
}

/// The number of elements that the window at the current loop position of a
/// result covers: of the input, or with `includePad` of the padded input
/// (which ceil_mode may still exceed).
static Value countElements(OpBuilder &b, Location loc, Lowering &l,
                           const onnx::Window &window,
                           ArrayRef<Value> inputSizes, bool includePad) {
  Value total;
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, loc, value);
  };
  for (unsigned i = 0, e = window.kernel.size(); i < e; ++i) {
    int64_t size = l.inType(0).getDimSize(i + 2);
    auto [begin, end] =
        window.getPads(i, ShapedType::isDynamic(size) ? 0 : size);
    // Taps t in [0, kernel) with low <= o * stride - begin + t * dilation
    // < high.
    int64_t low = includePad ? -begin : 0;
    Value high = inputSizes[i];
    if (includePad)
      high = arith::AddIOp::create(b, loc, high, constant(end));
    Value position = linalg::IndexOp::create(b, loc, 2 + i);
    Value start = arith::SubIOp::create(
        b, loc,
        arith::MulIOp::create(b, loc, position, constant(window.strides[i])),
        constant(begin));
    int64_t step = window.dilations[i];
    // ceil(max(low - start, 0) / step) and ceil(min(high - start, extent) /
    // step); both numerators are not negative.
    auto ceilDiv = [&](Value value) -> Value {
      if (step == 1)
        return value;
      value = arith::AddIOp::create(b, loc, value, constant(step - 1));
      return arith::DivUIOp::create(b, loc, value, constant(step));
    };
    Value first = arith::MaxSIOp::create(
        b, loc, arith::SubIOp::create(b, loc, constant(low), start),
        constant(0));
    Value last = arith::MinSIOp::create(
        b, loc, arith::SubIOp::create(b, loc, high, start),
        constant(window.kernel[i] * step));
    Value count = arith::SubIOp::create(b, loc, ceilDiv(last), ceilDiv(first));
    total =
        total ? arith::MulIOp::create(b, loc, total, count).getResult() : count;
  }
  return total;
}

static LogicalResult averagePool(Lowering &l) {
  FailureOr<onnx::Window> window = getWindow(l);
  if (failed(window))
    return failure();
  auto type = dyn_cast<FloatType>(l.sourceElement(0));
  if (!type)
    return l.fail("integer operands are not supported");
  bool includePad = l.node.getInt("count_include_pad", 0);
  Value zero = l.scalar(type, 0);
  Value padded = padSpatial(l, l.in(0), *window, zero);
  if (!padded)
    return failure();
  Sizes sizes = resultSizes(l, *window);
  Value sum = slide(l, padded, *window, l.filled(sizes, zero),
                    [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                      return arith::AddFOp::create(b, loc, args[2], args[0]);
                    });
  // Windows are full unless they reach into what does not count.
  bool full = true;
  int64_t taps = 1;
  SmallVector<Value> inputSizes;
  for (unsigned i = 0, e = window->kernel.size(); i < e; ++i) {
    int64_t size = l.inType(0).getDimSize(i + 2);
    auto [begin, end] =
        window->getPads(i, ShapedType::isDynamic(size) ? 0 : size);
    full &= (includePad || (begin == 0 && end == 0)) && !window->ceilMode;
    taps *= window->kernel[i];
    inputSizes.push_back(l.toValue(l.dim(l.in(0), i + 2)));
  }
  int64_t rank = l.outType().getRank();
  return l.replace(l.mapped(
      sizes, type, sum, l.identityMap(rank),
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        if (full)
          return arith::DivFOp::create(b, loc, args[0],
                                       scalarConstant(b, loc, type, taps));
        Value count = countElements(b, loc, l, *window, inputSizes, includePad);
        Value integer =
            arith::IndexCastOp::create(b, loc, b.getI32Type(), count);
        Value divisor = arith::SIToFPOp::create(b, loc, type, integer);
        return arith::DivFOp::create(b, loc, args[0], divisor);
      }));
}

static SmallVector<int64_t> spatialAxes(Lowering &l) {
  return llvm::to_vector(llvm::seq<int64_t>(2, l.inType(0).getRank()));
}

/// Puts the spatial axes back with size 1 and applies `finish`.
static LogicalResult replaceGlobal(Lowering &l, Value reduced, Body finish) {
  int64_t rank = l.inType(0).getRank();
  Sizes sizes{l.dim(l.in(0), 0), l.dim(l.in(0), 1)};
  sizes.append(rank - 2, l.b.getIndexAttr(1));
  AffineMap map = AffineMap::getMultiDimIdentityMap(rank, l.b.getContext())
                      .getMajorSubMap(2);
  return l.replace(
      l.mapped(sizes, l.outType().getElementType(), reduced, map, finish));
}

static LogicalResult globalAveragePool(Lowering &l) {
  auto type = dyn_cast<FloatType>(l.sourceElement(0));
  if (!type)
    return l.fail("integer operands are not supported");
  Value sum =
      l.reduce(l.in(0), spatialAxes(l), l.scalar(type, 0),
               [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 return arith::AddFOp::create(b, loc, args[1], args[0]);
               });
  OpFoldResult count = l.b.getIndexAttr(1);
  for (int64_t axis : spatialAxes(l))
    count = l.mul(count, l.dim(l.in(0), axis));
  Value integer = arith::IndexCastOp::create(l.b, l.loc, l.b.getI64Type(),
                                             l.toValue(count));
  Value divisor = arith::SIToFPOp::create(l.b, l.loc, type, integer);
  return replaceGlobal(
      l, sum, [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        return arith::DivFOp::create(b, loc, args[0], divisor);
      });
}

static LogicalResult globalMaxPool(Lowering &l) {
  Type type = l.sourceElement(0);
  if (!isa<FloatType>(type))
    return l.fail("integer operands are not supported");
  Value max =
      l.reduce(l.in(0), spatialAxes(l), lowestConstant(l.b, l.loc, type),
               [](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 return arith::MaximumFOp::create(b, loc, args[1], args[0]);
               });
  return replaceGlobal(
      l, max, [](OpBuilder &, Location, ValueRange args) { return args[0]; });
}

/// |x|^p, and the p-th root of a sum of these.
static Value raise(OpBuilder &b, Location loc, Value x, int64_t p) {
  Value magnitude = math::AbsFOp::create(b, loc, x);
  if (p == 1)
    return magnitude;
  if (p == 2)
    return arith::MulFOp::create(b, loc, x, x);
  return math::PowFOp::create(b, loc, magnitude,
                              scalarConstant(b, loc, x.getType(), double(p)));
}

static Value root(OpBuilder &b, Location loc, Value x, int64_t p) {
  if (p == 1)
    return x;
  if (p == 2)
    return math::SqrtOp::create(b, loc, x);
  return math::PowFOp::create(
      b, loc, x, scalarConstant(b, loc, x.getType(), 1.0 / double(p)));
}

static LogicalResult globalLpPool(Lowering &l) {
  auto type = dyn_cast<FloatType>(l.sourceElement(0));
  int64_t p = l.node.getInt("p", 2);
  if (!type)
    return l.fail("integer operands are not supported");
  Value sum =
      l.reduce(l.in(0), spatialAxes(l), l.scalar(type, 0),
               [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                 return arith::AddFOp::create(b, loc, args[1],
                                              raise(b, loc, args[0], p));
               });
  return replaceGlobal(l, sum,
                       [&](OpBuilder &b, Location loc, ValueRange args) {
                         return root(b, loc, args[0], p);
                       });
}

static LogicalResult lpPool(Lowering &l) {
  FailureOr<onnx::Window> window = getWindow(l);
  if (failed(window))
    return failure();
  auto type = dyn_cast<FloatType>(l.sourceElement(0));
  int64_t p = l.node.getInt("p", 2);
  if (!type)
    return l.fail("integer operands are not supported");
  Value zero = l.scalar(type, 0);
  Value padded = padSpatial(l, l.in(0), *window, zero);
  if (!padded)
    return failure();
  Sizes sizes = resultSizes(l, *window);
  Value sum = slide(l, padded, *window, l.filled(sizes, zero),
                    [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
                      return arith::AddFOp::create(b, loc, args[2],
                                                   raise(b, loc, args[0], p));
                    });
  return l.replace(l.mapped(sizes, type, sum,
                            l.identityMap(l.outType().getRank()),
                            [&](OpBuilder &b, Location loc, ValueRange args) {
                              return root(b, loc, args[0], p);
                            }));
}

void compress::addPoolingLowerings(LowerTable &table) {
  table["MaxPool"] = maxPool;
  table["AveragePool"] = averagePool;
  table["LpPool"] = lpPool;
  table["GlobalMaxPool"] = globalMaxPool;
  table["GlobalAveragePool"] = globalAveragePool;
  table["GlobalLpPool"] = globalLpPool;
}
