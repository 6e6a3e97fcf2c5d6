//===- PlanRequest.cpp - What the options ask for ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChoosePlan.h"
#include "compress/Support/Format.h"
#include "llvm/ADT/StringExtras.h"
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

double LatencyLimit::getSeconds(double whole) const {
  return isFraction ? value * whole : value;
}

llvm::Error compress::atOption(StringRef option, llvm::Error error) {
  return llvm::createStringError(option + ": " +
                                 llvm::toString(std::move(error)));
}

llvm::Expected<PlanRequest> PlanRequest::parse(const CompilerOptions &options) {
  PlanRequest request;
  request.maxSize = options.maxSize;
  request.maxDrop = options.maxDrop;
  request.maxLatency = options.maxLatency;
  request.frontier = options.frontier;
  request.same = options.same;
  request.sameSiblings = options.sameSiblings;
  request.numBaselines = options.numBaselines;
  request.seed = options.seed;
  request.refine = options.refine;
  request.layerErrors = options.layerErrors;
  request.weighLevels = options.weighLevels;
  bool searches = options.maxSize || options.maxDrop || options.maxLatency;
  if (!options.level.empty() + !options.plan.empty() + searches > 1)
    return llvm::createStringError("give one of --level, --plan and a limit "
                                   "(--max-size, --max-drop, --max-latency)");
  if (!searches && (!options.levels.empty() || !options.search.empty() ||
                    !options.rules.empty() || !options.same.empty() ||
                    options.sameSiblings || !options.frontier.empty()))
    return llvm::createStringError(
        StringRef(!options.levels.empty()   ? "--levels"
                  : !options.search.empty() ? "--search"
                  : !options.rules.empty()  ? "--site"
                  : !options.same.empty()   ? "--same"
                  : options.sameSiblings    ? "--same-siblings"
                                            : "--frontier") +
        ": a search needs a limit: give --max-size, --max-drop or "
        "--max-latency");
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
  if (options.maxDrop && options.eval.empty())
    return llvm::createStringError(
        "--max-drop: what the model loses is measured: give --eval");

  if (searches) {
    std::string offered = options.levels;
    if (offered.empty()) {
      offered = (options.maxLatency ? CompilerOptions::defaultFastLevels
                                    : CompilerOptions::defaultLevels)
                    .str();
      // Ranges that are known beforehand make the fastest code.
      if (options.maxLatency && !options.data.empty())
        offered += ",w8a8";
    }
    auto levels = parseLevels(offered);
    if (!levels)
      return atOption("--levels", levels.takeError());
    request.levels = std::move(*levels);
    auto search =
        lookupSearch(options.search.empty()
                         ? StringRef(options.maxLatency
                                         ? CompilerOptions::defaultSearchOfMany
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
