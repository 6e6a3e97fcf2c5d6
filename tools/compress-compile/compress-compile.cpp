//===- compress-compile.cpp - The compiler driver ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Processes.h"
#include "compress/InitAll.h"
#include "compress/Pipelines/Compiler.h"
#include "compress/Quality/Quality.h"
#include "compress/Search/Search.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/WithColor.h"

using namespace compress;
using namespace llvm;

static constexpr char intro[] =
    R"(compress-compile - compress a neural network and compile it

  Reads an ONNX model, gives each weight a level (how it is stored), and writes
  a native library, the compressed ONNX model and a report.

EXAMPLES
  8-bit weights, checked on labelled data:
      compress-compile model.onnx -o out --data calib.npz --eval test.npz --level int8
  At most a quarter of the size, with the best level for each layer:
      compress-compile model.onnx -o out --data calib.npz --max-size 25%
  As small as possible at a loss of at most one point of accuracy:
      compress-compile model.onnx -o out --data calib.npz --eval test.npz --max-drop 1%
      --levels f32,int8,int4-g32
  The same, its table of levels filled by four processes:
      mpirun -n 4 --bind-to none compress-compile model.onnx -o out --data calib.npz --max-size 25%
  Edit the plan by hand and apply it:
      compress-compile model.onnx -o out2 --plan out/plan.yaml
  One library for AVX2 and for AVX512 processors:
      compress-compile model.onnx -o out --target-cpu x86-64-v3,x86-64-v4
  No compression, only compile:
      compress-compile model.onnx -o out --level f32
  Look at the IR on its way:
      compress-compile model.onnx -o out --level int8 --emit mlir-after=plan,llvm

OUTPUT
  model.so, model.h     library and its C interface (compress-run runs it, too)
  model.safetensors     weights, mapped when the library loads them
  model.onnx            the compressed model for other ONNX runtimes
  plan.yaml             the level of each weight (plan-1.yaml ...: of other
                        points of a frontier, to apply with --plan)
  report.html, .json    sizes, errors, quality, latency
  Files appear together at the end; after an error nothing has changed. Equal
  inputs give equal bytes (reports, which hold times, aside).

DATA
  An .npz with an array for each input of the model, an .npy for a model with one
  input, or a folder of ONNX test data (input_0.pb ...). Axis 0 counts samples
  where the model's batch is 1 or dynamic. --eval also takes an integer array
  'labels' shaped like an output without its last axis: one class per sample
  (gives accuracy) or per token (gives perplexity).
)";

static constexpr char outro[] = R"(
ENVIRONMENT
  OMP_NUM_THREADS, OMP_PROC_BIND ...   threads of runs, as OpenMP defines them;
                                       --threads wins
EXIT CODE
  0: success; 1: an error, which is one line on standard error.
)";

namespace {

/// Made in main, after LLVM's own options are gone.
struct Options {
  cl::OptionCategory category{"compress-compile options"};
  cl::opt<std::string> model{cl::Positional, cl::Required,
                             cl::desc("<model.onnx>")};
  cl::opt<std::string> output{"o",
                              cl::desc("Folder for the results (required)"),
                              cl::value_desc("folder"), cl::cat(category)};
  cl::opt<std::string> data{
      "data",
      cl::desc("Calibration samples: improve most levels, needed by "
               "some"),
      cl::value_desc("file"), cl::cat(category)};
  cl::opt<std::string> eval{"eval",
                            cl::desc("Evaluation samples, maybe with 'labels'"),
                            cl::value_desc("file"), cl::cat(category)};
  cl::opt<std::string> level{
      "level",
      cl::desc("The level of every weight (default int8; f32: no compression)"),
      cl::value_desc("name"), cl::cat(category)};
  cl::opt<std::string> plan{"plan", cl::desc("A plan.yaml to apply"),
                            cl::value_desc("file"), cl::cat(category)};
  cl::opt<std::string> maxSize{
      "max-size",
      cl::desc("Search: at most this size of all weights and constants, such "
               "as 25% (of the float model), 300000 (bytes), 1.5MB, 64KiB"),
      cl::value_desc("size"), cl::cat(category)};
  cl::opt<std::string> maxDrop{
      "max-drop",
      cl::desc("Search: the smallest plan that loses at most this on --eval: "
               "points of accuracy, relative rise of perplexity with labels "
               "per token, relative output error without labels"),
      cl::value_desc("1%"), cl::cat(category)};
  cl::opt<std::string> maxLatency{
      "max-latency",
      cl::desc("Search: at most this median time of one run on this machine, "
               "such as 3ms, 50% (of the float model's time), 2x (as fast)"),
      cl::value_desc("time"), cl::cat(category)};
  cl::opt<std::string> maxBits{
      "max-bits",
      cl::desc("Search: at most so many stored bits per weight on average over "
               "all sites, such as 4.5; scales and metadata count"),
      cl::value_desc("bits"), cl::cat(category)};
  cl::opt<std::string> maxFlops{
      "max-flops",
      cl::desc("Search: at most so many floating-point operations of all sites "
               "in one run, such as 50% (of float), 1.5G; zeros and ranks that "
               "are not stored do not count"),
      cl::value_desc("n"), cl::cat(category)};
  cl::opt<std::string> maxBops{
      "max-bops",
      cl::desc("Search: at most so many bit operations: multiply-adds times "
               "the bits of weights and of activations"),
      cl::value_desc("n"), cl::cat(category)};
  cl::opt<std::string> maxEnergy{
      "max-energy",
      cl::desc("Search: at most this energy of one run by --energy-model, such "
               "as 30%, 2mJ"),
      cl::value_desc("joules"), cl::cat(category)};
  cl::opt<std::string> energyModel{
      "energy-model",
      cl::desc("YAML file with picojoules per operation and byte (default: "
               "those of a 45 nm chip, see docs/Search.md)"),
      cl::value_desc("file"), cl::cat(category)};
  cl::opt<std::string> maxMemory{
      "max-memory",
      cl::desc("Search: at most this memory of a run, weights and "
               "intermediate tensors, such as 50%, 8MiB"),
      cl::value_desc("size"), cl::cat(category)};
  cl::opt<std::string> maxError{
      "max-error",
      cl::desc("Search: at most this predicted relative error of the outputs, "
               "such as 2%"),
      cl::value_desc("error"), cl::cat(category)};
  cl::opt<std::string> minimize{
      "minimize",
      cl::desc("Search: what is made least: error (default), or with "
               "--max-drop or --max-error bytes (then the default), latency, "
               "flops, bops, energy"),
      cl::value_desc("what"), cl::cat(category)};
  cl::opt<std::string> quality{
      "quality",
      cl::desc("What --max-drop, --refine and reports judge by, see QUALITY "
               "(default: accuracy, perplexity with labels per token, error "
               "without labels)"),
      cl::value_desc("name"), cl::cat(category)};
  cl::opt<std::string> qualityCommand{
      "quality-command",
      cl::desc("Judge by a shell command: it gets the folder of a compiled "
               "model and prints a number on its last line, more is better; "
               "the drop is that of float minus this"),
      cl::value_desc("command"), cl::cat(category)};
  cl::opt<double> qualityTimeout{
      "quality-timeout",
      cl::desc("Seconds that one run of --quality-command may take (default "
               "3600)"),
      cl::value_desc("s"), cl::init(3600), cl::cat(category)};
  cl::opt<std::string> holdout{
      "holdout",
      cl::desc("Keep this share of --data from calibration and use it as "
               "--eval, such as 20%"),
      cl::value_desc("share"), cl::cat(category)};
  cl::opt<std::string> shape{
      "shape",
      cl::desc("Sizes of dynamic dimensions for times, operations and memory, "
               "such as batch=1,seq=128 (default: those of the first sample)"),
      cl::value_desc("name=n,..."), cl::cat(category)};
  cl::list<std::string> timeAt{
      "time-at",
      cl::desc("A shape and how much it counts, such as seq=1:0.9 for decode "
               "and seq=128:0.1 for prefill: times and operations are weighted "
               "means; may be repeated"),
      cl::value_desc("shape:weight"), cl::cat(category)};
  cl::list<std::string> frontier{
      "frontier",
      cl::desc("Search: also solve, run and report these sizes, such as "
               "10%,15%,30%"),
      cl::CommaSeparated, cl::value_desc("sizes"), cl::cat(category)};
  cl::list<std::string> frontierLatency{
      "frontier-latency",
      cl::desc("Search: also find plans that keep these times, such as "
               "1.5x,2x,3x, time and report them; plan-1.yaml and so on are "
               "the plans"),
      cl::CommaSeparated, cl::value_desc("times"), cl::cat(category)};
  cl::opt<unsigned> refine{
      "refine",
      cl::desc("Search: so many generations of an evolutionary search, which "
               "runs candidates on --data (default 0)"),
      cl::value_desc("n"), cl::init(0), cl::cat(category)};
  cl::opt<bool> layerErrors{
      "layer-errors",
      cl::desc(
          "Search: take the errors of layers as they are; with --data they "
          "are weighed by what each does to the model's outputs"),
      cl::cat(category)};
  cl::opt<bool> weighLevels{
      "weigh-levels",
      cl::desc(
          "Search: weigh the error of each level by itself: slower, better "
          "where sparse or low-rank levels compete with rounding"),
      cl::cat(category)};
  cl::opt<bool> correctBias{
      "correct-bias",
      cl::desc("Shift biases so that the mean of each channel of a compressed "
               "layer's output on --data is that of the float layer"),
      cl::cat(category)};
  cl::opt<bool> reestimate{
      "reestimate",
      cl::desc("Run the compressed model on --data and give each channel of "
               "its layers' outputs the mean and variance of the float model, "
               "by biases, scales of weights and batch normalizations"),
      cl::cat(category)};
  cl::opt<double> expertThreshold{
      "expert-threshold",
      cl::desc("Mixtures of experts: a token goes to further experts only if "
               "their probability is at least this share of that of the first "
               "(0 to 1)"),
      cl::value_desc("SHARE"), cl::init(0), cl::cat(category)};
  cl::opt<bool> explain{"explain",
                        cl::desc("Search: print why each site has its level"),
                        cl::cat(category)};
  cl::list<std::string> rules{
      "site",
      cl::desc("Search: what sites may choose, by name: 'conv1*=int8,f32' only "
               "these levels, 'head*!=int4-g32' not these; may be repeated"),
      cl::value_desc("rule"), cl::cat(category)};
  cl::list<std::string> same{
      "same",
      cl::desc(
          "Search: sites with names like this take the same level, such as "
          "'layer0.attn.[qkv]*'; may be repeated"),
      cl::value_desc("pattern"), cl::cat(category)};
  cl::opt<bool> sameSiblings{
      "same-siblings",
      cl::desc("Search: matrix products of one shape that read the same "
               "activation (query, key, value) take the same level, for "
               "runtimes that merge them"),
      cl::cat(category)};
  cl::opt<unsigned> baselines{
      "baselines",
      cl::desc("Search: plans to run beside each found one: uniform, then "
               "random ones (default 4)"),
      cl::value_desc("n"), cl::init(4), cl::cat(category)};
  cl::opt<bool> stitchFrontier{
      "stitch-frontier",
      cl::desc("Search: run other points than the chosen one with decoded "
               "weights in one compiled float model: fast, no times"),
      cl::cat(category)};
  cl::opt<std::string> levels{
      "levels",
      cl::desc(
          "What the search chooses from (default f32,int8,int4-g32; "
          "with --max-latency also those with -dynamic, and w8a8 if there is "
          "--data)"),
      cl::value_desc("a,b,..."), cl::cat(category)};
  cl::opt<std::string> search{
      "search", cl::desc("How to search (default dp; ilp with --max-latency)"),
      cl::value_desc("name"), cl::cat(category)};
  cl::opt<std::string> cache{
      "cache",
      cl::desc("Folder that keeps encoded weights between runs; they are found "
               "by content, so models and runs may share it"),
      cl::value_desc("folder"), cl::cat(category)};
  cl::opt<bool> resume{
      "resume",
      cl::desc("Keep work in <output>.cache until the end, so that the same "
               "command goes on where a killed one stopped"),
      cl::cat(category)};
  cl::opt<std::string> target{
      "target", cl::desc("What the library runs on (default cpu)"),
      cl::value_desc("name"), cl::init("cpu"), cl::cat(category)};
  cl::opt<bool> targets{
      "targets",
      cl::desc("List the targets, with what keeps this machine from running "
               "their code, and stop"),
      cl::cb<void, bool>([](bool) {
        for (const Target *target : TargetRegistry::get().getTargets()) {
          Error error = target->checkDevice();
          outs() << target->getName() << ": "
                 << (error ? toString(std::move(error)) : "runs here") << "\n";
        }
        outs().flush();
        std::exit(0);
      }),
      cl::cat(category)};
  cl::opt<std::string> cpu{
      "target-cpu",
      cl::desc("LLVM's name of the processor (default: this machine's); for "
               "several, separated by commas, the library holds code for each "
               "and picks when it is loaded"),
      cl::value_desc("name,..."), cl::cat(category)};
  cl::opt<std::string> triple{
      "target-triple",
      cl::desc("LLVM's name of the platform, such as aarch64-linux-gnu "
               "(default: this machine's)"),
      cl::value_desc("name"), cl::cat(category)};
  cl::opt<std::string> features{
      "target-features",
      cl::desc("LLVM features, such as +avx2,-avx512f (default: this "
               "machine's, or those of --target-cpu)"),
      cl::value_desc("list"), cl::cat(category)};
  cl::opt<std::string> coded{
      "coded",
      cl::desc("When entropy-coded weights are inflated: load (once), block "
               "(in each run, so that memory holds them coded) or auto (in "
               "each run where that takes little of its time, the default)"),
      cl::value_desc("when"), cl::init("auto"), cl::cat(category)};
  cl::opt<std::string> profile{
      "profile",
      cl::desc("Who runs model.onnx: onnxruntime (default) or standard (all "
               "that ONNX defines)"),
      cl::value_desc("name"), cl::init("onnxruntime"), cl::cat(category)};
  cl::opt<int> threads{"threads",
                       cl::desc("Threads for the compiler and for runs; 0: all "
                                "cores (default)"),
                       cl::value_desc("n"), cl::init(0), cl::cat(category)};
  cl::opt<uint64_t> seed{
      "seed", cl::desc("Seed of everything that is sampled (default 0)"),
      cl::value_desc("n"), cl::init(0), cl::cat(category)};
  cl::opt<bool> dryRun{
      "dry-run",
      cl::desc("Choose levels and encode, print what came of it, and stop: no "
               "library is made, nothing is written"),
      cl::cat(category)};
  cl::opt<bool> noCompare{
      "no-compare",
      cl::desc("Do not compile the float model for comparison: saves time"),
      cl::cat(category)};
  cl::opt<bool> remarks{
      "remarks",
      cl::desc("Note what the target leaves to the slow reference way"),
      cl::cat(category)};
  cl::list<std::string> emit{
      "emit",
      cl::desc("Also write IR: mlir-after=STAGE with import, simplify, plan, "
               "onnx or a pass of the compile pipeline; llvm"),
      cl::value_desc("what"), cl::cat(category)};
};

} // namespace

/// The overview of --help, with what is registered.
static std::string getOverview() {
  std::string text = intro;
  raw_string_ostream os(text);
  os << "\nLEVELS\n";
  std::string levels;
  raw_string_ostream levelStream(levels);
  printLevelHelp(levelStream);
  SmallVector<StringRef> lines;
  StringRef(levels).rtrim().split(lines, '\n');
  for (StringRef line : lines)
    os << "  " << line << "\n";
  os << "\nTARGETS\n";
  for (const Target *target : TargetRegistry::get().getTargets())
    os << formatv("  {0,-12} {1}\n", target->getName(), target->getSummary());
  os << "\nSEARCHES\n";
  for (const Search *search : getSearches())
    os << formatv("  {0,-12} {1}\n", search->getName(), search->getSummary());
  os << "\nQUALITY\n";
  for (const QualityMeasure *measure : getQualityMeasures())
    os << formatv("  {0,-12} {1}\n", measure->getName(), measure->getSummary());
  os << outro;
  return text;
}

static Expected<CompilerOptions> toCompilerOptions(const Options &parsed) {
  CompilerOptions options;
  options.model = parsed.model;
  options.output = parsed.output;
  options.data = parsed.data;
  options.eval = parsed.eval;
  options.level = parsed.level;
  options.plan = parsed.plan;
  options.levels = parsed.levels;
  options.search = parsed.search;
  options.explain = parsed.explain;
  options.refine = parsed.refine;
  options.layerErrors = parsed.layerErrors;
  options.correctBias = parsed.correctBias;
  options.reestimate = parsed.reestimate;
  options.expertThreshold = parsed.expertThreshold;
  options.weighLevels = parsed.weighLevels;
  for (const std::string &text : parsed.frontier) {
    auto limit = SizeLimit::parse(text);
    if (!limit)
      return createStringError("--frontier: " + toString(limit.takeError()));
    options.frontier.push_back(*limit);
  }
  for (const std::string &text : parsed.frontierLatency) {
    auto limit = LatencyLimit::parse(text);
    if (!limit)
      return createStringError("--frontier-latency: " +
                               toString(limit.takeError()));
    options.frontierLatency.push_back(*limit);
  }
  options.same.assign(parsed.same.begin(), parsed.same.end());
  options.sameSiblings = parsed.sameSiblings;
  options.stitchFrontier = parsed.stitchFrontier;
  options.numBaselines = parsed.baselines;
  options.rules.assign(parsed.rules.begin(), parsed.rules.end());
  options.cache = parsed.cache;
  options.resume = parsed.resume;
  options.target = parsed.target;
  SmallVector<StringRef> cpus;
  StringRef(parsed.cpu).split(cpus, ',');
  options.machines.clear();
  auto coded = parseCodedWeights(parsed.coded);
  if (!coded)
    return createStringError("--coded: load, block or auto, not '" +
                             parsed.coded + "'");
  for (StringRef cpu : cpus) {
    TargetOptions machine{parsed.triple, cpu.trim().str(), parsed.features};
    machine.coded = *coded;
    options.machines.push_back(std::move(machine));
  }
  if (cpus.size() > 1 && llvm::is_contained(cpus, StringRef()))
    return createStringError("--target-cpu: an empty name among several");
  options.profile = parsed.profile;
  options.threads = parsed.threads;
  options.seed = parsed.seed;
  options.dryRun = parsed.dryRun;
  options.compare = !parsed.noCompare;
  options.remarks = parsed.remarks;
  options.emit.assign(parsed.emit.begin(), parsed.emit.end());
  if (options.output.empty())
    return createStringError("-o: give a folder for the results");
  if (options.threads < 0)
    return createStringError("--threads: cannot be negative");
  if (!parsed.maxLatency.empty()) {
    auto limit = LatencyLimit::parse(parsed.maxLatency);
    if (!limit)
      return createStringError("--max-latency: " + toString(limit.takeError()));
    options.maxLatency = *limit;
  }
  if (!parsed.maxSize.empty()) {
    auto limit = SizeLimit::parse(parsed.maxSize);
    if (!limit)
      return createStringError("--max-size: " + toString(limit.takeError()));
    options.maxSize = *limit;
  }
  auto parseInto = [](const cl::opt<std::string> &option, auto &result,
                      auto parse) -> Error {
    if (option.empty())
      return Error::success();
    auto value = parse(option.getValue());
    if (!value)
      return createStringError("--" + option.ArgStr + ": " +
                               toString(value.takeError()));
    result = *value;
    return Error::success();
  };
  auto parseCost = [](StringRef text) { return CostLimit::parse(text); };
  auto parseEnergy = [](StringRef text) { return CostLimit::parse(text, "J"); };
  auto parseBits = [](StringRef text) -> Expected<double> {
    double bits;
    if (text.trim().getAsDouble(bits) || !(bits > 0) || bits > 64)
      return createStringError("'" + text +
                               "' is not a number of bits; write 4.5");
    return bits;
  };
  if (Error error = joinErrors(
          joinErrors(parseInto(parsed.maxBits, options.maxBits, parseBits),
                     parseInto(parsed.maxFlops, options.maxFlops, parseCost)),
          joinErrors(
              joinErrors(
                  parseInto(parsed.maxBops, options.maxBops, parseCost),
                  parseInto(parsed.maxEnergy, options.maxEnergy, parseEnergy)),
              joinErrors(parseInto(parsed.maxMemory, options.maxMemory,
                                   SizeLimit::parse),
                         parseInto(parsed.maxError, options.maxError,
                                   parseFraction)))))
    return std::move(error);
  std::optional<double> holdout;
  if (Error error = parseInto(parsed.holdout, holdout, parseFraction))
    return std::move(error);
  options.holdout = holdout.value_or(0);
  if (options.holdout >= 1)
    return createStringError("--holdout: nothing is left for calibration");
  options.quality = parsed.quality;
  options.qualityCommand = parsed.qualityCommand;
  options.qualityTimeout = parsed.qualityTimeout;
  if (!(options.qualityTimeout > 0))
    return createStringError("--quality-timeout: give a number of seconds");
  options.minimize = parsed.minimize;
  options.energyModel = parsed.energyModel;
  options.shape = parsed.shape;
  options.timeAt.assign(parsed.timeAt.begin(), parsed.timeAt.end());
  if (!parsed.maxDrop.empty()) {
    auto limit = parseFraction(parsed.maxDrop);
    if (!limit)
      return createStringError("--max-drop: " + toString(limit.takeError()));
    options.maxDrop = *limit;
  }
  return options;
}

static int fail(StringRef message) {
  outs().flush();
  WithColor::error(errs(), "compress-compile") << message << '\n';
  return 1;
}

static Expected<Report> compile(const Options &parsed, JobPool &jobs) {
  Expected<CompilerOptions> options = toCompilerOptions(parsed);
  if (!options)
    return options.takeError();
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  compress::registerAllDialects(registry);
  // The context uses the pool, hence outlives it not.
  DefaultThreadPool pool(hardware_concurrency(options->threads));
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  if (options->threads != 1)
    context.setThreadPool(pool);
  return compileModel(*options, context, &jobs);
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  cl::ResetCommandLineParser();
  registerAllTargets();
  Options parsed;
  std::string overview = getOverview(), problems;
  raw_string_ostream problemStream(problems);
  std::string wrong;
  if (!cl::ParseCommandLineOptions(argc, argv, overview, &problemStream)) {
    // The first problem is enough; its line begins with the program's name.
    StringRef line = StringRef(problems).trim().split('\n').first;
    line.consume_front(StringRef(argv[0]));
    line.consume_front("compress-compile");
    line.consume_front(": ");
    wrong = line.rtrim().str() + " (--help tells more)";
  }
  Expected<std::unique_ptr<ProcessGroup>> group = joinProcesses();
  if (!group)
    return fail(toString(group.takeError()));
  JobPool jobs(group->get());
  Expected<Report> report =
      wrong.empty() ? compile(parsed, jobs) : createStringError(wrong);
  // What one process runs into ends all, and is said once.
  std::string message = jobs.finish(report ? "" : toString(report.takeError()));
  if (!jobs.isFirst())
    return message.empty() ? 0 : 1;
  if (!message.empty())
    return fail(message);
  report->print(outs());
  return 0;
}
