//===- KernelCodebook.h - Products with vector codebooks --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// f32 activations times weights that are sums of entries of codebooks, each
// entry `vec` consecutive inputs of one output (AQLM, QuIP#, product
// quantization). Two ways, for any number of rows:
//
// - Lookup: the products of a part of the activation with all entries of a
//   codebook are computed once, and looked up for every index. Rows lie side by
//   side in the lanes of a vector, so that one addition serves all of them.
//   For codebooks of few entries.
// - Rows: entries are copied to a buffer for a few outputs and multiplied from
//   there. For codebooks of many entries, which an output does not use all.
//
// The difference to products with decoded weights is at most
// (K + stages + 8) * 2^-23 * (|init| + sum of |x| |entry| over all stages).
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELCODEBOOK_H
#define COMPRESS_LIB_TARGET_CPU_KERNELCODEBOOK_H

#include "KernelCosts.h"
#include "KernelGEMM.h"

namespace compress::cpu {

/// Codebooks of more entries are not multiplied as a whole, and entries longer
/// than that not kept in registers.
inline constexpr int64_t kMostLookedUp = 512, kMostVector = 32;

/// How indices lie: groups of `groupBlocks` blocks of inputs, in each group the
/// outputs, for each output the blocks, for each block the stages. Indices of
/// up to 4 bits in pairs, the first in the lower bits.
struct CodebookLayout {
  CodebookLayout(int64_t n, int64_t k, int64_t size, int64_t vec,
                 int64_t stages);

  int64_t n, k, size, vec, stages;
  /// Bits of a stored index: 4, 8 or 16.
  unsigned width;
  int64_t groupBlocks;

  /// Indices of an output in a group.
  int64_t getGroupIndices() const { return groupBlocks * stages; }
  int64_t getGroupInputs() const { return groupBlocks * vec; }
  int64_t getNumGroups() const {
    return llvm::divideCeil(llvm::divideCeil(k, vec), groupBlocks);
  }
  /// Of an output in a group.
  int64_t getGroupBytes() const { return getGroupIndices() * width / 8; }
  /// Outputs with padding.
  int64_t getPaddedN() const { return llvm::alignTo(n, 16); }
  /// Entries of a codebook with padding.
  int64_t getPaddedSize() const { return llvm::alignTo(size, 16); }
  int64_t getBytes() const {
    return getNumGroups() * getPaddedN() * getGroupBytes();
  }
};

/// out[m, n] = init + sum over k of x[m, k] * w[n, k].
///   ins x: f32 [M, K], indices: i8 (see CodebookLayout; i16 if so wide),
///       entries: f32, [stage, vec, padded size] for Lookup and
///       [stage, size, vec] for Rows
///       [, bias: f32 [N]]
///   outs out: f32 [M, N]
struct CodebookGEMM {
  const KernelISA *isa;
  CodebookLayout layout;
  /// Rows if known, else ShapedType::kDynamic.
  int64_t rows;
  InitKind init;
  bool isLookup;
};
std::string generateCodebookGEMM(mlir::ModuleOp module,
                                 const CodebookGEMM &gemm);

/// What a way takes; `m` rows.
KernelWork getCodebookWork(const KernelISA &isa, const CodebookLayout &layout,
                           bool isLookup, double m);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELCODEBOOK_H
