//===- Contraction.h - Contractions of tensors with named axes --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Private to CompressNumeric.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_NUMERIC_CONTRACTION_H
#define COMPRESS_LIB_NUMERIC_CONTRACTION_H

#include "compress/Numeric/Einsum.h"
#include <Eigen/Core>
#include <random>
#include <vector>

namespace compress::numeric {

/// Row-major, as everything outside is.
using Matrix =
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixView = Eigen::Map<Matrix>;
using ConstMatrixView = Eigen::Map<const Matrix>;

/// Tells Eigen cache sizes, so that it sums in the same order on every machine.
void fixCacheSizes();
/// `result = a * b`, on all cores. The work is cut into blocks of fixed size,
/// so that sums do not depend on the number of threads.
void multiply(const Eigen::Ref<const Matrix> &a,
              const Eigen::Ref<const Matrix> &b, Eigen::Ref<Matrix> result);
/// `result = transpose(a) * b`.
void multiplyTransposed(const Eigen::Ref<const Matrix> &a,
                        const Eigen::Ref<const Matrix> &b,
                        Eigen::Ref<Matrix> result);

/// A row-major tensor whose axes have names.
struct NamedTensor {
  llvm::SmallVector<unsigned> names;
  std::vector<double> data;
};

/// Extents of names, by number.
using Sizes = llvm::ArrayRef<int64_t>;

int64_t countElements(llvm::ArrayRef<unsigned> names, Sizes sizes);
int64_t countElements(NameSet names, Sizes sizes);
/// The names of a set, rising.
llvm::SmallVector<unsigned> listNames(NameSet names);

/// The same tensor with its axes in another order.
NamedTensor permute(const NamedTensor &x, llvm::ArrayRef<unsigned> names,
                    Sizes sizes);
/// Sum over the axes that `keep` lacks.
NamedTensor sumOut(const NamedTensor &x, NameSet keep, Sizes sizes);
/// Contraction of two tensors; `keep` are the names of the result.
NamedTensor contract(const NamedTensor &a, const NamedTensor &b, NameSet keep,
                     Sizes sizes);
/// Contraction of any number of tensors in the cheapest order, with the names
/// `names` in this order.
NamedTensor contractAll(llvm::ArrayRef<const NamedTensor *> operands,
                        llvm::ArrayRef<unsigned> names, Sizes sizes);

/// Pseudo-random numbers in [-1, 1), the same everywhere.
class Random {
public:
  explicit Random(uint64_t seed) : engine(seed) {}
  double next() { return double(engine() >> 11) * 0x1p-52 - 1; }
  uint64_t nextInteger() { return engine(); }

private:
  std::mt19937_64 engine;
};

} // namespace compress::numeric

#endif // COMPRESS_LIB_NUMERIC_CONTRACTION_H
