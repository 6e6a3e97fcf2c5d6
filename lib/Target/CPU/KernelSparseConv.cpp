//===- KernelSparseConv.cpp - Convolutions with sparse filters --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelSparseConv.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

int64_t SparseConv::getScratchSize() const {
  int64_t planes = channels * strides[0] * strides[1] * getPlane();
  return llvm::alignTo(planes + getSparseTileRows(*isa) + getPlaneSize(1), 16);
}

std::vector<int32_t> SparseConv::getOffsets() const {
  std::vector<int32_t> offsets;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t r = 0; r < kernel[0]; ++r)
      for (int64_t s = 0; s < kernel[1]; ++s) {
        int64_t y = r * dilations[0], x = s * dilations[1];
        int64_t plane =
            (c * strides[0] + y % strides[0]) * strides[1] + x % strides[1];
        offsets.push_back(int32_t(plane * getPlane() +
                                  y / strides[0] * getPlaneSize(1) +
                                  x / strides[1]));
      }
  return offsets;
}

namespace {
/// The arguments of the kernel.
struct Arguments {
  Arguments(KernelBuilder &k, const SparseConv &conv) {
    ValueRange args = k.getArguments();
    image = args[0], values = args[1], indices = args[2], outputs = args[3],
    steps = args[4], slices = args[5], offsets = args[6];
    unsigned next = 7;
    if (conv.layout.hasScales)
      scales = args[next++];
    if (conv.init == InitKind::Bias)
      bias = args[next++];
    out = args[next++];
    scratch = args[next++];
  }
  Value image, values, indices, outputs, steps, slices, offsets, scales, bias,
      out, scratch;
};
} // namespace

//===----------------------------------------------------------------------===//
// Planes
//===----------------------------------------------------------------------===//

/// Copies every `stride`-th value of a row of the image from `first` on, which
/// may be before its start, into a row of a plane.
static void emitPlaneRow(KernelBuilder &k, const SparseConv &conv,
                         const Arguments &args, Value to, int64_t first,
                         ArrayRef<Value> row) {
  int64_t lanes = conv.isa->getLanes(), stride = conv.strides[1];
  int64_t length = conv.getPlaneSize(1);
  auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at, 0, length); };
  int64_t begin = clamp(llvm::divideCeilSigned(-first, stride));
  int64_t end = std::max(
      begin, clamp(llvm::divideCeilSigned(conv.sizes[1] - first, stride)));
  Value zero = k.real(0.0f);
  auto clear = [&](int64_t from, int64_t end) {
    k.loop(k.index(from), k.index(end), 1,
           [&](Value i) { k.store(zero, args.scratch, k.add(to, i)); });
  };
  clear(0, begin);
  auto from = [&](Value i) {
    SmallVector<Value> at(row);
    // Unsigned, but begin * stride + first is not negative.
    at.push_back(k.add(k.mul(i, stride), first));
    return at;
  };
  int64_t whole = begin;
  if (stride == 1) {
    whole += (end - begin) / lanes * lanes;
    k.loop(k.index(begin), k.index(whole), lanes, [&](Value i) {
      k.storeVector(k.loadVector(lanes, args.image, from(i)), args.scratch,
                    k.add(to, i));
    });
  }
  k.loop(k.index(whole), k.index(end), 1, [&](Value i) {
    k.store(k.load(args.image, from(i)), args.scratch, k.add(to, i));
  });
  clear(end, length);
}

static void emitPlanes(KernelBuilder &k, const SparseConv &conv,
                       Value isSmall) {
  Value images = k.dim(k.getArguments()[0], 0);
  k.tasks(
      k.mul(images, conv.channels), isSmall, [&](KernelBuilder &k, Value task) {
        Arguments args(k, conv);
        SmallVector<Value> at = k.delinearize(task, {0, conv.channels});
        int64_t rows = conv.getPlaneSize(0), length = conv.getPlaneSize(1);
        int64_t planes = conv.strides[0] * conv.strides[1];
        Value base = k.add(k.mul(at[0], conv.getScratchSize()),
                           k.mul(at[1], planes * conv.getPlane()));
        for (int64_t p = 0; p < planes; ++p) {
          int64_t firstY = p / conv.strides[1] - conv.padLow[0];
          int64_t firstX = p % conv.strides[1] - conv.padLow[1];
          k.loop(k.index(0), k.index(rows), 1, [&](Value row) {
            Value to =
                k.add(base, k.add(k.mul(row, length), p * conv.getPlane()));
            // Unsigned: rows above the image are far below it.
            Value y = k.add(k.mul(row, conv.strides[0]), firstY);
            k.ifThen(
                k.lessThan(y, k.index(conv.sizes[0])),
                [&] {
                  emitPlaneRow(k, conv, args, to, firstX, {at[0], at[1], y});
                },
                [&] {
                  k.loop(k.index(0), k.index(length), 1, [&](Value i) {
                    k.store(k.real(0.0f), args.scratch, k.add(to, i));
                  });
                });
          });
        }
      });
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// Stores the results of a range of filters for the positions of a tile.
static void emitResults(KernelBuilder &k, const SparseConv &conv,
                        const Arguments &args, Value image, Value range,
                        Value first, Value sums) {
  const SliceLayout &layout = conv.layout;
  int64_t lanes = conv.isa->getLanes(), tile = getSparseTileRows(*conv.isa);
  int64_t length = conv.getPlaneSize(1);
  auto maximum = [&](Value x, Value y) {
    return k.select(k.lessThan(x, y), y, x);
  };
  Value firstFilter = k.mul(range, layout.range);
  Value end = k.minimum(k.add(first, tile), k.index(conv.getPositions()));
  k.loop(k.div(first, length), k.ceilDiv(end, length), 1, [&](Value y) {
    Value row = k.mul(y, length);
    Value begin = maximum(first, row);
    Value rowEnd = k.minimum(end, k.add(row, conv.outSizes[1]));
    // A tile may begin past the end of a row.
    rowEnd = maximum(begin, rowEnd);
    k.loop(begin, rowEnd, lanes, [&](Value position) {
      Value x = k.sub(position, row);
      Value mask = vector::CreateMaskOp::create(
          k.b, k.loc, k.vector(lanes, k.b.getI1Type()),
          ValueRange{k.sub(rowEnd, position)});
      Value from = k.sub(position, first);
      k.loop(firstFilter,
             k.minimum(k.add(firstFilter, layout.range), k.index(layout.n)), 1,
             [&](Value f) {
               Value at = k.add(k.mul(k.sub(f, firstFilter), tile), from);
               Value value = k.loadVector(lanes, sums, at);
               if (args.scales)
                 value = k.mulF(value, k.splat(k.load(args.scales, f), lanes));
               if (args.bias)
                 value = k.addF(value, k.splat(k.load(args.bias, f), lanes));
               SmallVector<Value> to{image, f, y, x};
               if (conv.init == InitKind::Accumulate)
                 value = k.addF(value, k.loadMasked(lanes, args.out, to, mask));
               k.storeMasked(value, args.out, to, mask);
             });
    });
  });
}

static void emitTiles(KernelBuilder &k, const SparseConv &conv, Value isSmall) {
  Value images = k.dim(k.getArguments()[0], 0);
  int64_t tile = getSparseTileRows(*conv.isa);
  int64_t tiles = llvm::divideCeil(conv.getPositions(), tile);
  int64_t ranges = conv.layout.getRanges();
  // Neighbouring tasks share the filters, which are more than the planes that
  // a tile reads.
  k.tasks(k.mul(images, ranges * tiles), isSmall,
          [&](KernelBuilder &k, Value task) {
            Arguments args(k, conv);
            const SliceLayout &layout = conv.layout;
            int64_t lanes = conv.isa->getLanes();
            SmallVector<Value> at = k.delinearize(task, {0, ranges, tiles});
            Value range = at[1], first = k.mul(at[2], tile);
            Value planes = k.add(k.mul(at[0], conv.getScratchSize()), first);
            SliceReader reader(k, layout, args.indices, args.outputs,
                               args.steps, args.slices);
            // Results are read as vectors from any position of the tile.
            Value sums = k.scratch({layout.range * tile + lanes}, k.f32());
            Value decoded = makeDecodedValues(k, layout);
            Value left = k.sub(k.index(conv.getPositions()), first);
            emitForRows(k, *conv.isa, left, [&](unsigned vectors) {
              SliceSums part{reader,  *conv.isa, args.values, decoded,
                             vectors, sums,      k.index(0),  args.scratch};
              part.clear(reader.getWidth(range));
              k.loop(k.index(0), k.index(layout.getBlocks()), 1, [&](Value b) {
                Value firstInput = k.mul(b, layout.block);
                reader.forEachSlice(range, b, [&](Value slice) {
                  part.add(slice, [&](Value index) {
                    return k.add(planes,
                                 reader.loadIndex(args.offsets,
                                                  k.add(firstInput, index)));
                  });
                });
              });
            });
            emitResults(k, conv, args, at[0], range, first, sums);
          });
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

std::string compress::cpu::generateSparseConv(ModuleOp module,
                                              const SparseConv &conv) {
  const SliceLayout &layout = conv.layout;
  std::string type;
  llvm::raw_string_ostream(type) << layout.valueType;
  auto pair = [](std::array<int64_t, 2> values) {
    return (llvm::Twine(values[0]) + "x" + llvm::Twine(values[1])).str();
  };
  std::string name = llvm::formatv(
      "compress_conv_sparse_{0}{1}_{2}_f{3}_c{4}_i{5}_o{6}_k{7}_s{8}_d{9}_p{10}"
      "_b{11}_r{12}_{13}",
      type, layout.hasScales ? "_scaled" : "", conv.isa->name, layout.n,
      conv.channels, pair(conv.sizes), pair(conv.outSizes), pair(conv.kernel),
      pair(conv.strides), pair(conv.dilations), pair(conv.padLow), layout.block,
      layout.range, getInitName(conv.init));
  if (isDecoded(layout))
    name += "_v" + std::to_string(llvm::Log2_64_Ceil(layout.maxSteps));
  OpBuilder b(module.getContext());
  auto dynamic = [&](Type element) {
    return MemRefType::get({ShapedType::kDynamic}, element);
  };
  auto images = [&](int64_t channels, std::array<int64_t, 2> sizes) {
    return MemRefType::get({ShapedType::kDynamic, channels, sizes[0], sizes[1]},
                           b.getF32Type());
  };
  SmallVector<Type> types{images(conv.channels, conv.sizes),
                          dynamic(layout.valueType),
                          dynamic(b.getIntegerType(layout.indexWidth)),
                          dynamic(b.getI16Type()),
                          dynamic(b.getI32Type()),
                          dynamic(b.getI32Type()),
                          MemRefType::get({layout.k}, b.getI32Type())};
  if (layout.hasScales)
    types.push_back(dynamic(b.getF32Type()));
  if (conv.init == InitKind::Bias)
    types.push_back(MemRefType::get({layout.n}, b.getF32Type()));
  types.push_back(images(layout.n, conv.outSizes));
  types.push_back(dynamic(b.getF32Type()));

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value entries = k.mul(k.dim(k.getArguments()[2], 0), conv.getPositions());
    Value work = k.mul(entries, k.dim(k.getArguments()[0], 0));
    Value isSmall = k.lessThan(work, k.index(kSmallWork));
    emitPlanes(k, conv, isSmall);
    emitTiles(k, conv, isSmall);
  });
  return name;
}
