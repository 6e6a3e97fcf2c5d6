//===- KernelConv.cpp - Integer convolution kernels -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Images lie channels last, so a row of the window is a run of consecutive
// bytes and the convolution is a matrix product whose rows start at computed
// places: nothing is gathered.
//
//===----------------------------------------------------------------------===//

#include "KernelGEMM.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Pixels that a task computes before it writes them: a multiple of every tile
/// height and vector length.
static constexpr int64_t kBlockPixels = 96;

int64_t DotConv::getNumPixels() const {
  int64_t count = 1;
  for (int64_t size : outSizes)
    count *= size;
  return count;
}

//===----------------------------------------------------------------------===//
// Shared
//===----------------------------------------------------------------------===//

/// The parameters that make a kernel, as part of its name.
static std::string getShapeName(const DotConv &conv) {
  std::string shape;
  for (auto [extent, stride] : conv.axis.outer)
    shape += llvm::formatv("_{0}s{1}", extent, stride).str();
  shape += llvm::formatv("_r{0}_i{1}", conv.axis.run, conv.imageBytes).str();
  for (auto [size, stride] : llvm::zip_equal(conv.outSizes, conv.outStrides))
    shape += llvm::formatv("_{0}s{1}", size, stride).str();
  return llvm::formatv("{0}_f{1}{2}_{3}", conv.isa->name, conv.filters, shape,
                       getInitName(conv.init));
}

/// The parameters of a kernel whose packed weights have `weightBytes`.
static SmallVector<Type> getParameterTypes(MLIRContext *context,
                                           const DotConv &conv,
                                           int64_t weightBytes,
                                           int64_t paddedFilters) {
  OpBuilder b(context);
  auto dynamic = [&](Type element) {
    return MemRefType::get({ShapedType::kDynamic}, element);
  };
  SmallVector<Type> types{dynamic(b.getI8Type()),
                          dynamic(b.getF32Type()),
                          dynamic(b.getI32Type()),
                          MemRefType::get({weightBytes}, b.getI8Type()),
                          MemRefType::get({paddedFilters}, b.getI32Type()),
                          MemRefType::get({paddedFilters}, b.getF32Type())};
  if (conv.init == InitKind::Bias)
    types.push_back(MemRefType::get({conv.filters}, b.getF32Type()));
  types.push_back(
      MemRefType::get({ShapedType::kDynamic, conv.filters, conv.getNumPixels()},
                      b.getF32Type()));
  return types;
}

namespace {
/// What a task of either kind works on.
struct Task {
  Value a, scale, zero, packed, columnSums, columnScales, bias, out;
  Value image, channel, first, end;

  /// `channel` is the first of the task's, `block` the number of its block of
  /// pixels.
  Task(KernelBuilder &k, const DotConv &conv, Value image, Value channel,
       Value block)
      : image(image), channel(channel) {
    ValueRange args = k.getArguments();
    int64_t lanes = conv.isa->getLanes();
    Value origin = k.index(0);
    a = args[0];
    scale = k.splat(k.load(args[1], origin), lanes);
    zero = k.splat(k.load(args[2], origin), lanes);
    packed = args[3];
    columnSums = args[4];
    columnScales = args[5];
    if (conv.init == InitKind::Bias)
      bias = args[6];
    out = args[args.size() - 2];
    first = k.mul(block, kBlockPixels);
    end = k.minimum(k.add(first, kBlockPixels), k.index(conv.getNumPixels()));
  }
};

/// How sums of the vector of channels at `at` become results.
struct Epilogue {
  Value correction, factor, bias;

  Epilogue(KernelBuilder &k, const DotConv &conv, const Task &task, Value at,
           int64_t validChannels) {
    int64_t lanes = conv.isa->getLanes();
    correction = k.mul(task.zero, k.loadVector(lanes, task.columnSums, at));
    factor = k.mulF(task.scale, k.loadVector(lanes, task.columnScales, at));
    if (!task.bias)
      return;
    bias = validChannels >= lanes
               ? k.loadVector(lanes, task.bias, at)
               : k.loadMasked(lanes, task.bias, at,
                              k.prefixMask(lanes, validChannels));
  }
  Value apply(KernelBuilder &k, Value sum) const {
    Value value = k.mulF(k.convert(k.sub(sum, correction), k.f32()), factor);
    return bias ? k.addF(value, bias) : value;
  }
};
} // namespace

/// Only the last block of an image is not a multiple of the tile height, unless
/// the height does not divide a block.
static std::optional<unsigned> getRemainder(const DotConv &conv,
                                            unsigned rows) {
  int64_t pixels = conv.getNumPixels();
  if (pixels < kBlockPixels)
    return pixels % rows;
  if (kBlockPixels % rows)
    return std::nullopt;
  return pixels % kBlockPixels % rows;
}

/// Byte offset of result pixel number `pixel` of an image at `base`.
static Value emitPixelOffset(KernelBuilder &k, const DotConv &conv, Value base,
                             Value pixel) {
  SmallVector<Value> position = k.delinearize(pixel, conv.outSizes);
  for (auto [index, stride] : llvm::zip_equal(position, conv.outStrides))
    base = k.add(base, k.mul(index, stride));
  return base;
}

/// Writes the task's pixels from a buffer [pixel, channel] to the result
/// [image, channel, pixel], turning blocks of lanes x lanes.
static void emitWriteBack(KernelBuilder &k, const DotConv &conv,
                          const Task &task, Value buffer, int64_t channels) {
  unsigned lanes = conv.isa->getLanes();
  VectorType maskType = k.vector(lanes, k.b.getI1Type());
  Value count = k.sub(task.end, task.first);
  k.loop(k.index(0), count, lanes, [&](Value pixel) {
    Value left = k.sub(count, pixel);
    auto write = [&](Value mask) {
      for (int64_t c = 0; c < channels; c += lanes) {
        SmallVector<Value> rows;
        for (unsigned p = 0; p < lanes; ++p)
          rows.push_back(
              k.loadVector(lanes, buffer, {k.add(pixel, p), k.index(c)}));
        SmallVector<Value> columns = k.transpose(rows);
        unsigned valid = std::min<int64_t>(lanes, channels - c);
        for (unsigned i = 0; i < valid; ++i) {
          SmallVector<Value> at{task.image, k.add(task.channel, c + i),
                                k.add(task.first, pixel)};
          Value value = columns[i];
          if (conv.init == InitKind::Accumulate)
            value = k.addF(value, mask ? k.loadMasked(lanes, task.out, at, mask)
                                       : k.loadVector(lanes, task.out, at));
          if (mask)
            k.storeMasked(value, task.out, at, mask);
          else
            k.storeVector(value, task.out, at);
        }
      }
    };
    k.ifThen(
        k.lessOrEqual(k.index(lanes), left), [&] { write(Value()); },
        [&] {
          write(vector::CreateMaskOp::create(k.b, k.loc, maskType, left));
        });
  });
}

//===----------------------------------------------------------------------===//
// All channels to all filters
//===----------------------------------------------------------------------===//

std::string compress::cpu::generateDotConv(ModuleOp module,
                                           const DotConv &conv) {
  const KernelISA &isa = *conv.isa;
  unsigned lanes = isa.getLanes();
  std::string name = "compress_conv_u8s8_" + getShapeName(conv);
  Panels panels(isa, conv.filters);
  int64_t padded = panels.getPaddedColumns();
  int64_t extent = conv.axis.getPaddedExtent();
  int64_t blocks = llvm::divideCeil(conv.getNumPixels(), kBlockPixels);
  SmallVector<Type> types =
      getParameterTypes(module.getContext(), conv, extent * padded, padded);
  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value images = k.dim(k.getArguments().back(), 0);
    int64_t work = conv.filters * conv.getNumPixels() * extent;
    Value isSmall = k.lessThan(
        images, k.index(kSmallWork / std::max<int64_t>(1, work) + 1));
    int64_t perImage = blocks * panels.getCount();
    k.tasks(
        k.mul(images, perImage), isSmall, [&](KernelBuilder &k, Value number) {
          // Neighbouring tasks share a panel, so it stays in the cache.
          Value within = k.rem(number, perImage);
          Value panel = k.div(within, blocks);
          Value column = k.mul(panel, panels.getFullColumns());
          Task task(k, conv, k.div(number, perImage), column,
                    k.rem(within, blocks));
          Value imageBase = k.mul(task.image, conv.imageBytes);
          Value panelBase = k.mul(column, extent);
          Value buffer = k.scratch(
              {kBlockPixels, int64_t(isa.getPanelColumns())}, k.f32());
          emitPanel(k, panels, panel, [&](unsigned vectors, int64_t channels) {
            auto tile = [&](Value at, unsigned count) {
              SmallVector<Value> bases;
              for (unsigned r = 0; r < count; ++r)
                bases.push_back(
                    emitPixelOffset(k, conv, imageBase, k.add(at, r)));
              SmallVector<Value> sums =
                  emitDotTile(k, isa, conv.axis, vectors, task.a, bases,
                              task.packed, panelBase);
              for (unsigned v = 0; v < vectors; ++v) {
                int64_t c = int64_t(v) * lanes;
                Epilogue epilogue(k, conv, task, k.add(column, c),
                                  channels - c);
                for (unsigned r = 0; r < count; ++r) {
                  Value row = k.add(k.sub(at, task.first), r);
                  k.storeVector(epilogue.apply(k, sums[r * vectors + v]),
                                buffer, {row, k.index(c)});
                }
              }
            };
            emitRowTiles(k, isa.dotRows[vectors - 1], task.first, task.end,
                         getRemainder(conv, isa.dotRows[vectors - 1]), tile);
            emitWriteBack(k, conv, task, buffer, channels);
          });
        });
  });
  return name;
}

//===----------------------------------------------------------------------===//
// Depthwise
//===----------------------------------------------------------------------===//

/// Byte offsets of all taps.
static SmallVector<int64_t> getTapOffsets(const DotAxis &axis) {
  SmallVector<int64_t> offsets{0};
  for (auto [extent, stride] : axis.outer) {
    SmallVector<int64_t> next;
    for (int64_t base : offsets)
      for (int64_t i = 0; i < extent; ++i)
        next.push_back(base + i * stride);
    offsets = std::move(next);
  }
  return offsets;
}

std::string compress::cpu::generateDepthwiseConv(ModuleOp module,
                                                 const DotConv &conv) {
  const KernelISA &isa = *conv.isa;
  int64_t lanes = isa.getLanes();
  std::string name = "compress_depthwise_u8s8_" + getShapeName(conv);
  int64_t padded = Panels(isa, conv.filters).getPaddedColumns();
  SmallVector<int64_t> taps = getTapOffsets(conv.axis);
  int64_t blocks = llvm::divideCeil(conv.getNumPixels(), kBlockPixels);
  int64_t parts = llvm::divideCeil(conv.filters, lanes);
  SmallVector<Type> types = getParameterTypes(
      module.getContext(), conv, int64_t(taps.size()) * padded, padded);
  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value images = k.dim(k.getArguments().back(), 0);
    int64_t perImage = blocks * parts;
    int64_t work = conv.filters * conv.getNumPixels() * int64_t(taps.size());
    Value isSmall = k.lessThan(
        images, k.index(kSmallWork / 8 / std::max<int64_t>(1, work) + 1));
    k.tasks(
        k.mul(images, perImage), isSmall, [&](KernelBuilder &k, Value number) {
          // Neighbouring tasks share cache lines of the packed images.
          Value within = k.rem(number, perImage);
          Value channel = k.mul(k.rem(within, parts), lanes);
          Task task(k, conv, k.div(number, perImage), channel,
                    k.div(within, parts));
          Value base = k.add(k.mul(task.image, conv.imageBytes), channel);
          SmallVector<Value> weights;
          for (int64_t t = 0, e = taps.size(); t < e; ++t) {
            Value codes =
                k.loadVector(lanes, task.packed, k.add(channel, t * padded));
            weights.push_back(k.convert(k.convert(codes, k.i32()), k.f32()));
          }
          Value buffer = k.scratch({kBlockPixels, lanes}, k.f32());
          auto finish = [&](int64_t channels) {
            Epilogue epilogue(k, conv, task, channel, channels);
            auto tile = [&](Value at, unsigned count) {
              for (unsigned r = 0; r < count; ++r) {
                Value offset = emitPixelOffset(k, conv, base, k.add(at, r));
                // At most kMaxDepthwiseTaps * 255 * 128 < 2^24: exact in f32.
                Value sum = k.real(k.vector(lanes, k.f32()), 0.0f);
                for (auto [tap, weight] : llvm::zip_equal(taps, weights)) {
                  Value codes = k.loadVector(lanes, task.a, k.add(offset, tap));
                  Value x = k.convert(k.convert(codes, k.i32(), true), k.f32());
                  sum = k.multiplyAdd(x, weight, sum, isa.hasFMA);
                }
                k.storeVector(epilogue.apply(k, k.convert(sum, k.i32())),
                              buffer,
                              {k.add(k.sub(at, task.first), r), k.index(0)});
              }
            };
            emitRowTiles(k, 4, task.first, task.end, getRemainder(conv, 4),
                         tile);
            emitWriteBack(k, conv, task, buffer, channels);
          };
          int64_t tail = conv.filters % lanes;
          if (!tail)
            finish(lanes);
          else if (parts == 1)
            finish(tail);
          else
            k.ifThen(
                k.lessThan(channel, k.index(conv.filters - tail)),
                [&] { finish(lanes); }, [&] { finish(tail); });
        });
  });
  return name;
}
