//===- ModelHeader.h - The generated model.h --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_SUPPORT_MODELHEADER_H
#define COMPRESS_SUPPORT_MODELHEADER_H

#include "compress/Runtime/Model.h"

#include "llvm/ADT/StringRef.h"

#include <string>

namespace compress {

/// `name` as a C identifier: other characters become '_'.
std::string toCIdentifier(llvm::StringRef name);

/// The text of a self-contained C header for a model: a copy of Model.h, what
/// the inputs and outputs are, an example, and inline wrappers whose names
/// start with the model's name.
std::string renderModelHeader(const CompressModelInfo &info);

} // namespace compress

#endif // COMPRESS_SUPPORT_MODELHEADER_H
