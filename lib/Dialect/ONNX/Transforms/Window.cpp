//===- Window.cpp - Geometry of convolutions and pooling --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/ONNX/Transforms/Window.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace compress;
using namespace compress::onnx;

FailureOr<Window> Window::get(const Node &node, int64_t spatialRank,
                              ArrayRef<int64_t> weightKernel,
                              std::string &reason) {
  Window window;
  auto ints = [&](StringRef name, SmallVectorImpl<int64_t> &result,
                  size_t count, int64_t byDefault, int64_t least) -> bool {
    result.assign(count, byDefault);
    auto given = node.findInts(name);
    if (!given)
      return true;
    if (given->size() != count) {
      reason = ("attribute '" + name + "' has " + Twine(given->size()) +
                " values, expected " + Twine(count))
                   .str();
      return false;
    }
    // Bounded so that no later arithmetic on sizes can overflow.
    constexpr int64_t kMost = int64_t(1) << 31;
    for (int64_t value : *given)
      if (value < least || value > kMost) {
        reason = ("attribute '" + name + "' has the value " + Twine(value) +
                  ", expected at least " + Twine(least))
                     .str();
        return false;
      }
    result.assign(given->begin(), given->end());
    return true;
  };

  if (weightKernel.empty() && spatialRank > 0 &&
      !node.hasAttr("kernel_shape")) {
    reason = "attribute 'kernel_shape' is missing";
    return failure();
  }
  SmallVector<int64_t> pads;
  if (!ints("kernel_shape", window.kernel, spatialRank, 1, 1) ||
      !ints("strides", window.strides, spatialRank, 1, 1) ||
      !ints("dilations", window.dilations, spatialRank, 1, 1) ||
      !ints("pads", pads, 2 * spatialRank, 0, 0))
    return failure();
  if (!weightKernel.empty()) {
    for (int64_t i = 0; i < spatialRank; ++i) {
      if (ShapedType::isDynamic(weightKernel[i]))
        continue;
      if (node.hasAttr("kernel_shape") && weightKernel[i] != window.kernel[i]) {
        reason = ("attribute 'kernel_shape' says " + Twine(window.kernel[i]) +
                  " where the weight has " + Twine(weightKernel[i]))
                     .str();
        return failure();
      }
      window.kernel[i] = weightKernel[i];
    }
  }
  auto autoPad = llvm::StringSwitch<std::optional<AutoPad>>(
                     node.getString("auto_pad", "NOTSET"))
                     .Cases({"NOTSET", ""}, AutoPad::NotSet)
                     .Case("SAME_UPPER", AutoPad::SameUpper)
                     .Case("SAME_LOWER", AutoPad::SameLower)
                     .Case("VALID", AutoPad::Valid)
                     .Default(std::nullopt);
  if (!autoPad) {
    reason =
        ("unknown auto_pad '" + node.getString("auto_pad", "") + "'").str();
    return failure();
  }
  window.autoPad = *autoPad;
  window.ceilMode = node.getInt("ceil_mode", 0) != 0;
  window.padsBegin.assign(pads.begin(), pads.begin() + spatialRank);
  window.padsEnd.assign(pads.begin() + spatialRank, pads.end());
  return window;
}

std::pair<int64_t, int64_t> Window::getPads(unsigned axis, int64_t size) const {
  if (autoPad == AutoPad::Valid)
    return {0, 0};
  if (autoPad == AutoPad::NotSet)
    return {padsBegin[axis], padsEnd[axis]};
  // out = ceil(size / stride); the odd element goes to the end for SAME_UPPER.
  int64_t stride = strides[axis];
  int64_t total = getExtent(axis) - stride;
  if (stride != 1) {
    int64_t out = (size + stride - 1) / stride;
    total = (out - 1) * stride + getExtent(axis) - size;
  }
  total = std::max<int64_t>(total, 0);
  int64_t less = total / 2, more = total - less;
  return autoPad == AutoPad::SameUpper ? std::make_pair(less, more)
                                       : std::make_pair(more, less);
}

int64_t Window::getOutputSize(unsigned axis, int64_t size) const {
  auto [begin, end] = getPads(axis, size);
  int64_t stride = strides[axis];
  int64_t room = size + begin + end - getExtent(axis);
  if (room < 0)
    return 0;
  if (!ceilMode)
    return room / stride + 1;
  int64_t out = (room + stride - 1) / stride + 1;
  // A window that would start in the padding at the end is left out.
  if ((out - 1) * stride >= size + begin)
    --out;
  return out;
}
