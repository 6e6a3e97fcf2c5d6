//===- KernelConvFloat.cpp - f32 convolution kernels ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A convolution is a matrix product whose rows start at computed places of the
// images: nothing is gathered. Only padded images are copied, by each task the
// few rows that it needs, into a buffer that stays in its cache.
//
//===----------------------------------------------------------------------===//

#include "KernelConvFloat.h"
#include "KernelFloat.h"
#include "KernelImages.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Pixels that a task computes, roughly: enough to hide what a task costs.
static constexpr int64_t kTargetPixels = 48;
/// Bytes of padded rows that a task may hold, and would like to.
static constexpr int64_t kMaxPaddedBytes = 768 * 1024;
static constexpr int64_t kGoodPaddedBytes = 256 * 1024;
/// What surely stays in a core's second-level cache beside other data.
static constexpr int64_t kCachedBytes = 1024 * 1024;
/// Bytes of a panel that stay in the first-level cache for all tiles of a
/// block.
static constexpr int64_t kNearBytes = 32 * 1024;
/// A panel of this size is better read from the second-level cache for every
/// tile than sums are put aside.
static constexpr int64_t kStreamedBytes = 160 * 1024;
static constexpr int64_t kMaxFloatTaps = 64;

namespace {
/// Strides of images in memory, in elements.
struct ImageLayout {
  int64_t image, row, column, channel;
};

/// How the work is divided, and what tiles read.
struct Plan {
  /// Result rows of a block where images are padded, else 0.
  int64_t blockRows = 0;
  int64_t blockPixels, numBlocks;
  /// Input rows of a block, and the width of a padded row.
  int64_t inputRows = 0, paddedWidth = 0;
  ImageLayout given, read;
  DotAxis axis;

  /// `rows` is the height of most tiles.
  Plan(const FloatConv &conv, int64_t rows) {
    int64_t all = conv.groups * conv.channels;
    auto [height, width] = conv.sizes;
    given = conv.isPlanar
                ? ImageLayout{all * height * width, width, 1, height * width}
                : ImageLayout{all * height * width, width * all, all, 1};
    read = given;
    int64_t pixels = conv.getNumPixels();
    if (conv.isPadded()) {
      paddedWidth = width + conv.padLow[1] + conv.padHigh[1];
      int64_t limit =
          std::min(std::max<int64_t>(
                       1, llvm::divideCeil(kTargetPixels, conv.outSizes[1])),
                   conv.outSizes[0]);
      for (blockRows = 1; blockRows < limit; ++blockRows)
        if (getPaddedBytes(conv, blockRows + 1) > kGoodPaddedBytes)
          break;
      // Blocks of equal height.
      numBlocks = llvm::divideCeil(conv.outSizes[0], blockRows);
      blockRows = llvm::divideCeil(conv.outSizes[0], numBlocks);
      numBlocks = llvm::divideCeil(conv.outSizes[0], blockRows);
      inputRows = getInputRows(conv, blockRows);
      blockPixels = blockRows * conv.outSizes[1];
      int64_t channels = getReadChannels(conv);
      read = conv.isPlanar
                 ? ImageLayout{0, paddedWidth, 1, inputRows * paddedWidth}
                 : ImageLayout{0, paddedWidth * channels, channels, 1};
    } else {
      // Blocks of about equal size, in whole tiles.
      numBlocks =
          std::max<int64_t>(1, (pixels + kTargetPixels / 2) / kTargetPixels);
      blockPixels = llvm::alignTo(llvm::divideCeil(pixels, numBlocks), rows);
      numBlocks = llvm::divideCeil(pixels, blockPixels);
    }
    std::pair<int64_t, int64_t> sum{conv.channels, read.channel};
    SmallVector<std::pair<int64_t, int64_t>> loops{
        {conv.kernel[0], conv.dilations[0] * read.row},
        {conv.kernel[1], conv.dilations[1] * read.column}};
    loops.insert(conv.isPlanar ? loops.begin() : loops.end(), sum);
    // Neighbouring loops that walk without a gap become one.
    auto &outer = axis.outer;
    for (auto [extent, stride] : loops) {
      if (extent == 1)
        continue;
      if (!outer.empty() && outer.back().second == extent * stride)
        outer.back() = {outer.back().first * extent, stride};
      else
        outer.push_back({extent, stride});
    }
    axis.run = 1;
    if (!outer.empty() && outer.back().second == 1)
      axis.run = outer.pop_back_val().first;
  }

  static int64_t getInputRows(const FloatConv &conv, int64_t rows) {
    return (rows - 1) * conv.strides[0] +
           (conv.kernel[0] - 1) * conv.dilations[0] + 1;
  }
  /// Channels that a task copies.
  static int64_t getReadChannels(const FloatConv &conv) {
    return conv.isDepthwise() ? conv.groups : conv.channels;
  }
  static int64_t getPaddedBytes(const FloatConv &conv, int64_t rows) {
    return 4 * getInputRows(conv, rows) *
           (conv.sizes[1] + conv.padLow[1] + conv.padHigh[1]) *
           getReadChannels(conv);
  }
};
} // namespace

bool FloatConv::isSupported() const {
  if (isDepthwise() && kernel[0] * kernel[1] > kMaxFloatTaps)
    return false;
  return !isPadded() || Plan::getPaddedBytes(*this, 1) <= kMaxPaddedBytes;
}

//===----------------------------------------------------------------------===//
// Parts of kernels
//===----------------------------------------------------------------------===//

static std::string getName(const FloatConv &conv) {
  std::string name = llvm::formatv(
      "compress_{0}_f32_{1}_g{2}c{3}f{4}{5}",
      conv.isDepthwise() ? "depthwise" : "conv", conv.isa->name, conv.groups,
      conv.channels, conv.filters, conv.isPlanar ? "_planar" : "");
  for (unsigned d = 2 - conv.rank; d < 2; ++d)
    name += llvm::formatv("_{0}k{1}s{2}d{3}p{4}q{5}", conv.sizes[d],
                          conv.kernel[d], conv.strides[d], conv.dilations[d],
                          conv.padLow[d], conv.padHigh[d]);
  return name + "_" + conv.epilogue.getName();
}

static SmallVector<Type> getParameterTypes(MLIRContext *context,
                                           const FloatConv &conv) {
  Type f32 = Float32Type::get(context);
  auto image = [&](ArrayRef<int64_t> sizes, int64_t channels, bool isPlanar) {
    SmallVector<int64_t> shape{ShapedType::kDynamic};
    if (isPlanar)
      shape.push_back(channels);
    llvm::append_range(shape, sizes.take_back(conv.rank));
    if (!isPlanar)
      shape.push_back(channels);
    return MemRefType::get(shape, f32);
  };
  int64_t filters = conv.groups * conv.filters;
  Type out = image(conv.outSizes, filters, false);
  SmallVector<Type> types{
      image(conv.sizes, conv.groups * conv.channels, conv.isPlanar),
      MemRefType::get({conv.getPackedSize()}, f32)};
  if (conv.epilogue.hasBias)
    types.push_back(MemRefType::get({filters}, f32));
  if (conv.epilogue.hasAddend)
    types.push_back(out);
  types.push_back(getPlacedType(cast<MemRefType>(out)));
  return types;
}

/// Writes `count` elements, copies from `source` or zeros where it is null.
static void emitRun(KernelBuilder &k, const KernelISA &isa, Value source,
                    Value from, Value target, Value to, int64_t count) {
  int64_t lanes = isa.getLanes();
  VectorType type = k.vector(lanes, k.f32());
  auto move = [&](Value i, Value mask) {
    Value value = !source ? k.real(type, 0)
                  : mask  ? k.loadMasked(lanes, source, k.add(from, i), mask)
                          : k.loadVector(lanes, source, k.add(from, i));
    if (mask)
      k.storeMasked(value, target, k.add(to, i), mask);
    else
      k.storeVector(value, target, k.add(to, i));
  };
  int64_t whole = count / lanes * lanes;
  if (whole)
    k.loop(k.index(0), k.index(whole), lanes, [&](Value i) { move(i, {}); });
  if (count > whole)
    move(k.index(whole), k.prefixMask(lanes, count - whole));
}

/// Copies the input rows of a block with their padding. `source` is the offset
/// of the image and channel, `first` the first input row, padding counted.
static void emitPaddedRows(KernelBuilder &k, const FloatConv &conv,
                           const Plan &plan, Value images, Value source,
                           Value first, Value buffer) {
  const KernelISA &isa = *conv.isa;
  int64_t channels = Plan::getReadChannels(conv), width = conv.sizes[1];
  Value zero = k.index(0);
  // A row of one plane, or of all channels.
  auto emitRow = [&](Value from, Value to, Value isInside, int64_t scale) {
    k.ifThen(
        isInside,
        [&] {
          emitRun(k, isa, {}, {}, buffer, to, conv.padLow[1] * scale);
          Value inner = k.add(to, conv.padLow[1] * scale);
          if (scale == plan.given.column) {
            emitRun(k, isa, images, from, buffer, inner, width * scale);
          } else {
            k.loop(zero, k.index(width), 1, [&](Value x) {
              emitRun(k, isa, images, k.add(from, k.mul(x, plan.given.column)),
                      buffer, k.add(inner, k.mul(x, scale)), scale);
            });
          }
          emitRun(k, isa, {}, {}, buffer, k.add(inner, width * scale),
                  conv.padHigh[1] * scale);
        },
        [&] { emitRun(k, isa, {}, {}, buffer, to, plan.paddedWidth * scale); });
  };
  k.loop(zero, k.index(plan.inputRows), 1, [&](Value row) {
    // Rows above the image wrap around to huge numbers.
    Value y = k.sub(k.add(first, row), k.index(conv.padLow[0]));
    Value isInside = k.lessThan(y, k.index(conv.sizes[0]));
    Value from = k.add(source, k.mul(y, plan.given.row));
    Value to = k.mul(row, plan.read.row);
    if (!conv.isPlanar)
      return emitRow(from, to, isInside, channels);
    k.loop(zero, k.index(channels), 1, [&](Value c) {
      emitRow(k.add(from, k.mul(c, plan.given.channel)),
              k.add(to, k.mul(c, plan.read.channel)), isInside, 1);
    });
  });
}

namespace {
/// What a task works on: flat buffers and the pixels of a block.
struct Task {
  Value images, weights, bias, addend;
  PlacedImages out;
  Value image, first, end;
  /// What tiles read: the images or padded rows of them.
  Value source, sourceBase;

  Task(KernelBuilder &k, const FloatConv &conv, const Plan &plan, Value image,
       Value block, Value channel)
      : image(image) {
    ValueRange args = k.getArguments();
    unsigned next = 2;
    images = flatten(k, args[0]);
    weights = args[1];
    if (conv.epilogue.hasBias)
      bias = args[next++];
    if (conv.epilogue.hasAddend)
      addend = flatten(k, args[next++]);
    out = PlacedImages(k, args[next]);
    first = k.mul(block, plan.blockPixels);
    end =
        k.minimum(k.add(first, plan.blockPixels), k.index(conv.getNumPixels()));
    source = images;
    sourceBase = k.add(k.mul(image, plan.given.image),
                       k.mul(channel, plan.given.channel));
    if (!conv.isPadded())
      return;
    Value rows = k.scratch(
        {plan.inputRows * plan.paddedWidth * Plan::getReadChannels(conv)},
        k.f32());
    emitPaddedRows(k, conv, plan, images, sourceBase,
                   k.mul(block, plan.blockRows * conv.strides[0]), rows);
    source = rows;
    sourceBase = k.index(0);
  }

  /// Offset in `source` of the window of result pixel `pixel`.
  Value emitWindow(KernelBuilder &k, const FloatConv &conv, const Plan &plan,
                   Value pixel) const {
    if (conv.isPadded())
      pixel = k.sub(pixel, first);
    int64_t row = conv.strides[0] * plan.read.row,
            column = conv.strides[1] * plan.read.column;
    if (conv.outSizes[0] == 1 || row == conv.outSizes[1] * column)
      return k.add(sourceBase, k.mul(pixel, column));
    Value y = k.div(pixel, conv.outSizes[1]),
          x = k.rem(pixel, conv.outSizes[1]);
    return k.add(sourceBase, k.add(k.mul(y, row), k.mul(x, column)));
  }

  /// Where result pixel `pixel` begins.
  Value emitPlace(KernelBuilder &k, const FloatConv &conv, Value pixel) const {
    if (conv.outSizes[0] == 1)
      return out.emitPixel(k, image, k.index(0), pixel);
    return out.emitPixel(k, image, k.div(pixel, conv.outSizes[1]),
                         k.rem(pixel, conv.outSizes[1]));
  }

  /// Finishes the sums of `count` pixels from `pixel` on, each some vectors of
  /// filters from `filter`, and stores them; `valid` filters are real. All
  /// loads come first: a load waits for a store to the same place of another
  /// page.
  void emitStore(KernelBuilder &k, const FloatConv &conv,
                 MutableArrayRef<Value> sums, int64_t count, Value pixel,
                 Value filter, int64_t valid) const {
    int64_t lanes = conv.isa->getLanes(), vectors = sums.size() / count;
    auto maskOf = [&](int64_t v) {
      return valid < (v + 1) * lanes ? k.prefixMask(lanes, valid - v * lanes)
                                     : Value();
    };
    auto load = [&](Value memref, Value at, int64_t v) -> Value {
      if (!memref)
        return {};
      at = k.add(at, v * lanes);
      Value mask = maskOf(v);
      return mask ? k.loadMasked(lanes, memref, at, mask)
                  : k.loadVector(lanes, memref, at);
    };
    SmallVector<Value> biases;
    for (int64_t v = 0; v < vectors; ++v)
      biases.push_back(load(bias, filter, v));
    for (int64_t r = 0; r < count; ++r) {
      Value from;
      if (addend)
        from = k.add(
            k.mul(k.add(k.mul(image, conv.getNumPixels()), k.add(pixel, r)),
                  conv.groups * conv.filters),
            filter);
      for (int64_t v = 0; v < vectors; ++v) {
        Value &sum = sums[r * vectors + v];
        sum = conv.epilogue.emit(k, sum, biases[v], load(addend, from, v));
      }
    }
    for (int64_t r = 0; r < count; ++r) {
      Value to = k.add(emitPlace(k, conv, k.add(pixel, r)), filter);
      for (int64_t v = 0; v < vectors; ++v) {
        Value at = k.add(to, v * lanes), sum = sums[r * vectors + v];
        if (Value mask = maskOf(v))
          k.storeMasked(sum, out.flat, at, mask);
        else
          k.storeVector(sum, out.flat, at);
      }
    }
  }
};
} // namespace

/// What is left of every block that is not a multiple of `rows`, if that is
/// one number.
static std::optional<unsigned> getRemainder(const FloatConv &conv,
                                            const Plan &plan, int64_t rows) {
  int64_t whole = plan.numBlocks > 1 ? plan.blockPixels % rows : 0;
  int64_t last =
      (conv.getNumPixels() - (plan.numBlocks - 1) * plan.blockPixels) % rows;
  if (whole && last && whole != last)
    return std::nullopt;
  return whole ? whole : last;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// The number of equal parts of a run of the sum that keep a panel of `columns`
/// near; one where there is no good number.
static int64_t getParts(const DotAxis &axis, int64_t columns) {
  int64_t longest = std::max<int64_t>(1, kNearBytes / 4 / columns);
  for (int64_t parts = llvm::divideCeil(axis.run, longest);
       parts * longest <= 2 * axis.run + longest; ++parts)
    if (axis.run % parts == 0)
      return parts;
  return 1;
}

/// `fetchesNext` if the next task reads the panel again or the next one.
static void emitConvTask(KernelBuilder &k, const FloatConv &conv,
                         const Plan &plan, const Panels &panels, Value image,
                         Value block, Value panel, bool fetchesNext) {
  const KernelISA &isa = *conv.isa;
  int64_t lanes = isa.getLanes(), length = conv.getDotLength();
  VectorType type = k.vector(lanes, k.f32());
  Value group = conv.groups == 1 ? k.index(0) : k.div(panel, panels.getCount());
  Value number = conv.groups == 1 ? panel : k.rem(panel, panels.getCount());
  Task task(k, conv, plan, image, block, k.mul(group, conv.channels));
  Value column = k.mul(number, panels.getFullColumns());
  Value panelBase =
      k.mul(k.add(k.mul(group, panels.getPaddedColumns()), column), length);
  Value filter = k.add(k.mul(group, conv.filters), column);
  emitPanel(k, panels, number, [&](unsigned vectors, int64_t columns) {
    unsigned rows = isa.floatRows[vectors - 1];
    int64_t width = int64_t(vectors) * lanes;
    auto forTiles = [&](llvm::function_ref<void(Value, unsigned)> tile) {
      emitRowTiles(k, rows, task.first, task.end,
                   getRemainder(conv, plan, rows), tile);
    };
    // What comes next from `next` on is fetched by the tiles that have number
    // `index` on, `tiles` in all.
    auto fetch = [&](Value next, Value at, Value index,
                     int64_t tiles) -> std::optional<FloatPrefetch> {
      if (!fetchesNext)
        return std::nullopt;
      index = k.add(index, k.div(k.sub(at, task.first), rows));
      return FloatPrefetch{next, index, unsigned(std::min<int64_t>(tiles, 8))};
    };
    int64_t tilesPerBlock = llvm::divideCeil(plan.blockPixels, rows);
    auto emitSums = [&](const DotAxis &axis, Value at, unsigned count,
                        Value offset, Value base, ValueRange init,
                        std::optional<FloatPrefetch> prefetch) {
      SmallVector<Value> bases;
      for (unsigned r = 0; r < count; ++r)
        bases.push_back(
            k.add(task.emitWindow(k, conv, plan, k.add(at, r)), offset));
      return emitFloatTile(k, isa, axis, vectors, task.source, bases,
                           task.weights, base, init, {}, prefetch);
    };
    bool isNear = length * width * 4 <= kStreamedBytes;
    int64_t parts = isNear ? 1 : getParts(plan.axis, width);
    if (isNear || (parts == 1 && plan.axis.outer.empty())) {
      forTiles([&](Value at, unsigned count) {
        SmallVector<Value> zeros(count * vectors, k.real(type, 0));
        SmallVector<Value> sums = emitSums(
            plan.axis, at, count, k.index(0), panelBase, zeros,
            fetch(k.add(panelBase, length * width), at,
                  k.mul(block, tilesPerBlock), plan.numBlocks * tilesPerBlock));
        task.emitStore(k, conv, sums, count, at, filter, columns);
      });
      return;
    }
    // One part of the sum after another for all tiles, so that its part of the
    // panel stays near. Sums wait in a buffer.
    Value buffer = k.scratch({plan.blockPixels * width}, k.f32());
    auto place = [&](Value at, int64_t r, int64_t v) {
      return k.add(k.mul(k.add(k.sub(at, task.first), r), width), v * lanes);
    };
    k.loop(k.index(0), k.index(plan.blockPixels * width), lanes,
           [&](Value i) { k.storeVector(k.real(type, 0), buffer, i); });
    DotAxis axis;
    axis.run = plan.axis.run / parts;
    SmallVector<int64_t> extents;
    for (auto [extent, stride] : plan.axis.outer)
      extents.push_back(extent);
    extents.push_back(parts);
    int64_t steps = plan.axis.getNumRuns() * parts;
    k.loop(k.index(0), k.index(steps), 1, [&](Value step) {
      SmallVector<Value> position = k.delinearize(step, extents);
      Value offset = k.mul(position.back(), axis.run);
      for (auto [index, level] : llvm::zip(position, plan.axis.outer))
        offset = k.add(offset, k.mul(index, level.second));
      Value base = k.add(panelBase, k.mul(step, axis.run * width));
      forTiles([&](Value at, unsigned count) {
        SmallVector<Value> sums;
        for (unsigned r = 0; r < count; ++r)
          for (unsigned v = 0; v < vectors; ++v)
            sums.push_back(k.loadVector(lanes, buffer, place(at, r, v)));
        sums = emitSums(axis, at, count, offset, base, sums,
                        fetch(k.add(base, axis.run * width), at, k.index(0),
                              tilesPerBlock));
        for (unsigned r = 0; r < count; ++r)
          for (unsigned v = 0; v < vectors; ++v)
            k.storeVector(sums[r * vectors + v], buffer, place(at, r, v));
      });
    });
    k.loop(task.first, task.end, 1, [&](Value at) {
      SmallVector<Value> sums;
      for (unsigned v = 0; v < vectors; ++v)
        sums.push_back(k.loadVector(lanes, buffer, place(at, 0, v)));
      task.emitStore(k, conv, sums, 1, at, filter, columns);
    });
  });
}

static void emitDepthwiseTask(KernelBuilder &k, const FloatConv &conv,
                              const Plan &plan, Value image, Value block) {
  const KernelISA &isa = *conv.isa;
  int64_t lanes = isa.getLanes(), padded = llvm::alignTo(conv.groups, lanes);
  Task task(k, conv, plan, image, block, k.index(0));
  auto emitChannels = [&](Value channel, int64_t valid) {
    SmallVector<Value> weights;
    SmallVector<int64_t> offsets;
    for (int64_t y = 0; y < conv.kernel[0]; ++y)
      for (int64_t x = 0; x < conv.kernel[1]; ++x) {
        offsets.push_back(y * conv.dilations[0] * plan.read.row +
                          x * conv.dilations[1] * plan.read.column);
        weights.push_back(
            k.loadVector(lanes, task.weights,
                         k.add(channel, int64_t(weights.size()) * padded)));
      }
    Value mask = valid < lanes ? k.prefixMask(lanes, valid) : Value();
    emitRowTiles(
        k, 4, task.first, task.end, getRemainder(conv, plan, 4),
        [&](Value at, unsigned count) {
          SmallVector<Value> bases,
              sums(count, k.real(k.vector(lanes, k.f32()), 0));
          for (unsigned r = 0; r < count; ++r)
            bases.push_back(
                k.add(task.emitWindow(k, conv, plan, k.add(at, r)), channel));
          for (auto [offset, weight] : llvm::zip_equal(offsets, weights))
            for (unsigned r = 0; r < count; ++r) {
              Value from = k.add(bases[r], offset);
              Value x = mask ? k.loadMasked(lanes, task.source, from, mask)
                             : k.loadVector(lanes, task.source, from);
              sums[r] = k.multiplyAdd(x, weight, sums[r], isa.hasFMA);
            }
          task.emitStore(k, conv, sums, count, at, channel, valid);
        });
  };
  int64_t whole = conv.groups / lanes * lanes;
  if (whole)
    k.loop(k.index(0), k.index(whole), lanes,
           [&](Value channel) { emitChannels(channel, lanes); });
  if (conv.groups > whole)
    emitChannels(k.index(whole), conv.groups - whole);
}

std::string compress::cpu::generateFloatConv(ModuleOp module,
                                             const FloatConv &conv) {
  std::string name = getName(conv);
  Panels panels = conv.getPanels();
  Plan plan(conv,
            conv.isDepthwise()
                ? 4
                : conv.isa->floatRows[(panels.numFull ? panels.fullVectors
                                                      : panels.tailVectors) -
                                      1]);
  int64_t count = conv.isDepthwise() ? 1 : panels.getCount() * conv.groups;
  int64_t weightBytes = 4 * conv.getPackedSize();
  int64_t imageBytes = 4 * plan.given.image;
  for (unsigned d = 0; d < 2; ++d)
    if (conv.kernel[d] < conv.strides[d]) // the others are never read
      imageBytes = imageBytes * conv.kernel[d] / conv.strides[d];
  // Neighbouring tasks share a block of pixels, or a panel of weights: whatever
  // moves less through the cache. Images are there already, weights are not and
  // can be fetched in advance when panels are shared.
  bool sharesBlock = weightBytes <= kGoodPaddedBytes ||
                     (imageBytes > kCachedBytes &&
                      (weightBytes <= kCachedBytes ||
                       weightBytes * plan.numBlocks <= imageBytes * count));
  getOrCreateKernel(
      module, name, getParameterTypes(module.getContext(), conv),
      [&](KernelBuilder &k) {
        Value images = k.dim(k.getArguments().back(), 0);
        int64_t work = conv.getNumPixels() * conv.groups * conv.filters *
                       conv.getDotLength();
        Value isSmall = k.lessThan(
            images, k.index(kSmallWork / std::max<int64_t>(1, work) + 1));
        int64_t perImage = plan.numBlocks * count;
        k.tasks(k.mul(images, perImage), isSmall,
                [&](KernelBuilder &k, Value number) {
                  Value image = k.div(number, perImage);
                  Value within = k.rem(number, perImage);
                  int64_t inner = sharesBlock ? count : plan.numBlocks;
                  Value outer = k.div(within, inner);
                  Value minor = k.rem(within, inner);
                  Value block = sharesBlock ? outer : minor;
                  if (conv.isDepthwise())
                    emitDepthwiseTask(k, conv, plan, image, block);
                  else
                    emitConvTask(k, conv, plan, panels, image, block,
                                 sharesBlock ? minor : outer, !sharesBlock);
                });
      });
  return name;
}
