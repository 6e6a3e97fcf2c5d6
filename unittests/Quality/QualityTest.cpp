//===- QualityTest.cpp - Measures of quality --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Quality/Quality.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace compress;

namespace {

NpyArray makeFloats(llvm::ArrayRef<int64_t> shape,
                    llvm::ArrayRef<float> values) {
  NpyArray array =
      llvm::cantFail(NpyArray::allocate(COMPRESS_DTYPE_F32, shape));
  std::copy(values.begin(), values.end(),
            reinterpret_cast<float *>(array.mutableData()));
  return array;
}

NpyArray makeLabels(llvm::ArrayRef<int64_t> shape,
                    llvm::ArrayRef<int64_t> values) {
  NpyArray array =
      llvm::cantFail(NpyArray::allocate(COMPRESS_DTYPE_I64, shape));
  std::copy(values.begin(), values.end(),
            reinterpret_cast<int64_t *>(array.mutableData()));
  return array;
}

/// Four rows of three classes; the compressed model errs on the second.
struct Rows {
  NpyArray reference = makeFloats({4, 3}, {3, 0, 0, 0, 3, 0, 0, 0, 3, 1, 0, 2});
  NpyArray outputs = makeFloats({4, 3}, {3, 0, 0, 2, 1, 0, 0, 0, 3, 1, 0, 2});
  NpyArray labels = makeLabels({4}, {0, 1, 2, 0});
};

llvm::Expected<QualityResult>
judge(llvm::StringRef name, const NpyArray &reference, const NpyArray &outputs,
      const NpyArray *labels = nullptr, const NpyArray *targets = nullptr) {
  auto measure = lookupQualityMeasure(name);
  if (!measure)
    return measure.takeError();
  auto meter = (*measure)->createMeter();
  if (llvm::Error error = meter->add({reference, outputs, labels, targets}))
    return std::move(error);
  return meter->finish();
}

QualityResult measure(llvm::StringRef name, const Rows &rows) {
  return llvm::cantFail(
      judge(name, rows.reference, rows.outputs, &rows.labels));
}

} // namespace

TEST(QualityTest, ClassesOfLabels) {
  Rows rows;
  QualityResult accuracy = measure("accuracy", rows);
  EXPECT_DOUBLE_EQ(*accuracy.reference, 0.75);
  EXPECT_DOUBLE_EQ(accuracy.model, 0.5);
  EXPECT_DOUBLE_EQ(accuracy.drop, 0.25);
  // Class 0 is right once of two times, class 1 never.
  QualityResult worst = measure("worst-class", rows);
  EXPECT_DOUBLE_EQ(*worst.reference, 0.5);
  EXPECT_DOUBLE_EQ(worst.model, 0.0);
  EXPECT_DOUBLE_EQ(worst.drop, 0.5);
  ASSERT_EQ(worst.details.size(), 3u);
  EXPECT_EQ(worst.details[0].first, "class 0");
  EXPECT_DOUBLE_EQ(worst.details[0].second, 0.5);
  EXPECT_DOUBLE_EQ(worst.details[2].second, 1.0);
  QualityResult agreement = measure("top1", rows);
  EXPECT_DOUBLE_EQ(agreement.model, 0.75);
  EXPECT_DOUBLE_EQ(agreement.drop, 0.25);
}

TEST(QualityTest, NegativeLabelsDoNotCount) {
  Rows rows;
  rows.labels = makeLabels({4}, {0, -1, 2, -1});
  EXPECT_DOUBLE_EQ(measure("accuracy", rows).model, 1.0);
  EXPECT_DOUBLE_EQ(measure("worst-class", rows).model, 1.0);
  rows.labels = makeLabels({4}, {-1, -1, -1, -1});
  auto none = judge("accuracy", rows.reference, rows.outputs, &rows.labels);
  EXPECT_EQ(llvm::toString(none.takeError()), "there are no labels");
}

TEST(QualityTest, Perplexity) {
  // Equal logits: as surprised as by a die.
  NpyArray logits = makeFloats({1, 2, 6}, std::vector<float>(12, 0.5f));
  NpyArray sure = makeFloats({1, 2, 6}, {9, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0});
  NpyArray labels = makeLabels({1, 2}, {0, 1});
  QualityResult result =
      llvm::cantFail(judge("perplexity", sure, logits, &labels));
  EXPECT_NEAR(result.model, 6, 1e-5);
  EXPECT_NEAR(*result.reference, 1 + 5 * std::exp(-9.0), 1e-5);
  EXPECT_NEAR(result.drop, 6 / *result.reference - 1, 1e-5);
}

TEST(QualityTest, AreaUnderTheCurve) {
  // Scores of the second class: positives 0.9, 0.4; negatives 0.6, 0.4, 0.1.
  // Of six pairs 3 + 1 + half of the tie are right: 4.5.
  std::vector<float> logits;
  for (double p : {0.9, 0.4, 0.6, 0.4, 0.1}) {
    logits.push_back(0);
    logits.push_back(float(std::log(p / (1 - p))));
  }
  NpyArray outputs = makeFloats({5, 2}, logits);
  NpyArray labels = makeLabels({5}, {1, 1, 0, 0, 0});
  QualityResult result =
      llvm::cantFail(judge("auc", outputs, outputs, &labels));
  EXPECT_DOUBLE_EQ(result.model, 4.5 / 6);
  EXPECT_DOUBLE_EQ(result.drop, 0);
  labels = makeLabels({5}, {1, 1, 1, 1, 1});
  auto alone = judge("auc", outputs, outputs, &labels);
  EXPECT_NE(llvm::toString(alone.takeError()).find("no class has both"),
            std::string::npos);
}

TEST(QualityTest, AgainstTheFloatModel) {
  NpyArray x = makeFloats({1, 2}, {3, 4}), y = makeFloats({1, 2}, {3, 3});
  EXPECT_NEAR(llvm::cantFail(judge("error", x, y)).drop, 0.2, 1e-12);
  EXPECT_NEAR(llvm::cantFail(judge("cosine", x, y)).model,
              21 / (5 * std::sqrt(18.0)), 1e-12);
  // p = softmax(3, 4), q = softmax(3, 3).
  double p = 1 / (1 + std::exp(1.0)), q = 0.5;
  double kl = p * std::log(p / q) + (1 - p) * std::log((1 - p) / q);
  EXPECT_NEAR(llvm::cantFail(judge("kl", x, y)).drop, kl, 1e-6);
  for (const QualityMeasure *measure : getQualityMeasures()) {
    if (measure->needsLabels())
      continue;
    EXPECT_NEAR(llvm::cantFail(judge(measure->getName(), x, x)).drop, 0, 1e-12)
        << measure->getName().str();
    NpyArray bad = makeFloats({1, 2}, {NAN, 3});
    // Nothing that is not a number passes a limit.
    EXPECT_GT(llvm::cantFail(judge(measure->getName(), x, bad)).drop, 0.4)
        << measure->getName().str();
  }
}

TEST(QualityTest, SignalToNoise) {
  NpyArray x = makeFloats({1, 4}, {0, 1, 0, 1});
  NpyArray y = makeFloats({1, 4}, {0.1f, 0.9f, 0.1f, 0.9f});
  // Noise of 0.01 at a peak of 1.
  QualityResult result = llvm::cantFail(judge("psnr", x, y));
  EXPECT_NEAR(result.model, 20, 1e-4);
  EXPECT_NEAR(result.drop, 0.1, 1e-6);
  EXPECT_FALSE(result.reference);
  NpyArray targets = makeFloats({1, 4}, {0.01f, 1.01f, 0.01f, 1.01f});
  result = llvm::cantFail(judge("psnr", x, y, nullptr, &targets));
  EXPECT_NEAR(*result.reference, 40, 1e-2);
  EXPECT_NEAR(result.drop, *result.reference - result.model, 1e-12);
  targets = makeFloats({1, 3}, {0, 0, 0});
  EXPECT_EQ(llvm::toString(judge("psnr", x, y, nullptr, &targets).takeError()),
            "the targets have the shape of no output");
}

TEST(QualityTest, WhatCannotBeJudged) {
  Rows rows;
  auto unknown = lookupQualityMeasure("taste");
  EXPECT_EQ(llvm::toString(unknown.takeError()),
            "unknown quality measure 'taste'; known are accuracy, auc, cosine, "
            "error, kl, perplexity, psnr, top1, worst-class");
  EXPECT_EQ(llvm::toString(
                judge("accuracy", rows.reference, rows.outputs).takeError()),
            "there are no labels");
  NpyArray labels = makeLabels({4}, {0, 1, 2, 3});
  EXPECT_EQ(
      llvm::toString(
          judge("accuracy", rows.reference, rows.outputs, &labels).takeError()),
      "label 3 is not one of the model's 3 classes");
  labels = makeLabels({5}, {0, 1, 2, 0, 0});
  EXPECT_NE(llvm::toString(
                judge("auc", rows.reference, rows.outputs, &labels).takeError())
                .find("fit no output"),
            std::string::npos);
  NpyArray other = makeFloats({2, 3}, {0, 0, 0, 0, 0, 0});
  EXPECT_NE(llvm::toString(judge("kl", rows.reference, other).takeError())
                .find("the compressed model's output is f32 [2, 3], the float"),
            std::string::npos);
  EXPECT_EQ(llvm::toString(judge("kl", labels, labels).takeError()),
            "the model has no output of floats");
}
