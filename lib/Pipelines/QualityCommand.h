//===- QualityCommand.h - Quality by the user's program ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_QUALITYCOMMAND_H
#define COMPRESS_LIB_PIPELINES_QUALITYCOMMAND_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace compress {

/// Runs `command FOLDER` in a shell and returns the number on the last line of
/// what it prints, which says how good the model in the folder is: more is
/// better. Errors: it fails, prints no number, or runs for more than `timeout`
/// seconds; then all of its processes are ended.
llvm::Expected<double> runQualityCommand(llvm::StringRef command,
                                         llvm::StringRef folder,
                                         double timeout);

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_QUALITYCOMMAND_H
