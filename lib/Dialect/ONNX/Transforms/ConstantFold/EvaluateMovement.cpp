//===- EvaluateMovement.cpp - Moves and reductions of host tensors -*- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Evaluation.h"

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

SmallVector<int64_t> onnx::stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = int64_t(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

void onnx::forEach(ArrayRef<int64_t> shape, ArrayRef<int64_t> strides,
                   int64_t base,
                   llvm::function_ref<void(int64_t at, int64_t offset)> body) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  SmallVector<int64_t> position(shape.size(), 0);
  int64_t offset = base;
  for (int64_t at = 0; at < count; ++at) {
    body(at, offset);
    for (int64_t d = int64_t(shape.size()) - 1; d >= 0; --d) {
      offset += strides[d];
      if (++position[d] < shape[d])
        break;
      offset -= strides[d] * shape[d];
      position[d] = 0;
    }
  }
}

void onnx::copyView(HostTensor &result, const HostTensor &source,
                    ArrayRef<int64_t> strides, int64_t base) {
  forEach(result.getShape(), strides, base, [&](int64_t at, int64_t offset) {
    result.setBits(at, source.getBits(offset));
  });
}

SmallVector<int64_t> onnx::broadcastStrides(ArrayRef<int64_t> shape,
                                            ArrayRef<int64_t> target) {
  SmallVector<int64_t> strides = stridesOf(shape);
  SmallVector<int64_t> result(target.size(), 0);
  size_t lead = target.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i)
    result[lead + i] = shape[i] == 1 ? 0 : strides[i];
  return result;
}

bool onnx::canBroadcast(const HostTensor &tensor, ArrayRef<int64_t> target) {
  ArrayRef<int64_t> shape = tensor.getShape();
  if (shape.size() > target.size())
    return false;
  size_t lead = target.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1 && shape[i] != target[lead + i])
      return false;
  return true;
}

//===----------------------------------------------------------------------===//
// Moving data
//===----------------------------------------------------------------------===//

static LogicalResult reshapeOp(Evaluation &e) {
  if (e.inputs[0].getNumElements() != e.outputs[0].getNumElements() ||
      e.inputs[0].getElementType() != e.outputs[0].getElementType())
    return failure();
  e.outputs[0] = e.inputs[0].reshape(e.outputs[0].getShape());
  return success();
}

static LogicalResult transposeOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  HostTensor &y = e.outputs[0];
  int64_t rank = x.getRank();
  auto perm = e.node.findInts("perm");
  if (y.getRank() != rank || (perm && int64_t(perm->size()) != rank))
    return failure();
  SmallVector<int64_t> from = stridesOf(x.getShape()), strides;
  for (int64_t i = 0; i < rank; ++i) {
    int64_t axis = perm ? (*perm)[i] : rank - 1 - i;
    if (axis < 0 || axis >= rank || x.getShape()[axis] != y.getShape()[i])
      return failure();
    strides.push_back(from[axis]);
  }
  copyView(y, x, strides, 0);
  return success();
}

static LogicalResult concatOp(Evaluation &e) {
  HostTensor &y = e.outputs[0];
  auto axis = normalizeAxis(e.node.getInt("axis", 1), y.getRank());
  if (!axis)
    return failure();
  int64_t outer = 1, inner = 1;
  for (int64_t i = 0; i < y.getRank(); ++i)
    (i < *axis ? outer : inner) *= i == *axis ? 1 : y.getShape()[i];
  int64_t at = 0, size = y.getShape()[*axis];
  for (const HostTensor &x : e.inputs) {
    if (!x || x.getRank() != y.getRank())
      return failure();
    int64_t part = x.getShape()[*axis];
    if (x.getNumElements() != outer * part * inner || at + part > size)
      return failure();
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < part * inner; ++i)
        y.setBits((o * size + at) * inner + i, x.getBits(o * part * inner + i));
    at += part;
  }
  return success(at == size);
}

static LogicalResult splitOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  auto axis = normalizeAxis(e.node.getInt("axis", 0), x.getRank());
  if (!axis)
    return failure();
  SmallVector<int64_t> strides = stridesOf(x.getShape());
  int64_t at = 0;
  for (HostTensor &y : e.outputs) {
    if (y.getRank() != x.getRank() ||
        at + y.getShape()[*axis] > x.getShape()[*axis])
      return failure();
    if (y.getNumElements())
      copyView(y, x, strides, at * strides[*axis]);
    at += y.getShape()[*axis];
  }
  return success();
}

static LogicalResult sliceOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  HostTensor &y = e.outputs[0];
  auto starts = e.attrOrInts("starts", 1), axes = e.attrOrInts("axes", 3),
       steps = e.ints(4);
  if (!starts || y.getRank() != x.getRank())
    return failure();
  SmallVector<int64_t> strides = stridesOf(x.getShape());
  int64_t base = 0;
  for (auto [i, start] : llvm::enumerate(*starts)) {
    auto axis = normalizeAxis(
        axes && i < axes->size() ? (*axes)[i] : int64_t(i), x.getRank());
    if (!axis)
      return failure();
    int64_t step = steps && i < steps->size() ? (*steps)[i] : 1;
    int64_t size = x.getShape()[*axis];
    int64_t first = start < 0 ? start + size : start;
    first = step > 0 ? std::clamp<int64_t>(first, 0, size)
                     : std::clamp<int64_t>(first, 0, size - 1);
    base += first * strides[*axis];
    strides[*axis] *= step;
  }
  if (y.getNumElements())
    copyView(y, x, strides, base);
  return success();
}

static LogicalResult gatherOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  HostTensor &y = e.outputs[0];
  auto indices = e.ints(1);
  auto axis = normalizeAxis(e.node.getInt("axis", 0), x.getRank());
  if (!indices || !axis)
    return failure();
  int64_t outer = 1, inner = 1, size = x.getShape()[*axis];
  for (int64_t i = 0; i < x.getRank(); ++i)
    (i < *axis ? outer : inner) *= i == *axis ? 1 : x.getShape()[i];
  int64_t count = indices->size();
  if (y.getNumElements() != outer * count * inner)
    return failure();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t k = 0; k < count; ++k) {
      auto at = normalizeAxis((*indices)[k], size);
      if (!at)
        return failure();
      for (int64_t i = 0; i < inner; ++i)
        y.setBits((o * count + k) * inner + i,
                  x.getBits((o * size + *at) * inner + i));
    }
  return success();
}

static LogicalResult expandOp(Evaluation &e) {
  if (!canBroadcast(e.inputs[0], e.outputs[0].getShape()))
    return failure();
  copyView(e.outputs[0], e.inputs[0],
           broadcastStrides(e.inputs[0].getShape(), e.outputs[0].getShape()),
           0);
  return success();
}

static LogicalResult tileOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  HostTensor &y = e.outputs[0];
  if (y.getRank() != x.getRank())
    return failure();
  // Each axis is seen as (repeat, size), the repeat at stride zero.
  SmallVector<int64_t> shape, strides, from = stridesOf(x.getShape());
  for (int64_t i = 0; i < x.getRank(); ++i) {
    int64_t size = x.getShape()[i];
    if (size == 0 || y.getShape()[i] % size != 0)
      return failure();
    shape.append({y.getShape()[i] / size, size});
    strides.append({0, from[i]});
  }
  forEach(shape, strides, 0, [&](int64_t at, int64_t offset) {
    y.setBits(at, x.getBits(offset));
  });
  return success();
}

static LogicalResult rangeOp(Evaluation &e) {
  HostTensor &y = e.outputs[0];
  if (!e.has(0) || !e.has(2))
    return failure();
  for (int64_t i = 0, n = y.getNumElements(); i < n; ++i) {
    if (isa<FloatType>(y.getElementType()))
      y.setDouble(i, e.inputs[0].getDouble(0) + i * e.inputs[2].getDouble(0));
    else
      y.setBits(i, uint64_t(e.inputs[0].getInt(0) + i * e.inputs[2].getInt(0)) &
                       llvm::maskTrailingOnes<uint64_t>(y.getBitWidth()));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

static LogicalResult reduceOp(Evaluation &e) {
  const HostTensor &x = e.inputs[0];
  HostTensor &y = e.outputs[0];
  auto axes = e.attrOrInts("axes", 1);
  int64_t rank = x.getRank();
  SmallVector<bool> reduced(rank, !axes || axes->empty());
  if ((!axes || axes->empty()) && e.node.getInt("noop_with_empty_axes", 0)) {
    y = x;
    return success();
  }
  if (axes)
    for (int64_t value : *axes) {
      auto axis = normalizeAxis(value, rank);
      if (!axis)
        return failure();
      reduced[*axis] = true;
    }
  // Strides of the result as the input's positions see it.
  SmallVector<int64_t> strides(rank, 0);
  int64_t stride = 1, count = 1;
  for (int64_t i = rank - 1; i >= 0; --i) {
    if (reduced[i]) {
      count *= x.getShape()[i];
      continue;
    }
    strides[i] = stride;
    stride *= x.getShape()[i];
  }
  if (stride != y.getNumElements() || count == 0)
    return failure();
  StringRef kind = e.node.getOpType();
  bool isFloat = isa<FloatType>(x.getElementType());
  std::vector<double> sums(stride);
  std::vector<int64_t> ints(stride);
  std::vector<bool> started(stride);
  forEach(x.getShape(), strides, 0, [&](int64_t at, int64_t to) {
    bool first = !started[to];
    started[to] = true;
    auto join = [&](auto &acc, auto value) {
      if (first)
        acc = value;
      else if (kind == "ReduceProd")
        acc *= value;
      else if (kind == "ReduceMax")
        acc = std::max(acc, value);
      else if (kind == "ReduceMin")
        acc = std::min(acc, value);
      else
        acc += value;
    };
    if (isFloat)
      join(sums[to], x.getDouble(at));
    else
      join(ints[to], x.getInt(at));
  });
  for (int64_t i = 0; i < stride; ++i) {
    if (isFloat)
      y.setDouble(i, kind == "ReduceMean" ? sums[i] / count : sums[i]);
    else
      y.setBits(i, uint64_t(kind == "ReduceMean" ? ints[i] / count : ints[i]) &
                       llvm::maskTrailingOnes<uint64_t>(y.getBitWidth()));
  }
  return success();
}

void onnx::addMovementEvaluators(llvm::StringMap<Evaluator> &table) {
  table["Reshape"] = reshapeOp;
  table["Flatten"] = reshapeOp;
  table["Squeeze"] = reshapeOp;
  table["Unsqueeze"] = reshapeOp;
  table["Transpose"] = transposeOp;
  table["Concat"] = concatOp;
  table["Split"] = splitOp;
  table["Slice"] = sliceOp;
  table["Gather"] = gatherOp;
  table["Expand"] = expandOp;
  table["Tile"] = tileOp;
  table["Range"] = rangeOp;
  table["ReduceSum"] = reduceOp;
  table["ReduceProd"] = reduceOp;
  table["ReduceMax"] = reduceOp;
  table["ReduceMin"] = reduceOp;
  table["ReduceMean"] = reduceOp;
}
