//===- Search.h - Which level for which site --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The Search extension point: given what each level costs at each site, choose
// one level for each under limits. To add one, write one file that derives from
// `Search` and list it in `registerAllSearches`. A search knows neither methods
// nor encodings, only numbers.
//
// A problem is stated with sites, levels and couplings (`Problem`). Searches
// see it in normal form (`NormalForm`): variables that are independent of each
// other, each with options that have an objective and use up the limits.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_SEARCH_SEARCH_H
#define COMPRESS_SEARCH_SEARCH_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace compress {

//===----------------------------------------------------------------------===//
// Problems
//===----------------------------------------------------------------------===//

/// One level at one site.
struct Choice {
  /// Spelling of the level.
  std::string level;
  /// What it costs in quality; adds up over sites. Infinite errors and costs
  /// exclude a choice.
  double error = 0;
  /// In the order of `Problem::costs`. Bytes are exact up to 2^53.
  std::vector<double> costs;
  /// Why it may not be chosen; empty when it may.
  std::string excluded;
  /// What the weight alone makes of the layer's output error, before it is
  /// weighed; the rest is of rounded activations.
  double weightError = 0;
};

/// The levels that a site can have, at least one of them not excluded.
struct SiteChoices {
  std::string site;
  std::vector<Choice> choices;
  /// Whether it is no weight (`Site::isElementwise`): plans of one level may
  /// store it exactly instead, whichever serves them better.
  bool isElementwise = false;
};

/// What a column of costs means: "bytes", "seconds", "flops", "bops",
/// "joules", "memory" (bytes while the model runs).
struct Cost {
  std::string name;
  /// The total is the largest over all sites (peak memory), not the sum.
  bool isLargest = false;
};

/// An index into `Problem::costs`, or the error.
using Quantity = int;
constexpr Quantity errorQuantity = -1;

/// The total of `quantity` is at most this.
struct Limit {
  Quantity quantity = errorQuantity;
  double atMost = 0;
};

/// Sites that choose together: fused projections, residual widths.
struct Coupling {
  /// Indices into `Problem::sites`, each once.
  std::vector<unsigned> sites;
  /// The allowed combinations: the index of a choice for each of `sites`. When
  /// empty, all of them take the same level.
  std::vector<std::vector<unsigned>> tuples;
};

/// Sites by name and what they may choose.
struct SiteRule {
  enum Kind {
    /// Only these levels.
    Only,
    /// None of these levels.
    Not
  };
  /// A glob: `*`, `?`, `[...]`.
  std::string pattern;
  Kind kind = Only;
  std::vector<std::string> levels;

  /// `conv1.*=int8,f32` or `head*!=int4-g32`.
  static llvm::Expected<SiteRule> parse(llvm::StringRef text);
};

struct Problem {
  std::vector<Cost> costs;
  std::vector<SiteChoices> sites;
  std::vector<Coupling> couplings;
  std::vector<Limit> limits;
  /// What to minimize; its total is a sum.
  Quantity objective = errorQuantity;

  /// Nothing when there is no such cost.
  std::optional<Quantity> lookupCost(llvm::StringRef name) const;
  llvm::StringRef getName(Quantity quantity) const;
  double get(const Choice &choice, Quantity quantity) const {
    return quantity < 0 ? choice.error : choice.costs[quantity];
  }
  /// Replaces a limit on this quantity, or adds one.
  void setLimit(Quantity quantity, double atMost);
  void removeLimit(Quantity quantity);
  /// Excludes what the rules forbid, saying which rule. An error for a rule
  /// that no site matches, or that leaves a site without a choice.
  llvm::Error apply(llvm::ArrayRef<SiteRule> rules);
  /// Couples all sites whose names match a glob, so that they take the same
  /// level. An error when fewer than two match.
  llvm::Error couple(llvm::StringRef pattern);
  /// "1440 bytes", "1.52 ms", "error 0.25".
  std::string format(Quantity quantity, double value) const;
};

/// One choice for each site, in their order.
struct Assignment {
  std::vector<unsigned> choices;
  double error = 0;
  /// Totals, in the order of `Problem::costs`.
  std::vector<double> costs;
  /// No assignment within the limits has a smaller objective than this; the
  /// objective itself where the search is exact.
  double bound = -std::numeric_limits<double>::infinity();

  double get(Quantity quantity) const {
    return quantity < 0 ? error : costs[quantity];
  }
};

/// Adds up an assignment, in the order of the sites.
Assignment makeAssignment(const Problem &problem,
                          std::vector<unsigned> choices);

/// Whether each choice may be taken, and couplings allow them together.
bool isAllowed(const Problem &problem, llvm::ArrayRef<unsigned> choices);

/// Whether a total meets a limit. Sums of times round, hence a relative slack
/// of 1e-12, which is less than one byte below a terabyte.
bool isWithin(double total, double limit);
bool meetsLimits(const Problem &problem, const Assignment &assignment);

//===----------------------------------------------------------------------===//
// Normal form
//===----------------------------------------------------------------------===//

/// One way to choose for the sites of a variable.
struct Option {
  double objective = 0;
  /// What it takes of each of `NormalForm::limits`.
  llvm::SmallVector<double, 2> uses;
  /// For each of `Variable::sites`.
  llvm::SmallVector<unsigned, 1> choices;
};

/// A site, or sites that are coupled.
struct Variable {
  llvm::SmallVector<unsigned, 1> sites;
  /// At least one. No option is at least as good as another in the objective
  /// and all uses; sorted by objective.
  std::vector<Option> options;
};

/// Choose one option for each variable so that the sum of objectives is least
/// and the sum of uses within the limits.
struct NormalForm {
  std::vector<Variable> variables;
  std::vector<double> limits;

  /// An error when a coupling allows nothing, or has too many combinations.
  static llvm::Expected<NormalForm> create(const Problem &problem);

  bool isFeasible(llvm::ArrayRef<unsigned> options) const;
  double getObjective(llvm::ArrayRef<unsigned> options) const;
  Assignment getAssignment(const Problem &problem,
                           llvm::ArrayRef<unsigned> options) const;
};

//===----------------------------------------------------------------------===//
// Searches
//===----------------------------------------------------------------------===//

struct SolveOptions {
  /// Of what is random.
  uint64_t seed = 0;
  /// The most partial assignments that `dp` keeps in memory.
  size_t maxStates = size_t(1) << 22;
};

class Search {
public:
  virtual ~Search();
  virtual llvm::StringRef getName() const = 0;
  /// One line for --help.
  virtual llvm::StringRef getSummary() const = 0;
  /// Whether it finds the best assignment, and one whenever there is one.
  virtual bool isExact() const { return false; }

  /// Never exceeds a limit. Errors: limits that nothing meets, with the least
  /// that is possible; a site without choices; numbers that are NaN.
  llvm::Expected<Assignment> solve(const Problem &problem,
                                   const SolveOptions &options = {}) const;

protected:
  /// Nothing when no assignment was found. Every limit alone can be met.
  virtual llvm::Expected<std::optional<Assignment>>
  find(const Problem &problem, const NormalForm &normal,
       const SolveOptions &options) const = 0;
};

/// Solves for each limit on a quantity; `problem` has it not. What is
/// infeasible, found before, or no better than what a smaller limit gives is
/// left out, so along the frontier the quantity grows and the objective falls.
llvm::Expected<std::vector<Assignment>>
solveFrontier(const Search &search, const Problem &problem, Quantity quantity,
              llvm::ArrayRef<double> limits, const SolveOptions &options = {});

/// For each site, why it has its level: what the nearest levels would save or
/// cost, and what the scarcest limit is worth.
std::vector<std::string> explain(const Problem &problem,
                                 const Assignment &assignment);

//===----------------------------------------------------------------------===//
// Registry
//===----------------------------------------------------------------------===//

void registerSearch(std::unique_ptr<Search> search);
/// Registers the searches of this library; may be called repeatedly.
void registerAllSearches();
/// The error for an unknown name lists the known ones.
llvm::Expected<const Search *> lookupSearch(llvm::StringRef name);
/// Sorted by name.
llvm::SmallVector<const Search *> getSearches();

/// The same level everywhere: the one with the least objective that meets the
/// limits.
std::unique_ptr<Search> createUniformSearch();
/// Starts with the least use of the limits and buys, again and again, the
/// upgrade that takes away the most objective per use and still fits. Each
/// variable moves along the lower convex hull of its options; with one limit, a
/// larger one never gives a larger objective.
std::unique_ptr<Search> createGreedySearch();
/// A random assignment that meets the limits: the baseline for all others.
std::unique_ptr<Search> createRandomSearch();
/// Prices the limits (Lagrange multipliers); close to the optimum, with a bound
/// on how close, in no time.
std::unique_ptr<Search> createLagrangeSearch();
/// Exact, by dynamic programming over lists of undominated partial
/// assignments, which are cut by the bound of the relaxation.
std::unique_ptr<Search> createDynamicProgramSearch();
/// Exact, by the branch and cut of CBC.
std::unique_ptr<Search> createIntegerProgramSearch();

} // namespace compress

#endif // COMPRESS_SEARCH_SEARCH_H
