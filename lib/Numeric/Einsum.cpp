//===- Einsum.cpp - Einsum equations and contraction orders -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Numeric/Einsum.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include <limits>

using namespace compress;
using llvm::ArrayRef;
using llvm::SmallVector;
using llvm::StringRef;
using llvm::Twine;

NameSet compress::makeNameSet(ArrayRef<unsigned> names) {
  NameSet set = 0;
  for (unsigned name : names)
    set |= NameSet(1) << name;
  return set;
}

std::optional<unsigned> Einsum::lookup(StringRef name) const {
  for (auto [number, known] : llvm::enumerate(names))
    if (name == known)
      return number;
  return std::nullopt;
}

SmallVector<unsigned> Einsum::getResultNames() const {
  SmallVector<unsigned> result;
  for (ArrayRef<unsigned> dim : dims)
    llvm::append_range(result, dim);
  return result;
}

NameSet Einsum::getResultSet() const { return makeNameSet(getResultNames()); }

bool Einsum::isWholeDim(unsigned name) const {
  return llvm::any_of(
      dims, [&](ArrayRef<unsigned> dim) { return dim == ArrayRef(name); });
}

//===----------------------------------------------------------------------===//
// Parsing
//===----------------------------------------------------------------------===//

namespace {
class Parser {
public:
  explicit Parser(StringRef text) : text(text) {}

  llvm::Error run(Einsum &einsum);

private:
  llvm::Error error(size_t at, const Twine &message) const {
    return llvm::createStringError(
        "equation \"" + text + "\": " + message +
        (at < text.size() ? " at character " + Twine(at + 1) + ", before \"" +
                                text.substr(at) + "\""
                          : Twine(" at the end")));
  }
  /// The next character that is no space; 0 at the end.
  char peek() {
    while (position < text.size() && llvm::isSpace(text[position]))
      ++position;
    return position < text.size() ? text[position] : 0;
  }
  static bool startsName(char c) { return llvm::isAlpha(c) || c == '_'; }
  /// Reads a name into `list`; `seen` has those it must differ from.
  llvm::Error parseName(Einsum &einsum, llvm::SmallVectorImpl<unsigned> &list,
                        NameSet &seen, StringRef where);

  StringRef text;
  size_t position = 0;
};
} // namespace

llvm::Error Parser::parseName(Einsum &einsum,
                              llvm::SmallVectorImpl<unsigned> &list,
                              NameSet &seen, StringRef where) {
  size_t begin = position;
  while (position < text.size() &&
         (llvm::isAlnum(text[position]) || text[position] == '_'))
    ++position;
  StringRef name = text.slice(begin, position);
  std::optional<unsigned> number = einsum.lookup(name);
  if (!number) {
    if (einsum.names.size() == Einsum::maxNames)
      return error(begin, "more than " + Twine(Einsum::maxNames) + " names");
    number = einsum.names.size();
    einsum.names.push_back(name.str());
  }
  if (seen >> *number & 1)
    return error(begin, "name " + name + " appears twice in " + where);
  seen |= NameSet(1) << *number;
  list.push_back(*number);
  return llvm::Error::success();
}

llvm::Error Parser::run(Einsum &einsum) {
  NameSet result = 0;
  while (char c = peek()) {
    if (c == '=')
      break;
    SmallVector<unsigned> dim;
    if (startsName(c)) {
      if (auto err = parseName(einsum, dim, result, "the result"))
        return err;
    } else if (c == '(') {
      ++position;
      while (startsName(peek()))
        if (auto err = parseName(einsum, dim, result, "the result"))
          return err;
      if (dim.empty())
        return error(position, "expected a name after '('");
      if (peek() != ')')
        return error(position, "expected a name or ')'");
      ++position;
    } else {
      return error(position, "expected a name, '(' or '='");
    }
    einsum.dims.push_back(std::move(dim));
  }
  if (peek() != '=')
    return error(position, "expected '=' after the result");
  do {
    ++position; // '=' or ','
    SmallVector<unsigned> factor;
    NameSet seen = 0;
    std::string where = "factor " + std::to_string(einsum.factors.size() + 1);
    while (startsName(peek()))
      if (auto err = parseName(einsum, factor, seen, where))
        return err;
    if (factor.empty())
      return error(position, "expected a name in " + where);
    einsum.factors.push_back(std::move(factor));
  } while (peek() == ',');
  if (peek())
    return error(position, "expected a name or ','");
  NameSet inFactors = 0;
  for (ArrayRef<unsigned> factor : einsum.factors)
    inFactors |= makeNameSet(factor);
  if (NameSet missing = result & ~inFactors)
    return error(text.size(),
                 "no factor has " +
                     Twine(einsum.names[llvm::countr_zero(missing)]) +
                     " of the result");
  return llvm::Error::success();
}

llvm::Expected<Einsum> Einsum::parse(StringRef text) {
  Einsum einsum;
  if (auto err = Parser(text).run(einsum))
    return err;
  return einsum;
}

//===----------------------------------------------------------------------===//
// Contraction order
//===----------------------------------------------------------------------===//

static double getVolume(NameSet set, ArrayRef<int64_t> sizes) {
  double volume = 1;
  for (; set; set &= set - 1)
    volume *= sizes[llvm::countr_zero(set)];
  return volume;
}

/// Searches all orders: the best way to contract each subset of the operands.
static ContractionPlan planExhaustively(ArrayRef<NameSet> operands,
                                        NameSet keep, ArrayRef<int64_t> sizes) {
  unsigned n = operands.size(), all = (1u << n) - 1;
  // The names that operands of a subset have, and that its contraction keeps.
  SmallVector<NameSet> present(all + 1, 0), kept(all + 1, 0);
  for (unsigned subset = 1; subset <= all; ++subset) {
    unsigned first = llvm::countr_zero(subset);
    present[subset] = present[subset & (subset - 1)] | operands[first];
  }
  for (unsigned subset = 1; subset <= all; ++subset)
    kept[subset] = present[subset] & (keep | present[all & ~subset]);
  SmallVector<double> cost(all + 1, std::numeric_limits<double>::infinity());
  SmallVector<unsigned> split(all + 1, 0);
  for (unsigned i = 0; i < n; ++i)
    cost[1u << i] = 0;
  for (unsigned subset = 1; subset <= all; ++subset) {
    // Every part that holds the first operand, so that each split comes once.
    unsigned first = subset & -subset;
    for (unsigned part = (subset - 1) & subset; part;
         part = (part - 1) & subset) {
      if (!(part & first))
        continue;
      unsigned other = subset & ~part;
      double total = cost[part] + cost[other] +
                     2 * getVolume(kept[part] | kept[other], sizes);
      if (total < cost[subset]) {
        cost[subset] = total;
        split[subset] = part;
      }
    }
  }
  ContractionPlan plan;
  auto emit = [&](auto &self, unsigned subset) -> unsigned {
    if (!(subset & (subset - 1)))
      return llvm::countr_zero(subset);
    unsigned part = split[subset], other = subset & ~part;
    unsigned lhs = self(self, part), rhs = self(self, other);
    plan.steps.push_back({lhs, rhs, kept[subset],
                          2 * getVolume(kept[part] | kept[other], sizes)});
    return n + plan.steps.size() - 1;
  };
  emit(emit, all);
  plan.flops = cost[all];
  return plan;
}

static ContractionPlan planGreedily(ArrayRef<NameSet> operands, NameSet keep,
                                    ArrayRef<int64_t> sizes) {
  struct Live {
    unsigned number;
    NameSet names;
  };
  SmallVector<Live> live;
  for (auto [number, names] : llvm::enumerate(operands))
    live.push_back({unsigned(number), names});
  ContractionPlan plan;
  while (live.size() > 1) {
    size_t bestA = 0, bestB = 1;
    ContractionStep best{0, 0, 0, std::numeric_limits<double>::infinity()};
    for (size_t a = 0; a < live.size(); ++a)
      for (size_t b = a + 1; b < live.size(); ++b) {
        NameSet others = keep;
        for (size_t c = 0; c < live.size(); ++c)
          if (c != a && c != b)
            others |= live[c].names;
        NameSet both = live[a].names | live[b].names;
        double flops = 2 * getVolume(both, sizes);
        if (flops < best.flops) {
          best = {live[a].number, live[b].number, both & others, flops};
          bestA = a;
          bestB = b;
        }
      }
    live[bestA] = {unsigned(operands.size() + plan.steps.size()), best.result};
    live.erase(live.begin() + bestB);
    plan.steps.push_back(best);
    plan.flops += best.flops;
  }
  return plan;
}

ContractionPlan compress::planContraction(ArrayRef<NameSet> operands,
                                          NameSet keep,
                                          ArrayRef<int64_t> sizes) {
  if (operands.size() < 2)
    return {};
  // Greedy needs a finite best; sizes of 0 make every order free.
  return operands.size() <= 8 ? planExhaustively(operands, keep, sizes)
                              : planGreedily(operands, keep, sizes);
}
