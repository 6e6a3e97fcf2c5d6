//===- ChoosePlan.cpp - From options to a plan ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChoosePlan.h"
#include "compress/Search/LevelTable.h"
#include "compress/Support/Format.h"
#include "compress/Support/ProgressBar.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>
#include <map>
#include <mutex>

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

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

static llvm::Error atOption(StringRef option, llvm::Error error) {
  return llvm::createStringError(option + ": " +
                                 llvm::toString(std::move(error)));
}

llvm::Expected<PlanRequest> PlanRequest::parse(const CompilerOptions &options) {
  PlanRequest request;
  request.maxSize = options.maxSize;
  request.maxDrop = options.maxDrop;
  bool searches = options.maxSize || options.maxDrop;
  if (!options.level.empty() + !options.plan.empty() + searches > 1)
    return llvm::createStringError("give one of --level, --plan and a limit "
                                   "(--max-size, --max-drop)");
  if (!searches && (!options.levels.empty() || !options.search.empty()))
    return llvm::createStringError(
        StringRef(options.levels.empty() ? "--search" : "--levels") +
        ": a search needs a limit: give --max-size or --max-drop");
  if (options.maxDrop && options.eval.empty())
    return llvm::createStringError(
        "--max-drop: what the model loses is measured: give --eval");

  if (searches) {
    auto levels = parseLevels(options.levels.empty()
                                  ? StringRef(CompilerOptions::defaultLevels)
                                  : StringRef(options.levels));
    if (!levels)
      return atOption("--levels", levels.takeError());
    request.levels = std::move(*levels);
    auto search = lookupSearch(options.search.empty()
                                   ? StringRef(CompilerOptions::defaultSearch)
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
    if (request.maxSize)
      request.description += ", at most " + request.maxSize->spelling;
    if (request.maxDrop)
      request.description +=
          ", drop at most " + formatPercent(*request.maxDrop);
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

//===----------------------------------------------------------------------===//
// Search
//===----------------------------------------------------------------------===//

namespace {
/// Finds the smallest plan whose measured drop is acceptable.
class DropSearch {
public:
  DropSearch(const PlanRequest &request, const PlanSubject &subject,
             Problem table)
      : request(request), subject(subject), table(std::move(table)),
        bytes(*this->table.lookupCost("bytes")) {}

  llvm::Expected<Plan> run(std::optional<uint64_t> largest,
                           std::vector<std::string> &notes);

private:
  /// The plan under a budget when its drop is acceptable.
  llvm::Expected<bool> attempt(std::optional<uint64_t> limit);
  llvm::Expected<Assignment> solve(std::optional<uint64_t> limit) {
    table.removeLimit(bytes);
    if (limit)
      table.setLimit(bytes, double(*limit));
    return request.search->solve(table);
  }

  const PlanRequest &request;
  const PlanSubject &subject;
  Problem table;
  Quantity bytes;
  std::map<std::vector<unsigned>, double> measured;
  /// Of the last attempt.
  Assignment last;
  double lastDrop = 0;
};
} // namespace

llvm::Expected<bool> DropSearch::attempt(std::optional<uint64_t> limit) {
  auto assignment = solve(limit);
  if (!assignment)
    return assignment.takeError();
  last = std::move(*assignment);
  auto known = measured.find(last.choices);
  if (known == measured.end()) {
    auto drop = subject.measureDrop(makePlan(subject.sites.sites, table, last));
    if (!drop)
      return drop.takeError();
    known = measured.emplace(last.choices, *drop).first;
  }
  lastDrop = known->second;
  return lastDrop <= *request.maxDrop;
}

llvm::Expected<Plan> DropSearch::run(std::optional<uint64_t> largest,
                                     std::vector<std::string> &notes) {
  constexpr int maxSteps = 8;
  ProgressBar bar("search", maxSteps + 2);
  // The most faithful plan first: if it is not good enough, none is.
  auto good = attempt(largest);
  if (!good)
    return good.takeError();
  if (!*good)
    return llvm::createStringError(
        "--max-drop: the best plan" +
        Twine(largest ? " within --max-size" : "") + " loses " +
        formatPercent(lastDrop) + ", more than " +
        formatPercent(*request.maxDrop) + "; add levels to --levels" +
        (largest ? " or allow a larger size" : ""));
  bar.update(1);
  Assignment best = last;
  double bestDrop = lastDrop;

  uint64_t low = 0;
  for (const SiteChoices &site : table.sites) {
    uint64_t least = UINT64_MAX;
    for (const Choice &choice : site.choices)
      if (choice.excluded.empty())
        least = std::min(least, uint64_t(choice.costs[bytes]));
    low += least;
  }
  // `low` is a budget that is known or taken to be too small.
  for (int step = 0; step < maxSteps + 1 && best.get(bytes) > low; ++step) {
    uint64_t budget = step ? low + (uint64_t(best.get(bytes)) - low) / 2 : low;
    // Not every search reaches the sum of the smallest choices.
    if (auto feasible = solve(budget); !feasible) {
      llvm::consumeError(feasible.takeError());
      low = budget + 1;
      continue;
    }
    auto good = attempt(budget);
    if (!good)
      return good.takeError();
    if (*good && last.get(bytes) < best.get(bytes)) {
      best = last;
      bestDrop = lastDrop;
    } else if (!*good) {
      low = budget + 1;
    } else {
      break;
    }
    bar.update(step + 2, formatBytes(uint64_t(best.get(bytes))));
  }
  notes.push_back("--max-drop: " + std::to_string(measured.size()) +
                  " plans were measured; the chosen one loses " +
                  formatPercent(bestDrop));
  return makePlan(subject.sites.sites, table, best);
}

llvm::Expected<Plan> compress::choosePlan(const PlanRequest &request,
                                          const PlanSubject &subject,
                                          std::vector<std::string> &notes) {
  if (request.level)
    return Plan::uniform(subject.sites.sites, *request.level);
  if (request.plan) {
    if (llvm::Error error = request.plan->verify(subject.sites))
      return std::move(error);
    return *request.plan;
  }

  std::optional<uint64_t> budget;
  if (request.maxSize) {
    uint64_t limit = request.maxSize->getBytes(subject.bytes);
    // What is no site keeps its size.
    uint64_t rest =
        subject.bytes - std::min(subject.bytes, subject.sites.getBytes());
    if (limit < rest)
      return llvm::createStringError(
          "--max-size: " + request.maxSize->spelling + " is " +
          formatBytes(limit) +
          ", but constants that cannot be compressed take " +
          formatBytes(rest));
    budget = limit - rest;
  }

  ProgressBar bar("levels", subject.sites.sites.size() * request.levels.size());
  std::mutex mutex;
  auto table = buildLevelTable(subject.sites.sites, request.levels,
                               subject.database, [&](size_t done, size_t) {
                                 std::lock_guard<std::mutex> lock(mutex);
                                 bar.update(done);
                               });
  bar.finish();
  if (!table)
    return table.takeError();
  if (request.maxDrop)
    return DropSearch(request, subject, std::move(*table)).run(budget, notes);
  table->setLimit(*table->lookupCost("bytes"), double(*budget));
  auto assignment = request.search->solve(*table);
  if (!assignment)
    return atOption("--max-size", assignment.takeError());
  return makePlan(subject.sites.sites, *table, *assignment);
}
