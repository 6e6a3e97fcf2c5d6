//===- CPUFeatures.cpp - What this machine can execute ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Runtime/ModelInstance.h"

#include <cstdlib>
#include <cstring>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace {

#if defined(__x86_64__) || defined(__i386__)

/// A register of a CPUID leaf. XCR0 counts as one more: the state that the
/// operating system saves decides whether wide registers are usable.
enum Word {
  L1C,
  L1D,
  L7B,
  L7C,
  L7D,
  L71A,
  L71D,
  X1C,
  X1D,
  L19B,
  XSAVE1,
  Words
};
enum State { None, AVX, AVX512, AMX };

struct Feature {
  const char *name;
  Word word;
  int bit;
  State state;
};

// Names as in LLVM's X86.td; bits as in the Intel SDM, volume 2, CPUID.
const Feature features[] = {
    {"sse3", L1C, 0, None},
    {"pclmul", L1C, 1, None},
    {"ssse3", L1C, 9, None},
    {"fma", L1C, 12, AVX},
    {"cx16", L1C, 13, None},
    {"sse4.1", L1C, 19, None},
    {"sse4.2", L1C, 20, None},
    {"crc32", L1C, 20, None},
    {"movbe", L1C, 22, None},
    {"popcnt", L1C, 23, None},
    {"aes", L1C, 25, None},
    {"xsave", L1C, 27, None},
    {"avx", L1C, 28, AVX},
    {"f16c", L1C, 29, AVX},
    {"rdrnd", L1C, 30, None},
    {"cx8", L1D, 8, None},
    {"cmov", L1D, 15, None},
    {"mmx", L1D, 23, None},
    {"fxsr", L1D, 24, None},
    {"sse", L1D, 25, None},
    {"sse2", L1D, 26, None},
    {"fsgsbase", L7B, 0, None},
    {"bmi", L7B, 3, None},
    {"avx2", L7B, 5, AVX},
    {"bmi2", L7B, 8, None},
    {"avx512f", L7B, 16, AVX512},
    {"evex512", L7B, 16, AVX512},
    {"avx512dq", L7B, 17, AVX512},
    {"rdseed", L7B, 18, None},
    {"adx", L7B, 19, None},
    {"avx512ifma", L7B, 21, AVX512},
    {"clflushopt", L7B, 23, None},
    {"clwb", L7B, 24, None},
    {"avx512cd", L7B, 28, AVX512},
    {"sha", L7B, 29, None},
    {"avx512bw", L7B, 30, AVX512},
    {"avx512vl", L7B, 31, AVX512},
    {"avx512vbmi", L7C, 1, AVX512},
    {"avx512vbmi2", L7C, 6, AVX512},
    {"gfni", L7C, 8, None},
    {"vaes", L7C, 9, AVX},
    {"vpclmulqdq", L7C, 10, AVX},
    {"avx512vnni", L7C, 11, AVX512},
    {"avx512bitalg", L7C, 12, AVX512},
    {"avx512vpopcntdq", L7C, 14, AVX512},
    {"movdiri", L7C, 27, None},
    {"movdir64b", L7C, 28, None},
    {"avx512vp2intersect", L7D, 8, AVX512},
    {"amx-bf16", L7D, 22, AMX},
    {"avx512fp16", L7D, 23, AVX512},
    {"amx-tile", L7D, 24, AMX},
    {"amx-int8", L7D, 25, AMX},
    {"avxvnni", L71A, 4, AVX},
    {"avx512bf16", L71A, 5, AVX512},
    {"amx-fp16", L71A, 21, AMX},
    {"avxifma", L71A, 23, AVX},
    {"avxvnniint8", L71D, 4, AVX},
    {"avxneconvert", L71D, 5, AVX},
    {"avxvnniint16", L71D, 10, AVX},
    {"sahf", X1C, 0, None},
    {"lzcnt", X1C, 5, None},
    {"sse4a", X1C, 6, None},
    {"prfchw", X1C, 8, None},
    {"64bit", X1D, 29, None},
    {"xsaveopt", XSAVE1, 0, None},
    {"xsavec", XSAVE1, 1, None},
    {"xsaves", XSAVE1, 3, None},
};

struct CPU {
  unsigned words[Words] = {};
  bool states[4] = {true, false, false, false};

  CPU() {
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d)) {
      words[L1C] = c;
      words[L1D] = d;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
      words[L7B] = b;
      words[L7C] = c;
      words[L7D] = d;
      if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
        words[L71A] = a;
        words[L71D] = d;
      }
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) {
      words[X1C] = c;
      words[X1D] = d;
    }
    if (__get_cpuid_count(13, 1, &a, &b, &c, &d))
      words[XSAVE1] = a;
    if (words[L1C] >> 27 & 1) { // OSXSAVE: xgetbv is allowed.
      unsigned low, high;
      __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
      states[AVX] = (low & 0x6) == 0x6;
      states[AVX512] = (low & 0xe6) == 0xe6;
      states[AMX] = (low & 0x60000) == 0x60000;
    }
  }
};

/// Linux gives a process the state of tile registers when it asks.
bool requestTiles() {
#ifdef __linux__
  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA; see the kernel's
  // Documentation/arch/x86/xstate.rst.
  static const bool granted = syscall(SYS_arch_prctl, 0x1023, 18) == 0;
  return granted;
#else
  return true;
#endif
}

bool hasFeature(const char *name, size_t length) {
  static const CPU cpu;
  for (const Feature &f : features)
    if (std::strlen(f.name) == length && !std::memcmp(f.name, name, length))
      return (cpu.words[f.word] >> f.bit & 1) && cpu.states[f.state] &&
             (f.state != AMX || requestTiles());
  return false;
}

#elif defined(__aarch64__) && defined(__linux__)

struct Feature {
  const char *name;
  int word; // 0: AT_HWCAP, 1: AT_HWCAP2
  int bit;
};

// Bits as in Linux' arch/arm64/include/uapi/asm/hwcap.h.
const Feature features[] = {
    {"fp-armv8", 0, 0},    {"neon", 0, 1},        {"aes", 0, 3},
    {"sha2", 0, 6},        {"crc", 0, 7},         {"lse", 0, 8},
    {"fullfp16", 0, 10},   {"rdm", 0, 12},        {"dotprod", 0, 20},
    {"fp16fml", 0, 23},    {"sve", 0, 22},        {"sve2", 1, 1},
    {"i8mm", 1, 13},       {"bf16", 1, 14},       {"sme", 1, 23},
    {"sme-i16i64", 1, 24}, {"sme-f64f64", 1, 25}, {"sme2", 1, 37},
};

/// Whether an outer product of bytes is what it should be: QEMU 7 gets those
/// wrong that are not on the diagonal.
bool multipliesRight() {
  uint64_t control; // SVCR: streaming mode, and whether ZA holds something
  asm volatile("mrs %0, s3_3_c4_c2_2" : "=r"(control));
  if (control)
    return true;
  // The largest vectors have 64 words.
  int32_t rows[2][64] = {};
  asm volatile(".arch_extension sme\n"
               "smstart\n"
               "ptrue p0.b\n"
               "index z0.b, #0, #1\n"
               "zero {za}\n"
               "smopa za0.s, p0/m, p0/m, z0.b, z0.b\n"
               "mov w12, #0\n"
               "st1w {za0h.s[w12, 0]}, p0, [%0]\n"
               "st1w {za0h.s[w12, 1]}, p0, [%1]\n"
               "smstop\n"
               :
               : "r"(rows[0]), "r"(rows[1])
               : "memory", "x12", "p0", "v0", "v1", "v2", "v3", "v4", "v5",
                 "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14",
                 "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",
                 "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
  return rows[0][0] == 0 * 0 + 1 * 1 + 2 * 2 + 3 * 3 &&
         rows[0][1] == 0 * 4 + 1 * 5 + 2 * 6 + 3 * 7 &&
         rows[1][0] == rows[0][1] &&
         rows[1][1] == 4 * 4 + 5 * 5 + 6 * 6 + 7 * 7;
}

bool hasFeature(const char *name, size_t length) {
  static const unsigned long words[2] = {getauxval(AT_HWCAP),
                                         getauxval(AT_HWCAP2)};
  for (const Feature &f : features)
    if (std::strlen(f.name) == length && !std::memcmp(f.name, name, length))
      return words[f.word] >> f.bit & 1;
  return false;
}

/// Why a feature cannot be used although it is there, or null.
const char *whyBroken(const char *name, size_t length) {
  if (length != 3 || std::memcmp(name, "sme", 3))
    return nullptr;
  static const bool isRight = multipliesRight();
  return isRight ? nullptr
                 : " (here smopa gives wrong results; QEMU is right from "
                   "version 10 on)";
}

#else

bool hasFeature(const char *, size_t) { return false; }

#endif

#if !defined(__aarch64__) || !defined(__linux__)
const char *whyBroken(const char *, size_t) { return nullptr; }
#endif

/// Whether the user asks to do without.
bool isDisabled(const char *name, size_t length) {
  const char *list = std::getenv("COMPRESS_DISABLE_CPU_FEATURES");
  for (const char *p = list ? list : ""; *p;) {
    size_t entry = std::strcspn(p, ",");
    if (entry == length && !std::memcmp(p, name, length))
      return true;
    p += entry + (p[entry] == ',');
  }
  return false;
}

} // namespace

std::string compress::runtime::missingCPUFeatures(const char *list) {
  std::string missing;
  for (const char *p = list ? list : ""; *p;) {
    size_t length = std::strcspn(p, ",");
    const char *name = p;
    size_t nameLength = length;
    if (nameLength && *name == '+') { // as in LLVM's target-features
      ++name;
      --nameLength;
    }
    if (nameLength && *name != '-') {
      bool isThere =
          hasFeature(name, nameLength) && !isDisabled(name, nameLength);
      const char *broken = isThere ? whyBroken(name, nameLength) : nullptr;
      if (!isThere || broken) {
        if (!missing.empty())
          missing += ',';
        missing.append(name, nameLength);
        if (broken)
          missing += broken;
      }
    }
    p += length;
    if (*p == ',')
      ++p;
  }
  return missing;
}

const CompressModelVariant &
compress::runtime::selectVariant(const CompressModelVariant *variants) {
  const CompressModelVariant *variant = variants;
  while (variant[1].info &&
         !missingCPUFeatures(variant->info->cpu_features).empty())
    ++variant;
  return *variant;
}
