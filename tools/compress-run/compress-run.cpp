//===- compress-run.cpp - Runs a compiled model -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Batches.h"
#include "Compare.h"
#include "CompiledONNX.h"
#include "LoadedModel.h"
#include "compress/Support/Format.h"
#include "compress/Support/TextTable.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/WithColor.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <sys/resource.h>

using namespace compress;
using namespace llvm;

static constexpr char overview[] =
    R"(compress-run - run a compiled model, compare it, time it

  The model is a directory written by compress-compile, or its model.so; an
  .onnx file is first compiled as it is, without compression. Input
  arrays are keyed by the model's input names; without --input, the tool prints
  what the model expects. Axis 0 of each array may hold many samples when the
  model's batch dimension is 1 (one run per sample) or dynamic (runs of --batch
  samples); results are joined along axis 0.

EXAMPLES
  What does the model expect?
      compress-run out
  What does an ONNX file compute?
      compress-run model.onnx --input samples.npz --output results.npz
  Run it on samples and keep the results:
      compress-run out --input samples.npz --output results.npz
  Is it as exact as the original?
      compress-run out --input samples.npz --reference expected.npz --rtol 1e-4 --atol 1e-5
  How fast is it on one core, for a script?
      compress-run out --input samples.npz --repeat 200 --threads 1 --json

ENVIRONMENT
  OMP_NUM_THREADS, OMP_PROC_BIND ...   threads, as OpenMP defines them;
                                       --threads wins
  COMPRESS_DISABLE_CPU_FEATURES        LLVM features that the processor is taken
                                       not to have, such as avx512f,avx512vnni: a
                                       library with code for several processors
                                       picks another one
EXIT CODE
  0: success; 1: an error, or a result beyond the tolerance; the reason is on
  standard error.
)";

namespace {

/// Made in main, after LLVM's own options are gone: one of them is called
/// --threads, too.
struct Options {
  cl::opt<std::string> model{cl::Positional, cl::Required,
                             cl::desc("<directory, model.so or model.onnx>")};
  cl::opt<std::string> input{
      "input", cl::desc("Input arrays (.npz; .npy if the model has one input)"),
      cl::value_desc("file")};
  cl::opt<std::string> output{"output", cl::desc("Write the outputs (.npz)"),
                              cl::value_desc("file")};
  cl::opt<std::string> reference{
      "reference",
      cl::desc("Compare the outputs with these arrays (.npz), keyed by output "
               "name"),
      cl::value_desc("file")};
  cl::opt<double> rtol{"rtol", cl::desc("Relative tolerance (default 1e-4)"),
                       cl::init(1e-4)};
  cl::opt<double> atol{"atol", cl::desc("Absolute tolerance (default 1e-5)"),
                       cl::init(1e-5)};
  cl::opt<int> repeat{"repeat",
                      cl::desc("Time this many runs, after a warm-up"),
                      cl::value_desc("n"), cl::init(0)};
  cl::opt<int> threads{"threads", cl::desc("Threads; 0: all cores (default)"),
                       cl::value_desc("n"), cl::init(0)};
  cl::opt<int64_t> batch{
      "batch",
      cl::desc("Samples per run of a model with a dynamic batch; 0: all at "
               "once. Timed runs use the first batch. (default 32)"),
      cl::value_desc("n"), cl::init(32)};
  cl::opt<bool> noVerify{
      "no-verify",
      cl::desc("Do not read the whole weight file to check its hash")};
  cl::opt<bool> json{"json", cl::desc("Print the results as JSON")};
  cl::OptionCategory category{"compress-run options"};

  Options() {
    for (cl::Option *option :
         {static_cast<cl::Option *>(&input), static_cast<cl::Option *>(&output),
          static_cast<cl::Option *>(&reference),
          static_cast<cl::Option *>(&rtol), static_cast<cl::Option *>(&atol),
          static_cast<cl::Option *>(&repeat),
          static_cast<cl::Option *>(&threads),
          static_cast<cl::Option *>(&batch),
          static_cast<cl::Option *>(&noVerify),
          static_cast<cl::Option *>(&json)})
      option->addCategory(category);
  }
};
Options *options;

struct Timing {
  double median = 0, min = 0, max = 0; // seconds
  int runs = 0;
};

double seconds(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

/// Warms up until times have settled (caches, thread pool, clock), then times.
Expected<Timing> measure(LoadedModel &model,
                         const std::vector<CompressTensor> &inputs, int count) {
  using Clock = std::chrono::steady_clock;
  auto once = [&]() -> Expected<double> {
    Clock::time_point begin = Clock::now();
    if (Error error = model.run(inputs, nullptr))
      return std::move(error);
    return seconds(Clock::now() - begin);
  };
  Clock::time_point begin = Clock::now();
  for (int i = 0; i < 3 || (i < 50 && seconds(Clock::now() - begin) < 0.3); ++i)
    if (Expected<double> time = once(); !time)
      return time.takeError();
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    Expected<double> time = once();
    if (!time)
      return time.takeError();
    times.push_back(*time);
  }
  std::sort(times.begin(), times.end());
  Timing timing;
  size_t n = times.size();
  timing.median = n % 2 ? times[n / 2] : (times[n / 2 - 1] + times[n / 2]) / 2;
  timing.min = times.front();
  timing.max = times.back();
  timing.runs = count;
  return timing;
}

/// Peak resident memory of this process.
uint64_t peakResident() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

/// The peak before the model was loaded: what the tool itself takes.
uint64_t residentBefore;

Expected<NpzArrays> readInputs(const CompressModelInfo &info) {
  if (!StringRef(options->input).ends_with(".npy"))
    return readNpz(options->input);
  if (info.num_inputs != 1)
    return createStringError(
        "'" + options->input + "' is one array, the model has " +
        Twine(info.num_inputs) + " inputs: give an .npz with their names");
  Expected<NpyArray> array = readNpy(options->input);
  if (!array)
    return array.takeError();
  return NpzArrays{{info.inputs[0].name, std::move(*array)}};
}

Expected<std::vector<Comparison>> compareAll(const NpzArrays &outputs) {
  Expected<NpzArrays> reference = readNpz(options->reference);
  if (!reference)
    return reference.takeError();
  std::vector<Comparison> comparisons;
  for (const auto &[name, array] : *reference) {
    const NpyArray *output = lookup(outputs, name);
    if (!output)
      return createStringError("the reference has an array '" + name +
                               "', the model has no such output");
    Expected<Comparison> result =
        compare(name, *output, array, options->rtol, options->atol);
    if (!result)
      return result.takeError();
    comparisons.push_back(std::move(*result));
  }
  if (comparisons.empty())
    return createStringError("the reference '" + options->reference +
                             "' holds no arrays");
  return comparisons;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

/// JSON has no infinities.
json::Value jsonNumber(double value) {
  if (std::isfinite(value))
    return value;
  return std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
}

struct Report {
  const Batches *batches;
  std::optional<Timing> timing;
  std::vector<Comparison> comparisons;
  uint64_t workspace = 0;
  bool passed = true;
};

void printJson(const LoadedModel &model, const Report &r) {
  json::OStream json(outs(), 2);
  json.object([&] {
    json.attribute("model", json::fixUTF8(model.info().model_name));
    json.attribute("samples", r.batches->samples());
    json.attribute("runs", r.batches->runs());
    json.attribute("weights_bytes",
                   static_cast<int64_t>(model.info().weights_size));
    json.attribute("workspace_bytes", static_cast<int64_t>(r.workspace));
    json.attribute("peak_rss_bytes", static_cast<int64_t>(peakResident()));
    json.attribute("peak_rss_above_tool_bytes",
                   static_cast<int64_t>(peakResident() - residentBefore));
    if (r.timing)
      json.attributeObject("latency_ms", [&] {
        json.attribute("median", r.timing->median * 1e3);
        json.attribute("min", r.timing->min * 1e3);
        json.attribute("max", r.timing->max * 1e3);
        json.attribute("repeat", r.timing->runs);
      });
    if (r.comparisons.empty())
      return;
    json.attribute("rtol", double(options->rtol));
    json.attribute("atol", double(options->atol));
    json.attributeArray("outputs", [&] {
      for (const Comparison &c : r.comparisons)
        json.object([&] {
          json.attribute("name", json::fixUTF8(c.name));
          json.attribute("elements", c.elements);
          json.attribute("beyond_tolerance", c.beyond);
          json.attribute("max_abs_error", jsonNumber(c.maxAbs));
          json.attribute("max_rel_error", jsonNumber(c.maxRel));
        });
    });
    json.attribute("passed", r.passed);
  });
  outs() << '\n';
}

void printText(const LoadedModel &model, const Report &r) {
  outs() << model.info().model_name << ": " << r.batches->samples()
         << (r.batches->samples() == 1 ? " sample in " : " samples in ")
         << r.batches->runs()
         << (r.batches->runs() == 1 ? " run\n" : " runs\n");
  if (r.timing)
    outs() << "latency: median " << formatDuration(r.timing->median) << ", min "
           << formatDuration(r.timing->min) << ", max "
           << formatDuration(r.timing->max) << " (" << r.timing->runs
           << " runs)\n";
  outs() << "memory: weights " << formatBytes(model.info().weights_size)
         << ", workspace " << formatBytes(r.workspace) << ", process peak "
         << formatBytes(peakResident()) << " ("
         << formatBytes(peakResident() - residentBefore)
         << " above the tool itself)\n";
  if (r.comparisons.empty())
    return;
  using Align = TextTable::Align;
  TextTable table({{"output"},
                   {"elements", Align::Right},
                   {"max abs error", Align::Right},
                   {"max rel error", Align::Right},
                   {"beyond tolerance", Align::Right}});
  for (const Comparison &c : r.comparisons)
    table.addRow({c.name, std::to_string(c.elements), number(c.maxAbs),
                  number(c.maxRel), std::to_string(c.beyond)});
  table.print(outs());
}

Error runTool() {
  auto invalid = [](const Twine &text) { return createStringError(text); };
  if (options->repeat < 0 || options->threads < 0 || options->batch < 0 ||
      options->rtol < 0 || options->atol < 0)
    return invalid("--repeat, --threads, --batch, --rtol and --atol cannot be "
                   "negative");
  residentBefore = peakResident();
  std::string path = options->model;
  std::optional<CompiledONNX> compiled;
  if (StringRef(path).ends_with(".onnx")) {
    Expected<CompiledONNX> made = CompiledONNX::create(path);
    if (!made)
      return made.takeError();
    compiled.emplace(std::move(*made));
    path = compiled->getPath();
  }
  Expected<LoadedModel> model =
      LoadedModel::open(path, options->threads, !options->noVerify);
  if (!model)
    return model.takeError();
  if (options->input.empty()) {
    if (!options->output.empty() || !options->reference.empty() ||
        options->repeat)
      return invalid("nothing to run: give --input; the model has\n" +
                     StringRef(model->signature()).rtrim());
    outs() << model->info().model_name << " (" << model->info().producer
           << ")\n"
           << model->signature();
    if (*model->info().cpu_features)
      outs() << "  code for " << model->info().cpu_features << '\n';
    return Error::success();
  }
  Expected<NpzArrays> arrays = readInputs(model->info());
  if (!arrays)
    return arrays.takeError();
  Expected<Batches> batches =
      Batches::create(model->info(), *arrays, options->batch);
  if (!batches)
    return batches.takeError();

  Report report;
  report.batches = &*batches;
  bool keep = !options->output.empty() || !options->reference.empty();
  std::vector<std::vector<NpyArray>> results;
  // Timing needs no pass over all samples unless someone wants the results.
  int64_t runs = keep || !options->repeat ? batches->runs() : 0;
  for (int64_t i = 0; i < runs; ++i) {
    std::vector<NpyArray> outputs;
    if (Error error = model->run(batches->inputs(i), keep ? &outputs : nullptr))
      return error;
    if (keep)
      results.push_back(std::move(outputs));
  }
  if (options->repeat) {
    Expected<Timing> timing =
        measure(*model, batches->inputs(0), options->repeat);
    if (!timing)
      return timing.takeError();
    report.timing = *timing;
  }
  report.workspace = model->peakBytes();
  if (keep) {
    Expected<NpzArrays> outputs = batches->concatenate(results);
    if (!outputs)
      return outputs.takeError();
    if (!options->output.empty())
      if (Error error = writeNpz(options->output, *outputs))
        return error;
    if (!options->reference.empty()) {
      auto comparisons = compareAll(*outputs);
      if (!comparisons)
        return comparisons.takeError();
      report.comparisons = std::move(*comparisons);
    }
  }
  for (const Comparison &c : report.comparisons)
    report.passed &= c.beyond == 0;
  if (options->json)
    printJson(*model, report);
  else
    printText(*model, report);
  for (const Comparison &c : report.comparisons)
    if (c.beyond)
      return invalid("output '" + c.name + "': " + Twine(c.beyond) + " of " +
                     Twine(c.elements) + " elements beyond tolerance (rtol " +
                     number(options->rtol) + ", atol " + number(options->atol) +
                     "); the worst, element " + Twine(c.worst) + ", is " +
                     number(c.worstValue) + ", expected " +
                     number(c.worstReference));
  return Error::success();
}

} // namespace

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  cl::ResetCommandLineParser();
  Options parsed;
  options = &parsed;
  cl::ParseCommandLineOptions(argc, argv, overview);
  if (Error error = runTool()) {
    outs().flush();
    WithColor::error(errs(), "compress-run")
        << toString(std::move(error)) << '\n';
    return 1;
  }
  return 0;
}
