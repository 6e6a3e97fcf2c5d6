//===- KernelInflate.cpp - Entropy-coded weights in kernels -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelInflate.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;
using namespace llvm::support;

static constexpr unsigned kSlotBits = StreamLayout::slotBits;
static constexpr int64_t kNumSlots = StreamLayout::numSlots;

//===----------------------------------------------------------------------===//
// Coding
//===----------------------------------------------------------------------===//

int64_t CodedOperands::getByteSize() const {
  return words.getBytes().size() + starts.getBytes().size() +
         runs.getBytes().size();
}

/// How slots of one symbol differ from one to the next.
static uint32_t getSlotStep(EntropyCoder coder) {
  return coder == EntropyCoder::RANS ? uint32_t(1) << 20 : 0;
}

/// First slot and number of slots of each symbol, in the order of slots. Of
/// code lengths: symbol, length << 8.
static std::vector<uint32_t> getHuffmanRuns(ArrayRef<char> table) {
  std::vector<uint32_t> runs;
  auto getLength = [&](unsigned symbol) {
    return uint8_t(table[symbol / 2]) >> (symbol % 2 * 4) & 15;
  };
  for (unsigned length = 1; length <= kSlotBits; ++length)
    for (unsigned symbol = 0; symbol < 256; ++symbol)
      if (getLength(symbol) == int(length))
        runs.insert(runs.end(), {symbol | length << 8,
                                 uint32_t(1) << (kSlotBits - length)});
  // A single symbol takes no bits.
  if (runs.size() == 2 && runs[1] < uint32_t(kNumSlots))
    runs = {runs[0] & 255, uint32_t(kNumSlots)};
  return runs;
}

/// Of frequencies: symbol, (frequency - 1) << 8, bias << 20.
static std::vector<uint32_t> getRANSRuns(ArrayRef<char> table) {
  std::vector<uint32_t> runs;
  for (unsigned symbol = 0; symbol < 256; ++symbol)
    if (uint32_t frequency = endian::read16le(table.data() + 2 * symbol))
      runs.insert(runs.end(), {symbol | (frequency - 1) << 8, frequency});
  return runs;
}

std::optional<CodedOperands> compress::cpu::codePanels(const HostTensor &packed,
                                                       const Panels &panels,
                                                       int64_t columnBytes,
                                                       EntropyCoder coder,
                                                       CodedPanels &layout) {
  layout.coder = coder;
  layout.numPanels = panels.getCount();
  layout.lastBytes =
      columnBytes * (panels.tailVectors ? panels.tailVectors * panels.lanes
                                        : panels.getFullColumns());
  layout.panelBytes =
      panels.numFull ? columnBytes * panels.getFullColumns() : layout.lastBytes;
  int64_t block = llvm::divideCeil(layout.panelBytes, kInflateStreams);
  if (layout.panelBytes > kMostInflatedBytes || block == 0 ||
      block > StreamFormat::maxBlock || coder == EntropyCoder::Zstd)
    return std::nullopt;

  // Neighbouring bytes go to neighbouring streams.
  ArrayRef<char> bytes = packed.getBytes();
  int64_t numStreams = layout.numPanels * kInflateStreams;
  std::vector<char> dealt(numStreams * block, 0);
  for (int64_t p = 0; p < layout.numPanels; ++p) {
    int64_t first = p * layout.panelBytes;
    int64_t size =
        p + 1 < layout.numPanels ? layout.panelBytes : layout.lastBytes;
    for (int64_t i = 0; i < size; ++i)
      dealt[(p * kInflateStreams + i % kInflateStreams) * block +
            i / kInflateStreams] = bytes[first + i];
  }
  StreamFormat format{coder, CodedElement{8, 0}, block};
  auto stream = encodeStream(format, dealt.size(), dealt);
  auto head = StreamLayout::get(format, dealt.size());
  if (!stream || !head) {
    llvm::consumeError(stream.takeError());
    llvm::consumeError(head.takeError());
    return std::nullopt;
  }
  if (head->isStored(stream->size()) || stream->size() >= (size_t(1) << 28))
    return std::nullopt;

  // Streams begin at whole words; a decoder may read two words more.
  std::vector<uint32_t> words, starts;
  for (int64_t i = 0; i < numStreams; ++i) {
    auto offsetOf = [&](int64_t number) -> size_t {
      return number < numStreams
                 ? endian::read32le(stream->data() + head->offsets[0] +
                                    4 * number)
                 : stream->size();
    };
    size_t begin = offsetOf(i), end = offsetOf(i + 1);
    starts.push_back(words.size());
    for (size_t at = begin; at < end; at += 4) {
      uint8_t quad[4] = {};
      std::copy(stream->data() + at, stream->data() + std::min(at + 4, end),
                quad);
      words.push_back(coder == EntropyCoder::Huffman ? endian::read32be(quad)
                                                     : endian::read32le(quad));
    }
  }
  words.insert(words.end(), 2, 0);
  layout.numWords = words.size();
  ArrayRef<char> table = ArrayRef(*stream).slice(
      head->tables[0], StreamLayout::getTableBytes(coder, 8));
  std::vector<uint32_t> runs = coder == EntropyCoder::Huffman
                                   ? getHuffmanRuns(table)
                                   : getRANSRuns(table);
  auto toTensor = [&](ArrayRef<uint32_t> values) {
    auto tensor = HostTensor::allocate(
        {int64_t(values.size())},
        IntegerType::get(packed.getElementType().getContext(), 32));
    std::memcpy(tensor.getMutableBytes().data(), values.data(),
                values.size() * 4);
    return tensor;
  };
  return CodedOperands{toTensor(words), toTensor(starts), toTensor(runs)};
}

//===----------------------------------------------------------------------===//
// Decoding
//===----------------------------------------------------------------------===//

namespace {
/// Some of the streams of a panel, in the lanes of a vector.
class Streams {
public:
  Streams(KernelBuilder &k, int64_t lanes, const CodedPanels &layout,
          Value words, Value slots)
      : k(k), lanes(lanes), layout(layout), words(words), slots(slots),
        type(k.vector(lanes, k.i32())) {}

  /// What is carried from pair to pair of symbols.
  SmallVector<Value> start(Value firstWords) {
    if (layout.coder == EntropyCoder::RANS)
      // The state, and the number of the next half word.
      return {readWord(firstWords), k.shiftLeft(k.add(firstWords, 1), 1)};
    // Two words, bits of them that are used up, the number of the next word.
    return {readWord(firstWords), readWord(k.add(firstWords, 1)),
            k.integer(type, 0), k.add(firstWords, 2)};
  }

  /// Decodes two symbols of each stream.
  std::pair<Value, Value> decode(SmallVectorImpl<Value> &state) {
    if (layout.coder == EntropyCoder::RANS) {
      Value first = decodeRANS(state);
      return {first, decodeRANS(state)};
    }
    Value first = decodeHuffman(state);
    Value second = decodeHuffman(state);
    // At most 31 + 12 + 12 bits of the two words are used up now.
    Value isEmpty = isAtLeast(state[2], 32);
    Value next = readWord(state[3]);
    state[0] = k.select(isEmpty, state[1], state[0]);
    state[1] = k.select(isEmpty, next, state[1]);
    state[2] = k.select(isEmpty, k.add(state[2], -32), state[2]);
    state[3] = k.select(isEmpty, k.add(state[3], 1), state[3]);
    return {first, second};
  }

private:
  Value gather(Value memref, Value at) {
    return vector::GatherOp::create(k.b, k.loc, type, memref, k.index(0), at,
                                    k.prefixMask(lanes, lanes),
                                    k.integer(type, 0));
  }
  /// Streams that are not what they should be give wrong numbers, never an
  /// access outside.
  Value readWord(Value at) {
    return gather(words, k.minimum(at, k.integer(type, layout.numWords - 1)));
  }
  Value isAtLeast(Value x, int64_t y) {
    return arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::uge, x,
                                 k.integer(type, y));
  }
  Value shiftLeft(Value x, Value y) {
    return arith::ShLIOp::create(k.b, k.loc, x, y);
  }
  Value shiftRight(Value x, Value y) {
    return arith::ShRUIOp::create(k.b, k.loc, x, y);
  }

  Value decodeHuffman(SmallVectorImpl<Value> &state) {
    Value isSecond = isAtLeast(state[2], 32);
    Value high = k.select(isSecond, state[1], state[0]);
    Value low = k.select(isSecond, k.integer(type, 0), state[1]);
    Value used = k.bitAnd(state[2], 31);
    Value rest = k.sub(k.integer(type, 31), used);
    Value window =
        k.bitOr(shiftLeft(high, used), shiftRight(k.shiftRight(low, 1), rest));
    Value slot = gather(slots, k.shiftRight(window, 32 - kSlotBits));
    state[2] = k.add(state[2], k.shiftRight(slot, 8));
    return slot;
  }

  Value decodeRANS(SmallVectorImpl<Value> &state) {
    Value slot = gather(slots, k.bitAnd(state[0], kNumSlots - 1));
    Value frequency = k.add(k.bitAnd(k.shiftRight(slot, 8), kNumSlots - 1), 1);
    Value x = k.add(k.mul(frequency, k.shiftRight(state[0], kSlotBits)),
                    k.shiftRight(slot, 20));
    Value isLarge = isAtLeast(x, 1 << 16);
    Value word = readWord(k.shiftRight(state[1], 1));
    Value half = k.bitAnd(
        shiftRight(word, k.shiftLeft(k.bitAnd(state[1], 1), 4)), 0xffff);
    state[0] = k.select(isLarge, x, k.bitOr(k.shiftLeft(x, 16), half));
    state[1] = k.select(isLarge, state[1], k.add(state[1], 1));
    return slot;
  }

  KernelBuilder &k;
  int64_t lanes;
  const CodedPanels &layout;
  Value words, slots;
  VectorType type;
};
} // namespace

SmallVector<Type, 3> compress::cpu::getCodedTypes(MLIRContext *context,
                                                  const CodedPanels &layout) {
  auto i32 = [&](int64_t size) -> Type {
    return MemRefType::get({size}, IntegerType::get(context, 32));
  };
  return {i32(layout.numWords), i32(layout.numPanels * kInflateStreams),
          i32(kNumSlots)};
}

Value compress::cpu::emitInflate(KernelBuilder &k, const KernelISA &isa,
                                 const CodedPanels &layout, Value panel,
                                 Value words, Value starts, Value slots) {
  int64_t lanes = std::min<int64_t>(isa.getLanes(), kInflateStreams);
  int64_t vectors = kInflateStreams / lanes;
  Value buffer = k.scratch({layout.getBufferBytes()}, k.i8());
  Streams streams(k, lanes, layout, words, slots);
  SmallVector<Value> carried;
  Value first = k.mul(panel, kInflateStreams);
  for (int64_t v = 0; v < vectors; ++v)
    llvm::append_range(carried, streams.start(k.loadVector(
                                    lanes, starts, k.add(first, v * lanes))));
  int64_t perVector = carried.size() / vectors;
  Value isLast = k.lessThan(k.index(layout.numPanels), k.add(panel, 2));
  Value bytes =
      k.select(isLast, k.index(layout.lastBytes), k.index(layout.panelBytes));
  k.loop(k.index(0), bytes, 2 * kInflateStreams, carried,
         [&](Value at, ValueRange states) {
           SmallVector<Value> next;
           for (int64_t v = 0; v < vectors; ++v) {
             SmallVector<Value> state(states.slice(v * perVector, perVector));
             auto [one, two] = streams.decode(state);
             Value to = k.add(at, v * lanes);
             k.storeVector(k.convert(one, k.i8()), buffer, to);
             k.storeVector(k.convert(two, k.i8()), buffer,
                           k.add(to, kInflateStreams));
             llvm::append_range(next, state);
           }
           return next;
         });
  return buffer;
}

int64_t compress::cpu::getNumSlots() { return kNumSlots; }

std::string compress::cpu::generateSlots(ModuleOp module, EntropyCoder coder,
                                         int64_t numRuns) {
  bool isRANS = coder == EntropyCoder::RANS;
  std::string name = llvm::formatv("compress_slots_{0}_{1}",
                                   isRANS ? "rans" : "huffman", numRuns);
  Type i32 = IntegerType::get(module.getContext(), 32);
  Type types[] = {MemRefType::get({2 * numRuns}, i32),
                  MemRefType::get({kNumSlots}, i32)};
  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    ValueRange args = k.getArguments();
    k.loop(k.index(0), k.index(2 * numRuns), 2, {k.index(0)},
           [&](Value run, ValueRange at) {
             Value first = k.load(args[0], run);
             Value count = k.toIndex(k.load(args[0], k.add(run, 1)));
             k.loop(k.index(0), count, 1, {first},
                    [&](Value i, ValueRange slot) {
                      k.store(slot[0], args[1], k.add(at[0], i));
                      return SmallVector<Value>{
                          k.add(slot[0], int64_t(getSlotStep(coder)))};
                    });
             return SmallVector<Value>{k.add(at[0], count)};
           });
  });
  return name;
}

std::string compress::cpu::generateInflate(ModuleOp module,
                                           const KernelISA &isa,
                                           const CodedPanels &layout) {
  std::string name = llvm::formatv(
      "compress_inflate_{0}_{1}_p{2}x{3}_{4}_w{5}",
      layout.coder == EntropyCoder::RANS ? "rans" : "huffman", isa.name,
      layout.numPanels, layout.panelBytes, layout.lastBytes, layout.numWords);
  SmallVector<Type> types(getCodedTypes(module.getContext(), layout));
  types.push_back(MemRefType::get({layout.getBytes()},
                                  IntegerType::get(module.getContext(), 8)));
  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value isSmall = k.lessThan(k.index(layout.getBytes()), k.index(64 * 1024));
    k.tasks(
        k.index(layout.numPanels), isSmall, [&](KernelBuilder &k, Value panel) {
          ValueRange args = k.getArguments();
          Value buffer =
              emitInflate(k, isa, layout, panel, args[0], args[1], args[2]);
          Value base = k.mul(panel, layout.panelBytes);
          Value isLast = k.lessThan(k.index(layout.numPanels), k.add(panel, 2));
          Value bytes = k.select(isLast, k.index(layout.lastBytes),
                                 k.index(layout.panelBytes));
          Value whole = k.sub(bytes, k.rem(bytes, kInflateStreams));
          k.loop(k.index(0), whole, kInflateStreams, [&](Value i) {
            k.storeVector(k.loadVector(kInflateStreams, buffer, i), args[3],
                          k.add(base, i));
          });
          k.loop(whole, bytes, 1, [&](Value i) {
            k.store(k.load(buffer, i), args[3], k.add(base, i));
          });
        });
  });
  return name;
}

KernelWork compress::cpu::getInflateWork(const CodedPanels &layout) {
  double bytes = double(layout.getBytes());
  return {KernelKind::Inflate, 1, 0, 0, double(layout.numWords) * 4, bytes};
}
