//===- Instances.h - Random problems and brute force ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_UNITTESTS_SEARCH_INSTANCES_H
#define COMPRESS_UNITTESTS_SEARCH_INSTANCES_H

#include "compress/Search/Search.h"
#include <random>

namespace compress {

inline const Search &getSearch(llvm::StringRef name) {
  return *llvm::cantFail(lookupSearch(name));
}

/// Any instance: levels in no order, dominated ones, equal costs. Two costs,
/// bytes (whole) and seconds; `coupled` ones have groups that agree, lists of
/// allowed tuples, which may overlap, and excluded levels.
inline Problem makeRandom(std::mt19937 &engine, bool coupled) {
  auto number = [&](unsigned limit) { return engine() % limit; };
  Problem problem;
  problem.costs = {{"bytes"}, {"seconds"}};
  problem.sites.resize(1 + number(5));
  for (size_t s = 0; s < problem.sites.size(); ++s) {
    SiteChoices &site = problem.sites[s];
    site.site = "w" + std::to_string(s);
    site.choices.resize((coupled ? 2 : 1) + number(4));
    for (size_t c = 0; c < site.choices.size(); ++c)
      site.choices[c] = {"l" + std::to_string(c),
                         double(number(1000)) / 100,
                         {double(1 + number(50)), double(number(900)) * 1e-5},
                         ""};
  }
  if (!coupled)
    return problem;
  size_t count = problem.sites.size();
  for (unsigned i = 0; i < number(3); ++i) {
    Coupling coupling;
    for (unsigned s = 0; s < count; ++s)
      if (number(2))
        coupling.sites.push_back(s);
    if (coupling.sites.empty())
      continue;
    if (number(2))
      for (unsigned t = 0; t < 2 + number(5); ++t) {
        std::vector<unsigned> &tuple = coupling.tuples.emplace_back();
        for (unsigned site : coupling.sites)
          tuple.push_back(number(problem.sites[site].choices.size()));
      }
    problem.couplings.push_back(std::move(coupling));
  }
  for (SiteChoices &site : problem.sites)
    if (number(4) == 0)
      site.choices[number(site.choices.size())].excluded = "test";
  return problem;
}

/// Written apart from `isAllowed`, as the oracle.
inline bool follows(const Problem &problem,
                    const std::vector<unsigned> &choices) {
  auto get = [&](unsigned site) -> const Choice & {
    return problem.sites[site].choices[choices[site]];
  };
  for (unsigned site = 0; site < choices.size(); ++site)
    if (!get(site).excluded.empty())
      return false;
  for (const Coupling &coupling : problem.couplings) {
    bool found = coupling.tuples.empty();
    for (const std::vector<unsigned> &tuple : coupling.tuples) {
      bool equal = true;
      for (size_t i = 0; i < tuple.size(); ++i)
        equal &= tuple[i] == choices[coupling.sites[i]];
      found |= equal;
    }
    if (coupling.tuples.empty())
      for (unsigned site : coupling.sites)
        found &= get(site).level == get(coupling.sites[0]).level;
    if (!found)
      return false;
  }
  return true;
}

/// Everything that is allowed, within the limits or not.
inline std::vector<Assignment> enumerateAll(const Problem &problem) {
  std::vector<Assignment> all;
  std::vector<unsigned> choices(problem.sites.size(), 0);
  while (true) {
    if (follows(problem, choices))
      all.push_back(makeAssignment(problem, choices));
    size_t s = 0;
    for (; s < choices.size(); ++s) {
      if (++choices[s] < problem.sites[s].choices.size())
        break;
      choices[s] = 0;
    }
    if (s == choices.size())
      return all;
  }
}

/// The least objective within the limits; nothing if there is none.
inline std::optional<double> getBest(const Problem &problem,
                                     const std::vector<Assignment> &all) {
  std::optional<double> best;
  for (const Assignment &candidate : all)
    if (meetsLimits(problem, candidate) &&
        (!best || candidate.get(problem.objective) < *best))
      best = candidate.get(problem.objective);
  return best;
}

/// As many sites and levels as wanted: error falls and costs rise from level to
/// level, with noise, as they do for real layers.
inline Problem makeLarge(std::mt19937 &engine, unsigned sites,
                         unsigned levels) {
  std::uniform_real_distribution<double> unit;
  Problem problem;
  problem.costs = {{"bytes"}, {"seconds"}};
  for (unsigned s = 0; s < sites; ++s) {
    SiteChoices &site = problem.sites.emplace_back();
    site.site = "w" + std::to_string(s);
    double size = std::exp(8 + 6 * unit(engine)),
           weight = std::exp(3 * unit(engine));
    for (unsigned c = 0; c < levels; ++c) {
      double bits = 1 + 31.0 * c / std::max(1u, levels - 1);
      site.choices.push_back(
          {"l" + std::to_string(c),
           weight * std::exp(-0.7 * bits) * (0.5 + unit(engine)),
           {std::floor(size * bits / 8 * (0.9 + 0.2 * unit(engine))),
            size * 1e-9 * (1 + 0.1 * bits) * (0.5 + unit(engine))},
           ""});
    }
  }
  return problem;
}

} // namespace compress

#endif // COMPRESS_UNITTESTS_SEARCH_INSTANCES_H
