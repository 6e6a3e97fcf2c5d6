//===- Problem.cpp - Problems and their normal form -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/Search.h"
#include "compress/Support/Format.h"
#include "llvm/ADT/IntEqClasses.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/GlobPattern.h"
#include <cmath>

using namespace compress;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

//===----------------------------------------------------------------------===//
// Problem
//===----------------------------------------------------------------------===//

std::optional<Quantity> Problem::lookupCost(StringRef name) const {
  auto it = llvm::find_if(costs, [&](const Cost &c) { return c.name == name; });
  if (it == costs.end())
    return std::nullopt;
  return Quantity(it - costs.begin());
}

StringRef Problem::getName(Quantity quantity) const {
  return quantity < 0 ? StringRef("error") : StringRef(costs[quantity].name);
}

void Problem::setLimit(Quantity quantity, double atMost) {
  removeLimit(quantity);
  limits.push_back({quantity, atMost});
}

void Problem::removeLimit(Quantity quantity) {
  llvm::erase_if(limits,
                 [&](const Limit &l) { return l.quantity == quantity; });
}

std::string Problem::format(Quantity quantity, double value) const {
  StringRef name = getName(quantity);
  if (name == "seconds")
    return formatDuration(value);
  if (name == "flops")
    return formatScaled(value, "FLOPs");
  if (name == "bops")
    return formatScaled(value, "BOPs");
  if (name == "joules")
    return formatScaled(value, "J");
  if (name == "memory")
    return formatBytes(uint64_t(std::max(value, 0.0))) + " of memory";
  char text[64];
  std::snprintf(text, sizeof text,
                value == std::floor(value) && std::fabs(value) < 1e15 ? "%.0f"
                                                                      : "%.4g",
                value);
  return quantity < 0 ? "error " + std::string(text)
                      : text + (" " + name).str();
}

Assignment compress::makeAssignment(const Problem &problem,
                                    std::vector<unsigned> choices) {
  Assignment result;
  result.costs.assign(problem.costs.size(), 0);
  for (auto [site, index] : llvm::zip_equal(problem.sites, choices)) {
    const Choice &choice = site.choices[index];
    result.error += choice.error;
    for (auto [total, cost, kind] :
         llvm::zip_equal(result.costs, choice.costs, problem.costs))
      total = kind.isLargest ? std::max(total, cost) : total + cost;
  }
  result.choices = std::move(choices);
  return result;
}

bool compress::isAllowed(const Problem &problem, ArrayRef<unsigned> choices) {
  for (auto [site, choice] : llvm::zip_equal(problem.sites, choices))
    if (!site.choices[choice].excluded.empty())
      return false;
  auto getLevel = [&](unsigned site) -> StringRef {
    return problem.sites[site].choices[choices[site]].level;
  };
  return llvm::all_of(problem.couplings, [&](const Coupling &coupling) {
    std::vector<unsigned> tuple;
    bool alike = true;
    for (unsigned site : coupling.sites) {
      tuple.push_back(choices[site]);
      alike &= getLevel(site) == getLevel(coupling.sites.front());
    }
    return coupling.tuples.empty() ? alike
                                   : llvm::is_contained(coupling.tuples, tuple);
  });
}

bool compress::isWithin(double total, double limit) {
  return total <= limit + std::fabs(limit) * 1e-12;
}

bool compress::meetsLimits(const Problem &problem,
                           const Assignment &assignment) {
  return llvm::all_of(problem.limits, [&](const Limit &limit) {
    return isWithin(assignment.get(limit.quantity), limit.atMost);
  });
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

llvm::Expected<SiteRule> SiteRule::parse(StringRef text) {
  auto [pattern, list] = text.split('=');
  SiteRule rule;
  if (pattern.consume_back("!"))
    rule.kind = Not;
  rule.pattern = pattern.trim().str();
  // Commas in parentheses belong to a level's options.
  int depth = 0;
  std::string level;
  for (char c : list.str() + ",") {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c != ',' || depth > 0) {
      level += c;
      continue;
    }
    if (StringRef trimmed = StringRef(level).trim(); !trimmed.empty())
      rule.levels.push_back(trimmed.str());
    level.clear();
  }
  if (rule.pattern.empty() || rule.levels.empty())
    return llvm::createStringError("'" + text +
                                   "' is not a rule; write 'conv1*=int8,f32' "
                                   "(only these) or 'head*!=int4-g32' (not)");
  if (auto glob = llvm::GlobPattern::create(rule.pattern); !glob)
    return llvm::createStringError("'" + text +
                                   "': " + llvm::toString(glob.takeError()));
  return rule;
}

llvm::Error Problem::apply(ArrayRef<SiteRule> rules) {
  for (const SiteRule &rule : rules) {
    auto glob = llvm::GlobPattern::create(rule.pattern);
    if (!glob)
      return glob.takeError();
    std::string list = llvm::join(rule.levels, ",");
    std::string reason = (rule.kind == SiteRule::Only ? "only " : "not ") +
                         list + " is allowed for " + rule.pattern;
    bool matched = false;
    for (SiteChoices &site : sites) {
      if (!glob->match(site.site))
        continue;
      matched = true;
      for (Choice &choice : site.choices)
        if (llvm::is_contained(rule.levels, choice.level) !=
                (rule.kind == SiteRule::Only) &&
            choice.excluded.empty())
          choice.excluded = reason;
      if (llvm::none_of(site.choices,
                        [](const Choice &c) { return c.excluded.empty(); }))
        return llvm::createStringError("site '" + site.site + "': " + reason +
                                       ", which leaves it no level");
    }
    if (!matched)
      return llvm::createStringError("no site is named like '" + rule.pattern +
                                     "'");
  }
  return llvm::Error::success();
}

llvm::Error Problem::couple(StringRef pattern) {
  auto glob = llvm::GlobPattern::create(pattern);
  if (!glob)
    return glob.takeError();
  Coupling coupling;
  for (auto [index, site] : llvm::enumerate(sites))
    if (glob->match(site.site))
      coupling.sites.push_back(index);
  if (coupling.sites.size() < 2)
    return llvm::createStringError(
        (coupling.sites.empty() ? "no site is" : "only one site is") +
        Twine(" named like '") + pattern + "'");
  couplings.push_back(std::move(coupling));
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Normal form
//===----------------------------------------------------------------------===//

namespace {
/// One variable in the making: the sites of a component of the graph of
/// couplings, and what they may choose together.
using Tuple = llvm::SmallVector<unsigned, 1>;

/// Builds the variables of a problem.
class Normalizer {
public:
  explicit Normalizer(const Problem &problem) : problem(problem) {}
  llvm::Expected<NormalForm> run();

private:
  llvm::Error checkNumbers() const;
  /// Whether a choice may be taken at all.
  bool isAllowed(const Choice &choice) const;
  llvm::Expected<std::vector<Tuple>> getTuples(ArrayRef<unsigned> sites,
                                               ArrayRef<unsigned> couplings);
  Option getOption(ArrayRef<unsigned> sites, const Tuple &tuple) const;

  const Problem &problem;
  /// Limits on sums; those on the largest exclude choices.
  std::vector<Limit> sums;
};

constexpr size_t maxTuples = 1 << 20;
} // namespace

/// The combinations that a coupling allows.
static std::vector<Tuple> getAllowed(const Problem &problem,
                                     const Coupling &coupling) {
  std::vector<Tuple> allowed;
  if (!coupling.tuples.empty()) {
    for (const std::vector<unsigned> &tuple : coupling.tuples)
      allowed.emplace_back(tuple.begin(), tuple.end());
    return allowed;
  }
  const SiteChoices &first = problem.sites[coupling.sites.front()];
  for (const Choice &choice : first.choices) {
    Tuple tuple;
    for (unsigned site : coupling.sites) {
      const std::vector<Choice> &choices = problem.sites[site].choices;
      auto it = llvm::find_if(
          choices, [&](const Choice &c) { return c.level == choice.level; });
      if (it == choices.end())
        break;
      tuple.push_back(it - choices.begin());
    }
    if (tuple.size() == coupling.sites.size())
      allowed.push_back(std::move(tuple));
  }
  return allowed;
}

llvm::Error Normalizer::checkNumbers() const {
  auto isQuantity = [&](Quantity quantity) {
    return quantity >= errorQuantity && quantity < int(problem.costs.size());
  };
  auto isLargest = [&](Quantity quantity) {
    return quantity >= 0 && problem.costs[quantity].isLargest;
  };
  if (!isQuantity(problem.objective) || isLargest(problem.objective))
    return llvm::createStringError("the objective is not a sum over sites");
  for (const Limit &limit : problem.limits)
    if (!isQuantity(limit.quantity) || std::isnan(limit.atMost))
      return llvm::createStringError("a limit is not a number");
  for (const SiteChoices &site : problem.sites)
    for (const Choice &choice : site.choices) {
      if (choice.costs.size() != problem.costs.size())
        return llvm::createStringError(
            "site '" + Twine(site.site) + "', level '" + choice.level +
            "': " + Twine(problem.costs.size()) + " costs are expected");
      if (std::isnan(choice.error) ||
          llvm::any_of(choice.costs, [](double c) { return std::isnan(c); }))
        return llvm::createStringError("site '" + Twine(site.site) +
                                       "', level '" + choice.level +
                                       "': a cost is not a number");
    }
  for (const Coupling &coupling : problem.couplings) {
    bool good = !coupling.sites.empty();
    for (unsigned site : coupling.sites)
      good &=
          site < problem.sites.size() && llvm::count(coupling.sites, site) == 1;
    for (const std::vector<unsigned> &tuple : coupling.tuples) {
      good &= tuple.size() == coupling.sites.size();
      for (size_t i = 0; good && i < tuple.size(); ++i)
        good &= tuple[i] < problem.sites[coupling.sites[i]].choices.size();
    }
    if (!good)
      return llvm::createStringError("a coupling does not fit the sites");
  }
  return llvm::Error::success();
}

bool Normalizer::isAllowed(const Choice &choice) const {
  if (!choice.excluded.empty() || std::isinf(choice.error) ||
      llvm::any_of(choice.costs, [](double c) { return std::isinf(c); }))
    return false;
  for (const Limit &limit : problem.limits)
    if (limit.quantity >= 0 && problem.costs[limit.quantity].isLargest &&
        !isWithin(choice.costs[limit.quantity], limit.atMost))
      return false;
  return true;
}

/// Joins what the couplings allow, site by site, keeping what agrees.
llvm::Expected<std::vector<Tuple>>
Normalizer::getTuples(ArrayRef<unsigned> sites, ArrayRef<unsigned> couplings) {
  constexpr unsigned open = ~0u;
  std::vector<Tuple> tuples = {Tuple(sites.size(), open)};
  auto tooMany = [&] {
    return llvm::createStringError(
        "site '" + problem.sites[sites.front()].site + "' is coupled with " +
        Twine(sites.size() - 1) + " others in more than " + Twine(maxTuples) +
        " ways");
  };
  for (unsigned index : couplings) {
    const Coupling &coupling = problem.couplings[index];
    llvm::SmallVector<size_t> positions;
    for (unsigned site : coupling.sites)
      positions.push_back(llvm::find(sites, site) - sites.begin());
    std::vector<Tuple> joined;
    std::vector<Tuple> allowed = getAllowed(problem, coupling);
    llvm::sort(allowed);
    allowed.erase(llvm::unique(allowed), allowed.end());
    llvm::erase_if(allowed, [&](const Tuple &tuple) {
      for (auto [site, choice] : llvm::zip_equal(coupling.sites, tuple))
        if (!isAllowed(problem.sites[site].choices[choice]))
          return true;
      return false;
    });
    for (const Tuple &tuple : tuples)
      for (const Tuple &other : allowed) {
        Tuple both = tuple;
        bool agrees = true;
        for (auto [position, choice] : llvm::zip_equal(positions, other)) {
          agrees &= both[position] == open || both[position] == choice;
          both[position] = choice;
        }
        if (agrees)
          joined.push_back(std::move(both));
        if (joined.size() > maxTuples)
          return tooMany();
      }
    tuples = std::move(joined);
  }
  // What no coupling mentions (a site alone) is free.
  for (auto [position, site] : llvm::enumerate(sites)) {
    if (tuples.empty() || tuples.front()[position] != open)
      continue;
    std::vector<Tuple> extended;
    for (const Tuple &tuple : tuples)
      for (auto [index, choice] :
           llvm::enumerate(problem.sites[site].choices)) {
        if (!isAllowed(choice))
          continue;
        extended.push_back(tuple);
        extended.back()[position] = index;
        if (extended.size() > maxTuples)
          return tooMany();
      }
    tuples = std::move(extended);
  }
  return tuples;
}

Option Normalizer::getOption(ArrayRef<unsigned> sites,
                             const Tuple &tuple) const {
  Option option;
  option.choices = tuple;
  option.uses.assign(sums.size(), 0);
  for (auto [site, index] : llvm::zip_equal(sites, tuple)) {
    const Choice &choice = problem.sites[site].choices[index];
    option.objective += problem.get(choice, problem.objective);
    for (auto [use, limit] : llvm::zip_equal(option.uses, sums))
      use += problem.get(choice, limit.quantity);
  }
  return option;
}

llvm::Expected<NormalForm> Normalizer::run() {
  if (llvm::Error error = checkNumbers())
    return std::move(error);
  NormalForm normal;
  for (const Limit &limit : problem.limits) {
    if (limit.quantity >= 0 && problem.costs[limit.quantity].isLargest)
      continue;
    sums.push_back(limit);
    normal.limits.push_back(limit.atMost);
  }

  llvm::IntEqClasses classes(problem.sites.size());
  for (const Coupling &coupling : problem.couplings)
    for (unsigned site : coupling.sites)
      classes.join(coupling.sites.front(), site);
  classes.compress();
  normal.variables.resize(classes.getNumClasses());
  std::vector<std::vector<unsigned>> couplings(classes.getNumClasses());
  for (unsigned site = 0; site < problem.sites.size(); ++site)
    normal.variables[classes[site]].sites.push_back(site);
  for (auto [index, coupling] : llvm::enumerate(problem.couplings))
    couplings[classes[coupling.sites.front()]].push_back(index);

  for (auto [variable, own] : llvm::zip_equal(normal.variables, couplings)) {
    auto tuples = getTuples(variable.sites, own);
    if (!tuples)
      return tuples.takeError();
    StringRef site = problem.sites[variable.sites.front()].site;
    if (tuples->empty())
      return llvm::createStringError(
          variable.sites.size() == 1
              ? "site '" + site + "' has no level to choose from"
              : "site '" + site + "' and the " +
                    Twine(variable.sites.size() - 1) +
                    " sites that it is coupled with have no levels that agree");

    // Best first; of equals the one that costs less of everything else.
    struct Entry {
      Option option;
      std::vector<double> others;
    };
    std::vector<Entry> entries;
    for (const Tuple &tuple : *tuples) {
      Entry &entry = entries.emplace_back();
      entry.option = getOption(variable.sites, tuple);
      entry.others.assign(1 + problem.costs.size(), 0);
      for (auto [site, index] : llvm::zip_equal(variable.sites, tuple))
        for (Quantity q = errorQuantity; q < int(problem.costs.size()); ++q)
          entry.others[q + 1] +=
              problem.get(problem.sites[site].choices[index], q);
    }
    llvm::sort(entries, [](const Entry &a, const Entry &b) {
      return std::tie(a.option.objective, a.option.uses, a.others,
                      a.option.choices) < std::tie(b.option.objective,
                                                   b.option.uses, b.others,
                                                   b.option.choices);
    });
    for (Entry &entry : entries) {
      bool dominated = llvm::any_of(variable.options, [&](const Option &o) {
        return llvm::all_of(
            llvm::zip_equal(o.uses, entry.option.uses),
            [](auto pair) { return std::get<0>(pair) <= std::get<1>(pair); });
      });
      if (!dominated)
        variable.options.push_back(std::move(entry.option));
    }
  }
  return normal;
}

llvm::Expected<NormalForm> NormalForm::create(const Problem &problem) {
  return Normalizer(problem).run();
}

bool NormalForm::isFeasible(ArrayRef<unsigned> options) const {
  for (auto [k, limit] : llvm::enumerate(limits)) {
    double sum = 0;
    for (auto [variable, option] : llvm::zip_equal(variables, options))
      sum += variable.options[option].uses[k];
    if (!isWithin(sum, limit))
      return false;
  }
  return true;
}

double NormalForm::getObjective(ArrayRef<unsigned> options) const {
  double sum = 0;
  for (auto [variable, option] : llvm::zip_equal(variables, options))
    sum += variable.options[option].objective;
  return sum;
}

Assignment NormalForm::getAssignment(const Problem &problem,
                                     ArrayRef<unsigned> options) const {
  std::vector<unsigned> choices(problem.sites.size(), 0);
  for (auto [variable, option] : llvm::zip_equal(variables, options))
    for (auto [site, choice] :
         llvm::zip_equal(variable.sites, variable.options[option].choices))
      choices[site] = choice;
  return makeAssignment(problem, std::move(choices));
}
