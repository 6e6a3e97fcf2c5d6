//===- CodedEncodingIR.cpp - Decoders of coded streams as IR ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Loops over blocks and elements that fill a tensor in place. A symbol is one
// look-up in a table of slots, which is built first from the table of the
// stream.
// Every position is clamped before it is read or written: a stream that is not
// what it should be gives wrong numbers, never an access outside.
//
//===----------------------------------------------------------------------===//

#include "CodedStreams.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace compress;

static constexpr unsigned slotBits = StreamLayout::slotBits;
static constexpr int64_t numSlots = StreamLayout::numSlots;

namespace {

/// Short spellings of scalar operations at the insertion point. i32 and index
/// values are unsigned.
class Scalars {
public:
  Scalars(OpBuilder &b, Location loc) : b(b), loc(loc) {}

  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  Value i32(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, loc, x, y); }
  Value add(Value x, int64_t y) { return y ? add(x, like(x, y)) : x; }
  Value sub(Value x, Value y) { return arith::SubIOp::create(b, loc, x, y); }
  Value mul(Value x, Value y) { return arith::MulIOp::create(b, loc, x, y); }
  Value mul(Value x, int64_t y) { return mul(x, like(x, y)); }
  Value bitAnd(Value x, int64_t y) {
    return arith::AndIOp::create(b, loc, x, like(x, y));
  }
  Value bitOr(Value x, Value y) { return arith::OrIOp::create(b, loc, x, y); }
  Value shl(Value x, Value y) { return arith::ShLIOp::create(b, loc, x, y); }
  Value shl(Value x, int64_t y) { return y ? shl(x, like(x, y)) : x; }
  Value shr(Value x, Value y) { return arith::ShRUIOp::create(b, loc, x, y); }
  Value shr(Value x, int64_t y) { return y ? shr(x, like(x, y)) : x; }
  Value min(Value x, Value y) { return arith::MinUIOp::create(b, loc, x, y); }
  Value min(Value x, int64_t y) { return min(x, like(x, y)); }
  Value toIndex(Value x) {
    return arith::IndexCastUIOp::create(b, loc, b.getIndexType(), x);
  }
  Value toInt(Value x, unsigned width) {
    Type type = b.getIntegerType(width);
    if (x.getType().isIndex())
      return arith::IndexCastUIOp::create(b, loc, type, x);
    unsigned from = x.getType().getIntOrFloatBitWidth();
    if (from < width)
      return arith::ExtUIOp::create(b, loc, type, x);
    if (from > width)
      return arith::TruncIOp::create(b, loc, type, x);
    return x;
  }
  Value select(arith::CmpIPredicate predicate, Value x, int64_t y, Value a,
               Value otherwise) {
    Value condition = arith::CmpIOp::create(b, loc, predicate, x, like(x, y));
    return arith::SelectOp::create(b, loc, condition, a, otherwise);
  }

  /// An element of a 1-D tensor of static size; `position` is clamped.
  Value load(Value tensor, Value position) {
    return tensor::ExtractOp::create(b, loc, tensor, clamp(tensor, position));
  }
  Value store(Value tensor, Value position, Value value) {
    return tensor::InsertOp::create(b, loc, value, tensor,
                                    clamp(tensor, position));
  }
  /// `count` bytes of the stream from `position` on, as i32.
  Value loadLittleEndian(Value stream, Value position, unsigned count) {
    Value word;
    for (unsigned i = 0; i < count; ++i) {
      Value byte = shl(toInt(load(stream, add(position, i)), 32), 8 * i);
      word = word ? bitOr(word, byte) : byte;
    }
    return word;
  }
  Value loadBigEndian(Value stream, Value position, unsigned count) {
    Value word;
    for (unsigned i = 0; i < count; ++i) {
      Value byte = toInt(load(stream, add(position, i)), 32);
      word = word ? bitOr(shl(word, 8), byte) : byte;
    }
    return word;
  }

  /// The bits of an element as its type.
  Value bitcast(Value x, Type type) {
    if (isa<IntegerType>(type))
      return x;
    return arith::BitcastOp::create(b, loc, type, x);
  }
  Value empty(int64_t size, unsigned width) {
    return tensor::EmptyOp::create(b, loc, ArrayRef<int64_t>{size},
                                   b.getIntegerType(width));
  }
  using Body = llvm::function_ref<SmallVector<Value>(Scalars, Value i,
                                                     ValueRange carried)>;
  /// `for i in [from, to)`; the results of the body are carried on.
  ResultRange loop(Value from, Value to, ValueRange carried, Body body) {
    return scf::ForOp::create(
               b, loc, from, to, index(1), carried,
               [&](OpBuilder &nested, Location loc, Value i, ValueRange args) {
                 SmallVector<Value> next = body(Scalars(nested, loc), i, args);
                 scf::YieldOp::create(nested, loc, next);
               })
        .getResults();
  }

private:
  Value like(Value x, int64_t value) {
    return arith::ConstantOp::create(b, loc,
                                     b.getIntegerAttr(x.getType(), value));
  }
  Value clamp(Value tensor, Value position) {
    int64_t size = cast<RankedTensorType>(tensor.getType()).getDimSize(0);
    return min(position, size - 1);
  }

  OpBuilder &b;
  Location loc;
};

using Values = SmallVector<Value>;

/// Decodes the symbols of one plane of a stream.
class PlaneDecoder {
public:
  PlaneDecoder(Value stream, unsigned width, uint64_t table, uint64_t offsets)
      : stream(stream), width(width), tableBegin(table), offsets(offsets) {}
  virtual ~PlaneDecoder() = default;

  /// Emits the table of slots.
  virtual void buildTable(Scalars s) = 0;
  /// What is carried from symbol to symbol, before the first one of a block
  /// that starts at byte `begin`.
  virtual Values buildState(Scalars s, Value begin) = 0;
  /// The next symbol, in the low bits; updates the state.
  virtual Value buildSymbol(Scalars s, MutableArrayRef<Value> state) = 0;

  /// Where a block begins.
  Value buildBegin(Scalars s, Value block) {
    Value entry = s.add(s.mul(block, 4), offsets);
    return s.toIndex(s.loadLittleEndian(stream, entry, 4));
  }

protected:
  Value stream, table;
  unsigned width;
  uint64_t tableBegin, offsets;
};

/// Slots of i16 hold `symbol | length << 8`; the state is the next bit.
class HuffmanDecoder : public PlaneDecoder {
public:
  using PlaneDecoder::PlaneDecoder;

  void buildTable(Scalars s) override {
    // Canonical codes fill the slots in the order of (length, symbol).
    Values carried{s.empty(numSlots, 16), s.index(0), s.toInt(s.i32(0), 16)};
    ResultRange filled =
        s.loop(s.index(1), s.index(slotBits + 1), carried,
               [&](Scalars s, Value length, ValueRange carried) -> Values {
                 Value count =
                     s.shl(s.index(1), s.sub(s.index(slotBits), length));
                 return llvm::to_vector_of<Value>(
                     s.loop(s.index(0), s.index(int64_t(1) << width), carried,
                            [&](Scalars s, Value symbol, ValueRange carried) {
                              return fill(s, length, count, symbol, carried);
                            }));
               });
    // The single symbol of a plane has all slots.
    table = s.loop(filled[1], s.index(numSlots), filled[0],
                   [&](Scalars s, Value slot, ValueRange carried) -> Values {
                     return {s.store(carried[0], slot, filled[2])};
                   })[0];
  }

  Values buildState(Scalars s, Value begin) override {
    return {s.mul(begin, 8)};
  }

  Value buildSymbol(Scalars s, MutableArrayRef<Value> state) override {
    Value bit = state[0];
    Value window = s.loadBigEndian(stream, s.shr(bit, 3), 3);
    Value behind = s.sub(s.i32(24 - slotBits), s.toInt(s.bitAnd(bit, 7), 32));
    Value slot = s.bitAnd(s.shr(window, behind), numSlots - 1);
    Value entry = s.load(table, s.toIndex(slot));
    state[0] = s.add(bit, s.toIndex(s.shr(entry, 8)));
    return s.bitAnd(entry, 255);
  }

private:
  /// The slots of a symbol, if its code has this length. Carried are the table,
  /// the next free slot and the last entry.
  Values fill(Scalars s, Value length, Value count, Value symbol,
              ValueRange carried) {
    Value byte = s.load(stream, s.add(s.shr(symbol, 1), tableBegin));
    Value shift = s.toInt(s.shl(s.bitAnd(symbol, 1), 2), 8);
    Value other = s.sub(s.toIndex(s.bitAnd(s.shr(byte, shift), 15)), length);
    Value fresh = s.toInt(s.bitOr(symbol, s.shl(length, 8)), 16);
    auto eq = arith::CmpIPredicate::eq;
    Value entry = s.select(eq, other, 0, fresh, carried[2]);
    Value end = s.add(carried[1], s.select(eq, other, 0, count, s.index(0)));
    Value table =
        s.loop(carried[1], end, carried[0],
               [&](Scalars s, Value slot, ValueRange carried) -> Values {
                 return {s.store(carried[0], slot, entry)};
               })[0];
    return {table, end, entry};
  }
};

/// Slots of i32 hold `symbol | (slot - start) << 8 | (frequency - 1) << 20`;
/// the state is that of the coder and the position of the next word.
class RANSDecoder : public PlaneDecoder {
public:
  using PlaneDecoder::PlaneDecoder;

  void buildTable(Scalars s) override {
    ResultRange filled = s.loop(
        s.index(0), s.index(int64_t(1) << width),
        {s.empty(numSlots, 32), s.index(0)},
        [&](Scalars s, Value symbol, ValueRange carried) -> Values {
          Value position = s.add(s.mul(symbol, 2), tableBegin);
          Value frequency = s.loadLittleEndian(stream, position, 2);
          Value less = s.bitAnd(s.add(frequency, -1), numSlots - 1);
          Value fixed = s.bitOr(s.toInt(symbol, 32), s.shl(less, 8 + slotBits));
          Value start = carried[1];
          Value table = s.loop(
              s.index(0), s.toIndex(frequency), carried[0],
              [&](Scalars s, Value k, ValueRange carried) -> Values {
                Value bias = s.shl(s.bitAnd(s.toInt(k, 32), numSlots - 1), 8);
                return {
                    s.store(carried[0], s.add(start, k), s.bitOr(fixed, bias))};
              })[0];
          return {table, s.add(start, s.toIndex(frequency))};
        });
    // No slot is left where the frequencies sum up.
    table = s.loop(filled[1], s.index(numSlots), filled[0],
                   [&](Scalars s, Value slot, ValueRange carried) -> Values {
                     return {s.store(carried[0], slot, s.i32(0))};
                   })[0];
  }

  Values buildState(Scalars s, Value begin) override {
    return {s.loadLittleEndian(stream, begin, 4), s.add(begin, 4)};
  }

  Value buildSymbol(Scalars s, MutableArrayRef<Value> state) override {
    Value x = state[0], next = state[1];
    Value entry = s.load(table, s.toIndex(s.bitAnd(x, numSlots - 1)));
    Value frequency = s.add(s.shr(entry, 8 + slotBits), 1);
    Value bias = s.bitAnd(s.shr(entry, 8), numSlots - 1);
    x = s.add(s.mul(frequency, s.shr(x, slotBits)), bias);
    Value refilled = s.bitOr(s.shl(x, 16), s.loadLittleEndian(stream, next, 2));
    auto ult = arith::CmpIPredicate::ult;
    state[1] = s.select(ult, x, 1 << 16, s.add(next, 2), next);
    state[0] = s.select(ult, x, 1 << 16, refilled, x);
    return s.bitAnd(entry, 255);
  }
};

} // namespace

/// Elements of up to 64 bits out of the words of `CodedElement`.
static Value buildFromWord(Scalars s, const CodedElement &element, Value word) {
  if (!element.isSplit())
    return word;
  unsigned exponentWidth = element.exponentWidth;
  unsigned mantissaWidth = element.width - 1 - exponentWidth;
  auto ones = [](unsigned count) {
    return int64_t(llvm::maskTrailingOnes<uint64_t>(count));
  };
  Value exponent = s.shl(s.bitAnd(word, ones(exponentWidth)), mantissaWidth);
  Value mantissa = s.bitAnd(s.shr(word, exponentWidth), ones(mantissaWidth));
  Value sign = s.shl(s.shr(word, element.width - 1), element.width - 1);
  return s.bitOr(s.bitOr(sign, exponent), mantissa);
}

/// A 1-D tensor of elements out of the blocks of a stream. All planes go
/// through one loop: their decoders do not wait for each other.
static Value buildFromPlanes(OpBuilder &b, Location loc,
                             const StreamFormat &format,
                             const StreamLayout &layout, Value stream,
                             Type elementType) {
  Scalars s(b, loc);
  SmallVector<std::unique_ptr<PlaneDecoder>> decoders;
  for (auto [p, plane] : llvm::enumerate(layout.planes)) {
    uint64_t table = layout.tables[p], offsets = layout.offsets[p];
    if (format.coder == EntropyCoder::Huffman)
      decoders.push_back(std::make_unique<HuffmanDecoder>(stream, plane.width,
                                                          table, offsets));
    else
      decoders.push_back(
          std::make_unique<RANSDecoder>(stream, plane.width, table, offsets));
    decoders.back()->buildTable(s);
  }
  // The tensor so far, then the states of all planes.
  auto buildElement = [&](Scalars s, Value position, Values carried) -> Values {
    MutableArrayRef<Value> states = MutableArrayRef(carried).drop_front();
    size_t each = states.size() / decoders.size();
    Value word;
    for (auto [p, decoder] : llvm::enumerate(decoders)) {
      Value symbol = decoder->buildSymbol(s, states.slice(p * each, each));
      Value part =
          s.shl(s.toInt(symbol, format.element.width), layout.planes[p].shift);
      word = word ? s.bitOr(word, part) : part;
    }
    Value element =
        s.bitcast(buildFromWord(s, format.element, word), elementType);
    carried[0] = s.store(carried[0], position, element);
    return carried;
  };
  Value empty = tensor::EmptyOp::create(
      b, loc, ArrayRef<int64_t>{layout.numElements}, elementType);
  return s.loop(
      s.index(0), s.index(layout.numBlocks), empty,
      [&](Scalars s, Value k, ValueRange tensor) -> Values {
        Values carried(tensor);
        for (auto &decoder : decoders)
          llvm::append_range(carried,
                             decoder->buildState(s, decoder->buildBegin(s, k)));
        Value first = s.mul(k, format.block);
        Value count =
            s.min(s.sub(s.index(layout.numElements), first), format.block);
        return {s.loop(s.index(0), count, carried,
                       [&](Scalars s, Value i, ValueRange carried) {
                         return buildElement(s, s.add(first, i),
                                             Values(carried));
                       })[0]};
      })[0];
}

/// A 1-D tensor of `count` elements out of packed bytes that begin at `first`.
static Value buildFromPacked(OpBuilder &b, Location loc, Value bytes,
                             int64_t first, int64_t count, Type elementType) {
  unsigned width = HostTensor::getWidth(elementType);
  Value init =
      tensor::EmptyOp::create(b, loc, ArrayRef<int64_t>{count}, elementType);
  auto body = [&](OpBuilder &b, Location loc, ValueRange) {
    Scalars s(b, loc);
    Value bit = s.mul(linalg::IndexOp::create(b, loc, 0), width);
    Value position = s.add(s.shr(bit, 3), first);
    // Wide enough for an element that begins at any bit.
    unsigned reads = width % 8 == 0 ? width / 8 : (width + 14) / 8;
    Value word;
    for (unsigned i = 0; i < reads; ++i) {
      Value byte =
          s.shl(s.toInt(s.load(bytes, s.add(position, i)), 8 * reads), 8 * i);
      word = word ? s.bitOr(word, byte) : byte;
    }
    word = s.shr(word, s.toInt(s.bitAnd(bit, 7), 8 * reads));
    linalg::YieldOp::create(b, loc,
                            s.bitcast(s.toInt(word, width), elementType));
  };
  return linalg::GenericOp::create(b, loc, init.getType(), ValueRange(), init,
                                   b.getMultiDimIdentityMap(1),
                                   utils::IteratorType::parallel, body)
      .getResult(0);
}

/// The packed bytes of a zstd stream: the library does it.
static Value buildZstd(OpBuilder &b, Location loc, Value stream,
                       const StreamLayout &layout) {
  Value init = tensor::EmptyOp::create(
      b, loc, ArrayRef<int64_t>{int64_t(layout.packedBytes)}, b.getI8Type());
  Value first = arith::ConstantOp::create(
      b, loc, b.getI64IntegerAttr(layout.headerBytes));
  return KernelOp::create(
             b, loc, init.getType(),
             FlatSymbolRefAttr::get(b.getContext(), "compress_rt_inflate_zstd"),
             stream, first, init)
      .getResult(0);
}

/// A 1-D tensor of elements as a leaf of its shape.
static Value buildReshape(OpBuilder &b, Location loc, Value flat,
                          RankedTensorType type) {
  SmallVector<ReassociationIndices> all;
  if (type.getRank() == 1)
    return flat;
  if (type.getRank() == 0)
    return tensor::CollapseShapeOp::create(b, loc, type, flat, all);
  all.push_back(llvm::to_vector(llvm::seq<int64_t>(0, type.getRank())));
  return tensor::ExpandShapeOp::create(b, loc, type, flat, all);
}

static FailureOr<Value> buildLeaf(OpBuilder &b, Location loc, CodedAttr attr,
                                  Value stream, RankedTensorType type) {
  Type elementType = type.getElementType();
  if (type.getNumElements() == 0)
    return tensor::EmptyOp::create(b, loc, type.getShape(), elementType)
        .getResult();
  StreamFormat format = getStreamFormat(attr, elementType);
  auto layout = StreamLayout::get(format, type.getNumElements());
  if (!layout) {
    emitError(loc) << "coded: " << llvm::toString(layout.takeError());
    return failure();
  }
  Value flat;
  int64_t bytes = cast<RankedTensorType>(stream.getType()).getDimSize(0);
  if (layout->isStored(bytes)) {
    flat = buildFromPacked(b, loc, stream, StreamLayout::countBytes,
                           layout->numElements, elementType);
  } else if (format.coder == EntropyCoder::Zstd) {
    flat = buildFromPacked(b, loc, buildZstd(b, loc, stream, *layout), 0,
                           layout->numElements, elementType);
  } else {
    flat = buildFromPlanes(b, loc, format, *layout, stream, elementType);
  }
  return buildReshape(b, loc, flat, type);
}

/// A component of this type out of its leaves, which are used up.
static Value buildPack(OpBuilder &b, Location loc, Type type,
                       ValueRange &leaves) {
  auto compressed = dyn_cast<CompressedTensorType>(type);
  if (!compressed) {
    Value leaf = leaves.front();
    leaves = leaves.drop_front();
    return leaf;
  }
  SmallVector<Value> components;
  for (const Component &component : compressed.getComponents())
    components.push_back(buildPack(b, loc, component.type, leaves));
  return PackOp::create(b, loc, compressed, components);
}

FailureOr<Value> CodedAttr::buildInflate(OpBuilder &b, Location loc,
                                         CompressedTensorType type,
                                         ValueRange streams) const {
  CompressedTensorType inner = getInnerType(type);
  if (!isRefined(type) || !isRefined(inner)) {
    emitError(loc) << "the sizes of " << type
                   << " are not known, so it cannot be decoded";
    return failure();
  }
  SmallVector<Value> leaves;
  for (auto [stream, leafType] :
       llvm::zip_equal(streams, inner.getLeafTypes())) {
    auto leaf = buildLeaf(b, loc, *this, stream, leafType);
    if (failed(leaf))
      return failure();
    leaves.push_back(*leaf);
  }
  ValueRange rest(leaves);
  return buildPack(
      b, loc, getComponentType(type.getShape(), type.getElementType(), getOf()),
      rest);
}

FailureOr<Value> CodedAttr::buildDecode(OpBuilder &b, Location loc,
                                        CompressedTensorType type,
                                        ValueRange components) const {
  auto inner = buildInflate(b, loc, type, components);
  if (failed(inner))
    return failure();
  return buildDecodeComponent(
      b, loc, *inner,
      makeComponent("of", type.getShape(), type.getElementType(), getOf()));
}
