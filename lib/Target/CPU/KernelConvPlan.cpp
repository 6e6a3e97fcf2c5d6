//===- KernelConvPlan.cpp - Dividing convolutions of codes ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelConvPlan.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Bytes of rows that a task may copy, and that it likes to read.
static constexpr int64_t kMaxCopiedBytes = 768 * 1024;
static constexpr int64_t kGoodBytes = 192 * 1024;
/// Bytes of weights that stay in the second-level cache for all tasks.
static constexpr int64_t kCachedBytes = 768 * 1024;
/// Tasks that are enough for a few threads to finish at about the same time.
static constexpr int64_t kGoodTasks = 8;
/// Pixels shorter than this are gathered.
static constexpr int64_t kMinChannels = 16;
bool CodeConv::isGathered() const {
  if (isDepthwise)
    return false;
  int64_t used = getGroupChannels();
  // Of a part of a pixel tile registers would read too much.
  return strides[0] != 1 || strides[1] != 1 || used < kMinChannels ||
         used % 4 != 0 ||
         (groups > 1 && isa->hasDotTiles && used % kTileBytes != 0);
}

DotAxis CodeConv::getRuns() const {
  DotAxis axis;
  axis.outer.push_back({kernel[0], 0});
  axis.run = getGroupChannels();
  if (dilations[1] == 1 && groups == 1)
    axis.run *= kernel[1];
  else
    axis.outer.push_back({kernel[1], 0});
  return axis;
}

int64_t CodeConv::getRunBytes() const {
  bool isWhole = isa->hasDotTiles && !isGathered();
  return llvm::alignTo(getRuns().run, isWhole ? kTileBytes : 4);
}

int64_t CodeConv::getPackedExtent() const {
  if (isDepthwise)
    return kernel[0] * kernel[1];
  return llvm::alignTo(getRuns().getNumRuns() * getRunBytes(),
                       isa->hasDotTiles ? kTileBytes : 4);
}

CodeConvPlan::CodeConvPlan(const CodeConv &conv)
    : panels(*conv.isa, conv.getGroupFilters()) {
  width = conv.sizes[1] + conv.padLow[1] + conv.padHigh[1];
  int64_t weightBytes =
      conv.groups * conv.getPackedExtent() * panels.getPaddedColumns();
  int64_t units = conv.isDepthwise  ? 1
                  : conv.groups > 1 ? conv.groups
                                    : panels.getCount();
  copies = conv.isPadded();
  // Tiles must not read behind the end of the images.
  if (!conv.isDepthwise && !conv.isGathered() &&
      conv.getRuns().run != conv.getRunBytes())
    copies = true;
  rowBytes = conv.isGathered() ? conv.getPackedExtent() : conv.channels;
  // Rows sixteen of which share a set of the cache displace each other.
  if (conv.isGathered() && rowBytes % 1024 == 0)
    rowBytes += 64;
  // Long blocks where weights have to come from afar for each of them.
  int64_t goodBytes = weightBytes > kCachedBytes ? 2 * kGoodBytes : kGoodBytes;
  int64_t height = conv.outSizes[0];
  for (blockRows = 1; blockRows < height; ++blockRows) {
    setRows(conv, blockRows + 1);
    int64_t bytes = std::max(
        {copiedBytes, gatheredBytes, inputRows * width * conv.channels});
    if (bytes > goodBytes)
      break;
  }
  // Blocks of equal height; the last one begins where it still fits.
  numBlocks = llvm::divideCeil(height, blockRows);
  if (numBlocks == 1 && units < kGoodTasks && height >= 8)
    numBlocks = 4;
  blockRows = llvm::divideCeil(height, numBlocks);
  numBlocks = llvm::divideCeil(height, blockRows);
  setRows(conv, blockRows);
  numParts = std::min<int64_t>(units, llvm::divideCeil(kGoodTasks, numBlocks));
  unitsPerTask = llvm::divideCeil(units, numParts);
  numParts = llvm::divideCeil(units, unitsPerTask);
  if (conv.isGathered()) {
    axis.run = conv.getPackedExtent();
    return;
  }
  axis = conv.getRuns();
  axis.run = conv.getRunBytes();
  axis.outer[0].second = conv.dilations[0] * width * conv.channels;
  if (axis.outer.size() > 1)
    axis.outer[1].second = conv.dilations[1] * conv.channels;
}

void CodeConvPlan::setRows(const CodeConv &conv, int64_t rows) {
  inputRows = (rows - 1) * conv.strides[0] +
              (conv.kernel[0] - 1) * conv.dilations[0] + 1;
  if (copies)
    copiedBytes = inputRows * width * conv.channels + kTileBytes;
  if (conv.isGathered()) {
    numRows = rows * conv.outSizes[1];
    gatheredBytes = numRows * rowBytes;
  } else {
    numRows = (rows - 1) * width + conv.outSizes[1];
  }
}

bool CodeConv::isSupported() const {
  if (isDepthwise && kernel[0] * kernel[1] > kMaxDepthwiseTaps)
    return false;
  CodeConv row = *this;
  row.outSizes[0] = 1;
  CodeConvPlan plan(row);
  return plan.copiedBytes + plan.gatheredBytes <= kMaxCopiedBytes;
}
