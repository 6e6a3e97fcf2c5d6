//===- AUC.cpp - Area under the ROC curve -----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Quality/Quality.h"
#include "llvm/ADT/STLExtras.h"

using namespace compress;

namespace {
/// Mann-Whitney: the probability that a positive scores above a negative, half
/// of it for equal scores. Of two
/// classes it is the area of the second.
class Meter : public QualityMeter {
public:
  llvm::Error add(const QualitySample &sample) override {
    auto rows = getLabelledRows(sample);
    if (!rows)
      return rows.takeError();
    numClasses = rows->numClasses;
    rows->forEach([&](int64_t label, llvm::ArrayRef<float> before,
                      llvm::ArrayRef<float> after) {
      labels.push_back(label);
      addRow(reference, before);
      addRow(model, after);
    });
    return llvm::Error::success();
  }

  llvm::Expected<QualityResult> finish() override {
    QualityResult result;
    double before = 0, after = 0;
    for (size_t i = numClasses == 2 ? 1 : 0; i < numClasses; ++i) {
      auto ofFloat = getArea(reference, i), own = getArea(model, i);
      // Without positives or without negatives there is no curve.
      if (!ofFloat)
        continue;
      before += *ofFloat;
      after += *own;
      result.details.emplace_back("class " + std::to_string(i), *own);
    }
    if (result.details.empty())
      return llvm::createStringError(
          "no class has both samples of its own and of others");
    double count = double(result.details.size());
    result.reference = before / count;
    result.model = after / count;
    result.drop = *result.reference - result.model;
    return result;
  }

private:
  /// Scores are probabilities: logits of different rows do not compare.
  static void addRow(std::vector<double> &scores, llvm::ArrayRef<float> row) {
    double logSum = getLogSum(row);
    for (float value : row)
      scores.push_back(value - logSum);
  }

  std::optional<double> getArea(llvm::ArrayRef<double> scores,
                                size_t number) const {
    std::vector<std::pair<double, bool>> sorted;
    for (auto [row, label] : llvm::enumerate(labels))
      sorted.emplace_back(scores[row * numClasses + number],
                          label == int64_t(number));
    llvm::sort(sorted);
    // Sum of the ranks of positives; equal scores share the mean of theirs.
    double ranks = 0, positives = 0;
    for (size_t i = 0; i < sorted.size();) {
      size_t end = i;
      double own = 0;
      while (end < sorted.size() && sorted[end].first == sorted[i].first)
        own += sorted[end++].second;
      ranks += own * (double(i + 1 + end) / 2);
      positives += own;
      i = end;
    }
    double negatives = double(sorted.size()) - positives;
    if (positives == 0 || negatives == 0)
      return std::nullopt;
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives);
  }

  size_t numClasses = 0;
  std::vector<int64_t> labels;
  std::vector<double> reference, model;
};

class AUCMeasure : public QualityMeasure {
public:
  llvm::StringRef getName() const override { return "auc"; }
  llvm::StringRef getSummary() const override {
    return "area under the ROC curve, mean over classes against the rest; drop "
           "in points";
  }
  bool needsLabels() const override { return true; }
  std::unique_ptr<QualityMeter> createMeter() const override {
    return std::make_unique<Meter>();
  }
};
} // namespace

std::unique_ptr<QualityMeasure> compress::createAUCMeasure() {
  return std::make_unique<AUCMeasure>();
}
