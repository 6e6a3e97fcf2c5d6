//===- KernelCosts.h - The time that kernels take ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The cost model of the CPU target: a roofline for each kind of kernel, with
// figures for each instruction set (KernelCosts.inc, written by
// benchmark/calibrate.py). Claims and kernels ask it where two ways compete;
// CostModel.cpp adds up what a contraction takes.
//
// A kernel that multiplies m rows by a weight of n x k, `entries` of which are
// stored in `bytes`, takes
//
//   call + m k input + m n output + max'(bytes * (near or byte),
//       entries * (passes * entry + rows * product))
//
// where max'(x, y) = (x^3 + y^3)^(1/3): reading and computing overlap, not
// quite to the end. `passes` is how often the weight is gone through, `rows`
// is m rounded up to what a tile computes.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELCOSTS_H
#define COMPRESS_LIB_TARGET_CPU_KERNELCOSTS_H

#include "KernelISA.h"

namespace compress::cpu {

/// Kernels whose times differ only by the amount of work; see KernelKinds.def.
enum class KernelKind {
#define KERNEL_KIND(name, passRows, rowMultiple) name,
#include "KernelKinds.def"
};
#define KERNEL_KIND(name, passRows, rowMultiple) +1
inline constexpr unsigned kNumKernelKinds = 0
#include "KernelKinds.def"
    ;
llvm::StringRef getKernelKindName(KernelKind kind);

/// Measured seconds for each unit of work on one core.
struct KernelCost {
  double call = 0;    ///< a call
  double near = 0;    ///< a byte of a weight that a near cache holds
  double byte = 0;    ///< a byte of a larger one
  double entry = 0;   ///< a stored entry, each time it is gone through
  double product = 0; ///< a stored entry and a row
  double input = 0;   ///< an element of the activation
  double output = 0;  ///< an element of the result
};

struct KernelWork {
  KernelKind kind;
  double m, n, k;
  /// Stored bytes of the weight.
  double bytes;
  /// Stored entries; n * k where nothing is left out.
  double entries;

  static KernelWork dense(KernelKind kind, double m, double n, double k,
                          double bits) {
    return {kind, m, n, k, n * k * bits / 8, n * k};
  }
};

/// The figures of an instruction set; zeros for kinds that it does not have.
const KernelCost &getKernelCost(const KernelISA &isa, KernelKind kind);

/// Where the figures of an instruction set are from: "measured", or what they
/// are taken from without having been measured.
llvm::StringRef getCostOrigin(const KernelISA &isa);

/// Predicted seconds on this many threads, which share the work evenly.
double estimateSeconds(const KernelISA &isa, const KernelWork &work,
                       int threads = 1);

/// 8-bit codes on both sides, all of them stored: the faster of vectors and
/// tile registers.
double estimateDots(const KernelISA &isa, double m, double n, double k,
                    int threads = 1);
/// Codes with a scale for each of short blocks, of long ones or of all inputs,
/// and codes of which some of each few are zero.
enum class BlockCodes { Short, Long, Pairs };
/// Blocks from this size on are long.
inline constexpr int64_t kLeastLong = 256;
struct BlockKinds {
  KernelKind few, many, tiles;
};
const BlockKinds &getBlockKinds(BlockCodes codes);
/// What of these kernels runs the rows; the kind in `work` does not matter.
double estimateBlocks(const KernelISA &isa, BlockCodes codes, KernelWork work,
                      int threads = 1);

/// Codes of `pairs` pairs of bits, a scale for each output and row, as bits.
double estimateBits(const KernelISA &isa, double m, double n, double k,
                    unsigned pairs, double bytes, int threads = 1);
/// Whether that takes no longer than a product of bytes.
bool areBitsFaster(const KernelISA &isa, double m, double n, double k,
                   unsigned pairs, double bytes);

/// The kinds for few and for many rows of a table of 2^width scalars.
std::pair<KernelKind, KernelKind> getTableKinds(unsigned width);

/// Whether the environment says which ways kernels take, for calibration.
bool isCalibrating();

/// The largest number of rows, at most `limit`, for which `few` takes no longer
/// than `many`; 0 if there is none. Their `m` does not matter.
int64_t getMostFewRows(const KernelISA &isa, KernelWork few, KernelWork many,
                       int64_t limit);
/// The same for kinds of which only the figures differ.
int64_t getMostFewRows(const KernelISA &isa, KernelKind few, KernelKind many,
                       KernelWork work, int64_t limit);

/// Whether `first` takes no longer than `second`.
bool isFaster(const KernelISA &isa, const KernelWork &first,
              const KernelWork &second);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELCOSTS_H
