//===- EmitStages.h - IR between the stages, for people ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_EMITSTAGES_H
#define COMPRESS_LIB_PIPELINES_EMITSTAGES_H

#include "compress/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"

namespace compress {

/// What `--emit` asks for.
class EmitStages {
public:
  /// `mlir-after=STAGE` or `llvm`, each maybe several by commas.
  static llvm::Expected<EmitStages> parse(llvm::ArrayRef<std::string> options);

  bool wantsLLVM() const { return llvmIR; }
  /// Writes `model.after-STAGE.mlir` to the folder if it was asked for. Weights
  /// are elided.
  llvm::Error write(llvm::StringRef stage, mlir::ModuleOp module,
                    llvm::StringRef folder);
  /// The same for the stages that are passes of the compile pipeline, which
  /// runs on a copy of the module. An error for names that are no pass; failing
  /// passes are left to the actual compile.
  llvm::Error writePasses(mlir::ModuleOp module, llvm::StringRef folder,
                          const Target &target, const TargetOptions &options);

private:
  bool llvmIR = false;
  /// Asked for and not yet written.
  std::vector<std::string> pending;
};

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_EMITSTAGES_H
