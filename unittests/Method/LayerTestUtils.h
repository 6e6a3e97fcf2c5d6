//===- LayerTestUtils.h - Layers for tests of methods -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_UNITTESTS_METHOD_LAYERTESTUTILS_H
#define COMPRESS_UNITTESTS_METHOD_LAYERTESTUTILS_H

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Method/Method.h"
#include "mlir/AsmParser/AsmParser.h"
#include "gtest/gtest.h"
#include <random>

namespace compress::test {

/// A weight by its encoding, and what its axes are.
struct Layout {
  const char *encoding;
  llvm::SmallVector<int64_t> shape, outputAxes, reductionAxes;
};

class LayerTest : public ::testing::Test {
protected:
  LayerTest() { context.loadDialect<CompressDialect>(); }

  /// Inputs of fewer directions than channels, as those of layers are, and some
  /// noise.
  LayerInputs makeInputs(int64_t channels, int64_t rows, int64_t directions) {
    std::mt19937 mixer(2);
    std::vector<float> mixing(channels * directions);
    for (float &value : mixing)
      value = normal(mixer);
    LayerInputs inputs;
    inputs.channels = channels;
    inputs.rows = rows;
    inputs.total = double(rows);
    inputs.values.resize(channels * rows);
    std::vector<float> source(directions);
    for (int64_t r = 0; r < rows; ++r) {
      for (float &value : source)
        value = normal(engine);
      for (int64_t c = 0; c < channels; ++c) {
        float value = 0.3f * normal(engine);
        for (int64_t d = 0; d < directions; ++d)
          value += mixing[c * directions + d] * source[d];
        inputs.values[c * rows + r] = value;
      }
    }
    return inputs;
  }

  /// Of random values.
  WeightRequest makeRequest(const Layout &layout) {
    WeightRequest request;
    request.site = "w";
    std::string type = "!compress.tensor<";
    int64_t count = 1;
    for (int64_t dim : layout.shape) {
      type += std::to_string(dim) + "x";
      count *= dim;
    }
    request.type = mlir::cast<CompressedTensorType>(
        mlir::parseType(type + "f32, " + layout.encoding + ">", &context));
    std::vector<float> values(count);
    for (float &value : values)
      value = normal(engine);
    request.weight = HostTensor::fromFloats(
        layout.shape, mlir::Float32Type::get(&context), values);
    request.role.operand = 1;
    request.role.activation = 0;
    request.role.outputAxes = layout.outputAxes;
    request.role.reductionAxes = layout.reductionAxes;
    return request;
  }

  mlir::MLIRContext context;
  std::mt19937 engine{1};
  std::normal_distribution<float> normal;
};

} // namespace compress::test

#endif // COMPRESS_UNITTESTS_METHOD_LAYERTESTUTILS_H
