//===- ReportHTML.h - Parts of the web page ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PIPELINES_REPORTHTML_H
#define COMPRESS_LIB_PIPELINES_REPORTHTML_H

#include "compress/Pipelines/Report.h"

namespace compress {

/// Text for XML: special characters escaped, invalid ones replaced.
std::string escapeHTML(llvm::StringRef text);
/// One number by a printf format.
std::string formatHTMLNumber(const char *format, double value);

/// The sections on what a search found; nothing without one.
void writeSearchHTML(const Report &report, llvm::raw_ostream &os);

} // namespace compress

#endif // COMPRESS_LIB_PIPELINES_REPORTHTML_H
