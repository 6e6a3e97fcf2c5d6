//===- Evolve.cpp - Refinement by running candidates ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/Evolve.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <map>
#include <random>
#include <set>

using namespace compress;
using llvm::ArrayRef;

namespace {

using Genome = std::vector<unsigned>;

class Evolution {
public:
  Evolution(const Problem &problem, NormalForm normal, FitnessCallback fitness,
            const EvolveOptions &options)
      : problem(problem), normal(std::move(normal)), fitness(fitness),
        options(options), engine(options.seed) {}

  llvm::Expected<EvolveResult> run(const Assignment &seed,
                                   llvm::function_ref<void(unsigned)> progress);

private:
  size_t draw(size_t count) { return engine() % count; }
  /// The options that an assignment is made of; the nearest that are no worse
  /// where it takes dominated ones.
  Genome getGenome(const Assignment &assignment) const;
  /// Switches levels of a few variables, others making room.
  std::optional<Genome> mutate(const Genome &parent);
  llvm::Expected<double> evaluate(const Genome &genome,
                                  ArrayRef<size_t> samples);
  /// The best `count`, on these samples.
  llvm::Expected<std::vector<Genome>> select(std::vector<Genome> candidates,
                                             size_t count,
                                             ArrayRef<size_t> samples);
  std::vector<size_t> drawSamples(size_t count);

  const Problem &problem;
  NormalForm normal;
  FitnessCallback fitness;
  const EvolveOptions &options;
  std::mt19937_64 engine;
  size_t numEvaluations = 0, numSampleRuns = 0;
};

} // namespace

Genome Evolution::getGenome(const Assignment &assignment) const {
  Genome genome;
  for (const Variable &variable : normal.variables) {
    llvm::SmallVector<unsigned, 1> choices;
    Option now;
    for (unsigned site : variable.sites) {
      unsigned index = assignment.choices[site];
      choices.push_back(index);
      now.objective +=
          problem.get(problem.sites[site].choices[index], problem.objective);
    }
    // Options are sorted by objective, and one of them dominates every choice.
    unsigned best = 0;
    for (auto [o, option] : llvm::enumerate(variable.options)) {
      if (option.choices == choices) {
        best = o;
        break;
      }
      if (option.objective <= now.objective)
        best = o;
    }
    genome.push_back(best);
  }
  return genome;
}

std::optional<Genome> Evolution::mutate(const Genome &parent) {
  Genome child = parent;
  size_t count = child.size();
  std::vector<double> used(normal.limits.size(), 0);
  auto change = [&](unsigned v, unsigned option) {
    const std::vector<Option> &all = normal.variables[v].options;
    for (auto [sum, before, after] :
         llvm::zip_equal(used, all[child[v]].uses, all[option].uses))
      sum += after - before;
    child[v] = option;
  };
  for (auto [variable, option] : llvm::zip_equal(normal.variables, child))
    for (auto [sum, use] : llvm::zip_equal(used, variable.options[option].uses))
      sum += use;
  auto getBroken = [&]() -> std::optional<size_t> {
    for (auto [k, limit] : llvm::enumerate(normal.limits))
      if (!isWithin(used[k], limit))
        return k;
    return std::nullopt;
  };

  // Few switches are likelier than many.
  size_t switches = 1 + std::min(draw(3), draw(3));
  std::set<unsigned> fixed;
  for (size_t i = 0; i < switches; ++i) {
    unsigned v = draw(count);
    if (normal.variables[v].options.size() < 2)
      continue;
    change(v, draw(normal.variables[v].options.size()));
    fixed.insert(v);
  }
  // Others give what is too much.
  for (size_t attempt = 0; attempt < 8 * count; ++attempt) {
    std::optional<size_t> broken = getBroken();
    if (!broken)
      break;
    unsigned v = draw(count);
    if (fixed.count(v))
      continue;
    const std::vector<Option> &all = normal.variables[v].options;
    unsigned option = draw(all.size());
    if (all[option].uses[*broken] < all[child[v]].uses[*broken])
      change(v, option);
  }
  if (getBroken())
    return std::nullopt;
  // What is left over is taken, too.
  for (size_t attempt = 0; attempt < 2 * count; ++attempt) {
    unsigned v = draw(count);
    unsigned before = child[v];
    if (fixed.count(v) || before == 0)
      continue;
    change(v, draw(before));
    if (getBroken())
      change(v, before);
  }
  // Sums of what was added and taken away round.
  if (child == parent || !normal.isFeasible(child))
    return std::nullopt;
  return child;
}

llvm::Expected<double> Evolution::evaluate(const Genome &genome,
                                           ArrayRef<size_t> samples) {
  ++numEvaluations;
  numSampleRuns += samples.size();
  auto value = fitness(normal.getAssignment(problem, genome), samples);
  if (!value)
    return value.takeError();
  // NaN is worse than anything.
  return std::isnan(*value) ? std::numeric_limits<double>::infinity() : *value;
}

llvm::Expected<std::vector<Genome>>
Evolution::select(std::vector<Genome> candidates, size_t count,
                  ArrayRef<size_t> samples) {
  if (candidates.size() <= count)
    return candidates;
  std::vector<std::pair<double, size_t>> order;
  for (auto [index, candidate] : llvm::enumerate(candidates)) {
    auto value = evaluate(candidate, samples);
    if (!value)
      return value.takeError();
    order.push_back({*value, index});
  }
  llvm::sort(order);
  std::vector<Genome> selected;
  for (size_t i = 0; i < count; ++i)
    selected.push_back(std::move(candidates[order[i].second]));
  return selected;
}

std::vector<size_t> Evolution::drawSamples(size_t count) {
  std::vector<size_t> all(options.numSamples);
  for (size_t i = 0; i < all.size(); ++i)
    all[i] = i;
  count = std::clamp<size_t>(count, 1, all.size());
  for (size_t i = 0; i < count; ++i)
    std::swap(all[i], all[i + draw(all.size() - i)]);
  all.resize(count);
  return all;
}

llvm::Expected<EvolveResult>
Evolution::run(const Assignment &seed,
               llvm::function_ref<void(unsigned)> progress) {
  std::vector<size_t> everything(options.numSamples);
  for (size_t i = 0; i < everything.size(); ++i)
    everything[i] = i;
  EvolveResult result;
  result.best = seed;
  auto atSeed = fitness(seed, everything);
  if (!atSeed)
    return atSeed.takeError();
  result.fitness = result.seedFitness = *atSeed;
  if (normal.variables.empty())
    return result;

  Genome parent = getGenome(seed);
  double parentFitness = *atSeed;
  for (unsigned generation = 0; generation < options.generations;
       ++generation) {
    std::set<Genome> distinct;
    for (unsigned attempt = 0; attempt < 10 * options.offspring &&
                               distinct.size() < options.offspring;
         ++attempt)
      if (auto child = mutate(parent))
        distinct.insert(std::move(*child));
    // 1/16 of the samples, then 1/4, then all: most candidates are cheap.
    auto few = select({distinct.begin(), distinct.end()}, 4,
                      drawSamples(options.numSamples / 16));
    if (!few)
      return few.takeError();
    auto fewer =
        select(std::move(*few), 2, drawSamples(options.numSamples / 4));
    if (!fewer)
      return fewer.takeError();
    for (const Genome &candidate : *fewer) {
      auto value = evaluate(candidate, everything);
      if (!value)
        return value.takeError();
      if (*value < parentFitness) {
        parentFitness = *value;
        parent = candidate;
      }
    }
    if (progress)
      progress(generation + 1);
  }
  if (parentFitness < result.seedFitness) {
    result.fitness = parentFitness;
    result.best = normal.getAssignment(problem, parent);
  }
  result.numEvaluations = numEvaluations;
  result.numSampleRuns = numSampleRuns;
  return result;
}

llvm::Expected<EvolveResult>
compress::evolve(const Problem &problem, const Assignment &seed,
                 FitnessCallback fitness, const EvolveOptions &options,
                 llvm::function_ref<void(unsigned)> progress) {
  auto normal = NormalForm::create(problem);
  if (!normal)
    return normal.takeError();
  return Evolution(problem, std::move(*normal), fitness, options)
      .run(seed, progress);
}
