//===- ContractionRules.cpp - Shapes of Conv, pooling, MatMul ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ShapeContext.h"
#include "compress/Dialect/ONNX/Transforms/Window.h"

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

/// Spatial output dimensions of a window over `x` (NC...).
static FailureOr<Dims> slide(ShapeContext &c, const Dims &x,
                             const Window &window) {
  Dims result;
  for (unsigned i = 0, e = window.kernel.size(); i < e; ++i) {
    const Dim &size = x[i + 2];
    if (!size.isConstant()) {
      // A window that keeps the size keeps the symbol.
      bool keeps = window.strides[i] == 1 && !window.padsDependOnSize(i);
      if (keeps) {
        auto [begin, end] = window.getPads(i, 0);
        keeps = begin + end == window.getExtent(i) - 1;
      }
      result.push_back(keeps ? size : c.state.fresh());
      continue;
    }
    int64_t out = window.getOutputSize(i, size.coefficient);
    if (out < 1)
      return c.fail("the window of " + Twine(window.getExtent(i)) +
                    " elements does not fit axis " + Twine(i + 2) + " of " +
                    toString(x));
    result.push_back(Dim(out));
  }
  return result;
}

static SmallVector<int64_t> toSizes(ArrayRef<Dim> dims) {
  SmallVector<int64_t> result;
  for (const Dim &dim : dims)
    result.push_back(dim.isConstant() ? dim.coefficient : ShapedType::kDynamic);
  return result;
}

static LogicalResult convolution(ShapeContext &c, unsigned input,
                                 unsigned weight, Type resultType) {
  c.setElementType(0, resultType);
  const Dims *x = c.shape(input), *w = c.shape(weight);
  if (!x || !w)
    return success();
  if (x->size() < 3 || x->size() != w->size())
    return c.fail("input " + toString(*x) + " and weight " + toString(*w) +
                  " must have the same rank, at least 3");
  int64_t group = c.node.getInt("group", 1);
  if (group < 1)
    return c.fail("attribute 'group' is " + Twine(group));
  const Dim &channels = (*x)[1], &perGroup = (*w)[1], &outputs = (*w)[0];
  if (channels.isConstant() && perGroup.isConstant() &&
      channels.coefficient != perGroup.coefficient * group)
    return c.fail("input " + toString(*x) + " has " +
                  Twine(channels.coefficient) + " channels, weight " +
                  toString(*w) + " with group " + Twine(group) + " expects " +
                  Twine(perGroup.coefficient * group));
  if (outputs.isConstant() && outputs.coefficient % group != 0)
    return c.fail("weight " + toString(*w) + " cannot be divided into " +
                  Twine(group) + " groups");
  std::string reason;
  auto kernel = toSizes(ArrayRef(*w).drop_front(2));
  if (llvm::is_contained(kernel, ShapedType::kDynamic) &&
      !c.node.hasAttr("kernel_shape"))
    return success();
  FailureOr<Window> window = Window::get(c.node, x->size() - 2, kernel, reason);
  if (failed(window))
    return c.fail(reason);
  FailureOr<Dims> spatial = slide(c, *x, *window);
  if (failed(spatial))
    return failure();
  Dims shape{(*x)[0], outputs};
  shape.append(*spatial);
  c.setShape(0, resultType, std::move(shape));
  return success();
}

static LogicalResult conv(ShapeContext &c) {
  return convolution(c, 0, 1, c.elementType(0));
}

static LogicalResult convInteger(ShapeContext &c) {
  return convolution(c, 0, 1,
                     IntegerType::get(c.node.getOperation()->getContext(), 32));
}

static LogicalResult qlinearConv(ShapeContext &c) {
  return convolution(c, 0, 3, c.elementType(7));
}

static LogicalResult convTranspose(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0), *w = c.shape(1);
  if (!x || !w)
    return success();
  if (x->size() < 3 || x->size() != w->size())
    return c.fail("input " + toString(*x) + " and weight " + toString(*w) +
                  " must have the same rank, at least 3");
  std::string reason;
  int64_t rank = x->size() - 2;
  FailureOr<Window> window =
      Window::get(c.node, rank, toSizes(ArrayRef(*w).drop_front(2)), reason);
  if (failed(window))
    return c.fail(reason);
  if ((*x)[1].isConstant() && (*w)[0].isConstant() && (*x)[1] != (*w)[0])
    return c.fail("input " + toString(*x) + " has " +
                  Twine((*x)[1].coefficient) + " channels, weight " +
                  toString(*w) + " expects " + Twine((*w)[0].coefficient));
  int64_t group = c.node.getInt("group", 1);
  Dims shape{(*x)[0], c.state.mul((*w)[1], Dim(group))};
  auto outputShape = c.node.findInts("output_shape");
  auto outputPadding = c.node.findInts("output_padding");
  for (int64_t i = 0; i < rank; ++i) {
    if (outputShape && int64_t(outputShape->size()) >= rank) {
      shape.push_back(Dim((*outputShape)[outputShape->size() - rank + i]));
      continue;
    }
    const Dim &size = (*x)[i + 2];
    int64_t stride = window->strides[i];
    if (window->autoPad == Window::AutoPad::SameUpper ||
        window->autoPad == Window::AutoPad::SameLower) {
      shape.push_back(c.state.mul(size, Dim(stride)));
      continue;
    }
    auto [begin, end] = window->getPads(i, 0);
    int64_t extra = outputPadding && i < int64_t(outputPadding->size())
                        ? (*outputPadding)[i]
                        : 0;
    int64_t offset = window->getExtent(i) + extra - begin - end - stride;
    shape.push_back(c.state.add(c.state.mul(size, Dim(stride)), Dim(offset)));
  }
  for (const Dim &dim : shape)
    if (dim.isConstant() && dim.coefficient < 1)
      return c.fail("the result " + toString(shape) + " is empty");
  c.setShape(0, c.elementType(0), std::move(shape));
  return success();
}

static LogicalResult pool(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  c.setElementType(1, c.i64());
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  if (x->size() < 3)
    return c.fail("input " + toString(*x) + " must have a rank of at least 3");
  std::string reason;
  FailureOr<Window> window = Window::get(c.node, x->size() - 2, {}, reason);
  if (failed(window))
    return c.fail(reason);
  FailureOr<Dims> spatial = slide(c, *x, *window);
  if (failed(spatial))
    return failure();
  Dims shape{(*x)[0], (*x)[1]};
  shape.append(*spatial);
  c.setShape(1, c.i64(), shape);
  c.setShape(0, c.elementType(0), std::move(shape));
  return success();
}

static LogicalResult globalPool(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  if (x->size() < 3)
    return c.fail("input " + toString(*x) + " must have a rank of at least 3");
  Dims shape(*x);
  for (size_t i = 2; i < shape.size(); ++i)
    shape[i] = Dim(1);
  c.setShape(0, c.elementType(0), std::move(shape));
  return success();
}

static bool differ(const Dim &a, const Dim &b) {
  return a.isConstant() && b.isConstant() && a != b;
}

static LogicalResult gemm(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *a = c.shape(0), *b = c.shape(1);
  if (!a || !b)
    return success();
  if (a->size() != 2 || b->size() != 2)
    return c.fail("inputs " + toString(*a) + " and " + toString(*b) +
                  " must be matrices");
  bool transA = c.node.getInt("transA", 0), transB = c.node.getInt("transB", 0);
  if (differ((*a)[transA ? 0 : 1], (*b)[transB ? 1 : 0]))
    return c.fail("inputs " + toString(*a) + (transA ? " (transposed)" : "") +
                  " and " + toString(*b) + (transB ? " (transposed)" : "") +
                  " do not agree in the summed dimension");
  Dims shape{(*a)[transA ? 1 : 0], (*b)[transB ? 0 : 1]};
  if (const Dims *bias = c.shape(2)) {
    if (!c.node.hasAttr("broadcast")) {
      FailureOr<Dims> joint = c.broadcast(shape, *bias);
      if (failed(joint))
        return failure();
      if (joint->size() != 2 || differ((*joint)[0], shape[0]) ||
          differ((*joint)[1], shape[1]))
        return c.fail("bias " + toString(*bias) +
                      " cannot be broadcast to the result " + toString(shape));
    }
  }
  c.setShape(0, c.elementType(0), std::move(shape));
  return success();
}

static LogicalResult matmulOf(ShapeContext &c, unsigned lhs, unsigned rhs,
                              Type resultType) {
  c.setElementType(0, resultType);
  const Dims *a = c.shape(lhs), *b = c.shape(rhs);
  if (!a || !b)
    return success();
  if (a->empty() || b->empty())
    return c.fail("inputs " + toString(*a) + " and " + toString(*b) +
                  " must not be scalars");
  const Dim &k = a->back();
  if (differ(k, b->size() == 1 ? (*b)[0] : (*b)[b->size() - 2]))
    return c.fail("inputs " + toString(*a) + " and " + toString(*b) +
                  " do not agree in the summed dimension");
  ArrayRef<Dim> batchA = ArrayRef(*a).drop_back(std::min<size_t>(2, a->size()));
  ArrayRef<Dim> batchB = ArrayRef(*b).drop_back(std::min<size_t>(2, b->size()));
  FailureOr<Dims> shape = c.broadcast(batchA, batchB);
  if (failed(shape))
    return failure();
  if (a->size() > 1)
    shape->push_back((*a)[a->size() - 2]);
  if (b->size() > 1)
    shape->push_back(b->back());
  c.setShape(0, resultType, std::move(*shape));
  return success();
}

static LogicalResult matmul(ShapeContext &c) {
  return matmulOf(c, 0, 1, c.elementType(0));
}

static LogicalResult matmulInteger(ShapeContext &c) {
  return matmulOf(c, 0, 1,
                  IntegerType::get(c.node.getOperation()->getContext(), 32));
}

static LogicalResult qlinearMatmul(ShapeContext &c) {
  return matmulOf(c, 0, 3, c.elementType(7));
}

/// LSTM, GRU and RNN: Y is [steps, directions, batch, hidden].
static LogicalResult recurrent(ShapeContext &c) {
  Type type = c.elementType(0);
  for (unsigned i = 0; i < c.getNumResults(); ++i)
    c.setElementType(i, type);
  const Dims *x = c.shape(0), *r = c.shape(2);
  if (!x || !r)
    return success();
  if (x->size() != 3 || r->size() != 3)
    return c.fail("input " + toString(*x) + " and recurrence weight " +
                  toString(*r) + " must have rank 3");
  bool batchFirst = c.node.getInt("layout", 0) != 0;
  const Dim &steps = (*x)[batchFirst ? 1 : 0];
  const Dim &batch = (*x)[batchFirst ? 0 : 1];
  const Dim &directions = (*r)[0], &hidden = (*r)[2];
  if (batchFirst)
    c.setShape(0, type, {batch, steps, directions, hidden});
  else
    c.setShape(0, type, {steps, directions, batch, hidden});
  for (unsigned i = 1; i < c.getNumResults(); ++i)
    c.setShape(i, type,
               batchFirst ? Dims{batch, directions, hidden}
                          : Dims{directions, batch, hidden});
  return success();
}

static LogicalResult einsum(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  StringRef equation = c.node.getString("equation", "");
  std::string text;
  for (char letter : equation)
    if (letter != ' ')
      text += letter;
  // Ellipses need the ranks of batch parts; they keep the declared type.
  if (StringRef(text).contains("."))
    return success();
  auto [left, right] = StringRef(text).split("->");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != c.node.getNumInputs())
    return c.fail("equation '" + equation + "' has " + Twine(terms.size()) +
                  " terms for " + Twine(c.node.getNumInputs()) + " inputs");
  llvm::DenseMap<char, Dim> sizes;
  llvm::DenseMap<char, unsigned> uses;
  for (auto [i, term] : llvm::enumerate(terms)) {
    const Dims *shape = c.shape(i);
    if (!shape)
      return success();
    if (shape->size() != term.size())
      return c.fail("term '" + term + "' does not fit input " + Twine(i) +
                    " of shape " + toString(*shape));
    for (auto [letter, dim] : llvm::zip(term, *shape)) {
      ++uses[letter];
      auto [it, inserted] = sizes.try_emplace(letter, dim);
      if (inserted || it->second == dim || dim.is(1))
        continue;
      if (it->second.is(1) || !it->second.isConstant())
        it->second = dim;
      else if (dim.isConstant())
        return c.fail("subscript '" + Twine(letter) +
                      "' has different sizes in equation '" + equation + "'");
    }
  }
  std::string output = right.str();
  if (!StringRef(text).contains("->")) {
    for (char letter = 'A'; letter <= 'z'; ++letter)
      if (uses.lookup(letter) == 1)
        output += letter;
  }
  Dims shape;
  for (char letter : output) {
    auto it = sizes.find(letter);
    if (it == sizes.end())
      return c.fail("subscript '" + Twine(letter) +
                    "' of the result is in no term of '" + equation + "'");
    shape.push_back(it->second);
  }
  c.setShape(0, c.elementType(0), std::move(shape));
  return success();
}

/// Scaled dot-product attention (opset 23): 4-D (batch, heads, length, head) or
/// 3-D (batch, length, heads * head).
static LogicalResult attention(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *q = c.shape(0), *v = c.shape(2);
  if (!q || !v || q->size() != v->size())
    return success();
  Dims shape(*q);
  if (q->size() == 4) {
    shape[3] = (*v)[3];
  } else if (q->size() == 3) {
    int64_t heads = c.node.getInt("q_num_heads", 0);
    int64_t kvHeads = c.node.getInt("kv_num_heads", 0);
    if (heads < 1 || kvHeads < 1)
      return c.fail("3-D inputs need q_num_heads and kv_num_heads");
    shape[2] = c.state.mul(c.state.div((*v)[2], Dim(kvHeads)), Dim(heads));
  } else {
    return c.fail("input " + toString(*q) + " must have rank 3 or 4");
  }
  c.setShape(0, c.elementType(0), std::move(shape));
  return success();
}

void onnx::addContractionShapeRules(ShapeRules &rules) {
  rules["Conv"] = conv;
  rules["ConvInteger"] = convInteger;
  rules["QLinearConv"] = qlinearConv;
  rules["ConvTranspose"] = convTranspose;
  for (StringRef name : {"AveragePool", "LpPool", "MaxPool"})
    rules[name] = pool;
  for (StringRef name : {"GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool"})
    rules[name] = globalPool;
  rules["Gemm"] = gemm;
  rules["MatMul"] = matmul;
  rules["MatMulInteger"] = matmulInteger;
  rules["QLinearMatMul"] = qlinearMatmul;
  for (StringRef name : {"GRU", "LSTM", "RNN"})
    rules[name] = recurrent;
  rules["Einsum"] = einsum;
  rules["Attention"] = attention;
}
