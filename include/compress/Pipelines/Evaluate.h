//===- Evaluate.h - How good and how fast a model is ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_PIPELINES_EVALUATE_H
#define COMPRESS_PIPELINES_EVALUATE_H

#include "compress/Calibration/Data.h"
#include "compress/Pipelines/CodeGen.h"
#include "compress/Quality/Quality.h"

namespace compress {

/// Samples to evaluate a model on, maybe with labels.
struct EvaluationData {
  /// For diagnostics.
  std::string path;
  CalibrationData samples;
  /// The array `labels` of the file, as int64: [N] for classification (one
  /// class per sample) or [N, T, ...] for one class per token, where N counts
  /// along axis 0 of the inputs. Negative labels are ignored.
  std::optional<NpyArray> labels;
  /// The array `targets` of the file: floats that an output should give, axis 0
  /// as in `labels`.
  std::optional<NpyArray> targets;
  /// Rows along axis 0 of the inputs, and labels, of one sample.
  int64_t rowsPerSample = 1;

  /// Reads a file for `CalibrationData::load`. Errors also for labels that are
  /// no integers or are not as many as the samples, and for arrays that are
  /// neither an input nor labels.
  static llvm::Expected<EvaluationData> load(llvm::StringRef path,
                                             llvm::ArrayRef<InputSpec> inputs);
  /// Some of the samples with what belongs to them.
  llvm::Expected<EvaluationData> select(llvm::ArrayRef<int64_t> indices) const;
  /// Labels and targets of one sample.
  std::optional<NpyArray> getLabels(int64_t index) const;
  std::optional<NpyArray> getTargets(int64_t index) const;
};

/// Agreement with labels.
struct Score {
  /// Labels counted, and how many were the largest logit.
  int64_t labels = 0, correct = 0;
  /// Sum of the cross entropy under a softmax of the output, in nats.
  double crossEntropy = 0;

  double getAccuracy() const { return labels ? double(correct) / labels : 0; }
  double getPerplexity() const;
};

/// Difference of one output from that of the reference, over all samples.
struct OutputError {
  std::string name;
  /// ||y - y'|| / ||y||, the cosine of the angle between y and y', and
  /// max |y - y'|.
  double relative = 0, cosine = 1, maxAbsolute = 0;
};

struct Evaluation {
  int64_t samples = 0;
  /// The output that the labels belong to; empty without labels.
  std::string labelledOutput;
  /// Whether there is a label for each token, not one for each sample.
  bool isPerToken = false;
  /// Of the float model and of the compressed one.
  std::optional<Score> reference, model;
  /// For each float output.
  std::vector<OutputError> outputs;

  /// What the measure said that was asked for.
  std::optional<QualityResult> quality;

  /// How much worse the model is than the reference: the drop of `quality` if
  /// it is there, else points of accuracy as a
  /// fraction (0.01 is one point), the relative rise of perplexity with labels
  /// per token, the largest relative output error without labels.
  double getDrop() const;
};

/// Runs both models on at most `maxSamples` samples, one after the other. They
/// may be the same. Errors name the file and the sample: a run that fails,
/// labels that fit no output, what `measure` (which may be null) cannot judge.
llvm::Expected<Evaluation>
evaluate(JITModel &reference, JITModel &model, const EvaluationData &data,
         int64_t maxSamples = INT64_MAX,
         const QualityMeasure *measure = nullptr,
         llvm::function_ref<void(int64_t done, int64_t total)> progress = {});

/// Seconds of one run.
struct Latency {
  double median = 0, min = 0;
  int64_t runs = 0;
};

/// Times models on the same inputs after a warm-up, for about `seconds` each.
/// They take turns, so that what else the machine does hits all alike.
llvm::Expected<std::vector<Latency>>
measureLatencies(llvm::ArrayRef<JITModel *> models,
                 llvm::ArrayRef<NpyArray> inputs, double seconds = 0.5);

/// Inputs for a model without data: normally distributed floats, zeros for
/// other types; 1 for dynamic dimensions.
llvm::Expected<std::vector<NpyArray>>
makeRandomInputs(llvm::ArrayRef<InputSpec> inputs, uint64_t seed);

} // namespace compress

#endif // COMPRESS_PIPELINES_EVALUATE_H
