//===- SharedOperands.cpp - Sites that choose together ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/SharedOperands.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/GlobPattern.h"

using namespace mlir;
using namespace compress;

std::vector<std::vector<unsigned>>
compress::findSiblings(ArrayRef<Site> sites) {
  auto areSiblings = [](const Site &a, const Site &b) {
    if (a.type != b.type || a.uses.size() != b.uses.size())
      return false;
    for (auto [x, y] : llvm::zip_equal(a.uses, b.uses))
      if (!x.isMatrixProduct() || !y.isMatrixProduct() ||
          x.getActivation() != y.getActivation() ||
          x.op->getName() != y.op->getName() ||
          x.op->getBlock() != y.op->getBlock() ||
          x.role.operand != y.role.operand ||
          x.role.outputAxes != y.role.outputAxes ||
          x.role.reductionAxes != y.role.reductionAxes ||
          x.role.activationChannelAxis != y.role.activationChannelAxis)
        return false;
    return true;
  };
  std::vector<std::vector<unsigned>> groups;
  for (unsigned index = 0; index < sites.size(); ++index) {
    auto it = llvm::find_if(groups, [&](const std::vector<unsigned> &group) {
      return areSiblings(sites[group.front()], sites[index]);
    });
    if (it != groups.end())
      it->push_back(index);
    else
      groups.push_back({index});
  }
  llvm::erase_if(groups, [](const auto &group) { return group.size() < 2; });
  return groups;
}

namespace {
/// The ways to choose for the sites that read one activation.
class ActivationGroup {
public:
  ActivationGroup(const Problem &problem, std::vector<unsigned> members)
      : problem(problem), members(std::move(members)) {}

  /// Finds what each choice stores the activation as.
  llvm::Error classify(Value activation, ArrayRef<Site> sites,
                       ArrayRef<Level> levels);
  /// Whether choices could store it in two ways at all.
  bool isBinding() const { return encodings.size() > 1; }
  /// Nothing when there are too many.
  std::optional<Coupling> getCoupling() const;

private:
  const Problem &problem;
  std::vector<unsigned> members;
  /// By member and choice: an index into `encodings`, or -1 for left alone, or
  /// -2 for a choice that may not be taken.
  std::vector<std::vector<int>> classes;
  llvm::SetVector<Attribute> encodings;
};
} // namespace

llvm::Error ActivationGroup::classify(Value activation, ArrayRef<Site> sites,
                                      ArrayRef<Level> levels) {
  for (unsigned member : members) {
    std::vector<int> &row = classes.emplace_back();
    for (auto [choice, level] :
         llvm::zip_equal(problem.sites[member].choices, levels)) {
      row.push_back(choice.excluded.empty() ? -1 : -2);
      if (row.back() == -2)
        continue;
      for (const SiteUse &use : sites[member].uses) {
        if (use.getActivation() != activation)
          continue;
        auto type = level.getActivationType(use);
        if (!type)
          return type.takeError();
        if (!*type)
          continue;
        Attribute encoding = type->getEncoding();
        encodings.insert(encoding);
        row.back() = llvm::find(encodings, encoding) - encodings.begin();
      }
    }
  }
  return llvm::Error::success();
}

std::optional<Coupling> ActivationGroup::getCoupling() const {
  constexpr size_t maxTuples = 1 << 16;
  Coupling coupling;
  coupling.sites = members;
  for (int encoding = 0; encoding < int(encodings.size()); ++encoding) {
    // All that leave the activation alone or store it like this; combinations
    // in which nobody stores it once only.
    std::vector<std::pair<std::vector<unsigned>, bool>> partial = {{{}, false}};
    for (const std::vector<int> &row : classes) {
      std::vector<std::pair<std::vector<unsigned>, bool>> extended;
      for (const auto &[tuple, stores] : partial)
        for (auto [index, kind] : llvm::enumerate(row))
          if (kind == -1 || kind == encoding) {
            extended.push_back({tuple, stores || kind == encoding});
            extended.back().first.push_back(index);
          }
      partial = std::move(extended);
      if (partial.size() + coupling.tuples.size() > maxTuples)
        return std::nullopt;
    }
    for (auto &[tuple, stores] : partial)
      if (stores || encoding == 0)
        coupling.tuples.push_back(std::move(tuple));
  }
  if (coupling.tuples.empty())
    return std::nullopt;
  return coupling;
}

llvm::Error compress::coupleSharedOperands(Problem &problem,
                                           ArrayRef<Site> sites,
                                           ArrayRef<Level> levels,
                                           const SharedOperandOptions &options,
                                           std::vector<std::string> &notes) {
  llvm::SmallDenseSet<unsigned> named;
  for (const Coupling &coupling : problem.couplings)
    named.insert(coupling.sites.begin(), coupling.sites.end());
  for (const SiteRule &rule : options.rules) {
    auto glob = llvm::GlobPattern::create(rule.pattern);
    if (!glob)
      return glob.takeError();
    for (auto [index, site] : llvm::enumerate(sites))
      if (glob->match(site.name))
        named.insert(index);
  }
  auto list = [&](ArrayRef<unsigned> members) {
    std::string text;
    for (unsigned member : members)
      text += (text.empty() ? "" : ", ") + sites[member].name;
    return text;
  };

  if (options.siblings)
    for (std::vector<unsigned> &group : findSiblings(sites)) {
      llvm::erase_if(group, [&](unsigned index) { return named.count(index); });
      if (group.size() < 2)
        continue;
      notes.push_back("siblings take the same level: " + list(group));
      problem.couplings.push_back({std::move(group), {}});
    }

  llvm::MapVector<Value, std::vector<unsigned>> readers;
  for (auto [index, site] : llvm::enumerate(sites))
    for (const SiteUse &use : site.uses)
      if (Value activation = use.getActivation();
          activation && !named.count(index)) {
        std::vector<unsigned> &members = readers[activation];
        if (!llvm::is_contained(members, index))
          members.push_back(index);
      }
  for (auto &[activation, members] : readers) {
    if (members.size() < 2)
      continue;
    ActivationGroup group(problem, members);
    if (llvm::Error error = group.classify(activation, sites, levels))
      return error;
    if (!group.isBinding())
      continue;
    if (auto coupling = group.getCoupling())
      problem.couplings.push_back(std::move(*coupling));
    else
      notes.push_back("their activation is not kept in one encoding, which "
                      "too many combinations of levels do, or none: " +
                      list(members));
  }
  return llvm::Error::success();
}
