//===- KernelConvCodes.cpp - Convolutions from codes to codes ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A task computes some rows of the result for some panels of filters. Where
// images are padded it first copies the input rows that it needs. Windows of
// neighbouring pixels then start a pixel apart even across the end of a row, if
// also the columns of padding count as pixels of the result: they are computed
// and not stored, which costs less than to interrupt tiles at the ends of rows.
//
//===----------------------------------------------------------------------===//

#include "KernelConvPlan.h"
#include "KernelImages.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

static std::string getName(const CodeConv &conv) {
  std::string name = llvm::formatv("compress_{0}_codes_{1}_c{2}f{3}",
                                   conv.isDepthwise ? "depthwise" : "conv",
                                   conv.isa->name, conv.channels, conv.filters);
  if (conv.groups > 1)
    name += llvm::formatv("g{0}", conv.groups);
  if (conv.scales != CodeConv::Scales::Constant)
    name += conv.scales == CodeConv::Scales::Image ? "_image" : "_tensor";
  for (unsigned d = 2 - conv.rank; d < 2; ++d)
    name += llvm::formatv("_{0}k{1}s{2}d{3}p{4}q{5}", conv.sizes[d],
                          conv.kernel[d], conv.strides[d], conv.dilations[d],
                          conv.padLow[d], conv.padHigh[d]);
  name += "_" + conv.epilogue.getName();
  if (conv.storesFloats)
    name += "_f32";
  if (conv.storesCodes)
    name += "_u8";
  return name;
}

static SmallVector<Type> getParameterTypes(MLIRContext *context,
                                           const CodeConv &conv) {
  Builder b(context);
  auto image = [&](ArrayRef<int64_t> sizes, int64_t channels, Type element) {
    SmallVector<int64_t> shape{ShapedType::kDynamic};
    llvm::append_range(shape, sizes.take_back(conv.rank));
    shape.push_back(channels);
    return MemRefType::get(shape, element);
  };
  Panels panels(*conv.isa, conv.getGroupFilters());
  int64_t padded = conv.groups * panels.getPaddedColumns();
  MemRefType floats = image(conv.outSizes, conv.filters, b.getF32Type());
  SmallVector<Type> types{
      image(conv.sizes, conv.channels, b.getI8Type()),
      MemRefType::get({conv.getPackedExtent() * padded}, b.getI8Type()),
      MemRefType::get({padded}, b.getI32Type()),
      MemRefType::get({padded}, b.getF32Type()),
      MemRefType::get({padded}, b.getF32Type()),
      MemRefType::get({3}, b.getF32Type())};
  if (conv.scales != CodeConv::Scales::Constant) {
    types.push_back(MemRefType::get({ShapedType::kDynamic}, b.getF32Type()));
    types.push_back(MemRefType::get({ShapedType::kDynamic}, b.getI32Type()));
  }
  if (conv.epilogue.hasAddend)
    types.push_back(floats);
  if (conv.storesFloats)
    types.push_back(getPlacedType(floats));
  if (conv.storesCodes)
    types.push_back(
        getPlacedType(image(conv.outSizes, conv.filters, b.getI8Type())));
  return types;
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

/// Calls `body(offset, lanes)` for parts of `count` bytes, none of which
/// reaches over the end.
static void emitParts(KernelBuilder &k, int64_t count,
                      llvm::function_ref<void(Value, int64_t)> body) {
  constexpr int64_t width = 64;
  int64_t whole = count / width * width;
  if (whole == width)
    body(k.index(0), width);
  else if (whole)
    k.loop(k.index(0), k.index(whole), width, [&](Value i) { body(i, width); });
  for (int64_t lanes = width / 2; lanes; lanes /= 2)
    if ((count - whole) & lanes) {
      body(k.index(whole), lanes);
      whole += lanes;
    }
}

static void emitCopy(KernelBuilder &k, Value source, Value from, Value target,
                     Value to, int64_t count) {
  emitParts(k, count, [&](Value i, int64_t lanes) {
    k.storeVector(k.loadVector(lanes, source, k.add(from, i)), target,
                  k.add(to, i));
  });
}

static void emitFill(KernelBuilder &k, Value byte, Value target, Value to,
                     int64_t count) {
  emitParts(k, count, [&](Value i, int64_t lanes) {
    k.storeVector(k.splat(byte, lanes), target, k.add(to, i));
  });
}

//===----------------------------------------------------------------------===//
// Tasks
//===----------------------------------------------------------------------===//

namespace {
/// What a task works on.
class Task {
public:
  Task(KernelBuilder &k, const CodeConv &conv, const CodeConvPlan &plan,
       Value image, Value block)
      : k(k), conv(conv), plan(plan), image(image),
        lanes(conv.isa->getLanes()) {
    ValueRange args = k.getArguments();
    images = flatten(k, args[0]);
    weights = args[1];
    unsigned next = 6;
    if (conv.scales == CodeConv::Scales::Constant) {
      zero = k.convert(k.load(args[5], k.index(0)), k.i32());
    } else {
      Value pair = conv.scales == CodeConv::Scales::Image ? image : k.index(0);
      scale = k.load(args[next++], pair);
      zero = k.load(args[next++], pair);
    }
    if (conv.epilogue.hasAddend)
      addend = flatten(k, args[next++]);
    if (conv.storesFloats)
      floats = PlacedImages(k, args[next++]);
    if (conv.storesCodes)
      codes = PlacedImages(k, args[next++]);
    firstRow = k.minimum(k.mul(block, plan.blockRows),
                         k.index(conv.outSizes[0] - plan.blockRows));
    source = images;
    base = k.mul(
        k.add(k.mul(image, conv.sizes[0]), k.mul(firstRow, conv.strides[0])),
        conv.sizes[1] * conv.channels);
    if (plan.copies)
      emitPaddedRows();
  }

  /// Part number `part` of the groups, or of the panels of the only one.
  void emitProducts(Value part) {
    sums = k.scratch({2 * kTileRows, int64_t(plan.panels.fullVectors) * lanes},
                     k.i32());
    if (conv.isGathered())
      windows = k.scratch({plan.gatheredBytes}, k.i8());
    Value first = k.mul(part, plan.unitsPerTask);
    Value count = k.index(plan.panels.getCount());
    if (conv.groups == 1) {
      Value last = k.minimum(k.add(first, plan.unitsPerTask), count);
      emitGroup(k.index(0), first, last);
      return;
    }
    Value last =
        k.minimum(k.add(first, plan.unitsPerTask), k.index(conv.groups));
    k.loop(first, last, 1,
           [&](Value group) { emitGroup(group, k.index(0), count); });
  }

  /// The panels [first, last) of a group.
  void emitGroup(Value group, Value first, Value last) {
    Value pixels = source, start = base;
    base = k.add(base, k.mul(group, conv.getGroupChannels()));
    if (conv.isGathered())
      emitWindows();
    emitPanels(group, first, last);
    source = pixels;
    base = start;
  }

  void emitPanels(Value group, Value first, Value last) {
    int64_t extent = conv.getPackedExtent();
    Value entries = k.mul(group, plan.panels.getPaddedColumns());
    Value filters = k.mul(group, conv.getGroupFilters());
    k.loop(first, last, 1, [&](Value panel) {
      Value within = k.mul(panel, plan.panels.getFullColumns());
      Value entry = k.add(entries, within), column = k.add(filters, within);
      Value panelBase = k.mul(entry, extent);
      emitPanel(k, plan.panels, panel, [&](unsigned vectors, int64_t columns) {
        Columns table(*this, entry, column, vectors, columns);
        if (conv.isa->hasDotTiles && plan.numRows >= kTileRows) {
          emitTiles(vectors, panelBase, table);
          return;
        }
        unsigned rows = conv.isa->dotRows[vectors - 1];
        emitRowTiles(k, rows, k.index(0), k.index(plan.numRows),
                     plan.numRows % rows, [&](Value at, unsigned count) {
                       SmallVector<Value> bases;
                       for (unsigned r = 0; r < count; ++r)
                         bases.push_back(emitBase(k.add(at, r)));
                       SmallVector<Value> results =
                           emitDotTile(k, *conv.isa, plan.axis, vectors, source,
                                       bases, weights, panelBase);
                       for (unsigned r = 0; r < count; ++r)
                         emitRow(k.add(at, r), table,
                                 ArrayRef(results).slice(r * vectors, vectors));
                     });
      });
    });
  }

  /// One vector of channels of all pixels after another.
  void emitDepthwise() {
    auto emitChannels = [&](Value channel, int64_t valid) {
      Columns table(*this, channel, channel, 1, valid);
      int64_t padded = plan.panels.getPaddedColumns();
      SmallVector<Value> taps;
      SmallVector<int64_t> offsets;
      for (int64_t y = 0; y < conv.kernel[0]; ++y)
        for (int64_t x = 0; x < conv.kernel[1]; ++x) {
          offsets.push_back(
              (y * conv.dilations[0] * plan.width + x * conv.dilations[1]) *
              conv.channels);
          Value bytes = k.loadVector(
              lanes, weights, k.add(channel, int64_t(taps.size()) * padded));
          taps.push_back(k.convert(bytes, k.i32()));
        }
      k.loop(k.index(0), k.index(plan.blockRows), 1, [&](Value y) {
        auto tile = [&](Value x, unsigned count) {
          SmallVector<Value> sums(count,
                                  k.integer(k.vector(lanes, k.i32()), 0));
          for (auto [offset, tap] : llvm::zip_equal(offsets, taps))
            for (unsigned r = 0; r < count; ++r) {
              Value pixel = k.add(k.mul(y, conv.strides[0] * plan.width),
                                  k.mul(k.add(x, r), conv.strides[1]));
              Value at = k.add(
                  k.add(k.add(base, channel), k.mul(pixel, conv.channels)),
                  offset);
              Value bytes = valid < lanes ? emitLoadTail(at, valid)
                                          : k.loadVector(lanes, source, at);
              sums[r] = k.add(
                  sums[r],
                  k.mul(k.convert(bytes, k.i32(), /*isUnsigned=*/true), tap));
            }
          for (unsigned r = 0; r < count; ++r)
            emitPixel(k.add(firstRow, y), k.add(x, r), table, sums[r]);
        };
        emitRowTiles(k, 4, k.index(0), k.index(conv.outSizes[1]),
                     conv.outSizes[1] % 4, tile);
      });
    };
    int64_t whole = conv.filters / lanes * lanes;
    if (whole)
      k.loop(k.index(0), k.index(whole), lanes,
             [&](Value channel) { emitChannels(channel, lanes); });
    if (conv.filters > whole)
      emitChannels(k.index(whole), conv.filters - whole);
  }

private:
  /// What the columns of a panel need to become results.
  struct Columns {
    /// `entry` is where tables have `column`, the first of `valid`.
    Columns(Task &task, Value entry, Value column, unsigned vectors,
            int64_t valid)
        : column(column), valid(valid) {
      KernelBuilder &k = task.k;
      ValueRange args = k.getArguments();
      for (unsigned v = 0; v < vectors; ++v) {
        Value at = k.add(entry, v * task.lanes);
        corrections.push_back(k.loadVector(task.lanes, args[2], at));
        factors.push_back(k.loadVector(task.lanes, args[3], at));
        biases.push_back(k.loadVector(task.lanes, args[4], at));
        if (!task.scale)
          continue;
        corrections.back() =
            k.mul(corrections.back(), k.splat(task.zero, task.lanes));
        factors.back() =
            k.mulF(factors.back(), k.splat(task.scale, task.lanes));
      }
      inverse = k.splat(k.load(args[5], k.index(1)), task.lanes);
      zero = k.splat(k.load(args[5], k.index(2)), task.lanes);
    }
    Value column;
    int64_t valid;
    SmallVector<Value> corrections, factors, biases;
    Value inverse, zero;
  };

  void emitPaddedRows() {
    Value buffer = k.scratch({plan.copiedBytes}, k.i8());
    Value byte = k.convert(zero, k.i8());
    int64_t channels = conv.channels, row = plan.width * channels;
    Value start = k.mul(image, conv.sizes[0]);
    k.loop(k.index(0), k.index(plan.inputRows), 1, [&](Value r) {
      // Rows above the image wrap around to huge numbers.
      Value y = k.sub(k.add(k.mul(firstRow, conv.strides[0]), r),
                      k.index(conv.padLow[0]));
      Value to = k.mul(r, row);
      k.ifThen(
          k.lessThan(y, k.index(conv.sizes[0])),
          [&] {
            emitFill(k, byte, buffer, to, conv.padLow[1] * channels);
            Value inner = k.add(to, conv.padLow[1] * channels);
            emitCopy(k, images,
                     k.mul(k.add(start, y), conv.sizes[1] * channels), buffer,
                     inner, conv.sizes[1] * channels);
            emitFill(k, byte, buffer, k.add(inner, conv.sizes[1] * channels),
                     conv.padHigh[1] * channels);
          },
          [&] { emitFill(k, byte, buffer, to, row); });
    });
    source = buffer;
    base = k.index(0);
  }

  /// Copies windows to rows.
  void emitWindows() {
    DotAxis runs = conv.getRuns();
    int64_t channels = conv.channels;
    bool isWhole = runs.outer.size() == 1;
    k.loop(k.index(0), k.index(plan.blockRows), 1, [&](Value y) {
      k.loop(k.index(0), k.index(conv.outSizes[1]), 1, [&](Value x) {
        Value from =
            k.add(base, k.add(k.mul(y, conv.strides[0] * plan.width * channels),
                              k.mul(x, conv.strides[1] * channels)));
        Value to = k.mul(k.add(k.mul(y, conv.outSizes[1]), x), plan.rowBytes);
        for (int64_t i = 0, e = runs.getNumRuns(); i < e; ++i) {
          int64_t ky = isWhole ? i : i / conv.kernel[1];
          int64_t kx = isWhole ? 0 : i % conv.kernel[1];
          // Weights of what is behind a run are zero.
          emitCopy(k, source,
                   k.add(from, (ky * conv.dilations[0] * plan.width +
                                kx * conv.dilations[1]) *
                                   channels),
                   windows, k.add(to, i * conv.getRunBytes()), runs.run);
        }
      });
    });
    source = windows;
    base = k.index(0);
  }

  /// Where row `row` of the product begins.
  Value emitBase(Value row) { return k.add(base, k.mul(row, plan.rowBytes)); }

  void emitTiles(unsigned vectors, Value panelBase, const Columns &table) {
    auto tile = [&](Value at, int64_t rows) {
      emitDotTileRegisters(k, plan.axis, vectors, rows, source, emitBase(at),
                           plan.rowBytes, weights, panelBase, sums);
      k.loop(k.index(0), k.index(rows), 1, [&](Value r) {
        SmallVector<Value> row;
        for (unsigned v = 0; v < vectors; ++v)
          row.push_back(k.loadVector(lanes, sums, {r, k.index(v * lanes)}));
        emitRow(k.add(at, r), table, row);
      });
    };
    int64_t step = 2 * kTileRows, rows = plan.numRows;
    int64_t full = rows / step * step, rest = rows - full;
    if (full)
      k.loop(k.index(0), k.index(full), step,
             [&](Value at) { tile(at, step); });
    // The last tile begins where it still fits.
    if (rest > kTileRows && rows >= step)
      tile(k.index(rows - step), step);
    else if (rest > kTileRows) {
      tile(k.index(0), kTileRows);
      tile(k.index(rows - kTileRows), kTileRows);
    } else if (rest)
      tile(k.index(rows - kTileRows), kTileRows);
  }

  /// Finishes row `row` of the product.
  void emitRow(Value row, const Columns &table, ArrayRef<Value> sums) {
    int64_t across = conv.isGathered() ? conv.outSizes[1] : plan.width;
    Value y = k.add(firstRow, k.div(row, across)), x = k.rem(row, across);
    if (across == conv.outSizes[1])
      return emitPixel(y, x, table, sums);
    k.ifThen(k.lessThan(x, k.index(conv.outSizes[1])),
             [&] { emitPixel(y, x, table, sums); });
  }

  void emitPixel(Value y, Value x, const Columns &table, ArrayRef<Value> sums) {
    Value added, toFloats, toCodes;
    if (addend) {
      Value pixel = k.add(
          k.mul(k.add(k.mul(image, conv.outSizes[0]), y), conv.outSizes[1]), x);
      added = k.add(k.mul(pixel, conv.filters), table.column);
    }
    if (conv.storesFloats)
      toFloats = k.add(floats.emitPixel(k, image, y, x), table.column);
    if (conv.storesCodes)
      toCodes = k.add(codes.emitPixel(k, image, y, x), table.column);
    SmallVector<Value> values, masks;
    // All loads come before the first store.
    for (auto [v, sum] : llvm::enumerate(sums)) {
      int64_t left = table.valid - int64_t(v) * lanes;
      masks.push_back(left < lanes ? k.prefixMask(lanes, left) : Value());
      Value difference = k.sub(sum, table.corrections[v]);
      Value value = k.mulF(k.convert(difference, k.f32()), table.factors[v]);
      Value term;
      if (addend) {
        Value at = k.add(added, v * lanes);
        term = masks.back() ? k.loadMasked(lanes, addend, at, masks.back())
                            : k.loadVector(lanes, addend, at);
      }
      values.push_back(conv.epilogue.emit(k, value, table.biases[v], term));
    }
    auto store = [&](Value value, Value memref, Value at, Value mask) {
      if (mask)
        k.storeMasked(value, memref, at, mask);
      else
        k.storeVector(value, memref, at);
    };
    for (auto [v, value] : llvm::enumerate(values)) {
      int64_t offset = int64_t(v) * lanes;
      if (toFloats)
        store(value, floats.flat, k.add(toFloats, offset), masks[v]);
      if (!toCodes)
        continue;
      Value code = k.roundEven(k.mulF(value, table.inverse));
      code = k.addF(code, table.zero);
      // The order makes NaN the largest code, as the encoding does.
      code = k.minF(code, k.real(code.getType(), 255.0f));
      code = k.maxF(code, k.real(code.getType(), 0.0f));
      store(k.convert(k.convert(code, k.i32()), k.i8()), codes.flat,
            k.add(toCodes, offset), masks[v]);
    }
  }

  /// `valid` bytes and undefined ones, without reading behind the end.
  Value emitLoadTail(Value at, int64_t valid) {
    Value result = k.integer(k.vector(lanes, k.i8()), 0);
    int64_t done = 0;
    for (int64_t part = lanes / 2; part; part /= 2)
      if (valid & part) {
        Value bytes = k.loadVector(part, source, k.add(at, done));
        result = vector::InsertStridedSliceOp::create(k.b, k.loc, bytes, result,
                                                      ArrayRef<int64_t>{done},
                                                      ArrayRef<int64_t>{1});
        done += part;
      }
    return result;
  }

  KernelBuilder &k;
  const CodeConv &conv;
  const CodeConvPlan &plan;
  Value image;
  int64_t lanes;
  Value images, weights, addend;
  /// Of the codes that are read; `scale` is null where it is a constant.
  Value scale, zero;
  PlacedImages floats, codes;
  Value firstRow;
  /// What windows are read from, and where the first one begins.
  Value source, base;
  /// Scratch: sums of a tile, copied windows.
  Value sums, windows;
};
} // namespace

std::string compress::cpu::generateCodeConv(ModuleOp module,
                                            const CodeConv &conv) {
  std::string name = getName(conv);
  CodeConvPlan plan(conv);
  getOrCreateKernel(
      module, name, getParameterTypes(module.getContext(), conv),
      [&](KernelBuilder &k) {
        Value images = k.dim(k.getArguments()[0], 0);
        int64_t work = conv.outSizes[0] * conv.outSizes[1] * conv.filters *
                       conv.getPackedExtent() * (conv.isDepthwise ? 8 : 1);
        Value isSmall = k.lessThan(
            images, k.index(kSmallWork / std::max<int64_t>(1, work) + 1));
        int64_t perImage = plan.numBlocks * plan.numParts;
        k.tasks(k.mul(images, perImage), isSmall,
                [&](KernelBuilder &k, Value number) {
                  Value image = k.div(number, perImage);
                  Value within = k.rem(number, perImage);
                  // Neighbouring tasks share weights.
                  Value part = k.div(within, plan.numBlocks);
                  Value block = k.rem(within, plan.numBlocks);
                  Task task(k, conv, plan, image, block);
                  if (conv.isDepthwise)
                    task.emitDepthwise();
                  else
                    task.emitProducts(part);
                });
      });
  return name;
}
