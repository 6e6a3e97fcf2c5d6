//===- Factorization.cpp - Fitting the factors of an einsum -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Numeric/Factorization.h"
#include "SplitFactors.h"
#include "llvm/ADT/STLExtras.h"
#include <Eigen/Eigenvalues>
#include <cmath>

using namespace compress;
using namespace compress::numeric;
using llvm::ArrayRef;
using llvm::SmallVector;

static double sumOfSquares(ArrayRef<double> x) {
  return ConstMatrixView(x.data(), 1, x.size()).squaredNorm();
}

static double innerProduct(ArrayRef<double> x, ArrayRef<double> y) {
  return (ConstMatrixView(x.data(), 1, x.size()).array() *
          ConstMatrixView(y.data(), 1, y.size()).array())
      .sum();
}

//===----------------------------------------------------------------------===//
// Alternating least squares
//===----------------------------------------------------------------------===//

namespace {
/// Improves factors of a tensor one at a time. With all but factor f fixed the
/// model is linear in f, and its normal matrix is the Kronecker product of one
/// Gram matrix for each connected part of the other factors, so that the
/// solution takes one small eigendecomposition for each part.
class AlternatingLeastSquares {
public:
  AlternatingLeastSquares(const NamedTensor &tensor, const FactorNames &names,
                          Sizes sizes)
      : tensor(tensor), names(names), sizes(sizes.begin(), sizes.end()),
        norm(sumOfSquares(tensor.data)) {
    // Second copies of names, for Gram matrices.
    this->sizes.resize(Einsum::maxNames, 1);
    for (unsigned i = 0; i < Einsum::maxNames; ++i)
      this->sizes.push_back(this->sizes[i]);
    inTensor = makeNameSet(tensor.names);
  }

  /// Sweeps over all factors; returns the last squared error.
  double run(std::vector<NamedTensor> &factors, unsigned maxSweeps,
             double tolerance, std::vector<double> &trace,
             const std::vector<bool> &frozen = {});

private:
  /// The inverse and the Gram matrix of one part of the other factors, for each
  /// index of the names in `batch`.
  struct Part {
    SmallVector<unsigned> batch, unknowns;
    std::vector<Matrix> gram, inverse;
  };
  SmallVector<SmallVector<unsigned>>
  findParts(unsigned f, const std::vector<NamedTensor> &factors) const;
  Part makePart(unsigned f, const std::vector<NamedTensor> &factors,
                ArrayRef<unsigned> members) const;
  NamedTensor apply(NamedTensor x, const Part &part,
                    const std::vector<Matrix> &matrices) const;
  double update(unsigned f, std::vector<NamedTensor> &factors) const;

  const NamedTensor &tensor;
  const FactorNames &names;
  SmallVector<int64_t> sizes;
  NameSet inTensor;
  double norm;
  /// A factor with more unknowns than this per row, in one part of the others,
  /// stays as it was split off.
  static constexpr int64_t maxUnknowns = 2048;
};
} // namespace

SmallVector<SmallVector<unsigned>> AlternatingLeastSquares::findParts(
    unsigned f, const std::vector<NamedTensor> &factors) const {
  SmallVector<SmallVector<unsigned>> parts;
  SmallVector<NameSet> sets;
  for (unsigned i = 0; i < factors.size(); ++i) {
    if (i == f)
      continue;
    SmallVector<unsigned> members{i};
    NameSet set = makeNameSet(names[i]);
    for (unsigned p = parts.size(); p--;)
      if (sets[p] & set) {
        llvm::append_range(members, parts[p]);
        set |= sets[p];
        parts.erase(parts.begin() + p);
        sets.erase(sets.begin() + p);
      }
    llvm::sort(members);
    parts.push_back(members);
    sets.push_back(set);
  }
  return parts;
}

AlternatingLeastSquares::Part
AlternatingLeastSquares::makePart(unsigned f,
                                  const std::vector<NamedTensor> &factors,
                                  ArrayRef<unsigned> members) const {
  NameSet inPart = 0;
  for (unsigned member : members)
    inPart |= makeNameSet(names[member]);
  Part part;
  for (unsigned name : names[f])
    if (inPart >> name & 1)
      (inTensor >> name & 1 ? part.batch : part.unknowns).push_back(name);

  // Both copies share the tensor's indices and differ in contracted ones.
  auto prime = [&](unsigned name) {
    return inTensor >> name & 1 ? name : name + Einsum::maxNames;
  };
  std::vector<NamedTensor> primed;
  SmallVector<const NamedTensor *> operands;
  primed.reserve(members.size());
  for (unsigned member : members) {
    operands.push_back(&factors[member]);
    primed.push_back(factors[member]);
    for (unsigned &name : primed.back().names)
      name = prime(name);
    operands.push_back(&primed.back());
  }
  SmallVector<unsigned> order(part.batch);
  llvm::append_range(order, part.unknowns);
  for (unsigned name : part.unknowns)
    order.push_back(prime(name));
  NamedTensor gram = contractAll(operands, order, sizes);

  int64_t unknowns = countElements(part.unknowns, sizes);
  int64_t count = countElements(part.batch, sizes);
  for (int64_t b = 0; b < count; ++b) {
    part.gram.push_back(ConstMatrixView(
        gram.data.data() + b * unknowns * unknowns, unknowns, unknowns));
    // The pseudo-inverse: least squares of least norm where the others do not
    // determine this factor.
    Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(part.gram.back());
    Eigen::VectorXd values = solver.eigenvalues();
    double cutoff = values.cwiseAbs().maxCoeff() * 1e-13;
    for (double &value : values)
      value = value > cutoff ? 1 / value : 0;
    part.inverse.push_back(solver.eigenvectors() * values.asDiagonal() *
                           solver.eigenvectors().transpose());
  }
  return part;
}

/// Multiplies along the unknowns of a part.
NamedTensor
AlternatingLeastSquares::apply(NamedTensor x, const Part &part,
                               const std::vector<Matrix> &matrices) const {
  SmallVector<unsigned> order(part.batch);
  llvm::append_range(order, part.unknowns);
  for (unsigned name : x.names)
    if (!llvm::is_contained(order, name))
      order.push_back(name);
  x = permute(x, order, sizes);
  int64_t rows = matrices.front().rows();
  int64_t slice = x.data.size() / matrices.size();
  for (auto [b, matrix] : llvm::enumerate(matrices)) {
    MatrixView view(x.data.data() + b * slice, rows, slice / rows);
    Matrix product(view.rows(), view.cols());
    multiply(matrix, view, product);
    view = product;
  }
  return x;
}

/// Replaces factor f by the best one; returns the squared error.
double
AlternatingLeastSquares::update(unsigned f,
                                std::vector<NamedTensor> &factors) const {
  SmallVector<const NamedTensor *> operands{&tensor};
  for (unsigned i = 0; i < factors.size(); ++i)
    if (i != f)
      operands.push_back(&factors[i]);
  NamedTensor right = contractAll(operands, names[f], sizes);
  bool solvable = true;
  SmallVector<Part> parts;
  for (ArrayRef<unsigned> members : findParts(f, factors)) {
    NameSet inPart = 0;
    for (unsigned member : members)
      inPart |= makeNameSet(names[member]);
    solvable &= countElements(makeNameSet(names[f]) & inPart & ~inTensor,
                              sizes) <= maxUnknowns;
    if (!solvable)
      break;
    parts.push_back(makePart(f, factors, members));
  }
  if (!solvable)
    return std::numeric_limits<double>::infinity();

  NamedTensor solution = right;
  for (const Part &part : parts)
    solution = apply(std::move(solution), part, part.inverse);
  solution = permute(solution, names[f], sizes);
  // What the change of this factor leaves of the error; kept only if rounding
  // did not spoil it.
  auto measure = [&](const NamedTensor &x) {
    NamedTensor image = x;
    for (const Part &part : parts)
      image = apply(std::move(image), part, part.gram);
    image = permute(image, names[f], sizes);
    return norm + innerProduct(x.data, image.data) -
           2 * innerProduct(x.data, right.data);
  };
  double before = measure(factors[f]), after = measure(solution);
  if (!(after <= before))
    return std::max(before, 0.0);
  factors[f] = std::move(solution);
  return std::max(after, 0.0);
}

double AlternatingLeastSquares::run(std::vector<NamedTensor> &factors,
                                    unsigned maxSweeps, double tolerance,
                                    std::vector<double> &trace,
                                    const std::vector<bool> &frozen) {
  double error = std::numeric_limits<double>::infinity();
  for (unsigned sweep = 0; sweep < maxSweeps; ++sweep) {
    double last = error;
    for (unsigned f = 0; f < factors.size(); ++f) {
      if (!frozen.empty() && frozen[f])
        continue;
      double now = update(f, factors);
      if (std::isinf(now))
        continue;
      error = now;
      trace.push_back(error);
    }
    if (!(last - error > tolerance * error) || error <= 1e-14 * norm)
      break;
    if (frozen.empty())
      balanceFactors(factors, sizes);
  }
  return error;
}

//===----------------------------------------------------------------------===//
// fitFactors
//===----------------------------------------------------------------------===//

std::vector<double>
compress::contractFactors(const Einsum &einsum, ArrayRef<int64_t> sizes,
                          ArrayRef<std::vector<double>> factors) {
  std::vector<NamedTensor> tensors;
  SmallVector<const NamedTensor *> operands;
  tensors.reserve(factors.size());
  for (auto [names, data] : llvm::zip(einsum.factors, factors)) {
    tensors.push_back({names, data});
    operands.push_back(&tensors.back());
  }
  return contractAll(operands, einsum.getResultNames(), sizes).data;
}

namespace {
/// Square roots of importance, for dimensions all of whose names only one
/// factor has: dividing that factor undoes the weighting of the tensor.
struct DimWeights {
  unsigned dim, factor;
  std::vector<double> root;
};

/// One call of fitFactors.
class Fit {
public:
  Fit(const Einsum &einsum, ArrayRef<int64_t> sizes,
      const FactorizationOptions &options);
  Factorization run(ArrayRef<double> values);
  Factorization refine(ArrayRef<double> values,
                       std::vector<std::vector<double>> factors,
                       const std::vector<bool> &frozen);

private:
  void collectWeights();
  /// Multiplies `x` along a dimension's names by `root` or its inverse.
  void scaleAlong(NamedTensor &x, const DimWeights &weights,
                  bool inverse) const;
  double measure(const NamedTensor &tensor,
                 const std::vector<NamedTensor> &factors) const;
  std::vector<NamedTensor> search(const NamedTensor &tensor,
                                  std::vector<double> &trace);
  /// Gives a factor back the names that only it has, which are summed over:
  /// its values at their first index, zeros elsewhere.
  std::vector<double> restoreDangling(const NamedTensor &x, unsigned f) const;

  const Einsum &einsum;
  SmallVector<int64_t> sizes;
  const FactorizationOptions &options;
  /// The factors' names without dangling ones.
  FactorNames names;
  /// Whether more than two factors share a contracted name, or two share a name
  /// of the result: a split then is no optimum.
  bool hasHyperedge = false;
  SmallVector<DimWeights> weights;
};
} // namespace

Fit::Fit(const Einsum &einsum, ArrayRef<int64_t> sizes,
         const FactorizationOptions &options)
    : einsum(einsum), sizes(sizes.begin(), sizes.end()), options(options),
      names(einsum.factors.begin(), einsum.factors.end()) {
  for (unsigned name = 0; name < einsum.names.size(); ++name) {
    unsigned count = llvm::count_if(einsum.factors, [&](const auto &factor) {
      return llvm::is_contained(factor, name);
    });
    bool contracted = einsum.isContracted(name);
    if (contracted && count == 1)
      for (auto &factor : names)
        llvm::erase(factor, name);
    hasHyperedge |= count > (contracted ? 2 : 1);
  }
  collectWeights();
}

void Fit::collectWeights() {
  for (auto [dim, importance] : llvm::enumerate(options.importance)) {
    if (dim >= einsum.dims.size() || importance.empty())
      continue;
    NameSet set = makeNameSet(einsum.dims[dim]);
    if (int64_t(importance.size()) != countElements(set, sizes))
      continue;
    SmallVector<unsigned> owners;
    for (unsigned f = 0; f < names.size(); ++f)
      if (makeNameSet(names[f]) & set)
        owners.push_back(f);
    double mean = 0;
    for (double w : importance)
      mean += std::isfinite(w) && w > 0 ? w / importance.size() : 0;
    if (owners.size() != 1 || !std::isnormal(mean))
      continue;
    // What has no importance must still be divided by its weight.
    DimWeights entry{unsigned(dim), owners[0], {}};
    for (double w : importance)
      entry.root.push_back(
          std::sqrt(std::isfinite(w) && w > 1e-8 * mean ? w / mean : 1e-8));
    weights.push_back(std::move(entry));
  }
}

void Fit::scaleAlong(NamedTensor &x, const DimWeights &entry,
                     bool inverse) const {
  SmallVector<unsigned> order(einsum.dims[entry.dim]);
  SmallVector<unsigned> original(x.names);
  for (unsigned name : original)
    if (!llvm::is_contained(order, name))
      order.push_back(name);
  x = permute(x, order, sizes);
  size_t inner = x.data.size() / std::max<size_t>(entry.root.size(), 1);
  for (size_t i = 0; i < x.data.size(); ++i)
    x.data[i] *= inverse ? 1 / entry.root[i / inner] : entry.root[i / inner];
  x = permute(x, original, sizes);
}

double Fit::measure(const NamedTensor &tensor,
                    const std::vector<NamedTensor> &factors) const {
  SmallVector<const NamedTensor *> operands;
  for (const NamedTensor &factor : factors)
    operands.push_back(&factor);
  NamedTensor model = contractAll(operands, tensor.names, sizes);
  double error = 0;
  for (auto [a, b] : llvm::zip(tensor.data, model.data))
    error += (a - b) * (a - b);
  return error;
}

std::vector<NamedTensor> Fit::search(const NamedTensor &tensor,
                                     std::vector<double> &trace) {
  double bound = 0, norm = sumOfSquares(tensor.data);
  std::vector<NamedTensor> best = splitFactors(
      tensor, names, sizes, options.seed, hasHyperedge ? 1e-2 : 0, &bound);
  if (names.size() < 2)
    return best;
  balanceFactors(best, sizes);
  double splitError = measure(tensor, best);
  if (splitError <= bound * (1 + 1e-9) + 1e-13 * norm)
    return best;

  AlternatingLeastSquares als(tensor, names, sizes);
  double bestError = als.run(best, options.maxSweeps, options.tolerance, trace);
  if (std::isinf(bestError))
    bestError = splitError;
  Random random(options.seed);
  for (unsigned start = 0; hasHyperedge && start < options.restarts &&
                           bestError > bound + 1e-12 * norm;
       ++start) {
    std::vector<NamedTensor> factors;
    for (const auto &factor : names) {
      factors.push_back(
          {factor, std::vector<double>(countElements(factor, sizes))});
      for (double &value : factors.back().data)
        value = random.next();
    }
    std::vector<double> otherTrace;
    double error =
        als.run(factors, options.maxSweeps, options.tolerance, otherTrace);
    if (error < bestError) {
      bestError = error;
      best = std::move(factors);
      trace = std::move(otherTrace);
    }
  }
  if (!hasHyperedge) {
    // What the factors stand for has this form exactly, so splitting it again
    // loses nothing and sorts the contracted names.
    SmallVector<const NamedTensor *> operands;
    for (const NamedTensor &factor : best)
      operands.push_back(&factor);
    std::vector<NamedTensor> sorted = splitFactors(
        contractAll(operands, tensor.names, sizes), names, sizes, options.seed);
    if (measure(tensor, sorted) <=
        measure(tensor, best) * (1 + 1e-9) + 1e-13 * norm)
      best = std::move(sorted);
  }
  balanceFactors(best, sizes);
  return best;
}

std::vector<double> Fit::restoreDangling(const NamedTensor &x,
                                         unsigned f) const {
  if (x.names == einsum.factors[f])
    return x.data;
  std::vector<double> result(countElements(einsum.factors[f], sizes), 0);
  // The row-major position in the full factor of each element of `x`.
  for (size_t i = 0; i < x.data.size(); ++i) {
    size_t rest = i, position = 0, stride = 1;
    for (size_t axis = einsum.factors[f].size(); axis--;) {
      unsigned name = einsum.factors[f][axis];
      if (llvm::is_contained(x.names, name)) {
        position += rest % sizes[name] * stride;
        rest /= sizes[name];
      }
      stride *= sizes[name];
    }
    result[position] = x.data[i];
  }
  return result;
}

Factorization Fit::run(ArrayRef<double> values) {
  Factorization result;
  result.norm = sumOfSquares(values);
  NamedTensor tensor{einsum.getResultNames(), values.vec()};
  double largest = 0;
  for (double value : values)
    largest = std::max(largest, std::abs(value));
  bool empty = llvm::any_of(ArrayRef(sizes).take_front(einsum.names.size()),
                            [](int64_t size) { return size == 0; });
  if (empty || largest == 0) {
    for (const auto &factor : einsum.factors)
      result.factors.emplace_back(countElements(factor, sizes), 0.0);
    result.error = result.norm;
    return result;
  }
  // Keep squares in range.
  for (double &value : tensor.data)
    value /= largest;
  for (const DimWeights &entry : weights)
    scaleAlong(tensor, entry, /*inverse=*/false);
  std::vector<NamedTensor> factors = search(tensor, result.trace);
  for (const DimWeights &entry : weights)
    scaleAlong(factors[entry.factor], entry, /*inverse=*/true);
  double share = std::pow(largest, 1.0 / factors.size());
  for (NamedTensor &factor : factors)
    for (double &value : factor.data)
      value *= share;
  balanceFactors(factors, sizes);
  for (auto [f, factor] : llvm::enumerate(factors))
    result.factors.push_back(restoreDangling(factor, f));
  for (double &error : result.trace)
    error *= largest * largest;
  std::vector<double> model = contractFactors(einsum, sizes, result.factors);
  for (auto [a, b] : llvm::zip(values, model))
    result.error += (a - b) * (a - b);
  return result;
}

Factorization Fit::refine(ArrayRef<double> values,
                          std::vector<std::vector<double>> factors,
                          const std::vector<bool> &frozen) {
  Factorization result;
  result.norm = sumOfSquares(values);
  NamedTensor tensor{einsum.getResultNames(), values.vec()};
  std::vector<NamedTensor> named;
  bool empty = values.empty();
  for (auto [f, data] : llvm::enumerate(factors)) {
    empty |= data.empty();
    named.push_back(
        sumOut({einsum.factors[f], data}, makeNameSet(names[f]), sizes));
  }
  if (!empty) {
    for (const DimWeights &entry : weights) {
      scaleAlong(tensor, entry, /*inverse=*/false);
      scaleAlong(named[entry.factor], entry, /*inverse=*/false);
    }
    AlternatingLeastSquares(tensor, names, sizes)
        .run(named, options.maxSweeps, options.tolerance, result.trace, frozen);
    for (const DimWeights &entry : weights)
      scaleAlong(named[entry.factor], entry, /*inverse=*/true);
  }
  for (auto [f, data] : llvm::enumerate(factors))
    result.factors.push_back(frozen[f] || empty ? std::move(data)
                                                : restoreDangling(named[f], f));
  std::vector<double> model = contractFactors(einsum, sizes, result.factors);
  for (auto [a, b] : llvm::zip(values, model))
    result.error += (a - b) * (a - b);
  return result;
}

/// Checks what both entry points are given.
static llvm::Error verifyProblem(const Einsum &einsum, ArrayRef<int64_t> sizes,
                                 ArrayRef<double> tensor) {
  if (sizes.size() < einsum.names.size())
    return llvm::createStringError("factorization needs %zu sizes, found %zu",
                                   einsum.names.size(), sizes.size());
  int64_t count = countElements(einsum.getResultNames(), sizes);
  if (int64_t(tensor.size()) != count)
    return llvm::createStringError("factorization of %lld values, found %zu",
                                   static_cast<long long>(count),
                                   tensor.size());
  for (double value : tensor)
    if (!std::isfinite(value))
      return llvm::createStringError(
          "cannot factorize a tensor with values that are not finite");
  return llvm::Error::success();
}

llvm::Expected<Factorization> compress::refineFactors(
    const Einsum &einsum, ArrayRef<int64_t> sizes, ArrayRef<double> tensor,
    std::vector<std::vector<double>> factors, const std::vector<bool> &frozen,
    const FactorizationOptions &options) {
  if (auto error = verifyProblem(einsum, sizes, tensor))
    return error;
  if (factors.size() != einsum.factors.size() ||
      frozen.size() != factors.size())
    return llvm::createStringError("expected %zu factors, found %zu",
                                   einsum.factors.size(), factors.size());
  for (auto [names, factor] : llvm::zip(einsum.factors, factors))
    if (int64_t(factor.size()) != countElements(names, sizes))
      return llvm::createStringError(
          "a factor has %zu values, expected %lld", factor.size(),
          static_cast<long long>(countElements(names, sizes)));
  return Fit(einsum, sizes, options).refine(tensor, std::move(factors), frozen);
}

llvm::Expected<Factorization>
compress::fitFactors(const Einsum &einsum, ArrayRef<int64_t> sizes,
                     ArrayRef<double> tensor,
                     const FactorizationOptions &options) {
  if (auto error = verifyProblem(einsum, sizes, tensor))
    return error;
  return Fit(einsum, sizes, options).run(tensor);
}
