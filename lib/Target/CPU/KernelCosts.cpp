//===- KernelCosts.cpp - The time that kernels take -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelCosts.h"
#include "KernelBlockDot.h"
#include "KernelWeightOnly.h"
#include "llvm/Support/Process.h"
#include <algorithm>
#include <cmath>

using namespace compress;
using namespace compress::cpu;

/// For calibration, which times both ways of a kernel at any number of rows:
/// the environment says up to how many a kernel takes the way for few. Nothing
/// else sets it.
static std::optional<int64_t> getForcedFewRows() {
  static const std::optional<int64_t> forced = []() -> std::optional<int64_t> {
    auto text = llvm::sys::Process::GetEnv("COMPRESS_CPU_FEW_ROWS");
    int64_t rows = 0;
    if (!text || llvm::StringRef(*text).getAsInteger(10, rows))
      return std::nullopt;
    return rows;
  }();
  return forced;
}

/// Weights of up to so many bytes come from a near cache when a kernel is run
/// again; from three times as many on, they do not.
static constexpr double kNearBytes = 1 << 20;

namespace {
/// What of a kind is known from its code.
struct Structure {
  const char *name;
  /// Rows that one pass over the weight serves; 0: all.
  int passRows;
  /// What tiles round up to; 0: the lanes of a vector.
  unsigned rowMultiple;
};
/// The figures of one instruction set.
struct Row {
  const char *isa;
  KernelKind kind;
  KernelCost cost;
};
} // namespace

static const Structure &getStructure(KernelKind kind) {
  static const Structure table[] = {
#define KERNEL_KIND(name, passRows, rowMultiple) {#name, passRows, rowMultiple},
#include "KernelKinds.def"
  };
  return table[unsigned(kind)];
}

llvm::StringRef compress::cpu::getKernelKindName(KernelKind kind) {
  return getStructure(kind).name;
}

static llvm::ArrayRef<Row> getRows() {
  static const Row rows[] = {
#define KERNEL_COST(isa, kind, ...) {isa, KernelKind::kind, {__VA_ARGS__}},
#include "KernelCosts.inc"
  };
  return rows;
}

llvm::StringRef compress::cpu::getCostOrigin(const KernelISA &isa) {
  static const std::pair<llvm::StringRef, llvm::StringRef> origins[] = {
#define KERNEL_COST_ORIGIN(isa, origin) {isa, origin},
#include "KernelCosts.inc"
  };
  for (auto [name, origin] : origins)
    if (name == isa.name)
      return origin;
  return {};
}

const KernelCost &compress::cpu::getKernelCost(const KernelISA &isa,
                                               KernelKind kind) {
  for (const Row &row : getRows())
    if (row.kind == kind && isa.name == llvm::StringRef(row.isa))
      return row.cost;
  static const KernelCost none;
  return none;
}

/// Seconds on one core without those of the call.
static double getWorkSeconds(const KernelISA &isa, const KernelWork &work) {
  const KernelCost &cost = getKernelCost(isa, work.kind);
  const Structure &structure = getStructure(work.kind);
  double passRows =
      structure.passRows < 0 ? isa.getLanes() : structure.passRows;
  double passes = passRows > 0 ? std::ceil(work.m / passRows) : 1;
  unsigned multiple =
      structure.rowMultiple ? structure.rowMultiple : isa.getLanes();
  double rows = std::ceil(work.m / multiple) * multiple;
  double far = std::clamp((work.bytes / kNearBytes - 1) / 2, 0.0, 1.0);
  double reading = work.bytes * (cost.near + (cost.byte - cost.near) * far);
  double computing = work.entries * (passes * cost.entry + rows * cost.product);
  double weight = std::cbrt(reading * reading * reading +
                            computing * computing * computing);
  return weight + work.m * (work.k * cost.input + work.n * cost.output);
}

double compress::cpu::estimateSeconds(const KernelISA &isa,
                                      const KernelWork &work, int threads) {
  return getKernelCost(isa, work.kind).call +
         getWorkSeconds(isa, work) / std::max(1, threads);
}

double compress::cpu::estimateDots(const KernelISA &isa, double m, double n,
                                   double k, int threads) {
  KernelWork work = KernelWork::dense(KernelKind::DotFew, m, n, k, 8);
  double vectors = estimateSeconds(isa, work, threads);
  if (!isa.hasDotTiles)
    return vectors;
  work.kind = KernelKind::DotMany;
  return std::min(vectors, estimateSeconds(isa, work, threads));
}

const BlockKinds &compress::cpu::getBlockKinds(BlockCodes codes) {
  static const BlockKinds kinds[] = {
      {KernelKind::BlockDotFew, KernelKind::BlockDotMany,
       KernelKind::BlockDotTiles},
      {KernelKind::LongBlocksFew, KernelKind::LongBlocksMany,
       KernelKind::LongBlocksTiles},
      {KernelKind::PairsFew, KernelKind::PairsMany, KernelKind::PairsTiles}};
  return kinds[unsigned(codes)];
}

double compress::cpu::estimateBlocks(const KernelISA &isa, BlockCodes codes,
                                     KernelWork work, int threads) {
  const BlockKinds &kinds = getBlockKinds(codes);
  if (isa.hasDotTiles && work.m >= kFewestTileRows) {
    work.kind = kinds.tiles;
    return estimateSeconds(isa, work, threads);
  }
  work.kind = kinds.few;
  double few = estimateSeconds(isa, work, threads);
  work.kind = kinds.many;
  return std::min(few, estimateSeconds(isa, work, threads));
}

static KernelWork getBitWork(double m, double n, double k, unsigned pairs,
                             double bytes) {
  return {KernelKind::Bits, m, n, k, bytes, n * k * pairs};
}

double compress::cpu::estimateBits(const KernelISA &isa, double m, double n,
                                   double k, unsigned pairs, double bytes,
                                   int threads) {
  return estimateSeconds(isa, getBitWork(m, n, k, pairs, bytes), threads);
}

bool compress::cpu::areBitsFaster(const KernelISA &isa, double m, double n,
                                  double k, unsigned pairs, double bytes) {
  if (auto forced = getForcedFewRows())
    return m <= double(*forced);
  KernelWork blocks{KernelKind::LongBlocksFew, m, n, k, bytes, n * k};
  return estimateBits(isa, m, n, k, pairs, bytes) <=
         estimateBlocks(isa, BlockCodes::Long, blocks);
}

std::pair<KernelKind, KernelKind> compress::cpu::getTableKinds(unsigned width) {
  if (width <= kNarrowTableWidth)
    return {KernelKind::TableFew, KernelKind::TableMany};
  if (width == kNarrowTableWidth + 1)
    return {KernelKind::SixBitTableFew, KernelKind::SixBitTableMany};
  return {KernelKind::WideTableFew, KernelKind::WideTableMany};
}

bool compress::cpu::isCalibrating() { return getForcedFewRows().has_value(); }

int64_t compress::cpu::getMostFewRows(const KernelISA &isa, KernelWork few,
                                      KernelWork many, int64_t limit) {
  if (auto forced = getForcedFewRows())
    return *forced;
  int64_t most = 0;
  for (int64_t m = 1; m <= limit; ++m) {
    few.m = many.m = m;
    // Both are one call.
    if (getWorkSeconds(isa, few) <= getWorkSeconds(isa, many))
      most = m;
  }
  return most;
}

int64_t compress::cpu::getMostFewRows(const KernelISA &isa, KernelKind few,
                                      KernelKind many, KernelWork work,
                                      int64_t limit) {
  KernelWork other = work;
  work.kind = few;
  other.kind = many;
  return getMostFewRows(isa, work, other, limit);
}

bool compress::cpu::isFaster(const KernelISA &isa, const KernelWork &first,
                             const KernelWork &second) {
  if (auto forced = getForcedFewRows())
    return first.m <= double(*forced);
  return getWorkSeconds(isa, first) <= getWorkSeconds(isa, second);
}
