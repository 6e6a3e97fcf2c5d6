//===- Work.h - Operations, bit operations and energy -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_SEARCH_WORK_H
#define COMPRESS_SEARCH_WORK_H

#include "compress/Plan/Level.h"

namespace compress {

/// Joules of operations and of bytes moved, in picojoules. The defaults are
/// those of a 45 nm process at 0.9 V: M. Horowitz, "Computing's energy problem
/// (and what we can do about it)", ISSCC 2014, figure 1.1.9. Ratios between
/// rows are what matters; a file with other numbers describes another chip.
struct EnergyModel {
  /// Multiplication of integers of 8 bits; others by the product of their
  /// widths (the 3.1 pJ of 32 bits are 16 times that).
  double int8Multiply = 0.2;
  /// Accumulation of integers in 32 bits.
  double int32Add = 0.1;
  double f16Multiply = 1.1, f16Add = 0.4;
  double f32Multiply = 3.7, f32Add = 0.9;
  /// A byte from memory (1.3 nJ for 64 bits, the lower end) and from a cache of
  /// 1 MB (100 pJ for 64 bits).
  double memoryByte = 162.5, cacheByte = 12.5;

  /// Reads `key: number` lines: `int8-multiply`, `int32-add`, `f16-multiply`,
  /// `f16-add`, `f32-multiply`, `f32-add`, `memory-byte`, `cache-byte`, all
  /// optional. Errors name the file: unknown keys, negative numbers.
  static llvm::Expected<EnergyModel> load(llvm::StringRef path);

  /// One multiply-add of operands of these types, in picojoules. Integers meet
  /// as integers; with a float the other side has been decoded to a float. f16
  /// stands for all floats of up to 16 bits, f32 for wider ones.
  double getMultiplyAdd(mlir::Type a, mlir::Type b) const;
};

/// What the operations of a site take in one run.
struct SiteWork {
  /// Two for each multiply-add.
  double flops = 0;
  /// Multiply-adds times the bits of both operands (BOPs: Baskin et al.,
  /// arXiv:1804.10969, without the term of the accumulator).
  double bops = 0;
  /// Of the multiply-adds, of reading the stored weight from memory, and of
  /// reading activations and writing results in a cache.
  double joules = 0;

  SiteWork &operator+=(const SiteWork &other);
  SiteWork operator*(double factor) const;
};

/// The work of a site with a level. `site` has operations of static shapes;
/// `stored` is what the level makes of its weight, null where it stays as it
/// is. Multiply-adds are those of `EncodingAttrInterface::countMultiplyAdds`.
/// Errors: shapes that are not known.
llvm::Expected<SiteWork> measureWork(const Site &site, const Level &level,
                                     CompressedTensorType stored,
                                     const EnergyModel &energy = {});

} // namespace compress

#endif // COMPRESS_SEARCH_WORK_H
