//===- KernelExpand.h - Zeros put back between bytes ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Packed weights of which many bytes are zero are stored as a bit for each unit
// of one or four bytes and the units that are not zero. A kernel puts the zeros
// back; from constants, so that it runs once, when a model is loaded.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELEXPAND_H
#define COMPRESS_LIB_TARGET_CPU_KERNELEXPAND_H

#include "KernelBuilder.h"
#include "compress/Dialect/Compress/IR/HostTensor.h"

namespace compress::cpu {

struct ExpandedUnits {
  /// All bytes, and those of a unit: 1 or 4.
  int64_t bytes, unit;
  /// Units that are stored.
  int64_t stored;
  /// i8 [stored * unit + a unit that may be read], a bit for each unit in i32
  /// words, low bits first, and the number of the first stored unit of each
  /// part of `kExpandedWords` words, i32.
  HostTensor values, mask, starts;

  int64_t getByteSize() const;
};

/// Words of a task.
inline constexpr int64_t kExpandedWords = 2048;

/// With the unit that takes less room. `bytes` is i8 [a multiple of 4].
ExpandedUnits packUnits(const HostTensor &bytes);

/// ins values, mask, starts; outs i8 [bytes].
std::string generateExpand(mlir::ModuleOp module, const ExpandedUnits &packed);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELEXPAND_H
