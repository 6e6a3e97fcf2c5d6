//===- KernelQuantizeImages.cpp - Images of f32 to codes --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelQuantize.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

SmallVector<int64_t> QuantizeImages::getPadded() const {
  SmallVector<int64_t> sizes;
  for (auto [size, low, high] : llvm::zip_equal(spatial, padLow, padHigh))
    sizes.push_back(size + low + high);
  return sizes;
}

int64_t QuantizeImages::getImageBytes() const {
  int64_t bytes = channels;
  for (int64_t size : getPadded())
    bytes *= size;
  return bytes;
}

/// Writes the zero point to all of an image.
static void emitFill(KernelBuilder &k, Value codes, Value base, int64_t bytes,
                     Value zero) {
  constexpr int64_t width = 64;
  Value fill = k.splat(k.convert(zero, k.i8()), width);
  int64_t full = bytes / width * width;
  k.loop(k.index(0), k.index(full), width,
         [&](Value i) { k.storeVector(fill, codes, k.add(base, i)); });
  if (bytes == full)
    return;
  Value tail = k.splat(k.convert(zero, k.i8()), bytes - full);
  k.storeVector(tail, codes, k.add(base, full));
}

std::string compress::cpu::generateQuantizeImages(ModuleOp module,
                                                  const QuantizeImages &q) {
  const KernelISA &isa = *q.isa;
  unsigned lanes = isa.getLanes();
  std::string shape;
  for (auto [size, low, high] : llvm::zip_equal(q.spatial, q.padLow, q.padHigh))
    shape += llvm::formatv("_{0}p{1}p{2}", size, low, high).str();
  std::string name =
      llvm::formatv("compress_quantize_{0}_c{1}{2}_{3}", isa.name, q.channels,
                    shape, getEncodingName(q.range, q.parameters));
  int64_t pixels = 1;
  for (int64_t size : q.spatial)
    pixels *= size;
  SmallVector<int64_t> padded = q.getPadded(), strides(padded.size());
  int64_t stride = q.channels, origin = 0;
  for (int64_t d = int64_t(padded.size()) - 1; d >= 0; --d) {
    strides[d] = stride;
    origin += q.padLow[d] * stride;
    stride *= padded[d];
  }
  bool isPadded = padded != q.spatial;

  OpBuilder b(module.getContext());
  SmallVector<Type> types{MemRefType::get(
      {ShapedType::kDynamic, q.channels, pixels}, b.getF32Type())};
  appendParameterTypes(b, types, q.range, q.parameters);
  unsigned firstOut = types.size();
  appendOutTypes(b, types, !q.parameters);

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value images = k.dim(k.getArguments()[0], 0);
    Value isSmall = k.lessThan(
        images,
        k.index(kSmallWork / 16 / std::max<int64_t>(1, q.channels * pixels) +
                1));
    emitTensorGroup(k, lanes, q.range, q.parameters, firstOut, firstOut + 3,
                    pixels, isSmall, [&](KernelBuilder &k, Value row, Value i) {
                      return SmallVector<Value>{k.div(row, q.channels),
                                                k.rem(row, q.channels), i};
                    });
    if (isPadded) {
      // Rows of the outermost axis.
      int64_t parts = padded[0], bytes = q.getImageBytes() / parts;
      k.tasks(k.mul(images, parts), isSmall, [&](KernelBuilder &k, Value task) {
        ValueRange args = k.getArguments();
        Value zero = k.load(args[firstOut + 2], k.index(0));
        emitFill(k, args[firstOut], k.mul(task, bytes), bytes, zero);
      });
    }
    // Blocks of lanes x lanes values are turned from [channel, pixel] to
    // [pixel, channel].
    int64_t blocks = llvm::divideCeil(pixels, lanes);
    int64_t perTask = std::min<int64_t>(blocks, 16);
    int64_t parts = llvm::divideCeil(blocks, perTask);
    k.tasks(k.mul(images, parts), isSmall, [&](KernelBuilder &k, Value task) {
      ValueRange args = k.getArguments();
      Value x = args[0], codes = args[firstOut];
      Value image = k.div(task, parts);
      Value zero = k.index(0);
      CodeGroup group{k.load(args[firstOut + 1], zero),
                      k.load(args[firstOut + 2], zero)};
      Quantizer quantize(k, q.range, group, lanes);
      Value base = k.add(k.mul(image, q.getImageBytes()), origin);
      Value first = k.mul(k.rem(task, parts), perTask);
      Value last = k.minimum(k.add(first, perTask), k.index(blocks));
      Value tile = k.scratch({lanes, lanes}, k.i8());
      // One block of `count` pixels and `width` channels.
      auto block = [&](Value pixel, unsigned count, ValueRange targets,
                       Value channel, unsigned width) {
        // By way of a small buffer, so that the code stays short.
        Value mask = count < lanes ? k.prefixMask(lanes, count) : Value();
        Value valid =
            k.minimum(k.index(lanes), k.sub(k.index(q.channels), channel));
        k.loop(k.index(0), valid, 1, [&](Value c) {
          SmallVector<Value> at{image, k.add(channel, c), pixel};
          Value value = mask ? k.loadMasked(lanes, x, at, mask)
                             : k.loadVector(lanes, x, at);
          k.storeVector(quantize(k, value), tile, {c, zero});
        });
        SmallVector<Value> rows;
        for (unsigned c = 0; c < width; ++c)
          rows.push_back(k.loadVector(lanes, tile, {k.index(c), zero}));
        rows.resize(lanes, k.integer(k.vector(lanes, k.i8()), 0));
        SmallVector<Value> columns = k.transpose(rows);
        for (unsigned p = 0; p < count; ++p) {
          Value column = columns[p];
          if (width < lanes)
            column = vector::ExtractStridedSliceOp::create(
                k.b, k.loc, column, ArrayRef<int64_t>{0},
                ArrayRef<int64_t>{width}, ArrayRef<int64_t>{1});
          k.storeVector(column, codes, k.add(targets[p], channel));
        }
      };
      auto pixelBlock = [&](Value number, unsigned count, Value channel,
                            unsigned width) {
        Value pixel = k.mul(number, lanes);
        SmallVector<Value> targets;
        for (unsigned p = 0; p < count; ++p) {
          Value target = base;
          if (isPadded) {
            SmallVector<Value> position =
                k.delinearize(k.add(pixel, p), q.spatial);
            for (auto [at, stride] : llvm::zip_equal(position, strides))
              target = k.add(target, k.mul(at, stride));
          } else {
            target = k.add(target, k.mul(k.add(pixel, p), q.channels));
          }
          targets.push_back(target);
        }
        block(pixel, count, targets, channel, width);
      };
      // Pixels are the inner loop: a few streams of memory at a time.
      unsigned tail = pixels % lanes;
      auto channelBlock = [&](Value channel, unsigned width) {
        k.loop(first, last, 1, [&](Value number) {
          if (!tail)
            return pixelBlock(number, lanes, channel, width);
          if (blocks == 1)
            return pixelBlock(number, tail, channel, width);
          k.ifThen(
              k.lessThan(number, k.index(blocks - 1)),
              [&] { pixelBlock(number, lanes, channel, width); },
              [&] { pixelBlock(number, tail, channel, width); });
        });
      };
      int64_t full = q.channels / lanes * lanes;
      if (full)
        k.loop(k.index(0), k.index(full), lanes,
               [&](Value channel) { channelBlock(channel, lanes); });
      if (full < q.channels)
        channelBlock(k.index(full), q.channels - full);
    });
  });
  return name;
}

//===----------------------------------------------------------------------===//
// Channels last
//===----------------------------------------------------------------------===//

/// Calls `body(i, mask, carried)` for vectors of part number `part` of `parts`
/// of a row of `length`; the mask is null where all lanes are valid.
static SmallVector<Value> emitPart(
    KernelBuilder &k, unsigned lanes, int64_t length, int64_t parts, Value part,
    ValueRange carried,
    llvm::function_ref<SmallVector<Value>(Value, Value, ValueRange)> body) {
  int64_t full = length / lanes, tail = length % lanes;
  int64_t chunk = llvm::divideCeil(full, parts);
  Value begin = k.minimum(k.mul(part, chunk), k.index(full));
  Value end = k.minimum(k.add(begin, chunk), k.index(full));
  SmallVector<Value> results(carried);
  if (full)
    results = k.loop(begin, end, 1, results, [&](Value i, ValueRange now) {
      return body(k.mul(i, lanes), Value(), now);
    });
  if (!tail)
    return results;
  auto last = [&] {
    return body(k.index(full * lanes), k.prefixMask(lanes, tail), results);
  };
  Value isLast = k.lessOrEqual(k.index(parts - 1), part);
  if (!carried.empty())
    return k.ifValue(isLast, last, [&] { return results; });
  k.ifThen(isLast, [&] { last(); });
  return {};
}

std::string compress::cpu::generateQuantizeInPlace(ModuleOp module,
                                                   const QuantizeInPlace &q) {
  const KernelISA &isa = *q.isa;
  unsigned lanes = isa.getLanes();
  std::string name = llvm::formatv(
      "compress_quantize_{0}_l{1}_{2}_{3}", isa.name, q.length,
      q.perImage ? "image" : "tensor", getEncodingName(q.range, q.parameters));
  OpBuilder b(module.getContext());
  MemRefType images =
      MemRefType::get({ShapedType::kDynamic, q.length}, b.getF32Type());
  SmallVector<Type> types{images};
  appendParameterTypes(b, types, q.range, q.parameters);
  unsigned firstOut = types.size();
  appendOutTypes(b, types, !q.parameters);
  types[firstOut] = images.clone(b.getI8Type());

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value count = k.dim(k.getArguments()[0], 0);
    Value isSmall = k.lessThan(
        count, k.index(kSmallWork / 16 / std::max<int64_t>(1, q.length) + 1));
    Value groups = q.perImage ? count : k.index(1);
    if (!q.parameters)
      k.tasks(k.mul(count, kRangeTasks), isSmall,
              [&](KernelBuilder &k, Value task) {
                ValueRange args = k.getArguments();
                Value image = k.div(task, kRangeTasks);
                SmallVector<Value> range =
                    emitPart(k, lanes, q.length, kRangeTasks,
                             k.rem(task, kRangeTasks), emptyRange(k, lanes),
                             [&](Value i, Value mask, ValueRange known) {
                               SmallVector<Value> at{image, i};
                               // Lanes that are off read as zero.
                               Value x =
                                   mask ? k.loadMasked(lanes, args[0], at, mask)
                                        : k.loadVector(lanes, args[0], at);
                               return widenRange(k, x, known);
                             });
                range = reduceRange(k, range);
                Value ranges = args[firstOut + 3], at = k.mul(task, 2);
                k.store(range[0], ranges, at);
                k.store(range[1], ranges, k.add(at, 1));
              });
    k.loop(k.index(0), groups, 1, [&](Value g) {
      ValueRange args = k.getArguments();
      CodeGroup group;
      if (q.parameters) {
        group = loadCodeGroup(k, q.range, *q.parameters, g);
      } else {
        Value end = q.perImage ? k.mul(k.add(g, 1), kRangeTasks)
                               : k.mul(count, kRangeTasks);
        group = emitRangesGroup(k, q.range, args[firstOut + 3],
                                k.mul(g, kRangeTasks), end);
      }
      k.store(group.scale, args[firstOut + 1], g);
      k.store(group.zero, args[firstOut + 2], g);
    });
    int64_t parts =
        std::max<int64_t>(1, std::min(kRangeTasks, q.length / (1 << 12)));
    k.tasks(k.mul(count, parts), isSmall, [&](KernelBuilder &k, Value task) {
      ValueRange args = k.getArguments();
      Value image = k.div(task, parts), part = k.rem(task, parts);
      Value g = q.perImage ? image : k.index(0);
      CodeGroup group{k.load(args[firstOut + 1], g),
                      k.load(args[firstOut + 2], g)};
      emitQuantized(k, isa, q.range, group, [&](const Quantizer &quantize) {
        emitPart(k, lanes, q.length, parts, part, {},
                 [&](Value i, Value mask, ValueRange) {
                   SmallVector<Value> at{image, i};
                   Value x = mask ? k.loadMasked(lanes, args[0], at, mask)
                                  : k.loadVector(lanes, args[0], at);
                   Value codes = quantize(k, x);
                   if (mask)
                     k.storeMasked(codes, args[firstOut], at, mask);
                   else
                     k.storeVector(codes, args[firstOut], at);
                   return SmallVector<Value>();
                 });
      });
    });
  });
  return name;
}
