//===- KernelQuantizeRows.cpp - Rows of f32 to rows of codes ----*- C++ -*-===//
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

namespace {
/// Quantizes one row, group by group.
class RowQuantizer {
public:
  RowQuantizer(KernelBuilder &k, const QuantizeRows &q, unsigned firstOut,
               Value row)
      : k(k), q(q), lanes(q.isa->getLanes()), row(row),
        base(k.mul(row, q.isa->getRowBytes(q.k))) {
    ValueRange args = k.getArguments();
    x = args[0];
    codes = args[firstOut];
    scales = args[firstOut + 1];
    zeros = args[firstOut + 2];
    if (q.sumBlock)
      sums = args[firstOut + 3];
  }

  void emit() {
    if (!q.perRow) {
      Value zero = k.index(0);
      emitSegments(k.index(0), q.k,
                   {k.load(scales, zero), k.load(zeros, zero)});
      return;
    }
    int64_t size = q.group ? std::min(q.group, q.k) : q.k;
    int64_t count = llvm::divideCeil(q.k, size);
    Value first = k.mul(row, count);
    if (count == 1)
      return emitGroup(k.index(0), size, first);
    k.loop(k.index(0), k.index(q.k / size), 1,
           [&](Value g) { emitGroup(k.mul(g, size), size, k.add(first, g)); });
    if (int64_t rest = q.k % size)
      emitGroup(k.index(q.k - rest), rest, k.add(first, count - 1));
  }

private:
  SmallVector<Value> at(Value i) { return {row, i}; }

  /// The elements [start, start + length), which make up group `number`.
  void emitGroup(Value start, int64_t length, Value number) {
    CodeGroup group;
    if (q.parameters) {
      group = loadCodeGroup(k, q.range, *q.parameters, number);
    } else {
      SmallVector<Value> range = reduceRange(
          k, emitRange(k, lanes, x, length, emptyRange(k, lanes),
                       [&](Value i) { return at(k.add(start, i)); }));
      group = emitCodeGroup(k, q.range, range[0], range[1]);
    }
    k.store(group.scale, scales, number);
    k.store(group.zero, zeros, number);
    emitSegments(start, length, group);
  }

  void emitSegments(Value start, int64_t length, const CodeGroup &group) {
    emitQuantized(k, *q.isa, q.range, group, [&](const Quantizer &quantize) {
      emitSegments(start, length, group, quantize);
    });
  }

  /// Quantizes elements of one group, a block of sums at a time.
  void emitSegments(Value start, int64_t length, const CodeGroup &group,
                    const Quantizer &quantize) {
    if (!q.sumBlock || q.sumBlock >= length)
      return emitSegment(start, length, group, quantize);
    k.loop(k.index(0), k.index(length / q.sumBlock), 1, [&](Value i) {
      emitSegment(k.add(start, k.mul(i, q.sumBlock)), q.sumBlock, group,
                  quantize);
    });
    if (int64_t rest = length % q.sumBlock)
      emitSegment(k.add(start, length - rest), rest, group, quantize);
  }

  void emitSegment(Value start, int64_t length, const CodeGroup &group,
                   const Quantizer &quantize) {
    int64_t full = length / lanes * lanes, tail = length - full;
    SmallVector<Value> sum;
    if (q.sumBlock)
      sum.push_back(k.integer(k.vector(lanes, k.i32()), 0));
    auto quantizeAt = [&](Value i, ValueRange carried) -> SmallVector<Value> {
      Value code = quantize.widened(k, k.loadVector(lanes, x, at(i)));
      k.storeVector(k.convert(code, k.i8()), codes, k.add(base, i));
      if (carried.empty())
        return {};
      return {k.add(carried[0], code)};
    };
    if (full == lanes)
      sum = quantizeAt(start, sum);
    else if (full)
      sum = k.loop(k.index(0), k.index(full), lanes, sum,
                   [&](Value i, ValueRange carried) {
                     return quantizeAt(k.add(start, i), carried);
                   });
    if (tail)
      sum = emitTail(k.add(start, full), tail, sum, quantize);
    if (!q.sumBlock)
      return;
    Value total = vector::ReductionOp::create(
        k.b, k.loc, vector::CombiningKind::ADD, sum[0]);
    total = k.sub(total, k.mul(group.zero, length));
    Value number = k.add(k.mul(row, int64_t(llvm::divideCeil(q.k, q.sumBlock))),
                         k.div(start, q.sumBlock));
    k.store(total, sums, number);
  }

  SmallVector<Value> emitTail(Value start, int64_t count, ValueRange sum,
                              const Quantizer &quantize) {
    Value mask = k.prefixMask(lanes, count);
    Value code = quantize.widened(k, k.loadMasked(lanes, x, at(start), mask));
    Value bytes = k.convert(code, k.i8());
    Value to = k.add(base, start);
    if (q.group || q.sumBlock) {
      // What follows may be of another group.
      k.storeMasked(bytes, codes, to, mask);
    } else {
      // Codes in the padding meet weights of zero.
      k.storeVector(vector::ExtractStridedSliceOp::create(
                        k.b, k.loc, bytes, ArrayRef<int64_t>{0},
                        ArrayRef<int64_t>{int64_t(llvm::alignTo(count, 4))},
                        ArrayRef<int64_t>{1}),
                    codes, to);
    }
    if (sum.empty())
      return {};
    return {k.add(sum[0], k.select(mask, code, k.integer(code.getType(), 0)))};
  }

  KernelBuilder &k;
  const QuantizeRows &q;
  unsigned lanes;
  Value row, base, x, codes, scales, zeros, sums;
};
} // namespace

std::string compress::cpu::generateQuantizeRows(ModuleOp module,
                                                const QuantizeRows &q) {
  const KernelISA &isa = *q.isa;
  std::string name = llvm::formatv("compress_quantize_{0}_k{1}_{2}_{3}",
                                   isa.name, q.k, q.perRow ? "row" : "tensor",
                                   getEncodingName(q.range, q.parameters));
  if (q.group)
    name += llvm::formatv("_g{0}", q.group);
  if (q.sumBlock)
    name += llvm::formatv("_s{0}", q.sumBlock);
  OpBuilder b(module.getContext());
  SmallVector<Type> types{
      MemRefType::get({ShapedType::kDynamic, q.k}, b.getF32Type())};
  appendParameterTypes(b, types, q.range, q.parameters);
  unsigned firstOut = types.size();
  bool hasRanges = !q.perRow && !q.parameters;
  unsigned rangesOut = firstOut + 3 + (q.sumBlock ? 1 : 0);
  appendOutTypes(b, types, hasRanges);
  if (q.sumBlock)
    types.insert(types.begin() + firstOut + 3,
                 MemRefType::get({ShapedType::kDynamic}, b.getI32Type()));

  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value rows = k.dim(k.getArguments()[0], 0);
    Value isSmall = k.lessThan(
        rows, k.index(kSmallWork / 16 / std::max<int64_t>(1, q.k) + 1));
    if (!q.perRow)
      emitTensorGroup(k, isa.getLanes(), q.range, q.parameters, firstOut,
                      rangesOut, q.k, isSmall,
                      [](KernelBuilder &, Value row, Value i) {
                        return SmallVector<Value>{row, i};
                      });
    // Tiles of rows are scaled as a whole: what is left in memory behind the
    // last row may be denormal, which takes very long.
    if (isa.hasDotTiles && q.perRow && q.group) {
      int64_t groups = llvm::divideCeil(q.k, q.group);
      Value scales = k.getArguments()[firstOut + 1];
      Value end =
          k.minimum(k.mul(k.ceilDiv(rows, 16), 16 * groups), k.dim(scales, 0));
      k.loop(k.mul(rows, groups), end, 1,
             [&](Value i) { k.store(k.real(0), scales, i); });
    }
    constexpr int64_t blockRows = 8;
    k.tasks(
        k.ceilDiv(rows, blockRows), isSmall, [&](KernelBuilder &k, Value task) {
          Value begin = k.mul(task, blockRows);
          Value end =
              k.minimum(k.add(begin, blockRows), k.dim(k.getArguments()[0], 0));
          k.loop(begin, end, 1,
                 [&](Value row) { RowQuantizer(k, q, firstOut, row).emit(); });
        });
  });
  return name;
}
