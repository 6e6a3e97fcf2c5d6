//===- ReductionRules.cpp - Shapes of reductions ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ShapeContext.h"

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

static LogicalResult reduce(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  bool given;
  auto axes = c.attrOrInput("axes", 1, given);
  bool keep = c.node.getInt("keepdims", 1);
  int64_t rank = x->size();
  if (given && !axes) {
    // Which axes is unknown; how many only matters without keepdims.
    if (keep) {
      Dims shape;
      for (int64_t i = 0; i < rank; ++i)
        shape.push_back(c.state.fresh());
      c.setShape(0, c.elementType(0), std::move(shape));
    }
    return success();
  }
  if (!axes || axes->empty()) {
    if (c.node.getInt("noop_with_empty_axes", 0)) {
      c.setShape(0, c.elementType(0), *x);
      return success();
    }
    axes = llvm::to_vector(llvm::seq<int64_t>(rank));
  }
  SmallVector<bool> reduced(rank);
  for (int64_t value : *axes) {
    FailureOr<int64_t> axis = c.axis(value, rank);
    if (failed(axis))
      return failure();
    reduced[*axis] = true;
  }
  Dims shape;
  for (int64_t i = 0; i < rank; ++i) {
    if (!reduced[i])
      shape.push_back((*x)[i]);
    else if (keep)
      shape.push_back(Dim(1));
  }
  // Shape arithmetic: the number of elements of a shape.
  const Dims *elements = c.elements(0);
  bool scalar = shape.size() <= 1 && rank <= 1 && (rank == 0 || reduced[0]);
  c.setShape(0, c.elementType(0), std::move(shape));
  if (!elements || !scalar || elements->empty())
    return success();
  if (c.node.getOpType() == "ReduceProd") {
    c.setElements(0, {c.state.product(*elements)});
  } else if (c.node.getOpType() == "ReduceSum") {
    Dim sum(0);
    for (const Dim &dim : *elements)
      sum = c.state.add(sum, dim);
    c.setElements(0, {sum});
  }
  return success();
}

static LogicalResult argReduce(ShapeContext &c) {
  c.setElementType(0, c.i64());
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  FailureOr<int64_t> axis = c.axis(c.node.getInt("axis", 0), x->size());
  if (failed(axis))
    return failure();
  Dims shape(*x);
  if (c.node.getInt("keepdims", 1))
    shape[*axis] = Dim(1);
  else
    shape.erase(shape.begin() + *axis);
  c.setShape(0, c.i64(), std::move(shape));
  return success();
}

static LogicalResult topK(ShapeContext &c) {
  c.setElementType(0, c.elementType(0));
  c.setElementType(1, c.i64());
  const Dims *x = c.shape(0);
  if (!x)
    return success();
  FailureOr<int64_t> axis = c.axis(c.node.getInt("axis", -1), x->size());
  if (failed(axis))
    return failure();
  Dims shape(*x);
  if (auto k = c.node.findInt("k"))
    shape[*axis] = Dim(*k);
  else if (const Dims *elements = c.elements(1);
           elements && elements->size() == 1)
    shape[*axis] = (*elements)[0];
  else
    shape[*axis] = c.state.fresh();
  const Dim &size = shape[*axis], &all = (*x)[*axis];
  if (size.isConstant() &&
      (size.coefficient < 0 ||
       (all.isConstant() && size.coefficient > all.coefficient)))
    return c.fail("k is " + Twine(size.coefficient) + ", axis " + Twine(*axis) +
                  " of " + toString(*x) + " is smaller");
  c.setShape(1, c.i64(), shape);
  c.setShape(0, c.elementType(0), std::move(shape));
  return success();
}

void onnx::addReductionShapeRules(ShapeRules &rules) {
  for (StringRef name :
       {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
        "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
        "ReduceSumSquare"})
    rules[name] = reduce;
  rules["ArgMax"] = argReduce;
  rules["ArgMin"] = argReduce;
  rules["TopK"] = topK;
}
