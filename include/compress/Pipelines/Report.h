//===- Report.h - What a compile did ----------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_PIPELINES_REPORT_H
#define COMPRESS_PIPELINES_REPORT_H

#include "compress/Pipelines/Evaluate.h"
#include "compress/Plan/Apply.h"
#include "compress/Search/Work.h"

namespace compress {

/// One plan that was tried beside others: a point of the frontier, or a
/// baseline with the same limits.
struct SearchPoint {
  /// The search that found it, "random" with its seed.
  std::string search;
  /// The limit on all weights and constants that it keeps; 0 without one.
  uint64_t limitBytes = 0;
  /// The limit on the time of a run, of points of a family of speeds.
  std::optional<double> limitSeconds;
  /// Of all weights and constants.
  uint64_t bytes = 0;
  /// Root of the sum of the errors of the sites, which a search minimizes; an
  /// estimate of the output error where sites were weighed by data.
  double predictedError = 0;
  /// What running the model gave; absent without data.
  std::optional<Evaluation> evaluation;
  std::optional<double> seconds;
  /// The one that was compiled.
  bool isChosen = false;
  /// Sites by level, "int8 3, int4-g32 2".
  std::string levels;
  /// The artifact with this plan; empty for baselines.
  std::string planFile;
  /// Totals over the sites of what the search knew the costs of, by the names
  /// of `compress::Cost`.
  std::vector<std::pair<std::string, double>> costs;

  bool isBaseline() const { return search == "uniform" || isRandom(); }
  bool isRandom() const {
    return llvm::StringRef(search).starts_with("random");
  }
  /// The largest relative error of an output.
  std::optional<double> getOutputError() const;
};

/// Spearman's rank correlation of predicted and measured errors; nothing for
/// fewer than three points with both.
std::optional<double> getRankCorrelation(llvm::ArrayRef<SearchPoint> points);

/// Everything that the reports of one compile say. Bytes of weights count all
/// components; what could not be measured is absent, and `notes` says why.
struct Report {
  /// File name of the model, and its size.
  std::string model;
  uint64_t modelBytes = 0;
  /// How the plan came about: "level int8", "plan edited.yaml", ...
  std::string choice;
  std::string target, profile;
  int threads = 0;
  uint64_t seed = 0;

  /// One row for each site.
  std::vector<SiteResult> sites;
  std::vector<ExcludedSite> excluded;
  /// Bytes of all weights and other constants of the model, before and after.
  uint64_t bytesBefore = 0, bytesAfter = 0;

  /// On how many samples of which file statistics were collected.
  std::string calibrationFile;
  int64_t calibrationSamples = 0;

  std::string evaluationFile;
  /// Samples of the calibration file that were kept from calibration and judge
  /// instead.
  std::vector<int64_t> heldOut;
  /// What judges is what calibration has seen.
  bool judgesCalibration = false;
  std::optional<Evaluation> evaluation;
  /// Of a search: the frontier by bytes, each point followed by its baselines.
  std::vector<SearchPoint> points;
  /// Whether the text says why each site has its level; HTML and JSON do.
  bool explains = false;
  /// Of the float and the compressed model on the target.
  std::optional<Latency> latencyBefore, latencyAfter;
  /// What the target predicts for all sites, float and compressed, on one core
  /// What the target predicts for all sites, float and compressed.
  std::optional<std::pair<double, double>> predictedSeconds;
  /// Shapes of the inputs that were timed.
  std::string latencyInputs;
  /// With several shapes, of which the latencies above are the weighted mean.
  struct ShapeLatency {
    std::string shape;
    double weight;
    std::optional<Latency> before, after;
  };
  std::vector<ShapeLatency> shapeLatencies;
  /// Work of all sites in one run, where shapes are known.
  std::optional<SiteWork> workBefore, workAfter;
  /// Memory of one run, see `JITModel::getMemoryBytes`.
  std::optional<uint64_t> memoryBefore, memoryAfter;

  /// Where the artifacts are, and their names and sizes.
  std::string outputDirectory;
  std::vector<std::pair<std::string, uint64_t>> artifacts;
  /// Stage and seconds, in order.
  std::vector<std::pair<std::string, double>> stages;
  /// Sentences for the user.
  std::vector<std::string> notes;

  /// Bytes after / before; 1 for a model without weights.
  double getRatio() const;
  double getSeconds() const;
  /// Stored bits per weight over all sites; 0 without sites.
  double getBits() const;

  /// A table and totals for a terminal.
  void print(llvm::raw_ostream &os) const;
  /// report.json: `sites` (name, op, node, shape, level, bits_per_weight,
  /// bytes_before, bytes_after, error), `totals` (the same sums, ratio,
  /// latency, quality, seconds) and how it was made.
  void writeJSON(llvm::raw_ostream &os) const;
  /// report.html: one self-contained page that is also well-formed XML.
  void writeHTML(llvm::raw_ostream &os) const;
};

/// One line of the comparison between the float and the compressed model, as
/// text; `change` may be empty.
struct ComparisonRow {
  std::string what, before, after, change;
};

/// "12 samples of calib.npz, held out from calibration: 3 9 14".
std::string describeSamples(const Report &report);

/// The comparison that both the text and the HTML report show.
std::vector<ComparisonRow> getComparison(const Report &report);

/// Points of a search as they are shown: random ones that differ by seed only
/// are one row.
struct PointRow {
  /// The first of them.
  const SearchPoint *point;
  unsigned count;
  /// Means, and half the spread of the error.
  std::optional<double> error;
  double spread;
  double predicted;
  uint64_t bytes;
  std::optional<double> drop;
  /// Totals of `getPointCosts`, as text.
  std::vector<std::string> costs;
};
/// The limit that a point keeps; empty without one.
std::string formatLimit(const SearchPoint &point);
/// The costs besides bytes and seconds that points have, by name.
std::vector<std::string> getPointCosts(const Report &report);
std::vector<PointRow> getPointRows(const Report &report);

/// Excluded weights by reason: "12 weights, 1.50 KiB: reason".
std::vector<std::string> summarizeExcluded(const Report &report);

/// "1.25e-04"; "0" for zero.
std::string formatError(double error);

} // namespace compress

#endif // COMPRESS_PIPELINES_REPORT_H
