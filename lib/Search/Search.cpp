//===- Search.cpp - Which level for which site ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/Search.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include <map>
#include <mutex>

using namespace compress;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

Search::~Search() = default;

llvm::Expected<Assignment> Search::solve(ArrayRef<SiteChoices> sites,
                                         const Budget &budget) const {
  for (const SiteChoices &site : sites)
    if (site.choices.empty())
      return llvm::createStringError("site '" + Twine(site.site) +
                                     "' has no level to choose from");
  return find(sites, budget);
}

Assignment compress::makeAssignment(ArrayRef<SiteChoices> sites,
                                    std::vector<unsigned> choices) {
  Assignment result;
  for (auto [site, choice] : llvm::zip_equal(sites, choices)) {
    result.bytes += site.choices[choice].bytes;
    result.error += site.choices[choice].error;
  }
  result.choices = std::move(choices);
  return result;
}

llvm::Error compress::makeInfeasible(const Budget &budget, uint64_t best,
                                     const Twine &how) {
  return llvm::createStringError("infeasible: the budget for weights is " +
                                 Twine(*budget.bytes) + " bytes, best is " +
                                 Twine(best) + " bytes " + how);
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
