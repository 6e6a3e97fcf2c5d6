//===- Search.h - Which level for which site --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The Search extension point: given what each level costs at each site, choose
// one level for each under a budget. To add one, write one file that derives
// from `Search` and list it in `registerAllSearches`. A search knows neither
// methods nor encodings, only numbers.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_SEARCH_SEARCH_H
#define COMPRESS_SEARCH_SEARCH_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace compress {

/// One level at one site.
struct Choice {
  /// Spelling of the level.
  std::string level;
  /// Stored bytes of the site, metadata included.
  uint64_t bytes = 0;
  /// What it costs in quality; adds up over sites.
  double error = 0;
};

/// The levels that a site can have, at least one.
struct SiteChoices {
  std::string site;
  std::vector<Choice> choices;
};

/// Limits on the sum over all sites.
struct Budget {
  /// No limit when absent.
  std::optional<uint64_t> bytes;
};

/// One choice for each site, in their order.
struct Assignment {
  std::vector<unsigned> choices;
  uint64_t bytes = 0;
  double error = 0;
};

class Search {
public:
  virtual ~Search();
  virtual llvm::StringRef getName() const = 0;
  /// One line for --help.
  virtual llvm::StringRef getSummary() const = 0;
  /// Never exceeds the budget. An error, which says the least that is
  /// possible, when nothing meets it; an error for a site without choices.
  llvm::Expected<Assignment> solve(llvm::ArrayRef<SiteChoices> sites,
                                   const Budget &budget) const;

protected:
  /// Every site has a choice.
  virtual llvm::Expected<Assignment> find(llvm::ArrayRef<SiteChoices> sites,
                                          const Budget &budget) const = 0;
};

/// Sums up an assignment.
Assignment makeAssignment(llvm::ArrayRef<SiteChoices> sites,
                          std::vector<unsigned> choices);

/// The error when `best` bytes are the fewest possible.
llvm::Error makeInfeasible(const Budget &budget, uint64_t best,
                           const llvm::Twine &how);

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

/// The same level everywhere: the one with the least error that meets the
/// budget.
std::unique_ptr<Search> createUniformSearch();
/// Starts with the fewest bytes at each site and buys, again and again, the
/// upgrade that takes away the most error per byte and still fits. Each site
/// moves along the lower convex hull of its choices; a larger budget never
/// gives a larger error.
std::unique_ptr<Search> createGreedySearch();

} // namespace compress

#endif // COMPRESS_SEARCH_SEARCH_H
