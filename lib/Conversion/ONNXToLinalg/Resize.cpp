//===- Resize.cpp - Resize and Upsample -------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Axis by axis: every result element is a weighted sum of a few elements along
// the axis. Which ones and with what weights depends on sizes only, so that the
// tables are computed here, in the float arithmetic of the standard.
//
//===----------------------------------------------------------------------===//

#include "Lowering.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cmath>

using namespace mlir;
using namespace compress;

namespace {
/// How one axis is resized.
struct AxisPlan {
  int64_t axis, inputSize, outputSize;
  /// Output over input, as the operator gives it.
  float scale;
  float roiStart = 0, roiEnd = 1;
};

struct Mode {
  StringRef kind;        // nearest, linear, cubic
  StringRef coordinates; // coordinate_transformation_mode
  StringRef nearest;     // nearest_mode
  float cubicA;
  bool excludeOutside;
  bool extrapolate; // tf_crop_and_resize
  double extrapolation;
};

/// Taps of all results of one axis: `count` of them each.
struct Taps {
  unsigned count;
  SmallVector<int64_t> index;
  SmallVector<double> weight;
  /// Results that take the extrapolation value.
  SmallVector<bool> outside;
};
} // namespace

static float originalCoordinate(const AxisPlan &plan, const Mode &mode,
                                int64_t at) {
  float x = float(at), scale = plan.scale;
  float inputSize = float(plan.inputSize), outputSize = float(plan.outputSize);
  if (mode.coordinates == "asymmetric")
    return x / scale;
  if (mode.coordinates == "align_corners")
    return plan.outputSize == 1 ? 0 : x * (inputSize - 1) / (outputSize - 1);
  if (mode.coordinates == "pytorch_half_pixel")
    return plan.outputSize > 1 ? (x + 0.5f) / scale - 0.5f : 0.0f;
  if (mode.coordinates == "tf_half_pixel_for_nn")
    return (x + 0.5f) / scale;
  if (mode.coordinates == "half_pixel_symmetric") {
    float adjustment = outputSize / (scale * inputSize);
    float center = inputSize / 2;
    float offset = center * (1 - adjustment);
    return offset + (x + 0.5f) / scale - 0.5f;
  }
  if (mode.coordinates == "tf_crop_and_resize")
    return plan.outputSize > 1
               ? plan.roiStart * (inputSize - 1) +
                     x * (plan.roiEnd - plan.roiStart) * (inputSize - 1) /
                         (outputSize - 1)
               : 0.5f * (plan.roiStart + plan.roiEnd) * (inputSize - 1);
  return (x + 0.5f) / scale - 0.5f; // half_pixel
}

static int64_t nearestIndex(float x, StringRef mode) {
  if (mode == "round_prefer_ceil")
    return int64_t(std::round(x));
  if (mode == "floor")
    return int64_t(std::floor(x));
  if (mode == "ceil")
    return int64_t(std::ceil(x));
  if (mode == "simple") // before opset 11
    return int64_t(x);
  // round_prefer_floor
  return x == std::floor(x) + 0.5f ? int64_t(std::floor(x))
                                   : int64_t(std::round(x));
}

static Taps tapsOf(const AxisPlan &plan, const Mode &mode) {
  Taps taps;
  int64_t last = plan.inputSize - 1;
  auto clamp = [&](int64_t i) { return std::clamp<int64_t>(i, 0, last); };
  taps.count = mode.kind == "nearest" ? 1 : mode.kind == "linear" ? 2 : 4;
  for (int64_t o = 0; o < plan.outputSize; ++o) {
    float x = originalCoordinate(plan, mode, o);
    taps.outside.push_back(mode.extrapolate && (x < 0 || x > float(last)));
    if (mode.kind == "nearest") {
      taps.index.push_back(clamp(nearestIndex(x, mode.nearest)));
      taps.weight.push_back(1);
    } else if (mode.kind == "linear") {
      x = std::clamp(x, 0.0f, float(last));
      int64_t low = std::min(int64_t(x), last), high = std::min(low + 1, last);
      float far = x - float(low);
      taps.index.append({low, high});
      taps.weight.append({1.0 - far, far});
    } else {
      int64_t base = int64_t(std::floor(x));
      double t = x - float(base), a = mode.cubicA;
      double w[4] = {
          ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a,
          ((a + 2) * t - (a + 3)) * t * t + 1,
          ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1,
          ((a * (2 - t) - 5 * a) * (2 - t) + 8 * a) * (2 - t) - 4 * a};
      double sum = 0;
      for (int k = 0; k < 4; ++k) {
        int64_t at = base - 1 + k;
        if (mode.excludeOutside && (at < 0 || at > last))
          w[k] = 0;
        sum += w[k];
      }
      for (int k = 0; k < 4; ++k) {
        taps.index.push_back(clamp(base - 1 + k));
        taps.weight.push_back(mode.excludeOutside ? w[k] / sum : w[k]);
      }
    }
  }
  return taps;
}

/// Applies the taps of one axis.
static Value resizeAxis(Lowering &l, Value x, const AxisPlan &plan,
                        const Mode &mode) {
  Taps taps = tapsOf(plan, mode);
  auto type = cast<RankedTensorType>(x.getType());
  Type element = type.getElementType();
  int64_t rank = type.getRank();
  Sizes sizes = l.sizes(x);
  sizes[plan.axis] = l.b.getIndexAttr(plan.outputSize);
  AffineMap along = AffineMap::get(rank, 0, l.b.getAffineDimExpr(plan.axis));
  // One vector of indices and one of weights for each tap.
  SmallVector<Value> inputs;
  for (unsigned k = 0; k < taps.count; ++k) {
    SmallVector<int64_t> index;
    SmallVector<double> weight;
    for (int64_t o = 0; o < plan.outputSize; ++o) {
      index.push_back(taps.index[o * taps.count + k]);
      weight.push_back(taps.weight[o * taps.count + k]);
    }
    inputs.push_back(
        l.constantInts({plan.outputSize}, l.b.getI32Type(), index));
    if (taps.count > 1)
      inputs.push_back(l.constant({plan.outputSize}, element, weight));
  }
  bool anyOutside = llvm::is_contained(taps.outside, true);
  if (anyOutside) {
    SmallVector<int64_t> flags(taps.outside.begin(), taps.outside.end());
    inputs.push_back(l.constantInts({plan.outputSize}, l.b.getI1Type(), flags));
  }
  SmallVector<AffineMap> maps(inputs.size(), along);
  return l.mapped(
      sizes, element, inputs, maps,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        Value sum;
        for (unsigned k = 0; k < taps.count; ++k) {
          SmallVector<Value> at;
          for (int64_t i = 0; i < rank; ++i)
            at.push_back(linalg::IndexOp::create(b, loc, i));
          at[plan.axis] = arith::IndexCastOp::create(
              b, loc, b.getIndexType(), args[taps.count > 1 ? 2 * k : k]);
          Value value = tensor::ExtractOp::create(b, loc, x, at);
          if (taps.count > 1)
            value = arith::MulFOp::create(b, loc, value, args[2 * k + 1]);
          sum = sum ? arith::AddFOp::create(b, loc, sum, value).getResult()
                    : value;
        }
        if (anyOutside)
          sum = arith::SelectOp::create(
              b, loc, args.back(),
              scalarConstant(b, loc, element, mode.extrapolation), sum);
        return sum;
      });
}

static LogicalResult resize(Lowering &l) {
  auto type = l.inType(0), resultType = l.outType();
  int64_t rank = type.getRank();
  bool upsample = l.node.getOpType() == "Upsample" || l.opset <= 10;
  Mode mode;
  mode.kind = l.node.getString("mode", "nearest");
  if (mode.kind == "bilinear" || mode.kind == "trilinear")
    mode.kind = "linear";
  mode.coordinates =
      upsample
          ? "asymmetric"
          : l.node.getString("coordinate_transformation_mode", "half_pixel");
  mode.nearest = upsample
                     ? "simple"
                     : l.node.getString("nearest_mode", "round_prefer_floor");
  mode.cubicA = l.node.getFloat("cubic_coeff_a", -0.75);
  mode.excludeOutside = l.node.getInt("exclude_outside", 0);
  mode.extrapolate = mode.coordinates == "tf_crop_and_resize";
  mode.extrapolation = l.node.getFloat("extrapolation_value", 0);
  if (mode.kind != "nearest" && mode.kind != "linear" && mode.kind != "cubic")
    return l.fail("unknown mode '" + mode.kind + "'");
  if (mode.kind != "nearest" && !isa<FloatType>(l.sourceElement(0)))
    return l.fail("mode '" + mode.kind + "' needs a float input");
  if (l.node.getInt("antialias", 0))
    return l.fail("antialias is not supported");

  SmallVector<int64_t> axes = llvm::to_vector(llvm::seq<int64_t>(rank));
  if (auto given = l.node.findInts("axes")) {
    axes.clear();
    for (int64_t value : *given) {
      FailureOr<int64_t> axis = l.axis(value, rank);
      if (failed(axis))
        return failure();
      axes.push_back(*axis);
    }
  }
  std::optional<SmallVector<double>> scales =
      l.constantFloats(upsample ? 1 : 2);
  if (auto attr = dyn_cast_or_null<DenseF32ArrayAttr>(l.node.getAttr("scales")))
    scales.emplace(attr.asArrayRef().begin(), attr.asArrayRef().end());
  if (scales && scales->empty())
    scales.reset();
  auto roi = mode.extrapolate ? l.constantFloats(1) : std::nullopt;
  if (mode.extrapolate && (!roi || roi->size() != 2 * axes.size()))
    return l.fail("tf_crop_and_resize needs a constant 'roi' of " +
                  Twine(2 * axes.size()) + " numbers");
  Value result = l.in(0);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    AxisPlan plan;
    plan.axis = axis;
    plan.inputSize = type.getDimSize(axis);
    plan.outputSize = resultType.getDimSize(axis);
    bool isDynamic = ShapedType::isDynamic(plan.inputSize) ||
                     ShapedType::isDynamic(plan.outputSize);
    if (scales && i < scales->size())
      plan.scale = float((*scales)[i]);
    else
      plan.scale =
          isDynamic ? 1.0f : float(plan.outputSize) / float(plan.inputSize);
    if (mode.extrapolate) {
      plan.roiStart = float((*roi)[i]);
      plan.roiEnd = float((*roi)[i + axes.size()]);
    }
    if (isDynamic) {
      // The batch axis.
      if (plan.scale == 1.0f && (scales || plan.inputSize == plan.outputSize))
        continue;
      return l.fail("axis " + Twine(axis) + " of dynamic size is resized");
    }
    bool same = plan.inputSize == plan.outputSize && plan.scale == 1.0f &&
                !mode.extrapolate;
    if (!same)
      result = resizeAxis(l, result, plan, mode);
  }
  return l.replace(result);
}

void compress::addResizeLowerings(LowerTable &table) {
  table["Resize"] = resize;
  table["Upsample"] = resize;
}
