//===- MatmulTestUtils.h - Quantized matrix products to test ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_UNITTESTS_TARGET_CPU_MATMULTESTUTILS_H
#define COMPRESS_UNITTESTS_TARGET_CPU_MATMULTESTUTILS_H

#include "ReferenceSums.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "gtest/gtest.h"
#include <cmath>

namespace compress::test {

using namespace mlir;

struct Matmul {
  int64_t n, k;
  /// Encodings; an empty activation stays f32.
  std::string activation, weight;
  /// Weights stored [N, K].
  bool transposed = false;
  Init init = Init::Zero;
  Array weights = {};
  std::vector<float> staticParameters = {}; // scale, zero point

  CompressedTensorType getWeightType() const {
    auto shape = transposed ? std::pair(n, k) : std::pair(k, n);
    return parseType(std::to_string(shape.first) + "x" +
                     std::to_string(shape.second) + "xf32, " + weight);
  }
  CompressedTensorType getActivationType() const {
    return parseType("?x" + std::to_string(k) + "xf32, " + activation);
  }

  std::unique_ptr<Compiled> compile(const TargetOptions &options) {
    if (weights.values.empty())
      weights = Array::random(transposed ? std::vector<int64_t>{n, k}
                                         : std::vector<int64_t>{k, n},
                              7 * n + k, 0.3f);
    MLIRContext *context = &test::getContext();
    Type f32 = Float32Type::get(context);
    int64_t dynamic = ShapedType::kDynamic;
    auto x = RankedTensorType::get({dynamic, k}, f32);
    auto y = RankedTensorType::get({dynamic, n}, f32);
    SmallVector<Type> inputs{x};
    if (init == Init::Bias)
      inputs.push_back(RankedTensorType::get({n}, f32));
    if (init == Init::Tensor)
      inputs.push_back(y);
    return std::make_unique<Compiled>(
        options, inputs, y,
        [&](OpBuilder &b, ValueRange args) { return build(b, args, y); });
  }

  Value build(OpBuilder &b, ValueRange args, RankedTensorType y) {
    Location loc = b.getUnknownLoc();
    Value lhs = args[0];
    if (!activation.empty()) {
      CompressedTensorType type = getActivationType();
      SmallVector<Value> parameters;
      if (!staticParameters.empty()) {
        auto components = type.getComponents();
        auto scaleType = cast<RankedTensorType>(components[1].type);
        parameters.push_back(arith::ConstantOp::create(
            b, loc, DenseElementsAttr::get(scaleType, staticParameters[0])));
        if (components.size() > 2) {
          auto zeroType = cast<RankedTensorType>(components[2].type);
          if (zeroType.getElementType().isF32())
            parameters.push_back(arith::ConstantOp::create(
                b, loc, DenseElementsAttr::get(zeroType, staticParameters[1])));
          else
            parameters.push_back(arith::ConstantOp::create(
                b, loc,
                DenseElementsAttr::get(
                    zeroType, APInt(zeroType.getElementTypeBitWidth(),
                                    uint64_t(int64_t(staticParameters[1])),
                                    true, true))));
        }
      }
      lhs = EncodeOp::create(b, loc, type, lhs, parameters);
    }
    CompressedTensorType type = getWeightType();
    Value rhs =
        compress::ConstantOp::create(b, loc, type, encode(type, weights));
    return buildProduct(b, y, args[0], lhs, rhs, transposed, init,
                        init == Init::Zero ? Value() : args[1]);
  }

  /// Runs on `m` rows and compares with the exact sum of decoded values.
  void check(const Compiled &compiled, const Array &x, StringRef what) {
    int64_t m = x.shape[0];
    std::vector<Array> inputs{x};
    if (init == Init::Bias)
      inputs.push_back(Array::random({n}, 3));
    if (init == Init::Tensor)
      inputs.push_back(Array::random({m, n}, 4));
    Array original = inputs.back();
    Array y = compiled(inputs);
    ASSERT_EQ(y.shape, (std::vector<int64_t>{m, n})) << what.str();
    Array a = x;
    if (!activation.empty()) {
      CompressedTensorType type = getActivationType();
      if (staticParameters.empty()) {
        a = m ? roundTrip(type, x) : x;
      } else {
        auto quant = cast<QuantAttr>(type.getEncoding());
        auto [lo, hi] = quant.getCodeRange();
        float zero = quant.getZero() ? staticParameters[1] : 0;
        auto stored = dyn_cast_or_null<DenseAttr>(quant.getZero());
        bool hasFloatZero = stored && stored.getStorageType().isF32();
        for (float &value : a.values) {
          float quotient = value / staticParameters[0];
          float code = hasFloatZero ? std::nearbyint(quotient + zero)
                                    : std::nearbyint(quotient) + zero;
          code = std::fmin(std::fmax(code, float(lo)), float(hi));
          value = (code - zero) * staticParameters[0];
        }
      }
    }
    Array w = roundTrip(getWeightType(), weights);
    multiply(a, w, transposed, init, original)
        .expectNear(
            y, getRoundingFactor(k),
            (what + ": m=" + Twine(m) + " n=" + Twine(n) + " k=" + Twine(k))
                .str());
  }
};

} // namespace compress::test

#endif // COMPRESS_UNITTESTS_TARGET_CPU_MATMULTESTUTILS_H
