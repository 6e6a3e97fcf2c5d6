//===- DiagnosticCollector.h - Diagnostics as one-line errors ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_DIAGNOSTICCOLLECTOR_H
#define COMPRESS_LIB_PIPELINES_DIAGNOSTICCOLLECTOR_H

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace compress {

/// Keeps the diagnostics of a context instead of printing them, so that a
/// command-line tool can say in one line what went wrong.
class DiagnosticCollector {
public:
  /// `file` is the model that diagnostics are about.
  DiagnosticCollector(mlir::MLIRContext *context, llvm::StringRef file);

  /// The first error since the last call as `FILE: NODE: reason`: the first is
  /// the cause, later ones are mostly its consequences. `fallback` is the
  /// reason when nothing was reported.
  llvm::Error takeError(const llvm::Twine &fallback);
  /// Warnings and remarks so far, each one line.
  std::vector<std::string> takeWarnings() { return std::move(warnings); }

private:
  void handle(mlir::Diagnostic &diagnostic);

  std::string file;
  std::string firstError;
  std::vector<std::string> warnings;
  mlir::ScopedDiagnosticHandler handler;
};

/// The name that a location carries, or `FILE:LINE:COLUMN`; empty when it is
/// unknown.
std::string describeLocation(mlir::Location location);

/// `text` as one line: line breaks and runs of blanks become one blank.
std::string toOneLine(llvm::StringRef text);

/// `FILE: message`, unless the message begins with the file already; success
/// stays success.
llvm::Error atFile(llvm::StringRef file, llvm::Error error);

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_DIAGNOSTICCOLLECTOR_H
