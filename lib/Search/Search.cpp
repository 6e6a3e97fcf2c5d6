//===- Search.cpp - Which level for which site ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/Search.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include <cassert>
#include <map>
#include <mutex>

using namespace compress;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

Search::~Search() = default;

/// Solves with the roles of the objective and of one limit exchanged, for the
/// message.
static std::string describeLeast(const Search &search, Problem problem,
                                 Quantity quantity,
                                 const SolveOptions &options) {
  problem.removeLimit(quantity);
  problem.objective = quantity;
  auto least = search.solve(problem, options);
  if (least)
    return problem.format(quantity, least->get(quantity));
  llvm::consumeError(least.takeError());
  return "";
}

/// Every limit can be met alone, but no assignment was found.
static llvm::Error makeJointlyInfeasible(const Search &search,
                                         const Problem &problem,
                                         const SolveOptions &options) {
  std::string asked;
  for (const Limit &limit : problem.limits)
    asked += (asked.empty() ? "" : " and ") +
             problem.format(limit.quantity, limit.atMost);
  if (!search.isExact())
    return llvm::createStringError("'" + search.getName() +
                                   "' finds nothing within " + asked +
                                   "; an exact search (dp, ilp) may");
  std::string message = "infeasible: at most " + asked + " asked for";
  for (const Limit &limit : problem.limits) {
    if (limit.quantity >= 0 && problem.costs[limit.quantity].isLargest)
      continue;
    std::string least = describeLeast(search, problem, limit.quantity, options);
    if (!least.empty())
      message += ", best is " + least + " when the other limits are kept";
  }
  return llvm::createStringError(message);
}

llvm::Expected<Assignment> Search::solve(const Problem &problem,
                                         const SolveOptions &options) const {
  auto normal = NormalForm::create(problem);
  if (!normal)
    return normal.takeError();
  size_t sum = 0;
  for (const Limit &limit : problem.limits) {
    if (limit.quantity >= 0 && problem.costs[limit.quantity].isLargest)
      continue;
    double least = 0;
    for (const Variable &variable : normal->variables) {
      double smallest = std::numeric_limits<double>::infinity();
      for (const Option &option : variable.options)
        smallest = std::min(smallest, option.uses[sum]);
      least += smallest;
    }
    ++sum;
    if (!isWithin(least, limit.atMost))
      return llvm::createStringError(
          "infeasible: at most " +
          problem.format(limit.quantity, limit.atMost) +
          " asked for, best is " + problem.format(limit.quantity, least));
  }
  auto found = find(problem, *normal, options);
  if (!found)
    return found.takeError();
  if (!*found)
    return makeJointlyInfeasible(*this, problem, options);
  assert(meetsLimits(problem, **found) && "a search broke a limit");
  return std::move(**found);
}

llvm::Expected<std::vector<Assignment>>
compress::solveFrontier(const Search &search, const Problem &problem,
                        Quantity quantity, ArrayRef<double> limits,
                        const SolveOptions &options) {
  std::vector<double> sorted(limits.begin(), limits.end());
  llvm::sort(sorted);
  sorted.erase(llvm::unique(sorted), sorted.end());
  std::vector<Assignment> frontier;
  std::string firstError;
  Problem limited = problem;
  for (double limit : sorted) {
    limited.setLimit(quantity, limit);
    auto found = search.solve(limited, options);
    if (!found) {
      std::string message = llvm::toString(found.takeError());
      // Only what is infeasible may be left out.
      if (!StringRef(message).starts_with("infeasible"))
        return llvm::createStringError(message);
      firstError = message;
      continue;
    }
    if (!frontier.empty() &&
        found->get(problem.objective) >= frontier.back().get(problem.objective))
      continue;
    frontier.push_back(std::move(*found));
  }
  if (frontier.empty() && !firstError.empty())
    return llvm::createStringError(firstError);
  return frontier;
}

//===----------------------------------------------------------------------===//
// Registry
//===----------------------------------------------------------------------===//

namespace {
struct Registry {
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<Search>> searches;
};
} // namespace

static Registry &getRegistry() {
  static Registry registry;
  return registry;
}

void compress::registerSearch(std::unique_ptr<Search> search) {
  Registry &registry = getRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  std::string name = search->getName().str();
  registry.searches[name] = std::move(search);
}

void compress::registerAllSearches() {
  static std::once_flag once;
  std::call_once(once, [] {
    registerSearch(createUniformSearch());
    registerSearch(createGreedySearch());
    registerSearch(createRandomSearch());
    registerSearch(createLagrangeSearch());
    registerSearch(createDynamicProgramSearch());
    registerSearch(createIntegerProgramSearch());
  });
}

llvm::Expected<const Search *> compress::lookupSearch(StringRef name) {
  registerAllSearches();
  Registry &registry = getRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  auto it = registry.searches.find(name.str());
  if (it != registry.searches.end())
    return it->second.get();
  llvm::SmallVector<StringRef> known;
  for (const auto &entry : registry.searches)
    known.push_back(entry.first);
  return llvm::createStringError("unknown search '" + name + "'; known are " +
                                 llvm::join(known, ", "));
}

llvm::SmallVector<const Search *> compress::getSearches() {
  registerAllSearches();
  Registry &registry = getRegistry();
  std::lock_guard<std::mutex> lock(registry.mutex);
  llvm::SmallVector<const Search *> searches;
  for (const auto &entry : registry.searches)
    searches.push_back(entry.second.get());
  return searches;
}
