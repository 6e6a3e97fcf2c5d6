//===- SplitFactors.cpp - Factors by singular value decompositions *- C++
//*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SplitFactors.h"
#include "compress/Numeric/Factorization.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cmath>

using namespace compress;
using namespace compress::numeric;
using llvm::ArrayRef;
using llvm::SmallVector;

/// The factor of `open` to split off next: one at the border of the network.
/// A factor without a dimension of its own (a core, singular values) comes
/// late, for its unfolding says nothing about the others.
static unsigned chooseSplit(const FactorNames &factors, ArrayRef<unsigned> open,
                            NameSet inTensor) {
  unsigned best = open.front();
  std::pair<bool, unsigned> bestKey{true, ~0u};
  for (unsigned candidate : open) {
    NameSet own = makeNameSet(factors[candidate]), elsewhere = 0;
    unsigned neighbours = 0;
    for (unsigned other : open) {
      if (other == candidate)
        continue;
      NameSet names = makeNameSet(factors[other]);
      elsewhere |= names;
      neighbours += (names & own & ~inTensor) != 0;
    }
    bool noneOwn = !(own & inTensor & ~elsewhere);
    std::pair<bool, unsigned> key{noneOwn, neighbours};
    if (key < bestKey) {
      bestKey = key;
      best = candidate;
    }
  }
  return best;
}

std::vector<NamedTensor> numeric::splitFactors(NamedTensor tensor,
                                               const FactorNames &factors,
                                               Sizes sizes, uint32_t seed,
                                               double pad, double *lowerBound) {
  std::vector<NamedTensor> result(factors.size());
  SmallVector<unsigned> open;
  for (unsigned i = 0; i < factors.size(); ++i)
    open.push_back(i);
  Random random(seed ^ 0x9e3779b97f4a7c15ull);
  double scale =
      pad * ConstMatrixView(tensor.data.data(), 1, tensor.data.size()).norm();
  if (lowerBound)
    *lowerBound = 0;
  while (open.size() > 1) {
    NameSet inTensor = makeNameSet(tensor.names);
    unsigned chosen = chooseSplit(factors, open, inTensor);
    llvm::erase(open, chosen);
    NameSet own = makeNameSet(factors[chosen]), elsewhere = 0;
    for (unsigned other : open)
      elsewhere |= makeNameSet(factors[other]);

    // Unfold: a matrix for each index of what both sides have.
    SmallVector<unsigned> batch, rows, cols, bond;
    for (unsigned name : tensor.names) {
      bool here = own >> name & 1, there = elsewhere >> name & 1;
      (here && there ? batch : here ? rows : cols).push_back(name);
    }
    for (unsigned name : factors[chosen])
      if (!(inTensor >> name & 1))
        bond.push_back(name);
    SmallVector<unsigned> order(batch);
    llvm::append_range(order, rows);
    llvm::append_range(order, cols);
    tensor = permute(tensor, order, sizes);
    int64_t numBatch = countElements(batch, sizes);
    int64_t numRows = countElements(rows, sizes);
    int64_t numCols = countElements(cols, sizes);
    int64_t rank = countElements(bond, sizes);

    NamedTensor left, rest;
    left.names = batch;
    llvm::append_range(left.names, rows);
    llvm::append_range(left.names, bond);
    left.data.reserve(numBatch * numRows * rank);
    rest.names = batch;
    llvm::append_range(rest.names, bond);
    llvm::append_range(rest.names, cols);
    rest.data.reserve(numBatch * rank * numCols);
    bool first = open.size() + 1 == factors.size();
    for (int64_t b = 0; b < numBatch; ++b) {
      ArrayRef<double> matrix =
          ArrayRef(tensor.data).slice(b * numRows * numCols, numRows * numCols);
      SingularValues svd = truncatedSVD(matrix, numRows, numCols, rank, seed);
      int64_t present = std::min({rank, numRows, numCols});
      double captured = 0;
      for (int64_t k = 0; k < rank; ++k) {
        captured += svd.values[k] * svd.values[k];
        for (int64_t j = 0; j < numCols; ++j)
          svd.right[k * numCols + j] =
              k < present || !pad
                  ? svd.right[k * numCols + j] * svd.values[k]
                  : random.next() * scale / std::sqrt(double(numCols));
        if (k >= present && pad)
          for (int64_t i = 0; i < numRows; ++i)
            svd.left[i * rank + k] = random.next() / std::sqrt(double(numRows));
      }
      if (lowerBound && first)
        *lowerBound += std::max(
            ConstMatrixView(matrix.data(), 1, matrix.size()).squaredNorm() -
                captured,
            0.0);
      llvm::append_range(left.data, svd.left);
      llvm::append_range(rest.data, svd.right);
    }
    result[chosen] = permute(left, factors[chosen], sizes);
    tensor = std::move(rest);
  }
  result[open[0]] = permute(tensor, factors[open[0]], sizes);
  return result;
}

//===----------------------------------------------------------------------===//
// Balance
//===----------------------------------------------------------------------===//

/// Calls `body` on each element with its index along `name`.
template <typename Body>
static void forSlices(NamedTensor &x, unsigned name, Sizes sizes, Body body) {
  int64_t inner = 1;
  for (size_t i = x.names.size(); x.names[--i] != name;)
    inner *= sizes[x.names[i]];
  for (size_t i = 0; i < x.data.size(); ++i)
    body(i / inner % sizes[name], x.data[i]);
}

static void balanceAlong(unsigned name, ArrayRef<NamedTensor *> sharers,
                         Sizes sizes) {
  std::vector<std::vector<double>> norms;
  std::vector<double> product(sizes[name], 1);
  NamedTensor *absorber = nullptr;
  for (NamedTensor *x : sharers) {
    std::vector<double> norm(sizes[name], 0);
    forSlices(*x, name, sizes,
              [&](int64_t i, double &value) { norm[i] += value * value; });
    for (auto [one, all] : llvm::zip(norm, product))
      all *= one = std::sqrt(one);
    norms.push_back(std::move(norm));
    if (x->names.size() == 1 && sharers.size() > 2)
      absorber = x;
  }
  for (auto [x, norm] : llvm::zip(sharers, norms)) {
    std::vector<double> factor(sizes[name], 1);
    for (int64_t i = 0; i < sizes[name]; ++i) {
      if (!std::isnormal(product[i]))
        continue;
      double wanted = !absorber ? std::pow(product[i], 1.0 / sharers.size())
                      : x == absorber ? product[i]
                                      : 1.0;
      factor[i] = wanted / norm[i];
    }
    forSlices(*x, name, sizes,
              [&](int64_t i, double &value) { value *= factor[i]; });
  }
}

/// Each connected part gets the same geometric mean of norms.
static void balanceParts(std::vector<NamedTensor> &factors) {
  size_t count = factors.size();
  SmallVector<size_t> part(count);
  for (size_t i = 0; i < count; ++i) {
    part[i] = i;
    for (size_t j = 0; j < i; ++j)
      if (makeNameSet(factors[i].names) & makeNameSet(factors[j].names))
        std::replace(part.begin(), part.begin() + i + 1, size_t(part[i]),
                     size_t(part[j]));
  }
  std::vector<double> logNorm(count, 0), members(count, 0);
  double total = 0;
  for (size_t i = 0; i < count; ++i) {
    ConstMatrixView values(factors[i].data.data(), 1, factors[i].data.size());
    double norm = values.norm();
    if (!std::isnormal(norm))
      return;
    logNorm[part[i]] += std::log(norm);
    members[part[i]] += 1;
    total += std::log(norm);
  }
  for (size_t i = 0; i < count; ++i) {
    double scale =
        std::exp(total / count - logNorm[part[i]] / members[part[i]]);
    if (members[part[i]] < count)
      for (double &value : factors[i].data)
        value *= scale;
  }
}

void numeric::balanceFactors(std::vector<NamedTensor> &factors, Sizes sizes) {
  NameSet seen = 0, shared = 0;
  for (const NamedTensor &factor : factors) {
    NameSet names = makeNameSet(factor.names);
    shared |= seen & names;
    seen |= names;
  }
  for (unsigned name : listNames(shared)) {
    SmallVector<NamedTensor *> sharers;
    for (NamedTensor &factor : factors)
      if (llvm::is_contained(factor.names, name))
        sharers.push_back(&factor);
    balanceAlong(name, sharers, sizes);
  }
  balanceParts(factors);
}
