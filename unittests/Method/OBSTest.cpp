//===- OBSTest.cpp - The method `obs` ---------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LayerTestUtils.h"
#include "compress/Numeric/RemoveStructures.h"

using namespace mlir;
using namespace compress;

namespace {

struct Layout : test::Layout {
  const char *structure;
};

class OBSTest : public test::LayerTest {
protected:
  LayerInputs makeInputs(int64_t channels, int64_t rows) {
    return LayerTest::makeInputs(channels, rows, channels / 2);
  }

  WeightRequest makeRequest(const Layout &layout) {
    WeightRequest request = LayerTest::makeRequest(layout);
    request.options["structure"] = layout.structure;
    return request;
  }

  static llvm::Expected<WeightResult> run(const WeightRequest &request) {
    return llvm::cantFail(lookupMethod("obs"))->quantizeWeight(request);
  }

  static HostTensor decode(const WeightResult &result) {
    return llvm::cantFail(decodeTensor({result.type, result.leaves}));
  }

  /// The squared error of the outputs, in the plain way.
  static double measure(const Layout &layout, const HostTensor &weight,
                        const HostTensor &decoded, const LayerInputs &inputs) {
    int64_t axis = layout.reductionAxes[0], stride = 1;
    for (int64_t dim : ArrayRef(layout.shape).drop_front(axis + 1))
      stride *= dim;
    double total = 0;
    for (int64_t i = 0; i < decoded.getNumElements(); ++i) {
      if (i / stride % layout.shape[axis])
        continue;
      for (int64_t r = 0; r < inputs.rows; ++r) {
        double error = 0;
        for (int64_t c = 0; c < layout.shape[axis]; ++c)
          error += (weight.getDouble(i + c * stride) -
                    decoded.getDouble(i + c * stride)) *
                   inputs.values[c * inputs.rows + r];
        total += error * error;
      }
    }
    return total;
  }
};

const Layout layouts[] = {
    {{"sparse<channels<0>, nnz = 24, of = f32>", {48, 20}, {1}, {0}}, "1"},
    {{"sparse<channels<1>, nnz = 24, of = f32>", {20, 48}, {0}, {1}}, "1"},
    {{"sparse<channels<0>, nnz = 24, of = f32>", {48, 20}, {1}, {0}}, "8"},
    {{"sparse<channels<1>, nnz = 11, of = f32>", {6, 22, 3, 2}, {0}, {1, 2, 3}},
     "1"},
};

TEST_F(OBSTest, UpdateBeatsMaskingOfTheSameStructures) {
  for (const Layout &layout : layouts) {
    SCOPED_TRACE(layout.encoding + std::string(" structure ") +
                 layout.structure);
    WeightRequest request = makeRequest(layout);
    int64_t channels = layout.shape[layout.reductionAxes[0]];
    LayerInputs inputs = makeInputs(channels, 400),
                unseen = makeInputs(channels, 300);
    request.inputs = &inputs;
    WeightResult updated = llvm::cantFail(run(request));
    request.options["update"] = "no";
    WeightResult masked = llvm::cantFail(run(request));
    // The same structures.
    EXPECT_EQ(updated.leaves.back().getBytes(),
              masked.leaves.back().getBytes());
    HostTensor u = decode(updated), m = decode(masked);
    double seenOfUpdate = measure(layout, request.weight, u, inputs);
    double seenOfMask = measure(layout, request.weight, m, inputs);
    double unseenOfUpdate = measure(layout, request.weight, u, unseen);
    double unseenOfMask = measure(layout, request.weight, m, unseen);
    EXPECT_LT(seenOfUpdate, 0.6 * seenOfMask);
    EXPECT_LT(unseenOfUpdate, 0.7 * unseenOfMask);
    // Structures are whole.
    int64_t size = std::atoi(layout.structure);
    for (int64_t i = 0; i < updated.leaves.back().getNumElements(); ++i)
      EXPECT_EQ(int64_t(updated.leaves.back().getBits(i)) % size, i % size);
  }
}

TEST_F(OBSTest, IsTheLeastSquaresSolutionOfWhatIsKept) {
  // dw^T H dw is least where (H (w - w'))_kept = 0.
  constexpr int64_t inputs = 18, vectors = 5;
  std::vector<double> root(inputs * inputs), hessian(inputs * inputs),
      weights(vectors * inputs);
  for (double &value : root)
    value = normal(engine);
  for (double &value : weights)
    value = normal(engine);
  for (int64_t a = 0; a < inputs; ++a)
    for (int64_t b = 0; b < inputs; ++b) {
      double sum = a == b ? 0.1 : 0;
      for (int64_t k = 0; k < inputs; ++k)
        sum += root[a * inputs + k] * root[b * inputs + k];
      hessian[a * inputs + b] = sum;
    }
  for (int64_t structure : {1, 3}) {
    std::vector<double> updated = weights;
    std::vector<int64_t> kept =
        removeStructures(hessian, inputs, updated, structure, 9 / structure,
                         /*update=*/true);
    ASSERT_EQ(kept.size(), 9u);
    for (int64_t v = 0; v < vectors; ++v)
      for (int64_t a = 0; a < inputs; ++a) {
        if (!llvm::is_contained(kept, a)) {
          EXPECT_EQ(updated[v * inputs + a], 0);
          continue;
        }
        double gradient = 0;
        for (int64_t b = 0; b < inputs; ++b)
          gradient += hessian[a * inputs + b] *
                      (weights[v * inputs + b] - updated[v * inputs + b]);
        EXPECT_NEAR(gradient, 0, 1e-8);
      }
  }
  // Not positive definite.
  std::vector<double> zero(inputs * inputs, 0.0);
  EXPECT_TRUE(removeStructures(zero, inputs, weights, 1, 3, true).empty());
}

TEST_F(OBSTest, RemovesWhatOthersCanReplace) {
  // Inputs 0 and 1 are equal: one of them goes, and its weight to the other.
  Layout layout{{"sparse<channels<0>, nnz = 2, of = f32>", {3, 2}, {1}, {0}},
                "1"};
  WeightRequest request = makeRequest(layout);
  LayerInputs inputs = makeInputs(3, 200);
  for (int64_t r = 0; r < inputs.rows; ++r)
    inputs.values[inputs.rows + r] = inputs.values[r];
  request.inputs = &inputs;
  request.options["damping"] = "1e-6";
  HostTensor decoded = decode(llvm::cantFail(run(request)));
  double whole =
      measure(layout, request.weight,
              HostTensor::allocate({3, 2}, decoded.getElementType()), inputs);
  EXPECT_LT(measure(layout, request.weight, decoded, inputs), 1e-6 * whole);
}

TEST_F(OBSTest, WorksWithoutSamples) {
  Layout layout = layouts[0];
  WeightRequest request = makeRequest(layout);
  WeightResult result = llvm::cantFail(run(request));
  HostTensor decoded = decode(result);
  // The largest rows, as they are.
  for (int64_t i = 0; i < decoded.getNumElements(); ++i)
    if (decoded.getDouble(i) != 0)
      EXPECT_EQ(decoded.getDouble(i), request.weight.getDouble(i));
}

TEST_F(OBSTest, Errors) {
  Layout layout = layouts[0];
  layout.structure = "5";
  auto uneven = run(makeRequest(layout));
  EXPECT_FALSE(bool(uneven));
  EXPECT_NE(llvm::toString(uneven.takeError()).find("no whole structures"),
            std::string::npos);
  // Sets of inputs of a grouped convolution.
  WeightRequest request = makeRequest(layouts[0]);
  LayerInputs inputs = makeInputs(96, 10);
  request.inputs = &inputs;
  auto grouped = run(request);
  EXPECT_FALSE(bool(grouped));
  EXPECT_NE(llvm::toString(grouped.takeError()).find("96 channels"),
            std::string::npos);
  const Method *method = llvm::cantFail(lookupMethod("obs"));
  llvm::Error bad = method->verifyOptions({{"structure", "0"}});
  EXPECT_TRUE(bool(bad));
  llvm::consumeError(std::move(bad));
}

} // namespace
