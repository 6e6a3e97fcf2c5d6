//===- Emulator.h - Runs models for Arm SME -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_UNITTESTS_TARGET_SME_EMULATOR_H
#define COMPRESS_UNITTESTS_TARGET_SME_EMULATOR_H

#include "../../Support/TempDir.h"
#include "compress/Pipelines/CodeGen.h"
#include "compress/Support/Npz.h"
#include "compress/Target/Target.h"
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
  /// For a test of `target`: nothing where it runs here; the error says why it
  /// runs neither here nor in an emulator.
  static llvm::Expected<std::optional<Emulator>> findFor(const Target &target);
  /// Runs one library at each streaming length; an error, too, when results
  /// differ in a bit. Dimensions of inputs that the model leaves open are
  /// `open`. `results` are static tensors of f32, f64 or i64.
  llvm::Expected<std::vector<NpyArray>> run(const CompiledModel &model,
                                            llvm::ArrayRef<NpyArray> inputs,
                                            mlir::TypeRange results,
                                            int64_t open = 1) const;

private:
  std::string qemu;
  /// Holds the program that runs a library.
  std::shared_ptr<TempDir> folder;
};

} // namespace compress::test

#endif // COMPRESS_UNITTESTS_TARGET_SME_EMULATOR_H
