//===- QuantizedPacking.h - Weights in the layout of kernels ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constant quantized weights seen as a matrix, and their layouts for the
// kernels, made on the host at compile time.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_QUANTIZEDPACKING_H
#define COMPRESS_LIB_TARGET_CPU_QUANTIZEDPACKING_H

#include "KernelGEMM.h"
#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress::cpu {

/// A constant `quant` tensor of any axis order as codes[n, k], with a group of
/// parameters per element. Offsets are sums of one part from n and one from k.
struct WeightMatrix {
  /// Null where codes are numbers of the entries of a table.
  QuantAttr encoding;
  std::vector<float> table;
  HostTensor codes;  // with the element type of the code
  HostTensor scales; // the leaf, in its storage type
  HostTensor zeros;  // the leaf, or empty
  double zero = 0;   // of all codes, where there is no leaf
  llvm::SmallVector<int64_t> nCodes, kCodes, nGroups, kGroups;

  int64_t getN() const { return nCodes.size(); }
  int64_t getK() const { return kCodes.size(); }
  int64_t getCode(int64_t n, int64_t k) const {
    return codes.getInt(nCodes[n] + kCodes[k]);
  }
  uint64_t getCodeBits(int64_t n, int64_t k) const {
    return codes.getBits(nCodes[n] + kCodes[k]);
  }
  int64_t getGroup(int64_t n, int64_t k) const {
    return nGroups[n] + kGroups[k];
  }
  /// The number of consecutive k that share a group: a block size that all but
  /// the last block have, K when there is one block; nothing when blocks are
  /// not even.
  std::optional<int64_t> getBlock() const;
};

/// Sees the result of `op`, whose axis i runs over loop `map(i)`, as a matrix
/// with the loops of n and of k each in row-major order. Nothing when it is not
/// `quant` with dense parameters. `extents` are those of the loops.
std::optional<WeightMatrix> getWeightMatrix(const EncodedTensor &tensor,
                                            mlir::AffineMap map,
                                            llvm::ArrayRef<unsigned> n,
                                            llvm::ArrayRef<unsigned> k,
                                            llvm::ArrayRef<int64_t> extents);
std::optional<WeightMatrix> getWeightMatrix(ConstantOp op, mlir::AffineMap map,
                                            llvm::ArrayRef<unsigned> n,
                                            llvm::ArrayRef<unsigned> k,
                                            llvm::ArrayRef<int64_t> extents);

/// The same for `codebook` with one table of scalars and for `scaled` of that
/// with dense scales: codes of up to 8 bits, and a scale of one where there is
/// none.
std::optional<WeightMatrix> getTableMatrix(ConstantOp op, mlir::AffineMap map,
                                           llvm::ArrayRef<unsigned> n,
                                           llvm::ArrayRef<unsigned> k,
                                           llvm::ArrayRef<int64_t> extents);

/// A matrix of numbers of table entries as one of integers of no more bits,
/// where the entries are multiples of one value or evenly spaced: {-1, 0, 1},
/// {-1, 1}. Nothing where they are not, or where scales would be rounded.
std::optional<WeightMatrix> getIntegerMatrix(const WeightMatrix &weight);

/// The panels of `emitDotTile`: i8 [run, step, column, 4].
HostTensor packDotWeights(const WeightMatrix &weight, const KernelISA &isa,
                          const DotAxis &axis);
/// Codes as i8 [k, column].
HostTensor packDepthwiseWeights(const WeightMatrix &weight,
                                const KernelISA &isa);
/// i32 sums of the codes of each column, and the f32 scale of each; zero in
/// the padding.
HostTensor packColumnSums(const WeightMatrix &weight, const KernelISA &isa);
HostTensor packColumnScales(const WeightMatrix &weight, const KernelISA &isa);

/// A weight whose scale changes along k, in the order of a kernel's operands.
struct BlockOperands {
  HostTensor codes, scales, zeros, table;

  int64_t getByteSize() const;
};

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_QUANTIZEDPACKING_H
