//===- Grouping.cpp - Groups of a quantized tensor in ONNX terms ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Grouping.h"

using namespace mlir;
using namespace compress;

std::optional<Granularity> Granularity::get(CompressedTensorType type,
                                            QuantAttr quant) {
  ArrayRef<int64_t> shape = type.getShape(), group = quant.getGroup();
  SmallVector<int64_t> grid = quant.getGroupGrid(shape);
  int64_t rank = shape.size();
  SmallVector<int64_t> spread; // axes with more than one group
  for (int64_t axis = 0; axis < rank; ++axis)
    if (grid[axis] != 1)
      spread.push_back(axis);
  if (spread.empty())
    return Granularity{PerTensor, 0, 0, {}};
  if (spread.size() == 1 && group[spread[0]] == 1)
    return Granularity{PerAxis, spread[0], 0, {grid[spread[0]]}};

  // Blocked: on all axes but one each index is a group of its own.
  std::optional<int64_t> blocked;
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (group[axis] == 1 || shape[axis] == 1)
      continue;
    if (blocked)
      return std::nullopt;
    blocked = axis;
  }
  int64_t axis = blocked.value_or(rank - 1);
  int64_t block =
      ShapedType::isDynamic(group[axis]) ? shape[axis] : group[axis];
  if (ShapedType::isDynamic(block))
    return std::nullopt;
  return Granularity{Blocked, axis, block, grid};
}

SmallVector<int64_t> Granularity::getBroadcastShape(int64_t rank) const {
  if (kind == PerTensor)
    return {};
  SmallVector<int64_t> result(rank - axis, 1);
  result[0] = parameterShape[0];
  return result;
}

FailureOr<GroupView> GroupView::get(ArrayRef<int64_t> shape,
                                    ArrayRef<int64_t> groups,
                                    std::string &reason) {
  GroupView result;
  result.shape.assign(shape.begin(), shape.end());
  for (auto [axis, size, group] : llvm::enumerate(shape, groups)) {
    result.shapeSource.push_back(result.view.size());
    bool isWhole = ShapedType::isDynamic(group) ||
                   (!ShapedType::isDynamic(size) && group >= size);
    if (isWhole || group == 1) {
      if (isWhole)
        result.groupAxes.push_back(result.view.size());
      result.padded.push_back(size);
      result.view.push_back(size);
      result.viewSource.push_back(axis);
      result.parameters.push_back(isWhole ? 1 : size);
      continue;
    }
    if (ShapedType::isDynamic(size)) {
      reason = "blocks along the dynamic dimension " + std::to_string(axis) +
               " have no ONNX form; fix that dimension or group it whole";
      return failure();
    }
    int64_t blocks = llvm::divideCeil(size, group);
    result.shapeSource.back() = -1;
    result.groupAxes.push_back(result.view.size() + 1);
    result.padded.push_back(blocks * group);
    llvm::append_values(result.view, blocks, group);
    llvm::append_values(result.viewSource, -1, -1);
    llvm::append_values(result.parameters, blocks, int64_t(1));
  }
  // Reshape copies a dimension at its own place and infers one elsewhere.
  int64_t inferred = 0;
  for (auto [place, source] : llvm::enumerate(result.viewSource))
    if (ShapedType::isDynamic(result.view[place]) && source != int64_t(place))
      ++inferred;
  if (inferred > 1) {
    reason = "more than one dynamic dimension after a blocked axis has no ONNX "
             "form";
    return failure();
  }
  return result;
}
