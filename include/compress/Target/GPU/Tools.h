//===- Tools.h - Programs that finish binaries of devices -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_GPU_TOOLS_H
#define COMPRESS_TARGET_GPU_TOOLS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>

namespace compress {

/// NVIDIA's assembler: COMPRESS_PTXAS, or `ptxas` in the path, or that of the
/// toolkit in CUDA_HOME or in its usual place.
std::optional<std::string> findAssembler();

/// LLVM's linker; the error says what to install.
llvm::Expected<std::string> findDeviceLinker();

/// Runs a program on a file with `input`, called "%in" in its arguments, and
/// gives back the file "%out". The error is what it printed.
llvm::Expected<std::string> runTool(llvm::StringRef program,
                                    llvm::ArrayRef<std::string> arguments,
                                    llvm::StringRef suffix,
                                    llvm::StringRef input);

} // namespace compress

#endif // COMPRESS_TARGET_GPU_TOOLS_H
