//===- NoOneDNN.cpp - Build without oneDNN ----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Kernels.h"

namespace compress::runtime {

bool matmulOneDNN(Slot &, const MatmulProblem &, int) { return false; }
bool convOneDNN(Slot &, const ConvF32 &, int) { return false; }
bool convOneDNN(Slot &, const ConvQ8 &, int) { return false; }
const char *kernelLibrary() { return "portable loops"; }

} // namespace compress::runtime
