//===- Quality.h - How good the outputs of a model are ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The extension point for measures of quality. To add one, write one file that
// derives from `QualityMeasure` and list it in `registerAllQualityMeasures`.
// Measures see arrays only: the outputs of the float and of the compressed
// model on one sample after the other, and what the samples should give.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_QUALITY_QUALITY_H
#define COMPRESS_QUALITY_QUALITY_H

#include "compress/Support/Npz.h"
#include <functional>
#include <optional>

namespace compress {

/// One sample.
struct QualitySample {
  /// Of the float model and of the compressed one, in the model's order.
  llvm::ArrayRef<NpyArray> reference, outputs;
  /// Classes, i64, of the shape of an output without its last axis; negative
  /// ones do not count. Null without labels.
  const NpyArray *labels = nullptr;
  /// What the model should give: floats of the shape of an output. Null without
  /// targets.
  const NpyArray *targets = nullptr;
};

struct QualityResult {
  /// Name of the measure.
  std::string measure;
  /// Of the float model, for measures that judge a model by itself, and of the
  /// compressed one, both in the measure's unit.
  std::optional<double> reference;
  double model = 0;
  /// How much worse the compressed model is; what `--max-drop` limits. 0 is
  /// "no worse"; each measure says in what unit.
  double drop = 0;
  /// More numbers for the report, by name, such as the rates of classes.
  std::vector<std::pair<std::string, double>> details;
  /// How values are written, such as "%.2f dB"; printf with one double.
  std::string format = "%.4g";
};

/// One evaluation in progress.
class QualityMeter {
public:
  virtual ~QualityMeter();
  /// Errors: outputs, labels or targets that the measure cannot judge.
  virtual llvm::Error add(const QualitySample &sample) = 0;
  virtual llvm::Expected<QualityResult> finish() = 0;
};

class QualityMeasure {
public:
  virtual ~QualityMeasure();
  virtual llvm::StringRef getName() const = 0;
  /// One line for --help: what it is, and the unit of the drop.
  virtual llvm::StringRef getSummary() const = 0;
  virtual bool needsLabels() const { return false; }
  virtual std::unique_ptr<QualityMeter> createMeter() const = 0;
};

//===----------------------------------------------------------------------===//
// Helpers for measures
//===----------------------------------------------------------------------===//

/// The values of a float array; nothing for other types.
std::optional<std::vector<float>> toFloats(const NpyArray &array);

/// The logits [rows, classes] that labels [rows] belong to.
struct LabelledRows {
  std::vector<float> reference, outputs;
  llvm::ArrayRef<int64_t> labels;
  size_t numClasses = 0;
  /// Which output it is, and whether there is a label for each token.
  size_t output = 0;
  bool isPerToken = false;

  /// Calls `visit` with each label and the logits of both models that it
  /// belongs to; negative labels are left out.
  void forEach(
      llvm::function_ref<void(int64_t label, llvm::ArrayRef<float> reference,
                              llvm::ArrayRef<float> outputs)>
          visit) const;
};
/// Whether the largest logit is that of the label.
bool isRight(llvm::ArrayRef<float> logits, int64_t label);
/// The output whose last axis the labels choose from. Errors: labels that fit
/// no output, or are no class of it.
llvm::Expected<LabelledRows> getLabelledRows(const QualitySample &sample);

/// Calls `visit` with the float outputs of both models. An error when there is
/// none, or when they differ in shape.
llvm::Error
forEachFloatOutput(const QualitySample &sample,
                   llvm::function_ref<void(size_t output, const NpyArray &array,
                                           llvm::ArrayRef<float> reference,
                                           llvm::ArrayRef<float> values)>
                       visit);

/// Log of the sum of exponentials of a row: log-softmax is x - this.
double getLogSum(llvm::ArrayRef<float> row);

//===----------------------------------------------------------------------===//
// Registry
//===----------------------------------------------------------------------===//

void registerQualityMeasure(std::unique_ptr<QualityMeasure> measure);
/// Registers the measures of this library; may be called repeatedly.
void registerAllQualityMeasures();
/// The error for an unknown name lists the known ones.
llvm::Expected<const QualityMeasure *>
lookupQualityMeasure(llvm::StringRef name);
/// Sorted by name.
std::vector<const QualityMeasure *> getQualityMeasures();

std::unique_ptr<QualityMeasure> createAccuracyMeasure();
std::unique_ptr<QualityMeasure> createAgreementMeasure();
std::unique_ptr<QualityMeasure> createAUCMeasure();
std::unique_ptr<QualityMeasure> createCosineMeasure();
std::unique_ptr<QualityMeasure> createDivergenceMeasure();
std::unique_ptr<QualityMeasure> createOutputErrorMeasure();
std::unique_ptr<QualityMeasure> createPerplexityMeasure();
std::unique_ptr<QualityMeasure> createPSNRMeasure();
std::unique_ptr<QualityMeasure> createWorstClassMeasure();

} // namespace compress

#endif // COMPRESS_QUALITY_QUALITY_H
