//===- KernelConvPacking.cpp - Filters of f32 convolutions ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The packed order of filters, made on the host when they are constant floats,
// and by a kernel when a model is loaded if they have to be decoded.
//
//===----------------------------------------------------------------------===//

#include "KernelConvFloat.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

Panels FloatConv::getPanels() const {
  auto costOf = [&](const Panels &panels) {
    auto panelCost = [&](unsigned vectors) {
      double rows = isa->floatRows[vectors - 1];
      return std::max(rows * vectors, rows + vectors) / rows;
    };
    double cost = panels.numFull * panelCost(panels.fullVectors);
    return panels.tailVectors ? cost + panelCost(panels.tailVectors) : cost;
  };
  Panels best(filters, isa->getLanes(), isa->floatVectors);
  for (unsigned vectors = 1; vectors <= isa->maxVectors; ++vectors)
    if (Panels other(filters, isa->getLanes(), vectors);
        costOf(other) <= costOf(best))
      best = other;
  return best;
}

int64_t FloatConv::getPackedSize() const {
  if (isDepthwise())
    return kernel[0] * kernel[1] *
           int64_t(llvm::alignTo(groups, isa->getLanes()));
  return groups * getDotLength() * getPanels().getPaddedColumns();
}

HostTensor compress::cpu::packFloatConv(const FloatConv &conv,
                                        ArrayRef<float> filters,
                                        MLIRContext *context) {
  auto result =
      HostTensor::allocate({conv.getPackedSize()}, Float32Type::get(context));
  float *out = result.getMutableData<float>().data();
  int64_t taps = conv.kernel[0] * conv.kernel[1];
  if (conv.isDepthwise()) {
    int64_t padded = llvm::alignTo(conv.groups, conv.isa->getLanes());
    for (int64_t t = 0; t < taps; ++t)
      for (int64_t g = 0; g < conv.groups; ++g)
        out[t * padded + g] = filters[g * taps + t];
    return result;
  }
  Panels panels = conv.getPanels();
  int64_t length = conv.getDotLength();
  for (int64_t g = 0; g < conv.groups; ++g)
    for (int64_t p = 0; p < panels.getCount(); ++p) {
      int64_t first = p * panels.getFullColumns();
      int64_t width = p < panels.numFull
                          ? panels.getFullColumns()
                          : int64_t(panels.tailVectors) * panels.lanes;
      for (int64_t k = 0; k < length; ++k) {
        int64_t c = conv.isPlanar ? k / taps : k % conv.channels;
        int64_t tap = conv.isPlanar ? k % taps : k / conv.channels;
        for (int64_t column = 0; column < width; ++column, ++out)
          if (int64_t f = first + column; f < conv.filters)
            *out = filters[((g * conv.filters + f) * conv.channels + c) * taps +
                           tap];
      }
    }
  return result;
}

std::string compress::cpu::generatePackConv(ModuleOp module,
                                            const FloatConv &conv) {
  const KernelISA &isa = *conv.isa;
  int64_t taps = conv.kernel[0] * conv.kernel[1];
  std::string name = llvm::formatv(
      "compress_pack_conv_f32_{0}_g{1}c{2}f{3}t{4}{5}", isa.name, conv.groups,
      conv.channels, conv.filters, taps, conv.isPlanar ? "_planar" : "");
  OpBuilder b(module.getContext());
  auto flat = [&](int64_t size) {
    return MemRefType::get({size}, b.getF32Type());
  };
  SmallVector<Type> types{
      flat(conv.groups * conv.filters * conv.channels * taps),
      flat(conv.getPackedSize())};
  int64_t length = conv.getDotLength();
  Panels panels = conv.getPanels();

  auto packDepthwise = [&](KernelBuilder &k) {
    ValueRange args = k.getArguments();
    int64_t padded = llvm::alignTo(conv.groups, isa.getLanes());
    k.loop(k.index(0), k.index(taps), 1, [&](Value tap) {
      Value to = k.mul(tap, padded);
      k.loop(k.index(0), k.index(conv.groups), 1, [&](Value g) {
        k.store(k.load(args[0], k.add(k.mul(g, taps), tap)), args[1],
                k.add(to, g));
      });
      k.loop(k.index(conv.groups), k.index(padded), 1,
             [&](Value g) { k.store(k.real(0.0f), args[1], k.add(to, g)); });
    });
  };
  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    if (conv.isDepthwise())
      return packDepthwise(k);
    Value isSmall = arith::ConstantOp::create(
        k.b, k.loc, k.b.getBoolAttr(conv.getPackedSize() < kSmallWork));
    k.tasks(k.index(conv.groups * panels.getCount()), isSmall,
            [&](KernelBuilder &k, Value task) {
              ValueRange args = k.getArguments();
              Value from = args[0], to = args[1];
              Value group = k.div(task, panels.getCount());
              Value panel = k.rem(task, panels.getCount());
              Value first = k.mul(panel, panels.getFullColumns());
              Value base =
                  k.mul(k.add(k.mul(group, panels.getPaddedColumns()), first),
                        length);
              Value filter = k.mul(k.add(k.mul(group, conv.filters), first),
                                   conv.channels * taps);
              emitPanel(k, panels, panel, [&](unsigned vectors, int64_t valid) {
                int64_t width = int64_t(vectors) * panels.lanes;
                k.loop(k.index(0), k.index(length), 1, [&](Value i) {
                  // Sums run over taps, then channels; in planes the other way.
                  Value inner =
                      conv.isPlanar
                          ? i
                          : k.add(k.mul(k.rem(i, conv.channels), taps),
                                  k.div(i, conv.channels));
                  Value out = k.add(base, k.mul(i, width));
                  Value in = k.add(filter, inner);
                  k.loop(k.index(0), k.index(valid), 1, [&](Value column) {
                    Value at = k.add(in, k.mul(column, conv.channels * taps));
                    k.store(k.load(from, at), to, k.add(out, column));
                  });
                  k.loop(k.index(valid), k.index(width), 1, [&](Value column) {
                    k.store(k.real(0.0f), to, k.add(out, column));
                  });
                });
              });
            });
  });
  return name;
}
