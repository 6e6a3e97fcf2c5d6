//===- KernelISA.cpp - Instruction sets of generated kernels ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelISA.h"

using namespace compress;
using namespace compress::cpu;

// Best first. Tiles keep accumulators, one row of B and one broadcast of A in
// registers: 6 x 4 + 4 + 1 of 32, 6 x 2 + 2 + 1 of 16; splitting bytes into
// 16-bit halves doubles what A and B need.
static const KernelISA kTable[] = {
    {"amx",
     {"avx512f", "avx512bw", "avx512vl", "avx512vnni", "amx-tile", "amx-int8",
      nullptr},
     512,
     "llvm.x86.avx512.vpdpbusd.512",
     nullptr,
     "llvm.x86.avx512.permvar.sf.512",
     "llvm.x86.avx512.vpermi2var.ps.512",
     true,
     true,
     true,
     4,
     {8, 8, 8, 6},
     {8, 8, 8, 6},
     {6, 6, 4, 3},
     3},
    {"avx512vnni",
     {"avx512f", "avx512bw", "avx512vl", "avx512vnni", nullptr},
     512,
     "llvm.x86.avx512.vpdpbusd.512",
     nullptr,
     "llvm.x86.avx512.permvar.sf.512",
     "llvm.x86.avx512.vpermi2var.ps.512",
     false,
     true,
     true,
     4,
     {8, 8, 8, 6},
     {8, 8, 8, 6},
     {6, 6, 4, 3},
     3},
    {"avx512bw",
     {"avx512f", "avx512bw", "avx512vl", nullptr},
     512,
     nullptr,
     "llvm.x86.avx512.pmaddw.d.512",
     "llvm.x86.avx512.permvar.sf.512",
     "llvm.x86.avx512.vpermi2var.ps.512",
     false,
     true,
     true,
     4,
     {8, 8, 6, 5},
     {8, 8, 8, 6},
     {6, 5, 3, 2},
     3},
    {"avxvnni",
     {"avx2", "fma", "f16c", "avxvnni", nullptr},
     256,
     "llvm.x86.avx512.vpdpbusd.256",
     nullptr,
     nullptr,
     nullptr,
     false,
     true,
     true,
     2,
     {6, 6},
     {6, 6},
     {4, 2},
     2},
    {"avx2",
     {"avx2", "fma", "f16c", nullptr},
     256,
     nullptr,
     "llvm.x86.avx2.pmadd.wd",
     nullptr,
     nullptr,
     false,
     true,
     true,
     2,
     {4, 4},
     {6, 6},
     {3, 1},
     2},
    {"sse2",
     {"sse2", nullptr},
     128,
     nullptr,
     "llvm.x86.sse2.pmadd.wd",
     nullptr,
     nullptr,
     false,
     false,
     false,
     2,
     {4, 4},
     {4, 4},
     {3, 1},
     2},
    {"portable",
     {nullptr},
     128,
     nullptr,
     nullptr,
     nullptr,
     nullptr,
     false,
     false,
     false,
     2,
     {2, 2},
     {4, 4},
     {1, 1},
     2},
};

const KernelISA &compress::cpu::selectKernelISA(const TargetOptions &options) {
  for (const KernelISA &isa : kTable) {
    bool available = true;
    for (const char *const *feature = isa.features; *feature; ++feature)
      available &= options.hasFeature(*feature);
    if (available)
      return isa;
  }
  llvm_unreachable("the last row asks for nothing");
}
