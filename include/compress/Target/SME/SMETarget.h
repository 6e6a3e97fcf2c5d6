//===- SMETarget.h - Arm's Scalable Matrix Extension ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TARGET_SME_SMETARGET_H
#define COMPRESS_TARGET_SME_SMETARGET_H

#include "compress/Target/Target.h"

namespace compress {

/// aarch64 Linux with SME: contractions as outer products that are summed in
/// the ZA array, one library for every streaming vector length. What it leaves
/// is the CPU target's.
std::unique_ptr<Target> createSMETarget();

} // namespace compress

#endif // COMPRESS_TARGET_SME_SMETARGET_H
