//===- RemovalCredit.cpp - Bytes that shrink with a removal -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RemovalCredit.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/ONNX/Transforms/ShrinkChannels/ShrinkChannels.h"
#include "compress/Plan/Apply.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace compress;

namespace {

/// A site that shrinks with a removal at another one.
struct Member {
  unsigned site;
  /// Its weight afterwards.
  RankedTensorType type;
};

/// All that shrinks with one level at one site.
struct Removal {
  unsigned level;
  /// What is left of the weight is not encoded further.
  bool isPlain = false;
  std::vector<Member> members;
  /// Of constants that are no sites, and of the list of inputs.
  double savedBytes = 0;
};

class Crediting {
public:
  Crediting(const PlanSubject &subject, ArrayRef<Level> levels,
            const Problem &problem)
      : subject(subject), sites(subject.sites.sites), levels(levels),
        original(problem), problem(problem),
        bytes(*problem.lookupCost("bytes")) {}

  std::optional<Problem> run();

private:
  std::optional<Removal> findRemoval(unsigned site, unsigned level) const;
  /// Whether a choice keeps the site from shrinking with later ones.
  bool isInTheWay(const Member &member, unsigned level) const;
  double getSaved(const Member &member, unsigned level) const;
  /// What shrinking saves at least.
  double getLeastSaved(const Member &member) const;
  /// Excludes what is in the way, where sites have other levels.
  bool makeWay(unsigned site, const Removal &removal);
  void credit(unsigned site, ArrayRef<Removal> removals);

  const PlanSubject &subject;
  ArrayRef<Site> sites;
  ArrayRef<Level> levels;
  const Problem &original;
  Problem problem;
  Quantity bytes;
  /// How many sites would shrink a site.
  std::vector<unsigned> numClaims;
  /// By site and level: removals after which the site is a plain constant.
  llvm::DenseSet<std::pair<unsigned, unsigned>> becomesPlain;
  bool isChanged = false;
};

} // namespace

static double getBytes(RankedTensorType type) {
  return double(
      HostTensor::getByteSize(type.getShape(), type.getElementType()));
}

static bool isTooSmall(RankedTensorType type) {
  return type.getNumElements() <= SiteOptions().maxSmallElements;
}

std::optional<Removal> Crediting::findRemoval(unsigned index,
                                              unsigned level) const {
  const Site &site = sites[index];
  if (site.uses.size() != 1 || !site.weight.hasOneUse())
    return std::nullopt;
  const SiteUse &use = site.uses.front();
  // Many groups can be told not to exist without encoding anything.
  SmallVector<int64_t> first;
  auto type = levels[level].getWeightType(site.type, use.role);
  if (!type) {
    llvm::consumeError(type.takeError());
    return std::nullopt;
  }
  auto sparse = dyn_cast<SparseAttr>(type->getEncoding());
  if (!sparse || use.role.reductionAxes.empty())
    return std::nullopt;
  int64_t left =
      sparse.getValuesShape(type->getShape())[use.role.reductionAxes.front()];
  for (int64_t i = 0; i < left; ++i)
    first.push_back(i);
  if (auto group = onnx::findChannelGroup(use.op, use.role, first); !group) {
    llvm::consumeError(group.takeError());
    return std::nullopt;
  }
  auto encoded = subject.database.encode(site, levels[level]);
  if (!encoded) {
    llvm::consumeError(encoded.takeError());
    return std::nullopt;
  }
  auto group = onnx::findShrinkingGroup(use.op, use.role, encoded->type,
                                        encoded->weight.leaves);
  if (!group)
    return std::nullopt;
  Removal removal;
  removal.level = level;
  auto values =
      dyn_cast<RankedTensorType>(encoded->type.getComponents().front().type);
  removal.isPlain =
      values && values.getElementType() == site.type.getElementType();
  // Nobody needs to know any more which inputs were removed.
  if (removal.isPlain && !isTooSmall(values))
    removal.savedBytes +=
        double(encoded->weight.leaves.back().getBytes().size());
  for (const auto &[operand, slice] : group->constants) {
    Value constant = operand->get();
    auto before = cast<RankedTensorType>(constant.getType());
    SmallVector<int64_t> shape(before.getShape());
    shape[slice.axis] = slice.kept.size();
    auto after = RankedTensorType::get(shape, before.getElementType());
    auto own = llvm::find_if(
        sites, [&](const Site &other) { return other.weight == constant; });
    if (own != sites.end()) {
      // Their users come before this one's. What is too small is no site any
      // more, which plans and reports do not know.
      if (own - sites.begin() >= index || before.getRank() < 2 ||
          !constant.hasOneUse() || isTooSmall(after) ||
          (own->isElementwise() &&
           getBytes(after) < SiteOptions().minElementwiseBytes))
        return std::nullopt;
      removal.members.push_back({unsigned(own - sites.begin()), after});
    } else if (before.getRank() < 2) {
      // What others use too is stored twice.
      removal.savedBytes +=
          (constant.hasOneUse() ? getBytes(before) : 0) - getBytes(after);
    }
  }
  return removal;
}

bool Crediting::isInTheWay(const Member &member, unsigned level) const {
  if (levels[level].removesInputs())
    return !becomesPlain.contains({member.site, level});
  if (levels[level].isNone())
    return false;
  auto type =
      levels[level].getWeightType(member.type, sites[member.site].getRole());
  if (type)
    return false;
  llvm::consumeError(type.takeError());
  return true;
}

double Crediting::getSaved(const Member &member, unsigned level) const {
  const Site &site = sites[member.site];
  if (levels[level].isNone())
    return double(site.getBytes()) - getBytes(member.type);
  // Sizes that depend on the values, as those of packed codes, are not known.
  auto getStored = [&](RankedTensorType type) -> std::optional<double> {
    auto stored = levels[level].getWeightType(type, site.getRole());
    if (!stored) {
      llvm::consumeError(stored.takeError());
      return std::nullopt;
    }
    if (!*stored ||
        !llvm::all_of(stored->getLeafTypes(), [](RankedTensorType leaf) {
          return leaf.hasStaticShape();
        }))
      return std::nullopt;
    return double(getStorageBytes(*stored));
  };
  auto before = getStored(site.type), after = getStored(member.type);
  // Methods may store other types than the level's.
  if (!before || !after ||
      *before != original.sites[member.site].choices[level].costs[bytes])
    return 0;
  return *before - *after;
}

double Crediting::getLeastSaved(const Member &member) const {
  // Savings of two removals do not add up.
  if (numClaims[member.site] > 1)
    return 0;
  double least = std::numeric_limits<double>::infinity();
  for (auto [level, choice] :
       llvm::enumerate(problem.sites[member.site].choices))
    if (choice.excluded.empty())
      least = std::min(least, getSaved(member, level));
  return least;
}

bool Crediting::makeWay(unsigned site, const Removal &removal) {
  for (const Member &member : removal.members) {
    bool isFree = false;
    for (auto [level, choice] :
         llvm::enumerate(problem.sites[member.site].choices))
      isFree |= choice.excluded.empty() && !isInTheWay(member, level);
    if (!isFree)
      return false;
  }
  for (const Member &member : removal.members)
    for (auto [level, choice] :
         llvm::enumerate(problem.sites[member.site].choices))
      if (choice.excluded.empty() && isInTheWay(member, level))
        choice.excluded =
            "it would keep outputs that '" + sites[site].name + "' removes";
  return true;
}

void Crediting::credit(unsigned site, ArrayRef<Removal> removals) {
  // What always goes with the site: as much as the most that is saved, so that
  // no cost becomes negative.
  llvm::MapVector<unsigned, double> moved;
  for (const Removal &removal : removals)
    for (const Member &member : removal.members) {
      double &most = moved[member.site];
      most = std::max(most, getLeastSaved(member));
    }
  double sum = 0;
  std::vector<Choice> &own = problem.sites[site].choices;
  for (auto [member, most] : moved) {
    for (Choice &choice : problem.sites[member].choices)
      choice.costs[bytes] -= most;
    sum += most;
  }
  for (Choice &choice : own)
    choice.costs[bytes] += sum;
  for (const Removal &removal : removals) {
    double saved = removal.savedBytes;
    for (const Member &member : removal.members)
      saved += getLeastSaved(member);
    double &cost = own[removal.level].costs[bytes];
    cost = std::max(0.0, cost - saved);
    isChanged |= saved > 0;
  }
}

std::optional<Problem> Crediting::run() {
  std::vector<std::vector<Removal>> removals(sites.size());
  numClaims.assign(sites.size(), 0);
  for (unsigned site = 0; site < sites.size(); ++site) {
    llvm::DenseSet<unsigned> claimed;
    for (unsigned level = 0; level < levels.size(); ++level) {
      if (!levels[level].removesInputs() ||
          !problem.sites[site].choices[level].excluded.empty())
        continue;
      auto removal = findRemoval(site, level);
      if (!removal)
        continue;
      for (const Member &member : removal->members)
        if (claimed.insert(member.site).second)
          ++numClaims[member.site];
      removals[site].push_back(std::move(*removal));
    }
  }
  // What computes inputs comes first, so its own removals are known.
  for (unsigned site = 0; site < sites.size(); ++site) {
    llvm::erase_if(removals[site], [&](const Removal &removal) {
      return !problem.sites[site].choices[removal.level].excluded.empty() ||
             !makeWay(site, removal);
    });
    for (const Removal &removal : removals[site])
      if (removal.isPlain)
        becomesPlain.insert({site, removal.level});
    credit(site, removals[site]);
  }
  if (!isChanged)
    return std::nullopt;
  return std::move(problem);
}

std::optional<Problem> compress::creditRemovals(const PlanSubject &subject,
                                                ArrayRef<Level> levels,
                                                const Problem &problem) {
  if (llvm::none_of(levels,
                    [](const Level &level) { return level.removesInputs(); }))
    return std::nullopt;
  return Crediting(subject, levels, problem).run();
}

void compress::restoreSizes(Plan &plan, const PlanSubject &subject,
                            const Problem &problem) {
  Quantity bytes = *problem.lookupCost("bytes");
  for (auto [entry, site, row] :
       llvm::zip_equal(plan.sites, subject.sites.sites, problem.sites)) {
    for (const Choice &choice : row.choices) {
      if (choice.level != entry.level)
        continue;
      entry.bytesAfter = uint64_t(choice.costs[bytes]);
      entry.bits = choice.costs[bytes] * 8 / double(site.getNumElements());
    }
  }
}
