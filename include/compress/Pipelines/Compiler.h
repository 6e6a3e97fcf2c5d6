//===- Compiler.h - From a model file to artifacts --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What `compress-compile` does, as a library: import, simplify, calibrate,
// plan, apply, export, compile, evaluate, report.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_PIPELINES_COMPILER_H
#define COMPRESS_PIPELINES_COMPILER_H

#include "compress/Pipelines/Report.h"
#include "compress/Search/JobPool.h"
#include "compress/Target/Target.h"

namespace compress {

/// A size in bytes, or relative to the float model.
struct SizeLimit {
  /// "25%", "300000", "64KiB", "1.5MB". An error for anything else, zero and
  /// negative sizes included.
  static llvm::Expected<SizeLimit> parse(llvm::StringRef text);
  uint64_t getBytes(uint64_t whole) const;

  /// As written.
  std::string spelling;
  double value = 0;
  bool isFraction = false;
};

/// A time for one run, or relative to the float model on the same machine.
struct LatencyLimit {
  /// "3ms", "500us", "0.1s"; "50%" of the float model's time, "2x" as fast. An
  /// error for anything else, zero and negative times included.
  static llvm::Expected<LatencyLimit> parse(llvm::StringRef text);
  double getSeconds(double whole) const;

  /// As written.
  std::string spelling;
  double value = 0;
  bool isFraction = false;
};

/// A limit on a cost that is counted, absolute or relative to the float model.
struct CostLimit {
  /// "50%", "300M", "1.5G" (powers of 1000), "2mJ". `unit` may follow the
  /// number, "J" for joules. An error for anything else, zero and negative
  /// amounts included.
  static llvm::Expected<CostLimit> parse(llvm::StringRef text,
                                         llvm::StringRef unit = "");
  double get(double whole) const { return isFraction ? value * whole : value; }

  /// As written.
  std::string spelling;
  double value = 0;
  bool isFraction = false;
};

/// "1%" or "0.01" as 0.01; an error for anything that is not a number of at
/// least 0.
llvm::Expected<double> parseFraction(llvm::StringRef text);

/// The plan is `level`, or the file `plan`, or what `search` finds under
/// `maxSize`, `maxDrop` and `maxLatency`; `int8` everywhere when all are empty.
struct CompilerOptions {
  /// ONNX file, and the folder for the results.
  std::string model, output;
  /// Samples for calibration and for evaluation; may be empty.
  std::string data, eval;

  std::string level, plan;
  /// Limit on the bytes of all weights and constants.
  std::optional<SizeLimit> maxSize;
  /// Limit on `Evaluation::getDrop`; needs `eval`.
  std::optional<double> maxDrop;
  /// Limit on the median time of one run.
  std::optional<LatencyLimit> maxLatency;
  /// Limit on the stored bits per weight over all sites, all components
  /// counted.
  std::optional<double> maxBits;
  /// Limits on the work of the sites in one run, see `SiteWork`.
  std::optional<CostLimit> maxFlops, maxBops, maxEnergy;
  /// Limit on the memory of a run: weights, what is prepared from them at load
  /// time, and the most that is allocated at one time.
  std::optional<SizeLimit> maxMemory;
  /// Limit on the predicted relative output error.
  std::optional<double> maxError;
  /// What is made least, within the limits: "error" (default), or "bytes",
  /// "latency", "flops", "bops", "energy" with `maxDrop` or `maxError`.
  /// Default with `maxDrop`: "bytes".
  std::string minimize;
  /// Name of a `QualityMeasure` for `maxDrop`, `refine` and reports; empty:
  /// accuracy, perplexity with labels per token, the relative output error
  /// without labels.
  std::string quality;
  /// Shell command that gets a folder with a compiled model and prints a number
  /// on its last line, more being better; instead of `quality`. Each run may
  /// take `qualityTimeout` seconds.
  std::string qualityCommand;
  double qualityTimeout = 3600;
  /// Share of `data` that is kept from calibration and used in place of `eval`.
  double holdout = 0;
  /// File for `EnergyModel::load`; empty: its defaults.
  std::string energyModel;
  /// Sizes of dynamic dimensions ("batch=1,seq=128") for times, work and
  /// memory; others are those of the first sample, or 1.
  std::string shape;
  /// Several such shapes, each with a weight ("seq=1:0.9", "seq=128:0.1"), such
  /// as those of prefill and decode: times and work are weighted means.
  std::vector<std::string> timeAt;
  /// More limits on the bytes, to report what they would give.
  std::vector<SizeLimit> frontier;
  /// The same for the time of a run. Each plan that is found for one of these
  /// is timed until it keeps it.
  std::vector<LatencyLimit> frontierLatency;
  /// Generations of refinement by running candidates on `data`; 0: none.
  unsigned refine = 0;
  /// Take errors of layers as they are, instead of weighing them by what each
  /// site does to the outputs on `data`.
  bool layerErrors = false;
  /// Weigh each level of a site by itself: one run for each, but the errors of
  /// sparse and low-rank weights do not act like rounding.
  bool weighLevels = false;
  /// Shift biases so that the means of layers' outputs on `data` are those of
  /// the float model.
  bool correctBias = false;
  /// Run the compressed model on `data` and give each channel of its layers'
  /// outputs the mean and the variance that it has in the float model.
  bool reestimate = false;
  /// In mixtures of experts, a token goes to further experts only if their
  /// probability is at least this share of that of the first.
  double expertThreshold = 0;
  /// Say in the text why each site has its level.
  bool explain = false;
  /// What sites may choose, as `SiteRule::parse` reads it.
  std::vector<std::string> rules;
  /// Globs; the sites that match one of them take the same level.
  std::vector<std::string> same;
  /// Siblings (`findSiblings`) take the same level.
  bool sameSiblings = false;
  /// Plans to run beside each found one: uniform, then random ones.
  unsigned numBaselines = 4;
  /// Run the frontier with decoded weights as inputs of one compiled model,
  /// instead of compiling each point: much faster, but without times.
  bool stitchFrontier = false;
  /// What the search chooses from, separated by commas.
  std::string levels;
  std::string search;
  /// Folder where encoded weights and measured times are kept between runs;
  /// empty: nowhere.
  std::string cache;
  /// Keeps them in OUTPUT.cache until the compile succeeds, so that the same
  /// command goes on where a killed one stopped.
  bool resume = false;

  std::string target = "cpu";
  /// What the library is to run on: code for each, in one file.
  std::vector<TargetOptions> machines{TargetOptions()};
  /// Who runs model.onnx.
  std::string profile = "onnxruntime";
  /// Threads for runs and for the compiler; 0: all cores.
  int threads = 0;
  uint64_t seed = 0;
  /// Choose and encode, but compile and write nothing.
  bool dryRun = false;
  /// Whether to compile the float model too, to compare with it.
  bool compare = true;
  /// Whether to say in the notes what the target left to the reference way.
  bool remarks = false;
  /// What else to write: `mlir-after=STAGE` with import, simplify, plan, onnx
  /// or a pass of the compile pipeline; `llvm`.
  std::vector<std::string> emit;

  static constexpr llvm::StringLiteral defaultLevel = "int8";
  static constexpr llvm::StringLiteral defaultLevels = "f32,int8,int4-g32";
  /// With a limit on the time; with data, also `w8a8`.
  static constexpr llvm::StringLiteral defaultFastLevels =
      "f32,int8,int8-dynamic,int4-g32,int4-g32-dynamic";
  /// With one limit, and with several.
  static constexpr llvm::StringLiteral defaultSearch = "dp";
  static constexpr llvm::StringLiteral defaultSearchOfMany = "ilp";
};

/// Compiles a model. On success all files are in `options.output`: model.so,
/// model.h, model.safetensors, model.onnx, plan.yaml, report.json and
/// report.html; on failure nothing has changed there. The error is one line
/// that names the file (or option), the node where there is one, and the
/// reason. Progress bars go to stderr when that is a terminal.
///
/// The same inputs give the same bytes in model.safetensors, model.onnx and
/// plan.yaml, for any number of threads.
///
/// The context must know the dialects of `registerAllDialects`; its diagnostics
/// are captured meanwhile.
///
/// With several processes in `pool` each calls this function. The table of
/// levels is filled by all; then the first does the rest alone, with the same
/// result as without the others, for whom the report is empty.
llvm::Expected<Report> compileModel(const CompilerOptions &options,
                                    mlir::MLIRContext &context,
                                    JobPool *pool = nullptr);

} // namespace compress

#endif // COMPRESS_PIPELINES_COMPILER_H
