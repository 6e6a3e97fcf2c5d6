//===- KernelISA.cpp - Instruction sets of generated kernels ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelISA.h"

using namespace compress;
using namespace compress::cpu;

//===----------------------------------------------------------------------===//
// The table. Tiles keep accumulators, one row of B and one broadcast of A in
// registers: 6 x 4 + 4 + 1 of 32, 6 x 2 + 2 + 1 of 16; splitting bytes into
// 16-bit halves doubles what A and B need.
//===----------------------------------------------------------------------===//

static KernelISA getPortable() {
  KernelISA isa;
  isa.name = "portable";
  isa.vectorBits = 128;
  isa.maxVectors = 2;
  isa.dotRows = {2, 2};
  isa.floatRows = {4, 4};
  isa.blockRows = {1, 1};
  isa.floatVectors = 2;
  return isa;
}

static KernelISA getSSE2() {
  KernelISA isa = getPortable();
  isa.name = "sse2";
  isa.features = {"sse2"};
  isa.dotS16 = "llvm.x86.sse2.pmadd.wd";
  isa.dotRows = {4, 4};
  isa.blockRows = {3, 1};
  return isa;
}

static KernelISA getAVX2() {
  KernelISA isa = getSSE2();
  isa.name = "avx2";
  isa.features = {"avx2", "fma", "f16c"};
  isa.vectorBits = 256;
  isa.dotS16 = "llvm.x86.avx2.pmadd.wd";
  isa.hasFMA = isa.hasF16C = true;
  isa.floatRows = {6, 6};
  return isa;
}

static KernelISA getAVXVNNI() {
  KernelISA isa = getAVX2();
  isa.name = "avxvnni";
  isa.features.push_back("avxvnni");
  isa.dotU8S8 = "llvm.x86.avx512.vpdpbusd.256";
  isa.dotS16 = nullptr;
  isa.dotRows = {6, 6};
  isa.blockRows = {4, 2};
  return isa;
}

static KernelISA getAVX512BW() {
  KernelISA isa;
  isa.name = "avx512bw";
  isa.features = {"avx512f", "avx512bw", "avx512vl"};
  isa.vectorBits = 512;
  isa.dotS16 = "llvm.x86.avx512.pmaddw.d.512";
  isa.permuteF32 = "llvm.x86.avx512.permvar.sf.512";
  isa.permute2F32 = "llvm.x86.avx512.vpermi2var.ps.512";
  isa.countsWords = "avx512vpopcntdq";
  isa.hasFMA = isa.hasF16C = true;
  isa.maxVectors = 4;
  isa.dotRows = {8, 8, 6, 5};
  isa.floatRows = {8, 8, 8, 6};
  isa.blockRows = {6, 5, 3, 2};
  isa.floatVectors = 3;
  return isa;
}

static KernelISA getAVX512VNNI() {
  KernelISA isa = getAVX512BW();
  isa.name = "avx512vnni";
  isa.features.push_back("avx512vnni");
  isa.dotU8S8 = "llvm.x86.avx512.vpdpbusd.512";
  isa.dotS16 = nullptr;
  isa.dotRows = {8, 8, 8, 6};
  isa.blockRows = {6, 6, 4, 3};
  return isa;
}

static KernelISA getAMX() {
  KernelISA isa = getAVX512VNNI();
  isa.name = "amx";
  isa.features.append({"avx512vbmi2", "amx-tile", "amx-int8"});
  isa.expandBytes = "llvm.x86.avx512.mask.expand";
  isa.hasDotTiles = true;
  return isa;
}

static KernelISA getNEON() {
  KernelISA isa = getPortable();
  isa.name = "neon";
  isa.features = {"neon"};
  isa.hasFMA = isa.hasF16C = true;
  isa.dotRows = {4, 4};
  isa.floatRows = {8, 8};
  isa.blockRows = {3, 1};
  return isa;
}

static KernelISA getNEONDotProd() {
  KernelISA isa = getNEON();
  isa.name = "neon-dotprod";
  isa.features.push_back("dotprod");
  isa.dotS8S8 = "llvm.aarch64.neon.sdot.v4i32.v16i8";
  isa.maxVectors = 4;
  isa.dotRows = {8, 8, 6, 4};
  isa.floatRows = {8, 8, 8, 6};
  isa.blockRows = {6, 5, 3, 2};
  isa.floatVectors = 3;
  return isa;
}

static KernelISA getNEONI8MM() {
  KernelISA isa = getNEONDotProd();
  isa.name = "neon-i8mm";
  isa.features.push_back("i8mm");
  isa.dotU8S8 = "llvm.aarch64.neon.usdot.v4i32.v16i8";
  isa.dotS8S8 = nullptr;
  isa.dotRows = {8, 8, 8, 6};
  isa.blockRows = {6, 6, 4, 3};
  return isa;
}

const KernelISA &compress::cpu::selectKernelISA(const TargetOptions &options) {
  // Best first.
  static const KernelISA table[] = {
      getAMX(),  getAVX512VNNI(), getAVX512BW(), getAVXVNNI(),
      getAVX2(), getSSE2(),       getNEONI8MM(), getNEONDotProd(),
      getNEON(), getPortable()};
  for (const KernelISA &isa : table)
    if (llvm::all_of(isa.features, [&](const char *feature) {
          return options.hasFeature(feature);
        }))
      return isa;
  llvm_unreachable("the last row asks for nothing");
}
