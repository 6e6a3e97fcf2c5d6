//===- PlanRequest.cpp - What the options ask for ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChoosePlan.h"
#include "compress/Support/Format.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace compress;

llvm::Expected<SizeLimit> SizeLimit::parse(StringRef text) {
  static const std::pair<StringRef, double> units[] = {
      {"KiB", 1024},        {"MiB", 1024.0 * 1024},
      {"GiB", 1073741824.}, {"kB", 1e3},
      {"KB", 1e3},          {"MB", 1e6},
      {"GB", 1e9},          {"B", 1}};
  SizeLimit limit;
  limit.spelling = text.str();
  StringRef digits = text.trim();
  double factor = 1;
  if (digits.consume_back("%")) {
    limit.isFraction = true;
    factor = 0.01;
  } else {
    for (const auto &[suffix, scale] : units)
      if (digits.consume_back(suffix)) {
        factor = scale;
        break;
      }
  }
  double value;
  if (digits.rtrim().getAsDouble(value) || !std::isfinite(value) ||
      value <= 0 || value * factor > 1e18)
    return llvm::createStringError(
        "'" + text +
        "' is not a size; write 25% (of the float model), "
        "300000 (bytes), 64KiB or 1.5MB");
  limit.value = value * factor;
  return limit;
}

uint64_t SizeLimit::getBytes(uint64_t whole) const {
  return static_cast<uint64_t>(isFraction ? value * whole : value);
}

llvm::Expected<double> compress::parseFraction(StringRef text) {
  StringRef digits = text.trim();
  double factor = digits.consume_back("%") ? 0.01 : 1;
  double value;
  if (digits.rtrim().getAsDouble(value) || !std::isfinite(value) || value < 0)
    return llvm::createStringError("'" + text +
                                   "' is not a share; write 1% or 0.01");
  return value * factor;
}

llvm::Expected<LatencyLimit> LatencyLimit::parse(StringRef text) {
  LatencyLimit limit;
  limit.spelling = text.str();
  StringRef digits = text.trim();
  double factor = 1;
  bool isSpeedup = false;
  if (digits.consume_back("%")) {
    limit.isFraction = true;
    factor = 0.01;
  } else if (digits.consume_back("x")) {
    limit.isFraction = isSpeedup = true;
  } else if (digits.consume_back("us")) {
    factor = 1e-6;
  } else if (digits.consume_back("ms")) {
    factor = 1e-3;
  } else if (!digits.consume_back("s")) {
    digits = "";
  }
  double value;
  if (digits.rtrim().getAsDouble(value) || !std::isfinite(value) || value <= 0)
    return llvm::createStringError(
        "'" + text +
        "' is not a time; write 3ms, 500us, 0.1s, 50% (of the float model's "
        "time) or 2x (as fast as float)");
  limit.value = isSpeedup ? 1 / value : value * factor;
  return limit;
}

llvm::Expected<CostLimit> CostLimit::parse(StringRef text, StringRef unit) {
  static const std::pair<StringRef, double> prefixes[] = {
      {"k", 1e3},  {"M", 1e6},  {"G", 1e9},  {"T", 1e12},
      {"m", 1e-3}, {"u", 1e-6}, {"n", 1e-9}, {"", 1}};
  CostLimit limit;
  limit.spelling = text.str();
  StringRef digits = text.trim();
  double factor = 1;
  if (digits.consume_back("%")) {
    limit.isFraction = true;
    factor = 0.01;
  } else {
    bool hasUnit = !unit.empty() && digits.consume_back(unit);
    for (const auto &[prefix, scale] : prefixes)
      // Parts are of a unit only.
      if ((scale >= 1 || hasUnit) && digits.consume_back(prefix)) {
        factor = scale;
        break;
      }
  }
  double value;
  if (digits.rtrim().getAsDouble(value) || !std::isfinite(value) || value <= 0)
    return llvm::createStringError(
        "'" + text + "' is not an amount; write 50% (of the float model), " +
        (unit == "J" ? "2mJ or 0.5J" : "300M or 1.5G"));
  limit.value = value * factor;
  return limit;
}

double LatencyLimit::getSeconds(double whole) const {
  return isFraction ? value * whole : value;
}

llvm::Error compress::atOption(StringRef option, llvm::Error error) {
  return llvm::createStringError(option + ": " +
                                 llvm::toString(std::move(error)));
}

StringRef PlanRequest::getLimitOption() const {
  return maxSize     ? "--max-size"
         : maxBits   ? "--max-bits"
         : maxFlops  ? "--max-flops"
         : maxBops   ? "--max-bops"
         : maxEnergy ? "--max-energy"
         : maxMemory ? "--max-memory"
         : maxError  ? "--max-error"
                     : "--max-latency";
}

/// What `--minimize` calls the costs of a problem.
static constexpr std::pair<StringLiteral, StringLiteral> objectives[] = {
    {"error", "error"}, {"bytes", "bytes"}, {"latency", "seconds"},
    {"flops", "flops"}, {"bops", "bops"},   {"energy", "joules"}};

llvm::Expected<PlanRequest> PlanRequest::parse(const CompilerOptions &options) {
  PlanRequest request;
  request.maxSize = options.maxSize;
  request.maxDrop = options.maxDrop;
  request.maxLatency = options.maxLatency;
  request.frontier = options.frontier;
  request.frontierLatency = options.frontierLatency;
  request.same = options.same;
  request.sameSiblings = options.sameSiblings;
  request.numBaselines = options.numBaselines;
  request.seed = options.seed;
  request.refine = options.refine;
  request.layerErrors = options.layerErrors;
  request.weighLevels = options.weighLevels;
  request.maxBits = options.maxBits;
  request.maxError = options.maxError;
  request.maxFlops = options.maxFlops;
  request.maxBops = options.maxBops;
  request.maxEnergy = options.maxEnergy;
  request.maxMemory = options.maxMemory;
  bool searches = options.maxSize || options.maxDrop || options.maxLatency ||
                  options.maxBits || options.maxError || options.maxFlops ||
                  options.maxBops || options.maxEnergy || options.maxMemory;
  bool limitsQuality = options.maxDrop || options.maxError;
  StringRef minimize = options.minimize;
  if (minimize.empty())
    minimize = limitsQuality ? "bytes" : "error";
  auto objective = llvm::find_if(
      objectives, [&](const auto &row) { return row.first == minimize; });
  if (objective == std::end(objectives))
    return llvm::createStringError("--minimize: '" + minimize +
                                   "' is none of error, bytes, latency, "
                                   "flops, bops, energy");
  request.objective = objective->second.str();
  if (minimize != "error" && !limitsQuality)
    return llvm::createStringError(
        "--minimize: the plan of least " + minimize +
        " is the worst one without a limit on what it loses: give --max-drop "
        "or --max-error");
  if (minimize == "error" && options.maxDrop)
    return llvm::createStringError(
        "--minimize: with --max-drop a cost is minimized, not the error");
  if (!options.level.empty() + !options.plan.empty() + searches > 1)
    return llvm::createStringError("give one of --level, --plan and a limit "
                                   "(--max-size, --max-drop, --max-latency, "
                                   "...)");
  if (!searches && (!options.levels.empty() || !options.search.empty() ||
                    !options.rules.empty() || !options.same.empty() ||
                    options.sameSiblings || !options.frontier.empty() ||
                    !options.frontierLatency.empty()))
    return llvm::createStringError(
        StringRef(!options.levels.empty()   ? "--levels"
                  : !options.search.empty() ? "--search"
                  : !options.rules.empty()  ? "--site"
                  : !options.same.empty()   ? "--same"
                  : options.sameSiblings    ? "--same-siblings"
                                            : "--frontier") +
        ": a search needs a limit: give --max-size, --max-drop or "
        "--max-latency (--help lists more)");
  if (!(options.expertThreshold >= 0 && options.expertThreshold <= 1))
    return llvm::createStringError("--expert-threshold: a share from 0 to 1");
  if (options.correctBias && options.data.empty())
    return llvm::createStringError(
        "--correct-bias: the means of inputs are learned from --data: give it");
  if (options.reestimate && options.data.empty())
    return llvm::createStringError("--reestimate: statistics are those of "
                                   "runs on --data: give it");
  if (options.refine && (!searches || options.data.empty()))
    return llvm::createStringError(
        "--refine: what a search found is refined by running it: give a limit "
        "and --data");
  if (options.weighLevels &&
      (!searches || options.data.empty() || options.layerErrors))
    return llvm::createStringError(
        "--weigh-levels: errors are weighed for a search by running the model: "
        "give a limit and --data, and not --layer-errors");
  for (const std::string &text : options.rules) {
    auto rule = SiteRule::parse(text);
    if (!rule)
      return atOption("--site", rule.takeError());
    // Levels are compared by the spelling that they are parsed to.
    for (std::string &name : rule->levels) {
      auto level = Level::parse(name);
      if (!level)
        return atOption("--site", level.takeError());
      name = level->getSpelling().str();
    }
    request.rules.push_back(std::move(*rule));
  }
  if (options.maxDrop && options.eval.empty() && options.holdout == 0 &&
      options.qualityCommand.empty())
    return llvm::createStringError(
        "--max-drop: what the model loses is measured: give --eval, or "
        "--holdout of --data");
  if (!options.quality.empty()) {
    auto measure = lookupQualityMeasure(options.quality);
    if (!measure)
      return atOption("--quality", measure.takeError());
    request.quality = *measure;
    if (!options.qualityCommand.empty())
      return llvm::createStringError(
          "--quality: --quality-command measures quality already");
    if (request.quality->needsLabels() && options.eval.empty() &&
        options.holdout == 0)
      return llvm::createStringError(
          "--quality: '" + options.quality +
          "' judges by labels: give --eval, or --holdout of --data");
  }
  if (options.holdout > 0 && (options.data.empty() || !options.eval.empty()))
    return llvm::createStringError(
        "--holdout: splits --data where there is no --eval");

  if (searches) {
    bool isTimed = options.maxLatency || minimize == "latency" ||
                   !options.frontierLatency.empty();
    int numCosts = (options.maxSize || options.maxBits) +
                   options.maxFlops.has_value() + options.maxBops.has_value() +
                   options.maxEnergy.has_value() +
                   options.maxMemory.has_value() + options.maxError.has_value();
    bool hasMany = isTimed || numCosts > 1;
    std::string offered = options.levels;
    if (offered.empty()) {
      offered = (isTimed ? CompilerOptions::defaultFastLevels
                         : CompilerOptions::defaultLevels)
                    .str();
      // Ranges that are known beforehand make the fastest code.
      if (isTimed && !options.data.empty())
        offered += ",w8a8";
    }
    auto levels = parseLevels(offered);
    if (!levels)
      return atOption("--levels", levels.takeError());
    request.levels = std::move(*levels);
    auto search = lookupSearch(
        options.search.empty()
            ? StringRef(hasMany ? CompilerOptions::defaultSearchOfMany
                                : CompilerOptions::defaultSearch)
            : StringRef(options.search));
    if (!search)
      return atOption("--search", search.takeError());
    request.search = *search;
    SmallVector<StringRef> names;
    for (const Level &level : request.levels)
      names.push_back(level.getSpelling());
    request.description = ("search " + request.search->getName() + " over " +
                           llvm::join(names, ", "))
                              .str();
    if (request.refine)
      request.description +=
          ", refined for " + std::to_string(request.refine) + " generations";
    if (request.maxSize)
      request.description += ", at most " + request.maxSize->spelling;
    if (request.maxDrop)
      request.description +=
          ", drop at most " + formatPercent(*request.maxDrop);
    if (request.maxLatency)
      request.description +=
          ", latency at most " + request.maxLatency->spelling;
    if (request.maxBits)
      request.description +=
          llvm::formatv(", at most {0} bits a weight", *request.maxBits).str();
    auto describe = [&](const auto &limit, StringRef what) {
      if (limit)
        request.description +=
            (", " + what + " at most " + limit->spelling).str();
    };
    describe(request.maxFlops, "FLOPs");
    describe(request.maxBops, "BOPs");
    describe(request.maxEnergy, "energy");
    describe(request.maxMemory, "memory");
    if (request.maxError)
      request.description +=
          ", error at most " + formatPercent(*request.maxError);
    if (!options.minimize.empty())
      request.description += ", least " + options.minimize;
  } else if (!options.plan.empty()) {
    auto plan = Plan::load(options.plan);
    if (!plan)
      return plan.takeError();
    request.plan = std::move(*plan);
    request.description = "plan " + options.plan;
  } else {
    auto level = Level::parse(options.level.empty()
                                  ? StringRef(CompilerOptions::defaultLevel)
                                  : StringRef(options.level));
    if (!level)
      return atOption("--level", level.takeError());
    request.level = std::move(*level);
    request.description = ("level " + request.level->getSpelling()).str();
  }
  return request;
}
