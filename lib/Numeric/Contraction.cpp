//===- Contraction.cpp - Contractions of tensors with named axes *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/Parallel.h"

using namespace compress;
using namespace compress::numeric;
using llvm::ArrayRef;
using llvm::SmallVector;

//===----------------------------------------------------------------------===//
// Matrix products
//===----------------------------------------------------------------------===//

void numeric::fixCacheSizes() {
  static const bool done = [] {
    Eigen::setCpuCacheSizes(32 << 10, 512 << 10, 4 << 20);
    return true;
  }();
  (void)done;
}

/// Calls `body(begin, size)` for blocks of `count` things, in parallel if the
/// work (in operations) is worth it.
static void forBlocks(int64_t count, double work,
                      llvm::function_ref<void(int64_t, int64_t)> body) {
  fixCacheSizes();
  const int64_t blockSize = 256;
  int64_t numBlocks = (count + blockSize - 1) / blockSize;
  auto run = [&](size_t block) {
    int64_t begin = block * blockSize;
    body(begin, std::min(blockSize, count - begin));
  };
  if (work > 1e7) {
    llvm::parallelFor(0, numBlocks, run);
    return;
  }
  for (int64_t block = 0; block < numBlocks; ++block)
    run(block);
}

void numeric::multiply(const Eigen::Ref<const Matrix> &a,
                       const Eigen::Ref<const Matrix> &b,
                       Eigen::Ref<Matrix> result) {
  double work = 2.0 * a.rows() * a.cols() * b.cols();
  if (a.rows() >= b.cols())
    forBlocks(a.rows(), work, [&](int64_t begin, int64_t size) {
      result.middleRows(begin, size).noalias() = a.middleRows(begin, size) * b;
    });
  else
    forBlocks(b.cols(), work, [&](int64_t begin, int64_t size) {
      result.middleCols(begin, size).noalias() = a * b.middleCols(begin, size);
    });
}

void numeric::multiplyTransposed(const Eigen::Ref<const Matrix> &a,
                                 const Eigen::Ref<const Matrix> &b,
                                 Eigen::Ref<Matrix> result) {
  double work = 2.0 * a.rows() * a.cols() * b.cols();
  if (a.cols() >= b.cols())
    forBlocks(a.cols(), work, [&](int64_t begin, int64_t size) {
      result.middleRows(begin, size).noalias() =
          a.middleCols(begin, size).transpose() * b;
    });
  else
    forBlocks(b.cols(), work, [&](int64_t begin, int64_t size) {
      result.middleCols(begin, size).noalias() =
          a.transpose() * b.middleCols(begin, size);
    });
}

//===----------------------------------------------------------------------===//
// Named tensors
//===----------------------------------------------------------------------===//

int64_t numeric::countElements(ArrayRef<unsigned> names, Sizes sizes) {
  int64_t count = 1;
  for (unsigned name : names)
    count *= sizes[name];
  return count;
}

int64_t numeric::countElements(NameSet names, Sizes sizes) {
  return countElements(listNames(names), sizes);
}

SmallVector<unsigned> numeric::listNames(NameSet names) {
  SmallVector<unsigned> list;
  for (; names; names &= names - 1)
    list.push_back(llvm::countr_zero(names));
  return list;
}

NamedTensor numeric::permute(const NamedTensor &x, ArrayRef<unsigned> names,
                             Sizes sizes) {
  if (ArrayRef(x.names) == names)
    return x;
  NamedTensor result;
  result.names.assign(names.begin(), names.end());
  result.data.resize(x.data.size());
  if (x.data.empty())
    return result;
  // Axes of the result with their stride in x; neighbours in both are one.
  SmallVector<std::pair<int64_t, int64_t>> axes;
  for (unsigned name : names) {
    int64_t stride = 1;
    for (size_t i = x.names.size(); i-- && x.names[i] != name;)
      stride *= sizes[x.names[i]];
    if (!axes.empty() && axes.back().second == stride * sizes[name])
      axes.back() = {axes.back().first * sizes[name], stride};
    else
      axes.push_back({sizes[name], stride});
  }
  if (axes.empty())
    axes.push_back({1, 1});
  auto [innerSize, innerStride] = axes.pop_back_val();
  SmallVector<int64_t> position(axes.size(), 0);
  const double *source = x.data.data();
  double *target = result.data.data();
  for (double *end = target + result.data.size(); target != end;) {
    for (int64_t i = 0; i < innerSize; ++i)
      *target++ = source[i * innerStride];
    for (size_t axis = axes.size(); axis--;) {
      source += axes[axis].second;
      if (++position[axis] < axes[axis].first)
        break;
      source -= axes[axis].first * axes[axis].second;
      position[axis] = 0;
    }
  }
  return result;
}

NamedTensor numeric::sumOut(const NamedTensor &x, NameSet keep, Sizes sizes) {
  SmallVector<unsigned> kept, summed;
  for (unsigned name : x.names)
    (keep >> name & 1 ? kept : summed).push_back(name);
  if (summed.empty())
    return x;
  SmallVector<unsigned> order(kept);
  llvm::append_range(order, summed);
  NamedTensor sorted = permute(x, order, sizes);
  int64_t inner = countElements(summed, sizes);
  NamedTensor result{kept, std::vector<double>(countElements(kept, sizes))};
  for (size_t i = 0; i < result.data.size(); ++i)
    for (int64_t j = 0; j < inner; ++j)
      result.data[i] += sorted.data[i * inner + j];
  return result;
}

NamedTensor numeric::contract(const NamedTensor &a, const NamedTensor &b,
                              NameSet keep, Sizes sizes) {
  NameSet inA = makeNameSet(a.names), inB = makeNameSet(b.names);
  if (inA & ~(keep | inB))
    return contract(sumOut(a, keep | inB, sizes), b, keep, sizes);
  if (inB & ~(keep | inA))
    return contract(a, sumOut(b, keep | inA, sizes), keep, sizes);

  // As a batch of matrix products. Names keep the order that a has them in.
  SmallVector<unsigned> batch, rows, inner, cols;
  for (unsigned name : a.names) {
    bool shared = inB >> name & 1, kept = keep >> name & 1;
    (shared ? (kept ? batch : inner) : rows).push_back(name);
  }
  for (unsigned name : b.names)
    if (!(inA >> name & 1))
      cols.push_back(name);
  auto join = [](auto &&...lists) {
    SmallVector<unsigned> result;
    (llvm::append_range(result, lists), ...);
    return result;
  };
  SmallVector<unsigned> normalA = join(batch, rows, inner);
  SmallVector<unsigned> transposedA = join(batch, inner, rows);
  bool transposed = ArrayRef(a.names) == ArrayRef(transposedA);
  NamedTensor permutedA, permutedB;
  const NamedTensor *x = &a, *y = &b;
  if (!transposed && ArrayRef(a.names) != ArrayRef(normalA)) {
    permutedA = permute(a, normalA, sizes);
    x = &permutedA;
  }
  SmallVector<unsigned> normalB = join(batch, inner, cols);
  if (ArrayRef(b.names) != ArrayRef(normalB)) {
    permutedB = permute(b, normalB, sizes);
    y = &permutedB;
  }
  int64_t numRows = countElements(rows, sizes);
  int64_t numInner = countElements(inner, sizes);
  int64_t numCols = countElements(cols, sizes);
  int64_t numBatch = countElements(batch, sizes);
  NamedTensor result{join(batch, rows, cols),
                     std::vector<double>(numBatch * numRows * numCols)};
  for (int64_t i = 0; i < numBatch; ++i) {
    const double *left = x->data.data() + i * numRows * numInner;
    ConstMatrixView right(y->data.data() + i * numInner * numCols, numInner,
                          numCols);
    MatrixView out(result.data.data() + i * numRows * numCols, numRows,
                   numCols);
    if (transposed)
      multiplyTransposed(ConstMatrixView(left, numInner, numRows), right, out);
    else
      multiply(ConstMatrixView(left, numRows, numInner), right, out);
  }
  return result;
}

NamedTensor numeric::contractAll(ArrayRef<const NamedTensor *> operands,
                                 ArrayRef<unsigned> names, Sizes sizes) {
  NameSet keep = makeNameSet(names);
  if (operands.empty())
    return {{}, {1.0}};
  if (operands.size() == 1)
    return permute(sumOut(*operands[0], keep, sizes), names, sizes);
  SmallVector<NameSet> sets;
  for (const NamedTensor *operand : operands)
    sets.push_back(makeNameSet(operand->names));
  ContractionPlan plan = planContraction(sets, keep, sizes);
  std::vector<NamedTensor> made(plan.steps.size());
  auto get = [&](unsigned number) -> const NamedTensor & {
    return number < operands.size() ? *operands[number]
                                    : made[number - operands.size()];
  };
  for (auto [i, step] : llvm::enumerate(plan.steps)) {
    made[i] = contract(get(step.lhs), get(step.rhs), step.result, sizes);
    for (unsigned used : {step.lhs, step.rhs})
      if (used >= operands.size())
        made[used - operands.size()].data = {};
  }
  return permute(made.back(), names, sizes);
}
