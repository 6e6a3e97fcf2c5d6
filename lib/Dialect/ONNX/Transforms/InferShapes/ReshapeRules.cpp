//===- ReshapeRules.cpp - Shapes of Reshape, Expand, Range, ... --*- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ShapeContext.h"
#include "mlir/IR/BuiltinAttributes.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

static LogicalResult shapeOf(ShapeContext &c) {
  const Dims *x = c.shape(0);
  c.setElementType(0, c.i64());
  if (!x)
    return success();
  int64_t rank = x->size();
  auto clamp = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  int64_t start = clamp(c.node.getInt("start", 0));
  int64_t end = clamp(c.node.getInt("end", rank));
  Dims elements(ArrayRef(*x).slice(start, std::max<int64_t>(end - start, 0)));
  c.setShape(0, c.i64(), {Dim(elements.size())});
  c.setElements(0, std::move(elements));
  return success();
}

static LogicalResult sizeOf(ShapeContext &c) {
  c.setShape(0, c.i64(), {});
  if (const Dims *x = c.shape(0))
    c.setElements(0, {c.state.product(*x)});
  return success();
}

static LogicalResult reshape(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0);
  std::optional<Dims> wanted;
  if (auto attr = c.node.findInts("shape"))
    wanted.emplace(attr->begin(), attr->end());
  else if (const Dims *elements = c.elements(1))
    wanted = *elements;
  if (!wanted) {
    if (auto rank = c.length(1))
      c.setShape(0, c.elementType(0), c.unknown(*rank));
    return success();
  }
  bool allowZero = c.node.getInt("allowzero", 0);
  std::optional<size_t> inferred;
  Dims shape;
  for (auto [i, dim] : llvm::enumerate(*wanted)) {
    if (dim.is(-1)) {
      if (inferred)
        return c.fail("the shape has more than one -1");
      inferred = i;
      shape.push_back(Dim(1));
    } else if (dim.is(0) && !allowZero) {
      if (!x) {
        shape.push_back(c.state.fresh());
      } else if (i >= x->size()) {
        return c.fail("dimension " + Twine(i) +
                      " of the shape is 0, but the input " + toString(*x) +
                      " has no such axis");
      } else {
        shape.push_back((*x)[i]);
      }
    } else if (dim.isConstant() && dim.coefficient < 0) {
      return c.fail("dimension " + Twine(i) + " of the shape is " +
                    Twine(dim.coefficient));
    } else {
      shape.push_back(dim);
    }
  }
  Dim total = x ? c.state.product(*x) : c.state.fresh();
  Dim rest = c.state.product(shape);
  if (inferred) {
    if (total.isConstant() && rest.isConstant() &&
        (rest.coefficient == 0 || total.coefficient % rest.coefficient != 0))
      return c.fail("cannot reshape " + toString(*x) + " (" +
                    Twine(total.coefficient) + " elements) into " +
                    toString(shape) + " with one inferred dimension");
    shape[*inferred] = c.state.div(total, rest);
  } else if (total.isConstant() && rest.isConstant() && total != rest) {
    return c.fail("cannot reshape " + toString(*x) + " (" +
                  Twine(total.coefficient) + " elements) into " +
                  toString(shape) + " (" + Twine(rest.coefficient) +
                  " elements)");
  } else if (total.isConstant() && !rest.isConstant()) {
    // A single unknown dimension follows from the element count.
    size_t unknownAt = 0, count = 0;
    for (auto [i, dim] : llvm::enumerate(shape))
      if (!dim.isConstant()) {
        unknownAt = i;
        ++count;
      }
    if (count == 1) {
      shape[unknownAt] = Dim(1);
      Dim others = c.state.product(shape);
      if (others.coefficient != 0 &&
          total.coefficient % others.coefficient == 0)
        shape[unknownAt] = c.state.div(total, others);
    }
  }
  c.setShape(0, c.elementType(0), std::move(shape));
  if (const Dims *elements = c.elements(0))
    if (wanted->size() <= 1)
      c.setElements(0, *elements);
  return success();
}

static LogicalResult flatten(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  int64_t rank = x->size(), axis = c.node.getInt("axis", 1);
  if (axis < -rank || axis > rank)
    return c.fail("axis " + Twine(axis) + " is outside of rank " + Twine(rank));
  if (axis < 0)
    axis += rank;
  c.setShape(0, c.elementType(0),
             {c.state.product(ArrayRef(*x).take_front(axis)),
              c.state.product(ArrayRef(*x).drop_front(axis))});
  return success();
}

static LogicalResult squeeze(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  bool given;
  auto axes = c.attrOrInput("axes", 1, given);
  if (given && !axes)
    return success();
  int64_t rank = x->size();
  SmallVector<bool> drop(rank);
  if (axes) {
    for (int64_t value : *axes) {
      FailureOr<int64_t> axis = c.axis(value, rank);
      if (failed(axis))
        return failure();
      if ((*x)[*axis].isConstant() && !(*x)[*axis].is(1))
        return c.fail("axis " + Twine(*axis) + " of " + toString(*x) +
                      " is not 1");
      drop[*axis] = true;
    }
  } else {
    for (int64_t i = 0; i < rank; ++i) {
      if (!(*x)[i].isConstant())
        return c.fail("the axes to drop from " + toString(*x) +
                      " are not given and depend on a dynamic size");
      drop[i] = (*x)[i].is(1);
    }
  }
  Dims shape;
  for (int64_t i = 0; i < rank; ++i)
    if (!drop[i])
      shape.push_back((*x)[i]);
  c.setShape(0, c.elementType(0), std::move(shape));
  if (const Dims *elements = c.elements(0))
    c.setElements(0, *elements);
  return success();
}

static LogicalResult unsqueeze(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  bool given;
  auto axes = c.attrOrInput("axes", 1, given);
  if (!axes) {
    if (!given)
      return c.fail("the axes are missing");
    if (auto count = c.length(1))
      c.setShape(0, c.elementType(0), c.unknown(x->size() + *count));
    return success();
  }
  int64_t rank = x->size() + axes->size();
  SmallVector<bool> isNew(rank);
  for (int64_t value : *axes) {
    FailureOr<int64_t> axis = c.axis(value, rank);
    if (failed(axis))
      return failure();
    if (isNew[*axis])
      return c.fail("axis " + Twine(*axis) + " is given twice");
    isNew[*axis] = true;
  }
  Dims shape;
  for (int64_t i = 0, from = 0; i < rank; ++i)
    shape.push_back(isNew[i] ? Dim(1) : (*x)[from++]);
  bool vector = shape.size() <= 1;
  c.setShape(0, c.elementType(0), std::move(shape));
  if (const Dims *elements = c.elements(0); elements && vector)
    c.setElements(0, *elements);
  return success();
}

static LogicalResult expand(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0), *wanted = c.elements(1);
  if (!x)
    return success();
  if (!wanted) {
    if (auto rank = c.length(1))
      c.setShape(0, c.elementType(0),
                 c.unknown(std::max<int64_t>(*rank, x->size())));
    return success();
  }
  FailureOr<Dims> shape = c.broadcast(*x, *wanted);
  if (failed(shape))
    return failure();
  if (const Dims *elements = c.elements(0);
      elements && elements->size() == 1 && shape->size() == 1 &&
      (*shape)[0].isConstant() &&
      (*shape)[0].coefficient <= ShapeState::kMaxElements)
    c.setElements(0, Dims((*shape)[0].coefficient, (*elements)[0]));
  return c.setShapeChecked(c.elementType(0), *shape);
}

static LogicalResult constantOfShape(ShapeContext &c) {
  Type type = Float32Type::get(c.node.getOperation()->getContext());
  auto value = dyn_cast_or_null<ElementsAttr>(c.node.getAttr("value"));
  if (value)
    type = value.getElementType();
  c.setElementType(0, type);
  const Dims *wanted = c.elements(0);
  if (!wanted) {
    if (auto rank = c.length(0))
      c.setShape(0, type, c.unknown(*rank));
    return success();
  }
  if (failed(c.setShapeChecked(type, *wanted)))
    return failure();
  if (wanted->size() > 1 || !isa<IntegerType>(type))
    return success();
  int64_t fill = 0;
  if (value) {
    auto ints = getInts(value);
    if (!ints || ints->size() != 1)
      return c.fail("attribute 'value' must hold one element");
    fill = (*ints)[0];
  }
  int64_t count = 1;
  if (wanted->size() == 1) {
    if (!(*wanted)[0].isConstant() ||
        (*wanted)[0].coefficient > ShapeState::kMaxElements)
      return success();
    count = (*wanted)[0].coefficient;
  }
  c.setElements(0, Dims(count, Dim(fill)));
  return success();
}

static LogicalResult range(ShapeContext &c) {
  Type type = c.elementType(0);
  c.setElementType(0, type);
  auto start = c.elements(0), limit = c.elements(1), delta = c.elements(2);
  auto step = c.constants(2);
  if (start && limit && delta && step && !step->empty() && start->size() == 1 &&
      limit->size() == 1) {
    if ((*step)[0] == 0)
      return c.fail("delta is 0");
    const Dim &a = (*start)[0], &b = (*limit)[0];
    if (a.isConstant() && b.isConstant()) {
      int64_t d = (*step)[0], span = b.coefficient - a.coefficient;
      int64_t count = std::max<int64_t>(0, d > 0 ? (span + d - 1) / d
                                                 : (-span - d - 1) / -d);
      c.setShape(0, type, {Dim(count)});
      if (count <= ShapeState::kMaxElements) {
        Dims elements;
        for (int64_t i = 0; i < count; ++i)
          elements.push_back(Dim(a.coefficient + i * d));
        c.setElements(0, std::move(elements));
      }
      return success();
    }
    if (a.is(0) && (*step)[0] == 1) {
      c.setShape(0, type, {b});
      return success();
    }
  }
  // Float bounds.
  auto bound = [&](unsigned i) -> std::optional<double> {
    auto values = getConstantFloats(c.node.getInput(i));
    if (!values || values->size() != 1)
      return std::nullopt;
    return (*values)[0];
  };
  if (type && isa<FloatType>(type)) {
    auto a = bound(0), b = bound(1), d = bound(2);
    if (a && b && d && *d != 0) {
      double count = std::ceil((*b - *a) / *d);
      if (!(count <= double(int64_t(1) << 40)))
        return c.fail("the range has too many elements");
      c.setShape(0, type, {Dim(count > 0 ? int64_t(count) : 0)});
      return success();
    }
  }
  c.setShape(0, type, {c.state.fresh()});
  return success();
}

static LogicalResult constant(ShapeContext &c) {
  Value value = c.node.getOperation()->getResult(0);
  ElementsAttr attr = getConstantElements(value);
  if (!attr)
    return success();
  auto type = cast<ShapedType>(attr.getType());
  Dims shape;
  for (int64_t size : type.getShape())
    shape.push_back(Dim(size));
  c.setShape(0, type.getElementType(), std::move(shape));
  if (type.getRank() <= 1 && type.getNumElements() <= ShapeState::kMaxElements)
    if (isa<IntegerType>(type.getElementType()))
      if (auto ints = getInts(attr))
        c.setElements(0, Dims(ints->begin(), ints->end()));
  return success();
}

static LogicalResult eyeLike(ShapeContext &c) {
  Type type = c.elementType(0);
  if (auto dtype = c.node.findInt("dtype"))
    type = getElementType(c.node.getOperation()->getContext(), *dtype);
  c.setElementType(0, type);
  if (const Dims *x = c.shape(0))
    c.setShape(0, type, *x);
  return success();
}

void onnx::addReshapeShapeRules(ShapeRules &rules) {
  rules["Shape"] = shapeOf;
  rules["Size"] = sizeOf;
  rules["Reshape"] = reshape;
  rules["Flatten"] = flatten;
  rules["Squeeze"] = squeeze;
  rules["Unsqueeze"] = unsqueeze;
  rules["Expand"] = expand;
  rules["ConstantOfShape"] = constantOfShape;
  rules["Range"] = range;
  rules["Constant"] = constant;
  rules["EyeLike"] = eyeLike;
}
