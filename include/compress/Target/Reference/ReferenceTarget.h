//===- ReferenceTarget.h - Decode, then dense -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_REFERENCE_REFERENCETARGET_H
#define COMPRESS_TARGET_REFERENCE_REFERENCETARGET_H

#include "compress/Target/Target.h"

namespace compress {

/// Runs every operation by its reference semantics in plain sequential loops:
/// the oracle that faster targets are tested against.
std::unique_ptr<Target> createReferenceTarget();

} // namespace compress

#endif // COMPRESS_TARGET_REFERENCE_REFERENCETARGET_H
