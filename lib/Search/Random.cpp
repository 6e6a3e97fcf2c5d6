//===- Random.cpp - The search `random` -------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/Search.h"
#include "llvm/ADT/STLExtras.h"
#include <random>

using namespace compress;
using llvm::StringRef;

namespace {
/// Variables in random order take a random option of those that leave enough
/// for the rest.
class RandomSearch : public Search {
public:
  StringRef getName() const override { return "random"; }
  StringRef getSummary() const override {
    return "any levels that fit, from --seed: a baseline";
  }

protected:
  llvm::Expected<std::optional<Assignment>>
  find(const Problem &problem, const NormalForm &normal,
       const SolveOptions &options) const override;
};

/// The same number from the same seed with every standard library.
size_t draw(std::mt19937_64 &engine, size_t count) { return engine() % count; }
} // namespace

llvm::Expected<std::optional<Assignment>>
RandomSearch::find(const Problem &problem, const NormalForm &normal,
                   const SolveOptions &options) const {
  std::mt19937_64 engine(options.seed);
  size_t count = normal.variables.size(), limits = normal.limits.size();
  // With several limits, the least of each may be no common choice.
  constexpr int maxAttempts = 200;
  for (int attempt = 0; attempt < maxAttempts; ++attempt) {
    std::vector<unsigned> order(count);
    for (unsigned i = 0; i < count; ++i)
      order[i] = i;
    for (size_t i = count; i > 1; --i)
      std::swap(order[i - 1], order[draw(engine, i)]);

    // What those that come later need at least.
    std::vector<std::vector<double>> rest(count + 1,
                                          std::vector<double>(limits, 0));
    for (size_t i = count; i-- > 0;)
      for (size_t k = 0; k < limits; ++k) {
        double least = std::numeric_limits<double>::infinity();
        for (const Option &option : normal.variables[order[i]].options)
          least = std::min(least, option.uses[k]);
        rest[i][k] = rest[i + 1][k] + least;
      }

    std::vector<double> used(limits, 0);
    std::vector<unsigned> chosen(count, 0);
    bool failed = false;
    for (size_t i = 0; i < count && !failed; ++i) {
      const std::vector<Option> &all = normal.variables[order[i]].options;
      std::vector<unsigned> fitting;
      for (unsigned o = 0; o < all.size(); ++o) {
        bool fits = true;
        for (size_t k = 0; k < limits; ++k)
          fits &= isWithin(used[k] + all[o].uses[k] + rest[i + 1][k],
                           normal.limits[k]);
        if (fits)
          fitting.push_back(o);
      }
      failed = fitting.empty();
      if (failed)
        break;
      unsigned option = fitting[draw(engine, fitting.size())];
      chosen[order[i]] = option;
      for (size_t k = 0; k < limits; ++k)
        used[k] += all[option].uses[k];
    }
    if (!failed && normal.isFeasible(chosen))
      return normal.getAssignment(problem, chosen);
  }
  return std::nullopt;
}

std::unique_ptr<Search> compress::createRandomSearch() {
  return std::make_unique<RandomSearch>();
}
