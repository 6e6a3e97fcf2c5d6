//===- DataMovementRules.cpp - Shapes of Concat, Slice, Pad, ... *- C++ -*-===//
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

static LogicalResult transpose(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  int64_t rank = x->size();
  auto perm = c.node.findInts("perm");
  Dims shape(rank);
  if (perm && int64_t(perm->size()) != rank)
    return c.fail("perm has " + Twine(perm->size()) +
                  " values for an input of shape " + toString(*x));
  SmallVector<bool> seen(rank);
  for (int64_t i = 0; i < rank; ++i) {
    int64_t from = perm ? (*perm)[i] : rank - 1 - i;
    if (from < 0 || from >= rank || seen[from])
      return c.fail("perm is not a permutation");
    seen[from] = true;
    shape[i] = (*x)[from];
  }
  c.setShape(0, c.elementType(0), std::move(shape));
  return success();
}

static LogicalResult concat(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  std::optional<Dims> shape;
  int64_t axis = 0;
  Dims elements;
  bool follow = true;
  for (unsigned i = 0; i < c.node.getNumInputs(); ++i) {
    const Dims *x = c.shape(i);
    if (!x)
      return success();
    if (const Dims *part = c.elements(i); part && x->size() == 1)
      elements.append(*part);
    else
      follow = false;
    if (!shape) {
      // Until opset 3 the axis had a default.
      FailureOr<int64_t> normalized =
          c.axis(c.node.getInt("axis", 1), x->size());
      if (failed(normalized))
        return failure();
      axis = *normalized;
      shape = *x;
      continue;
    }
    if (x->size() != shape->size())
      return c.fail("inputs " + toString(*shape) + " and " + toString(*x) +
                    " have different ranks");
    for (int64_t d = 0, e = x->size(); d < e; ++d) {
      Dim &dim = (*shape)[d];
      if (d == axis)
        dim = c.state.add(dim, (*x)[d]);
      else if (!dim.isConstant() && (*x)[d].isConstant())
        dim = (*x)[d];
      else if (dim.isConstant() && (*x)[d].isConstant() && dim != (*x)[d])
        return c.fail("inputs " + toString(*shape) + " and " + toString(*x) +
                      " differ in axis " + Twine(d) +
                      ", which is not concatenated");
    }
  }
  if (!shape)
    return c.fail("there are no inputs");
  c.setShape(0, c.elementType(0), std::move(*shape));
  if (follow)
    c.setElements(0, std::move(elements));
  return success();
}

static LogicalResult split(ShapeContext &c) {
  for (unsigned i = 0; i < c.getNumResults(); ++i)
    c.setElementType(i, c.elementType(0));
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  FailureOr<int64_t> axis = c.axis(c.node.getInt("axis", 0), x->size());
  if (failed(axis))
    return failure();
  bool given;
  auto sizes = c.attrOrInput("split", 1, given);
  int64_t parts = c.getNumResults();
  const Dim &size = (*x)[*axis];
  if (!given && size.isConstant()) {
    // Equal parts; since opset 18 the last one may be smaller.
    int64_t chunk = (size.coefficient + parts - 1) / parts;
    if (c.opset < 18 && size.coefficient % parts != 0)
      return c.fail("axis " + Twine(*axis) + " of " + toString(*x) +
                    " cannot be split into " + Twine(parts) + " equal parts");
    sizes.emplace(parts, chunk);
    sizes->back() = size.coefficient - chunk * (parts - 1);
  }
  if (sizes && int64_t(sizes->size()) != parts)
    return c.fail("there are " + Twine(sizes->size()) + " sizes for " +
                  Twine(parts) + " outputs");
  int64_t sum = 0;
  for (int64_t i = 0; i < parts; ++i) {
    Dims shape(*x);
    if (sizes) {
      if ((*sizes)[i] < 0)
        return c.fail("part " + Twine(i) + " has size " + Twine((*sizes)[i]));
      sum += (*sizes)[i];
      shape[*axis] = Dim((*sizes)[i]);
    } else {
      shape[*axis] = c.state.fresh();
    }
    c.setShape(i, c.elementType(0), std::move(shape));
  }
  if (sizes && size.isConstant() && sum != size.coefficient)
    return c.fail("the sizes add up to " + Twine(sum) + ", but axis " +
                  Twine(*axis) + " of " + toString(*x) + " is " +
                  Twine(size.coefficient));
  if (const Dims *elements = c.elements(0); elements && sizes) {
    size_t at = 0;
    for (int64_t i = 0; i < parts; ++i) {
      c.setElements(i, Dims(ArrayRef(*elements).slice(at, (*sizes)[i])));
      at += (*sizes)[i];
    }
  }
  return success();
}

/// Number of elements that `start:end:step` takes of `size` (ONNX clamping).
static int64_t sliceLength(int64_t &start, int64_t end, int64_t step,
                           int64_t size) {
  auto wrap = [&](int64_t at) { return at < 0 ? at + size : at; };
  if (step > 0) {
    start = std::clamp<int64_t>(wrap(start), 0, size);
    end = std::clamp<int64_t>(wrap(end), 0, size);
    return std::max<int64_t>(0, (end - start + step - 1) / step);
  }
  start = std::clamp<int64_t>(wrap(start), 0, size - 1);
  end = std::clamp<int64_t>(wrap(end), -1, size - 1);
  return std::max<int64_t>(0, (start - end - step - 1) / -step);
}

static LogicalResult slice(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  int64_t rank = x->size();
  bool fromAttrs = c.node.hasAttr("starts");
  std::optional<Dims> starts, ends;
  std::optional<SmallVector<int64_t>> axes, steps;
  auto toDims = [](ArrayRef<int64_t> values) {
    return Dims(values.begin(), values.end());
  };
  bool axesGiven = false, stepsGiven = false;
  if (fromAttrs) {
    starts = toDims(*c.node.findInts("starts"));
    if (auto values = c.node.findInts("ends"))
      ends = toDims(*values);
    axes = c.node.findInts("axes");
    axesGiven = axes.has_value();
  } else {
    if (const Dims *values = c.elements(1))
      starts = *values;
    if (const Dims *values = c.elements(2))
      ends = *values;
    axesGiven = c.node.hasInput(3);
    axes = c.constants(3);
    stepsGiven = c.node.hasInput(4);
    steps = c.constants(4);
  }
  if (axesGiven && !axes) {
    c.setShape(0, c.elementType(0), c.unknown(rank));
    return success();
  }
  Dims shape(*x);
  if (!axes) {
    // All axes in order; the count of starts tells how many.
    std::optional<int64_t> count =
        starts ? std::optional<int64_t>(starts->size()) : c.length(1);
    if (!count) {
      c.setShape(0, c.elementType(0), c.unknown(rank));
      return success();
    }
    axes.emplace();
    for (int64_t i = 0; i < *count; ++i)
      axes->push_back(i);
  }
  if ((starts && starts->size() != axes->size()) ||
      (ends && ends->size() != axes->size()) ||
      (steps && steps->size() != axes->size()))
    return c.fail("starts, ends, axes and steps have different lengths");
  bool exact = starts && ends && (steps || !stepsGiven);
  std::optional<Dims> elements;
  if (const Dims *known = c.elements(0); known && rank == 1)
    elements = *known;
  for (auto [i, value] : llvm::enumerate(*axes)) {
    FailureOr<int64_t> axis = c.axis(value, rank);
    if (failed(axis))
      return failure();
    Dim &dim = shape[*axis];
    int64_t step = steps ? (*steps)[i] : 1;
    if (step == 0)
      return c.fail("step 0 in axis " + Twine(*axis));
    if (!exact) {
      dim = c.state.fresh();
      elements.reset();
      continue;
    }
    const Dim &from = (*starts)[i], &to = (*ends)[i];
    if (dim.isConstant() && from.isConstant() && to.isConstant()) {
      int64_t start = from.coefficient;
      int64_t size = dim.coefficient;
      int64_t length =
          size == 0 ? 0 : sliceLength(start, to.coefficient, step, size);
      if (elements) {
        Dims taken;
        for (int64_t k = 0; k < length; ++k)
          taken.push_back((*elements)[start + k * step]);
        elements = taken;
      }
      dim = Dim(length);
      continue;
    }
    elements.reset();
    constexpr int64_t kBeyond = int64_t(1) << 31;
    bool wholeForward =
        step == 1 && from.is(0) &&
        (to == dim || (to.isConstant() && to.coefficient >= kBeyond - 1));
    if (wholeForward)
      continue;
    // The first elements of a dynamic axis: `0:n` of a larger axis.
    dim = step == 1 && from.is(0) && !to.isConstant() ? to : c.state.fresh();
  }
  c.setShape(0, c.elementType(0), std::move(shape));
  if (elements)
    c.setElements(0, std::move(*elements));
  return success();
}

static LogicalResult gather(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0), *indices = c.shape(1);
  if (!x || !indices)
    return success();
  FailureOr<int64_t> axis = c.axis(c.node.getInt("axis", 0), x->size());
  if (failed(axis))
    return failure();
  Dims shape(ArrayRef(*x).take_front(*axis));
  shape.append(*indices);
  shape.append(x->begin() + *axis + 1, x->end());
  c.setShape(0, c.elementType(0), std::move(shape));
  const Dims *elements = c.elements(0);
  auto at = c.constants(1);
  if (!elements || !at || x->size() != 1 || indices->size() > 1)
    return success();
  Dims taken;
  for (int64_t index : *at) {
    auto position = normalizeAxis(index, elements->size());
    if (!position)
      return c.fail("index " + Twine(index) + " is outside of " + toString(*x));
    taken.push_back((*elements)[*position]);
  }
  c.setElements(0, std::move(taken));
  return success();
}

static LogicalResult gatherElements(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  if (const Dims *indices = c.shape(1))
    c.setShape(0, c.elementType(0), *indices);
  return success();
}

static LogicalResult gatherND(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0), *indices = c.shape(1);
  if (!x || !indices || indices->empty() || !indices->back().isConstant())
    return success();
  int64_t batch = c.node.getInt("batch_dims", 0);
  int64_t depth = indices->back().coefficient;
  if (depth < 1 || batch < 0 || batch + depth > int64_t(x->size()))
    return c.fail("indices of depth " + Twine(depth) + " do not fit " +
                  toString(*x));
  Dims shape(ArrayRef(*indices).drop_back());
  shape.append(x->begin() + batch + depth, x->end());
  c.setShape(0, c.elementType(0), std::move(shape));
  return success();
}

static LogicalResult tile(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0), *repeats = c.elements(1);
  if (!x)
    return success();
  if (!repeats || repeats->size() != x->size()) {
    if (repeats)
      return c.fail("there are " + Twine(repeats->size()) +
                    " repeats for an input of shape " + toString(*x));
    c.setShape(0, c.elementType(0), c.unknown(x->size()));
    return success();
  }
  Dims shape;
  for (auto [dim, repeat] : llvm::zip(*x, *repeats))
    shape.push_back(c.state.mul(dim, repeat));
  return c.setShapeChecked(c.elementType(0), shape);
}

static LogicalResult pad(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  int64_t rank = x->size();
  std::optional<Dims> pads;
  for (StringRef name : {"pads", "paddings"})
    if (auto attr = c.node.findInts(name))
      pads.emplace(attr->begin(), attr->end());
  if (!pads)
    if (const Dims *elements = c.elements(1))
      pads = *elements;
  SmallVector<int64_t> axes;
  if (c.node.hasInput(3)) {
    auto given = c.constants(3);
    if (!given) {
      c.setShape(0, c.elementType(0), c.unknown(rank));
      return success();
    }
    for (int64_t value : *given) {
      FailureOr<int64_t> axis = c.axis(value, rank);
      if (failed(axis))
        return failure();
      axes.push_back(*axis);
    }
  } else {
    axes = llvm::to_vector(llvm::seq<int64_t>(rank));
  }
  if (!pads) {
    Dims shape(*x);
    for (int64_t axis : axes)
      shape[axis] = c.state.fresh();
    c.setShape(0, c.elementType(0), std::move(shape));
    return success();
  }
  if (pads->size() != 2 * axes.size())
    return c.fail("there are " + Twine(pads->size()) + " pads, expected " +
                  Twine(2 * axes.size()));
  Dims shape(*x);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    Dim total = c.state.add((*pads)[i], (*pads)[i + axes.size()]);
    shape[axis] = c.state.add(shape[axis], total);
  }
  return c.setShapeChecked(c.elementType(0), shape);
}

static LogicalResult resize(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  int64_t rank = x->size();
  bool upsample = c.node.getOpType() == "Upsample" || c.opset == 10;
  unsigned scalesIndex = upsample ? 1 : 2;
  SmallVector<int64_t> axes;
  if (auto given = c.node.findInts("axes")) {
    for (int64_t value : *given) {
      FailureOr<int64_t> axis = c.axis(value, rank);
      if (failed(axis))
        return failure();
      axes.push_back(*axis);
    }
  } else {
    axes = llvm::to_vector(llvm::seq<int64_t>(rank));
  }
  Dims shape(*x);
  if (const Dims *sizes = upsample ? nullptr : c.elements(3);
      sizes && !sizes->empty()) {
    if (sizes->size() != axes.size())
      return c.fail("there are " + Twine(sizes->size()) + " sizes for " +
                    Twine(axes.size()) + " axes");
    StringRef policy = c.node.getString("keep_aspect_ratio_policy", "stretch");
    if (policy != "stretch") {
      // One scale for all axes: the smallest or the largest.
      double scale = policy == "not_larger" ? 1e300 : 0.0;
      for (auto [i, axis] : llvm::enumerate(axes)) {
        if (!(*sizes)[i].isConstant() || !shape[axis].isConstant()) {
          c.setShape(0, c.elementType(0), c.unknown(rank));
          return success();
        }
        double ratio =
            double((*sizes)[i].coefficient) / double(shape[axis].coefficient);
        scale = policy == "not_larger" ? std::min(scale, ratio)
                                       : std::max(scale, ratio);
      }
      for (int64_t axis : axes)
        shape[axis] =
            Dim(int64_t(std::floor(shape[axis].coefficient * scale + 0.5)));
    } else {
      for (auto [i, axis] : llvm::enumerate(axes))
        shape[axis] = (*sizes)[i];
    }
    return c.setShapeChecked(c.elementType(0), shape);
  }
  std::optional<SmallVector<double>> scales;
  if (Value value = c.node.getInput(scalesIndex))
    scales = getConstantFloats(value);
  if (auto attr = dyn_cast_or_null<DenseF32ArrayAttr>(c.node.getAttr("scales")))
    scales.emplace(attr.asArrayRef().begin(), attr.asArrayRef().end());
  if (!scales || scales->empty()) {
    for (int64_t axis : axes)
      shape[axis] = c.state.fresh();
    c.setShape(0, c.elementType(0), std::move(shape));
    return success();
  }
  if (scales->size() != axes.size())
    return c.fail("there are " + Twine(scales->size()) + " scales for " +
                  Twine(axes.size()) + " axes");
  for (auto [i, axis] : llvm::enumerate(axes)) {
    double scale = (*scales)[i];
    if (!(scale > 0) || scale > 1e9)
      return c.fail("scale " + std::to_string(scale) + " in axis " +
                    Twine(axis));
    if (scale == 1.0)
      continue;
    if (shape[axis].isConstant())
      shape[axis] = Dim(int64_t(
          std::floor(double(float(shape[axis].coefficient * float(scale))))));
    else if (scale == std::floor(scale))
      shape[axis] = c.state.mul(shape[axis], Dim(int64_t(scale)));
    else
      shape[axis] = c.state.fresh();
  }
  return c.setShapeChecked(c.elementType(0), shape);
}

static LogicalResult depthToSpace(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  int64_t block = c.node.getInt("blocksize", 0);
  if (block < 1 || block > 1 << 20)
    return c.fail("attribute 'blocksize' is " + Twine(block));
  if (x->size() != 4)
    return c.fail("input " + toString(*x) + " must have rank 4");
  bool toSpace = c.node.getOpType() == "DepthToSpace";
  auto shrink = [&](const Dim &dim, int64_t by) -> FailureOr<Dim> {
    if (dim.isConstant() && dim.coefficient % by != 0)
      return c.fail("a dimension of " + toString(*x) +
                    " cannot be divided by " + Twine(by));
    return c.state.div(dim, Dim(by));
  };
  Dims shape(*x);
  if (toSpace) {
    FailureOr<Dim> depth = shrink((*x)[1], block * block);
    if (failed(depth))
      return failure();
    shape[1] = *depth;
    shape[2] = c.state.mul((*x)[2], Dim(block));
    shape[3] = c.state.mul((*x)[3], Dim(block));
  } else {
    FailureOr<Dim> height = shrink((*x)[2], block);
    FailureOr<Dim> width = shrink((*x)[3], block);
    if (failed(height) || failed(width))
      return failure();
    shape[1] = c.state.mul((*x)[1], Dim(block * block));
    shape[2] = *height;
    shape[3] = *width;
  }
  c.setShape(0, c.elementType(0), std::move(shape));
  return success();
}

static LogicalResult nonZero(ShapeContext &c) {
  c.setElementType(0, c.i64());
  if (const Dims *x = c.shape(0))
    c.setShape(0, c.i64(),
               {Dim(std::max<int64_t>(x->size(), 1)), c.state.fresh()});
  return success();
}

static LogicalResult oneHot(ShapeContext &c) {
  c.setElementType(0, c.elementType(2));
  const Dims *indices = c.shape(0);
  if (!indices)
    return success();
  int64_t rank = indices->size() + 1;
  FailureOr<int64_t> axis = c.axis(c.node.getInt("axis", -1), rank);
  if (failed(axis))
    return failure();
  const Dims *depth = c.elements(1);
  Dims shape(*indices);
  shape.insert(shape.begin() + *axis,
               depth && depth->size() == 1 ? (*depth)[0] : c.state.fresh());
  return c.setShapeChecked(c.elementType(2), shape);
}

static LogicalResult gridSample(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0), *grid = c.shape(1);
  if (!x || !grid || x->size() < 3 || grid->size() != x->size())
    return success();
  Dims shape{(*x)[0], (*x)[1]};
  shape.append(grid->begin() + 1, grid->end() - 1);
  c.setShape(0, c.elementType(0), std::move(shape));
  return success();
}

void onnx::addDataMovementShapeRules(ShapeRules &rules) {
  rules["Transpose"] = transpose;
  rules["Concat"] = concat;
  rules["Split"] = split;
  rules["Slice"] = slice;
  rules["Gather"] = gather;
  rules["GatherElements"] = gatherElements;
  rules["GatherND"] = gatherND;
  rules["Tile"] = tile;
  rules["Pad"] = pad;
  rules["Resize"] = resize;
  rules["Upsample"] = resize;
  rules["DepthToSpace"] = depthToSpace;
  rules["SpaceToDepth"] = depthToSpace;
  rules["NonZero"] = nonZero;
  rules["OneHot"] = oneHot;
  rules["GridSample"] = gridSample;
}
