//===- Emulator.h - Runs models for Arm SME -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_UNITTESTS_TARGET_SME_EMULATOR_H
#define COMPRESS_UNITTESTS_TARGET_SME_EMULATOR_H

#include "compress/Pipelines/CodeGen.h"
#include "compress/Support/Npz.h"
#include "mlir/IR/TypeRange.h"

namespace compress::test {

/// Streaming vector lengths, in bits, that one library is run at.
inline constexpr unsigned kStreamingLengths[] = {128, 256, 512};

/// QEMU for user programs and a cross compiler. QEMU 7 computes outer products
/// of 8-bit codes wrongly, so that it is not taken.
class Emulator {
public:
  /// The error says what is missing.
  static llvm::Expected<Emulator> find();
  /// Runs one library at each streaming length; an error, too, when results
  /// differ in a bit. `results` are static tensors of f32, f64 or i64.
  llvm::Expected<std::vector<NpyArray>> run(const CompiledModel &model,
                                            llvm::ArrayRef<NpyArray> inputs,
                                            mlir::TypeRange results) const;

private:
  std::string qemu, compiler;
};

} // namespace compress::test

#endif // COMPRESS_UNITTESTS_TARGET_SME_EMULATOR_H
