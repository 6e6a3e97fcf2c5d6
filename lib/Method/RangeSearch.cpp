//===- RangeSearch.cpp - Value ranges of quantization groups ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RangeSearch.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Minifloat.h"
#include <algorithm>
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace compress;

/// Calls `visit(first, count, group)` for runs of consecutive elements of one
/// group, in memory order.
template <typename Visit>
static void forEachRun(CompressedTensorType type, Visit visit) {
  auto quant = cast<QuantAttr>(type.getEncoding());
  ArrayRef<int64_t> shape = type.getShape();
  int64_t rank = shape.size();
  if (rank == 0)
    return visit(int64_t(0), int64_t(1), int64_t(0));
  if (type.getNumElements() == 0)
    return;
  SmallVector<int64_t> grid = quant.getGroupGrid(shape);
  SmallVector<int64_t> sizes, strides(rank, 1), position(rank, 0);
  for (auto [dim, size] : llvm::zip_equal(shape, quant.getGroup()))
    sizes.push_back(ShapedType::isDynamic(size) ? dim : size);
  for (int64_t axis = rank - 2; axis >= 0; --axis)
    strides[axis] = strides[axis + 1] * grid[axis + 1];
  int64_t width = shape[rank - 1], block = sizes[rank - 1];
  for (int64_t first = 0, e = type.getNumElements(); first < e;
       first += width) {
    int64_t group = 0;
    for (int64_t axis = 0; axis < rank - 1; ++axis)
      group += position[axis] / sizes[axis] * strides[axis];
    for (int64_t i = 0; i < width; i += block)
      visit(first + i, std::min(block, width - i), group++);
    for (int64_t axis = rank - 2; axis >= 0; --axis) {
      if (++position[axis] < shape[axis])
        break;
      position[axis] = 0;
    }
  }
}

static int64_t countGroups(CompressedTensorType type) {
  SmallVector<int64_t> grid =
      cast<QuantAttr>(type.getEncoding()).getGroupGrid(type.getShape());
  return std::accumulate(grid.begin(), grid.end(), int64_t(1),
                         std::multiplies<int64_t>());
}

Ranges compress::findAbsMaxRanges(CompressedTensorType type,
                                  ArrayRef<float> values) {
  size_t groups = countGroups(type);
  Ranges ranges{std::vector<float>(groups), std::vector<float>(groups)};
  forEachRun(type, [&](int64_t first, int64_t count, int64_t group) {
    float lo = ranges.lo[group], hi = ranges.hi[group];
    for (float value : values.slice(first, count)) {
      lo = std::min(lo, value);
      hi = std::max(hi, value);
    }
    ranges.lo[group] = lo;
    ranges.hi[group] = hi;
  });
  return ranges;
}

/// Linear interpolation between order statistics; reorders `values`.
static float quantile(MutableArrayRef<float> values, double q) {
  double place = q * double(values.size() - 1);
  size_t below = size_t(place);
  auto nth = values.begin() + below;
  std::nth_element(values.begin(), nth, values.end());
  if (below + 1 >= values.size())
    return *nth;
  float next = *std::min_element(nth + 1, values.end());
  return *nth + float(place - double(below)) * (next - *nth);
}

Ranges compress::findPercentileRanges(CompressedTensorType type,
                                      ArrayRef<float> values,
                                      double percentile) {
  // Bring the values of each group together.
  size_t groups = countGroups(type);
  std::vector<size_t> starts(groups + 1, 0);
  forEachRun(type, [&](int64_t, int64_t count, int64_t group) {
    starts[group + 1] += count;
  });
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  bool symmetric = !cast<QuantAttr>(type.getEncoding()).getZero();
  std::vector<float> sorted(values.size());
  std::vector<size_t> next(starts.begin(), starts.end() - 1);
  forEachRun(type, [&](int64_t first, int64_t count, int64_t group) {
    for (float value : values.slice(first, count))
      sorted[next[group]++] = symmetric ? std::fabs(value) : value;
  });

  Ranges ranges{std::vector<float>(groups), std::vector<float>(groups)};
  double q = percentile / 100;
  for (size_t group = 0; group < groups; ++group) {
    MutableArrayRef<float> members(sorted.data() + starts[group],
                                   starts[group + 1] - starts[group]);
    if (members.empty())
      continue;
    float hi = quantile(members, q);
    float lo = symmetric ? -hi : quantile(members, 1 - q);
    ranges.lo[group] = std::min(lo, 0.0f);
    ranges.hi[group] = std::max(hi, 0.0f);
  }
  return ranges;
}

namespace {

/// The rounding of a quant encoding, per run, without storing codes.
class Simulation {
public:
  Simulation(CompressedTensorType type, ArrayRef<float> values,
             ArrayRef<float> importance)
      : type(type), quant(cast<QuantAttr>(type.getEncoding())), values(values),
        importance(importance) {
    if (auto code = dyn_cast<FloatType>(quant.getCodeType())) {
      table = getMinifloatTable(code);
      format = Minifloat::get(code);
    }
    std::tie(codeLo, codeHi) = quant.getCodeRange();
  }

  /// Weighted squared error of each group under these ranges, with parameters
  /// as they will be stored.
  llvm::Expected<std::vector<double>> run(const Ranges &ranges) const {
    auto leaves = quant.parametersFromRanges(type, ranges.lo, ranges.hi);
    if (!leaves)
      return leaves.takeError();
    Type f32 = Float32Type::get(type.getContext());
    Type scaleType = quant.getScaleComponentType(type.getShape());
    unsigned scaleLeaves = getNumLeaves(scaleType);
    ArrayRef<HostTensor> all = *leaves;
    auto scales = decodeComponent(scaleType, f32, quant.getScale(),
                                  all.take_front(scaleLeaves));
    if (!scales)
      return scales.takeError();
    HostTensor zeros;
    bool integerZero = false;
    if (quant.getZero()) {
      auto dense = dyn_cast<DenseAttr>(quant.getZero());
      integerZero = dense && isa<IntegerType>(dense.getStorageType());
      Type element =
          integerZero ? Type(IntegerType::get(type.getContext(), 32)) : f32;
      auto decoded =
          decodeComponent(quant.getZeroComponentType(type.getShape()), element,
                          quant.getZero(), all.drop_front(scaleLeaves));
      if (!decoded)
        return decoded.takeError();
      zeros = *decoded;
    }
    std::vector<double> errors(ranges.lo.size(), 0);
    ArrayRef<float> scaleData = scales->getData<float>();
    forEachRun(type, [&](int64_t first, int64_t count, int64_t group) {
      float zero = zeros ? float(zeros.getDouble(group)) : 0;
      errors[group] +=
          runError(first, count, scaleData[group], zero, integerZero);
    });
    return errors;
  }

private:
  double runError(int64_t first, int64_t count, float scale, float zero,
                  bool integerZero) const {
    const float *value = values.data() + first;
    const float *weight =
        importance.empty() ? nullptr : importance.data() + first;
    // Codes have at most 16 bits, so adding 1.5 * 2^23 rounds to nearest even.
    constexpr float magic = 12582912.0f;
    float lo = codeLo, hi = codeHi, before = zero, after = 0;
    if (integerZero || zero == 0) {
      lo -= zero;
      hi -= zero;
      before = 0;
    } else {
      after = -zero;
    }
    double error = 0;
    for (int64_t i = 0; i < count; ++i) {
      float code = value[i] / scale + before;
      if (!table.empty()) {
        code = table[encodeMinifloat(code, format)];
      } else {
        code = code < hi ? code : hi;
        code = code > lo ? code : lo;
        code = ((code + magic) - magic) + after;
      }
      float difference = value[i] - code * scale;
      error += double(difference) * difference * (weight ? weight[i] : 1.0f);
    }
    return error;
  }

  CompressedTensorType type;
  QuantAttr quant;
  ArrayRef<float> values, importance;
  std::vector<float> table;
  Minifloat format;
  double codeLo, codeHi;
};

} // namespace

/// The ranges to try, relative to absmax.
static std::vector<float> getRatios(QuantAttr quant) {
  auto dense = dyn_cast<DenseAttr>(quant.getScale());
  // Powers of two leave few scales to choose from; that of OCP MX may clip, so
  // the next larger one is among them.
  if (dense && isa<Float8E8M0FNUType>(dense.getStorageType()))
    return {2.0f, 0.5f, 0.25f};
  // Below a fifth of the range, clipping dominates in every format.
  std::vector<float> ratios;
  for (int step = 1; step <= 32; ++step)
    ratios.push_back(1.0f - 0.025f * float(step));
  return ratios;
}

llvm::Expected<Ranges>
compress::findLeastErrorRanges(CompressedTensorType type,
                               ArrayRef<float> values,
                               ArrayRef<float> importance) {
  Simulation simulation(type, values, importance);
  Ranges start = findAbsMaxRanges(type, values);
  auto startErrors = simulation.run(start);
  if (!startErrors)
    return startErrors.takeError();
  Ranges best = start;
  std::vector<double> bestErrors = *startErrors;
  size_t groups = bestErrors.size();

  std::vector<float> ratios = getRatios(cast<QuantAttr>(type.getEncoding()));
  auto search = [&](bool moveLo, bool moveHi) -> llvm::Error {
    const Ranges center = best;
    for (float ratio : ratios) {
      Ranges candidate = center;
      for (size_t g = 0; g < groups; ++g) {
        if (moveLo)
          candidate.lo[g] = start.lo[g] * ratio;
        if (moveHi)
          candidate.hi[g] = start.hi[g] * ratio;
      }
      auto errors = simulation.run(candidate);
      if (!errors)
        return errors.takeError();
      for (size_t g = 0; g < groups; ++g)
        if ((*errors)[g] < bestErrors[g]) {
          bestErrors[g] = (*errors)[g];
          best.lo[g] = candidate.lo[g];
          best.hi[g] = candidate.hi[g];
        }
    }
    return llvm::Error::success();
  };
  if (llvm::Error error = search(true, true))
    return std::move(error);
  if (cast<QuantAttr>(type.getEncoding()).getZero()) {
    // The two ends are independent: improve one, then the other.
    if (llvm::Error error = search(false, true))
      return std::move(error);
    if (llvm::Error error = search(true, false))
      return std::move(error);
  }

  // Encoded scales depend on their neighbours, so what was best for each group
  // alone need not be best together.
  auto finalErrors = simulation.run(best);
  if (!finalErrors)
    return finalErrors.takeError();
  auto sum = [](const std::vector<double> &errors) {
    return std::accumulate(errors.begin(), errors.end(), 0.0);
  };
  return sum(*finalErrors) <= sum(*startErrors) ? best : start;
}
