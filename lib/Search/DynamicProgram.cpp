//===- DynamicProgram.cpp - The search `dp` ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Variables are decided one after the other. After each, what is kept are the
// partial assignments that no other beats in the objective and in all uses, and
// that can still lead to something better than the best known assignment: the
// relaxation of the remaining variables says so (Nemhauser and Ullmann's lists
// with Lagrangian bounds). No number is rounded or bucketed.
//
//===----------------------------------------------------------------------===//

#include "Relaxation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <array>
#include <cmath>
#include <map>

using namespace compress;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

namespace {

constexpr size_t maxLimits = 6;
using Uses = std::array<double, maxLimits>;

/// A partial assignment: the variables so far.
struct State {
  double objective = 0;
  Uses uses{};
  /// The state that it extends, and by which option.
  uint32_t parent = 0, option = 0;
};

/// What is needed to go back.
struct Step {
  uint32_t parent, option;
};

class DynamicProgram {
public:
  DynamicProgram(const NormalForm &normal, size_t maxStates)
      : normal(normal), count(normal.limits.size()), maxStates(maxStates) {}

  /// The options, or nothing when there are none within the limits.
  llvm::Expected<std::optional<std::vector<unsigned>>> run();

private:
  void prepare();
  /// Keeps at most `width` states after each variable, the most promising.
  llvm::Expected<std::optional<std::vector<unsigned>>> pass(size_t width);
  void setCeiling(llvm::ArrayRef<unsigned> options) {
    ceiling = std::min(ceiling, normal.getObjective(options) + slack);
  }
  /// What the state leads to at least.
  double getBound(const State &state, size_t next) const;
  bool canImprove(const State &state, size_t next) const;
  /// Removes states that another one beats.
  void prune(std::vector<State> &states) const;

  const NormalForm &normal;
  size_t count, maxStates;
  Relaxation relaxation;
  /// The best objective known, and a little more for rounding.
  double ceiling = std::numeric_limits<double>::infinity(), slack = 0;
  std::vector<unsigned> order;
  /// Of the variables from a position on: the least use of each limit, and the
  /// least objective at the prices.
  std::vector<Uses> leastUses;
  std::vector<double> leastPriced;
};

class DynamicProgramSearch : public Search {
public:
  StringRef getName() const override { return "dp"; }
  StringRef getSummary() const override {
    return "the best, by dynamic programming";
  }
  bool isExact() const override { return true; }

protected:
  llvm::Expected<std::optional<Assignment>>
  find(const Problem &problem, const NormalForm &normal,
       const SolveOptions &options) const override {
    if (normal.limits.size() > maxLimits)
      return llvm::createStringError("dp: at most " + Twine(maxLimits) +
                                     " limits; ilp takes any number");
    auto found = DynamicProgram(normal, options.maxStates).run();
    if (!found)
      return found.takeError();
    if (!*found)
      return std::nullopt;
    Assignment assignment = normal.getAssignment(problem, **found);
    assignment.bound = assignment.get(problem.objective);
    return assignment;
  }
};

} // namespace

void DynamicProgram::prepare() {
  relaxation = relax(normal);
  relaxation.prices.resize(count, 0);

  // Those whose options differ most at the prices come last: until then there
  // is little to keep.
  auto getPriced = [&](const Option &option) {
    double sum = option.objective;
    for (size_t k = 0; k < count; ++k)
      sum += relaxation.prices[k] * option.uses[k];
    return sum;
  };
  double magnitude = std::fabs(relaxation.bound);
  std::vector<double> priced;
  for (const Variable &variable : normal.variables) {
    double least = std::numeric_limits<double>::infinity();
    for (const Option &option : variable.options)
      least = std::min(least, getPriced(option));
    priced.push_back(least);
    magnitude += std::fabs(least);
  }
  for (size_t k = 0; k < count; ++k)
    magnitude += relaxation.prices[k] * std::fabs(normal.limits[k]);
  slack = magnitude * 1e-12;
  if (relaxation.best)
    setCeiling(*relaxation.best);

  order.resize(normal.variables.size());
  for (unsigned i = 0; i < order.size(); ++i)
    order[i] = i;
  // Clear decisions first: how much the second best costs more.
  std::vector<double> regret;
  for (auto [variable, least] : llvm::zip_equal(normal.variables, priced)) {
    std::vector<double> sums;
    for (const Option &option : variable.options)
      sums.push_back(getPriced(option) - least);
    llvm::sort(sums);
    regret.push_back(sums.size() > 1 ? sums[1]
                                     : std::numeric_limits<double>::infinity());
  }
  llvm::sort(order, [&](unsigned a, unsigned b) {
    return std::tie(regret[b], a) < std::tie(regret[a], b);
  });

  leastUses.assign(order.size() + 1, Uses{});
  leastPriced.assign(order.size() + 1, 0);
  for (size_t i = order.size(); i-- > 0;) {
    leastPriced[i] = leastPriced[i + 1] + priced[order[i]];
    for (size_t k = 0; k < count; ++k) {
      double least = std::numeric_limits<double>::infinity();
      for (const Option &option : normal.variables[order[i]].options)
        least = std::min(least, option.uses[k]);
      leastUses[i][k] = leastUses[i + 1][k] + least;
    }
  }
}

double DynamicProgram::getBound(const State &state, size_t next) const {
  double bound = state.objective + leastPriced[next];
  for (size_t k = 0; k < count; ++k)
    bound += relaxation.prices[k] * (state.uses[k] - normal.limits[k]);
  return bound;
}

bool DynamicProgram::canImprove(const State &state, size_t next) const {
  for (size_t k = 0; k < count; ++k)
    if (!isWithin(state.uses[k] + leastUses[next][k], normal.limits[k]))
      return false;
  return getBound(state, next) <= ceiling;
}

void DynamicProgram::prune(std::vector<State> &states) const {
  llvm::sort(states, [&](const State &a, const State &b) {
    for (size_t k = 0; k < count; ++k)
      if (a.uses[k] != b.uses[k])
        return a.uses[k] < b.uses[k];
    return std::tie(a.objective, a.parent, a.option) <
           std::tie(b.objective, b.parent, b.option);
  });
  size_t kept = 0;
  if (count <= 1) {
    for (const State &state : states)
      if (!kept || state.objective < states[kept - 1].objective)
        states[kept++] = state;
  } else if (count == 2) {
    // The first use does not fall; the staircase holds, by the second use, the
    // least objective up to it.
    std::map<double, double> stairs;
    for (const State &state : states) {
      auto after = stairs.upper_bound(state.uses[1]);
      if (after != stairs.begin() &&
          std::prev(after)->second <= state.objective)
        continue;
      auto it = stairs.insert_or_assign(state.uses[1], state.objective).first;
      for (++it; it != stairs.end() && it->second >= state.objective;)
        it = stairs.erase(it);
      states[kept++] = state;
    }
  } else {
    for (const State &state : states) {
      bool dominated = false;
      for (size_t i = 0; i < kept && !dominated; ++i) {
        dominated = states[i].objective <= state.objective;
        for (size_t k = 1; k < count && dominated; ++k)
          dominated = states[i].uses[k] <= state.uses[k];
      }
      if (!dominated)
        states[kept++] = state;
    }
  }
  states.resize(kept);
}

llvm::Expected<std::optional<std::vector<unsigned>>> DynamicProgram::run() {
  prepare();
  // A narrow pass finds a good assignment in no time, which cuts the lists of
  // the exact one.
  constexpr size_t narrow = 2000;
  auto good = pass(narrow);
  if (!good)
    return good.takeError();
  if (*good)
    setCeiling(**good);
  return pass(std::numeric_limits<size_t>::max());
}

llvm::Expected<std::optional<std::vector<unsigned>>>
DynamicProgram::pass(size_t width) {
  std::vector<State> states(1);
  std::vector<std::vector<Step>> steps;
  size_t remembered = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const std::vector<Option> &options = normal.variables[order[i]].options;
    std::vector<State> next;
    // Long lists are pruned in between, so that memory stays within the limit.
    size_t pruneAt = std::max<size_t>(1 << 16, maxStates / 4);
    for (auto [parent, state] : llvm::enumerate(states))
      for (auto [o, option] : llvm::enumerate(options)) {
        State extended = state;
        extended.objective += option.objective;
        for (size_t k = 0; k < count; ++k)
          extended.uses[k] += option.uses[k];
        extended.parent = parent;
        extended.option = o;
        if (!canImprove(extended, i + 1))
          continue;
        next.push_back(extended);
        if (next.size() >= pruneAt) {
          prune(next);
          pruneAt = std::max(pruneAt, 2 * next.size());
          if (remembered + next.size() > maxStates)
            return llvm::createStringError(
                "dp: more than " + Twine(maxStates) +
                " partial assignments would have to be kept; use ilp, or "
                "lagrange, which is nearly exact");
        }
      }
    prune(next);
    if (next.size() > width) {
      llvm::sort(next, [&](const State &a, const State &b) {
        return std::make_tuple(getBound(a, i + 1), a.objective, a.parent,
                               a.option) < std::make_tuple(getBound(b, i + 1),
                                                           b.objective,
                                                           b.parent, b.option);
      });
      next.resize(width);
    }
    if (next.empty())
      return std::nullopt;
    remembered += next.size();
    std::vector<Step> &step = steps.emplace_back();
    step.reserve(next.size());
    for (const State &state : next)
      step.push_back({state.parent, state.option});
    states = std::move(next);
  }

  // Sorted by use: of equal objectives the first uses least.
  uint32_t at = 0;
  for (uint32_t i = 1; i < states.size(); ++i)
    if (states[i].objective < states[at].objective)
      at = i;
  std::vector<unsigned> chosen(order.size(), 0);
  for (size_t i = order.size(); i-- > 0;) {
    chosen[order[i]] = steps[i][at].option;
    at = steps[i][at].parent;
  }
  return chosen;
}

std::unique_ptr<Search> compress::createDynamicProgramSearch() {
  return std::make_unique<DynamicProgramSearch>();
}
