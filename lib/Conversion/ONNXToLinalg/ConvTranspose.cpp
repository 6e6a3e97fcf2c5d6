//===- ConvTranspose.cpp - Transposed convolution ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;
using mlir::utils::IteratorType;

/// The input spread out by the strides with zeros between, then an ordinary
/// convolution whose kernel runs backwards.
LogicalResult compress::lowerConvTranspose(Lowering &l) {
  if (failed(requireFloat(l)))
    return failure();
  FailureOr<onnx::Window> window = getConvWindow(l, 1);
  if (failed(window))
    return failure();
  Value input = l.in(0), weight = l.in(1);
  auto inputType = l.inType(0), weightType = l.inType(1), type = l.outType();
  int64_t spatial = window->kernel.size(), groups = l.node.getInt("group", 1);
  for (int64_t i = 0; i < spatial; ++i)
    if (inputType.isDynamicDim(i + 2) || type.isDynamicDim(i + 2))
      return l.fail("dynamic spatial axes are not supported");
  if (!weightType.hasStaticShape() || inputType.isDynamicDim(1) ||
      weightType.getDimSize(0) % groups != 0)
    return l.fail("the channels of weight and input must be static and "
                  "divisible by 'group'");
  int64_t depth = weightType.getDimSize(0) / groups;
  int64_t perGroup = weightType.getDimSize(1);
  ProductRule rule = ProductRule::get(l, 0, 1);

  // Where input element i lands: i * stride - begin. `output_shape` and
  // auto_pad fix the total of the padding.
  auto outputPadding = l.node.findInts("output_padding");
  auto outputShape = l.node.findInts("output_shape");
  SmallVector<int64_t> begins;
  for (int64_t i = 0; i < spatial; ++i) {
    auto [begin, end] = window->getPads(i, 0);
    bool same = window->autoPad == onnx::Window::AutoPad::SameUpper ||
                window->autoPad == onnx::Window::AutoPad::SameLower;
    if (outputShape || same) {
      int64_t extra = outputPadding ? (*outputPadding)[i] : 0;
      int64_t total = std::max<int64_t>(
          0, (inputType.getDimSize(i + 2) - 1) * window->strides[i] + extra +
                 window->getExtent(i) - type.getDimSize(i + 2));
      begin = window->autoPad == onnx::Window::AutoPad::SameUpper
                  ? total / 2
                  : total - total / 2;
    }
    begins.push_back(begin);
  }

  Sizes inputSizes = l.sizes(input);
  OpFoldResult zero = l.b.getIndexAttr(0);
  bool spread = llvm::any_of(window->strides, [](int64_t s) { return s > 1; });
  SmallVector<int64_t> spreadSizes;
  for (int64_t i = 0; i < spatial; ++i)
    spreadSizes.push_back(
        (inputType.getDimSize(i + 2) - 1) * window->strides[i] + 1);
  if (spread) {
    Sizes sizes{inputSizes[0], inputSizes[1]};
    SmallVector<OpFoldResult> offsets(inputType.getRank(), zero),
        strides(2, l.b.getIndexAttr(1));
    for (int64_t i = 0; i < spatial; ++i) {
      sizes.push_back(l.b.getIndexAttr(spreadSizes[i]));
      strides.push_back(l.b.getIndexAttr(window->strides[i]));
    }
    Value zeros = l.filled(sizes, l.scalar(inputType.getElementType(), 0));
    input = tensor::InsertSliceOp::create(l.b, l.loc, input, zeros, offsets,
                                          inputSizes, strides);
  }
  // Window o covers spread elements o - (extent - 1) + begin ... o + begin.
  SmallVector<OpFoldResult> low(2, zero), high(2, zero);
  for (int64_t i = 0; i < spatial; ++i) {
    int64_t before = window->getExtent(i) - 1 - begins[i];
    int64_t after = type.getDimSize(i + 2) + window->getExtent(i) - 1 -
                    spreadSizes[i] - before;
    low.push_back(l.b.getIndexAttr(std::max<int64_t>(before, 0)));
    high.push_back(l.b.getIndexAttr(std::max<int64_t>(after, 0)));
    // Negative padding cuts.
    if (before < 0 || after < 0) {
      Sizes sizes = l.sizes(input);
      SmallVector<OpFoldResult> offsets(inputType.getRank(), zero);
      int64_t cutLow = std::max<int64_t>(-before, 0);
      int64_t cutHigh = std::max<int64_t>(-after, 0);
      offsets[i + 2] = l.b.getIndexAttr(cutLow);
      sizes[i + 2] = l.b.getIndexAttr(spreadSizes[i] - cutLow - cutHigh);
      input = l.slice(input, offsets, sizes,
                      SmallVector<int64_t>(inputType.getRank(), 1));
    }
  }
  input = l.pad(input, low, high, l.scalar(inputType.getElementType(), 0));

  // Groups become an axis of input, weight and result.
  auto split = [&](Value value, int64_t axis, int64_t first, int64_t second) {
    auto valueType = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> shape(valueType.getShape());
    Sizes sizes = l.sizes(value);
    shape[axis] = second;
    shape.insert(shape.begin() + axis, first);
    sizes[axis] = l.b.getIndexAttr(second);
    sizes.insert(sizes.begin() + axis, OpFoldResult(l.b.getIndexAttr(first)));
    return l.reshape(
        value, RankedTensorType::get(shape, valueType.getElementType()), sizes);
  };
  input = split(input, 1, groups, depth);
  weight = split(weight, 0, groups, depth);

  // Loops: n, g, f, o..., c, k...
  int64_t loops = 4 + 2 * spatial;
  auto d = [&](int64_t i) { return l.b.getAffineDimExpr(i); };
  SmallVector<AffineExpr> lhs{d(0), d(1), d(3 + spatial)},
      rhs{d(1), d(3 + spatial), d(2)}, out{d(0), d(1), d(2)};
  SmallVector<IteratorType> iterators(3 + spatial, IteratorType::parallel);
  iterators.append(1 + spatial, IteratorType::reduction);
  Sizes sizes{inputSizes[0], l.b.getIndexAttr(groups),
              l.b.getIndexAttr(perGroup)};
  for (int64_t i = 0; i < spatial; ++i) {
    AffineExpr o = d(3 + i), k = d(4 + spatial + i);
    lhs.push_back(o + (window->getExtent(i) - 1) - k * window->dilations[i]);
    rhs.push_back(k);
    out.push_back(o);
    sizes.push_back(l.b.getIndexAttr(type.getDimSize(i + 2)));
  }
  Value init;
  if (l.in(2)) {
    Value bias =
        split(l.convertFloat(l.in(2), rule.sumType), 0, groups, perGroup);
    SmallVector<int64_t> added{0};
    for (int64_t i = 0; i < spatial; ++i)
      added.push_back(3 + i);
    init = linalg::BroadcastOp::create(l.b, l.loc, bias,
                                       l.empty(sizes, rule.sumType), added)
               ->getResult(0);
  } else {
    init = l.filled(sizes, l.scalar(rule.sumType, 0));
  }
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(loops, 0, exprs, l.b.getContext());
  };
  Value result = contract(l, input, weight, init,
                          {map(lhs), map(rhs), map(out)}, iterators, rule);
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = inputType.getDimSize(0);
  shape[1] = groups * perGroup;
  Sizes resultSizes{sizes[0], l.b.getIndexAttr(groups * perGroup)};
  resultSizes.append(sizes.begin() + 3, sizes.end());
  result = l.reshape(result, RankedTensorType::get(shape, rule.sumType),
                     resultSizes);
  return l.replace(l.convertFloat(result, l.outType().getElementType()));
}
