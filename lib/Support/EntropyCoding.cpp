//===- EntropyCoding.cpp - Lossless streams of tensor elements --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Support/EntropyCoding.h"
#include "EntropyCodingInternal.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>
#include <memory>
#include <zstd.h>

using namespace compress;
using namespace llvm::support;

static constexpr uint64_t countBytes = StreamLayout::countBytes;
static constexpr int zstdLevel = 19;

//===----------------------------------------------------------------------===//
// Elements and planes
//===----------------------------------------------------------------------===//

uint64_t CodedElement::toWord(uint64_t bits) const {
  if (!isSplit())
    return bits;
  unsigned mantissaWidth = width - 1 - exponentWidth;
  uint64_t mantissa = bits & llvm::maskTrailingOnes<uint64_t>(mantissaWidth);
  uint64_t exponent =
      bits >> mantissaWidth & llvm::maskTrailingOnes<uint64_t>(exponentWidth);
  uint64_t sign = bits >> (width - 1);
  return exponent | mantissa << exponentWidth | sign << (width - 1);
}

uint64_t CodedElement::fromWord(uint64_t word) const {
  if (!isSplit())
    return word;
  unsigned mantissaWidth = width - 1 - exponentWidth;
  uint64_t exponent = word & llvm::maskTrailingOnes<uint64_t>(exponentWidth);
  uint64_t mantissa =
      word >> exponentWidth & llvm::maskTrailingOnes<uint64_t>(mantissaWidth);
  uint64_t sign = word >> (width - 1);
  return mantissa | exponent << mantissaWidth | sign << (width - 1);
}

llvm::SmallVector<SymbolPlane> CodedElement::getPlanes() const {
  llvm::SmallVector<SymbolPlane> planes;
  unsigned border = isSplit() ? exponentWidth : width;
  for (unsigned shift = 0; shift < width;) {
    unsigned end = shift < border ? border : width;
    unsigned size = std::min(8u, end - shift);
    planes.push_back({shift, size});
    shift += size;
  }
  return planes;
}

/// Elements of any width up to 64 in packed bytes, as in HostTensor.
static uint64_t loadElement(llvm::ArrayRef<char> packed, int64_t index,
                            unsigned width) {
  uint64_t first = uint64_t(index) * width;
  unsigned shift = first % 8;
  uint64_t bits = 0;
  for (unsigned done = 0; done < width + shift; done += 8) {
    uint64_t byte = uint8_t(packed[first / 8 + done / 8]);
    bits |= done < shift ? byte >> shift : byte << (done - shift);
  }
  return bits & llvm::maskTrailingOnes<uint64_t>(width);
}

/// Sets the bits of an element that are set in `bits`.
static void storeElement(llvm::MutableArrayRef<char> packed, int64_t index,
                         unsigned width, uint64_t bits) {
  uint64_t first = uint64_t(index) * width;
  unsigned shift = first % 8;
  for (unsigned done = 0; done < width + shift; done += 8)
    packed[first / 8 + done / 8] |=
        char(done < shift ? bits << shift : bits >> (done - shift));
}

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

uint64_t StreamLayout::getTableBytes(EntropyCoder coder, unsigned width) {
  switch (coder) {
  case EntropyCoder::Huffman:
    return uint64_t(1) << (width - 1);
  case EntropyCoder::RANS:
    return uint64_t(2) << width;
  case EntropyCoder::Zstd:
    return 0;
  }
  llvm_unreachable("unknown coder");
}

llvm::Expected<StreamLayout> StreamLayout::get(const StreamFormat &format,
                                               int64_t numElements) {
  const CodedElement &element = format.element;
  if (element.width < 1 || element.width > 64 ||
      (element.isSplit() && element.exponentWidth >= element.width))
    return llvm::createStringError("elements of %u bits cannot be coded",
                                   element.width);
  if (format.coder != EntropyCoder::Zstd &&
      (format.block < 1 || format.block > StreamFormat::maxBlock))
    return llvm::createStringError("blocks of %lld symbols cannot be coded",
                                   (long long)format.block);
  // So that no product below overflows.
  if (numElements < 0 || numElements > int64_t(1) << 48)
    return llvm::createStringError("%lld elements cannot be coded",
                                   (long long)numElements);
  StreamLayout layout;
  layout.numElements = numElements;
  layout.packedBytes =
      llvm::divideCeil(uint64_t(numElements) * element.width, 8);
  uint64_t position = countBytes;
  if (format.coder != EntropyCoder::Zstd) {
    layout.planes = element.getPlanes();
    layout.numBlocks = llvm::divideCeil(uint64_t(numElements), format.block);
    for (SymbolPlane plane : layout.planes) {
      layout.tables.push_back(position);
      position += getTableBytes(format.coder, plane.width);
    }
    for (size_t i = 0; i < layout.planes.size(); ++i) {
      layout.offsets.push_back(position);
      position += 4 * layout.numBlocks;
    }
  }
  layout.headerBytes = position;
  return layout;
}

llvm::Expected<int64_t>
compress::getStreamElements(llvm::ArrayRef<char> stream) {
  if (stream.size() < countBytes)
    return llvm::createStringError("the stream is truncated: it has %zu bytes",
                                   stream.size());
  uint64_t count = endian::read64le(stream.data());
  if (count > uint64_t(1) << 48)
    return llvm::createStringError("the stream claims %llu elements",
                                   (unsigned long long)count);
  return int64_t(count);
}

//===----------------------------------------------------------------------===//
// Planes of blocks
//===----------------------------------------------------------------------===//

static std::string inBlock(size_t plane, int64_t block) {
  return "plane " + std::to_string(plane) + ", block " + std::to_string(block) +
         ": ";
}

template <typename Encoder>
static llvm::Error
encodePlanes(const StreamFormat &format, const StreamLayout &layout,
             llvm::ArrayRef<char> packed, std::vector<char> &stream) {
  std::vector<uint8_t> symbols(layout.numElements);
  for (auto [p, plane] : llvm::enumerate(layout.planes)) {
    llvm::SmallVector<uint64_t> counts(size_t(1) << plane.width, 0);
    for (int64_t i = 0; i < layout.numElements; ++i) {
      uint64_t word =
          format.element.toWord(loadElement(packed, i, format.element.width));
      symbols[i] =
          word >> plane.shift & llvm::maskTrailingOnes<uint64_t>(plane.width);
      ++counts[symbols[i]];
    }
    Encoder encoder(counts);
    encoder.writeTable(&stream[layout.tables[p]]);
    for (int64_t k = 0; k < layout.numBlocks; ++k) {
      if (layout.isStored(stream.size()))
        return llvm::Error::success();
      if (stream.size() > UINT32_MAX)
        return llvm::createStringError(
            "a coded stream must be shorter than 4 GiB");
      endian::write32le(&stream[layout.offsets[p] + 4 * k], stream.size());
      encoder.encodeBlock(
          llvm::ArrayRef(symbols).slice(k * format.block,
                                        layout.getBlockSize(k, format.block)),
          stream);
    }
  }
  return llvm::Error::success();
}

template <typename Decoder>
static llvm::Error
decodePlanes(const StreamFormat &format, const StreamLayout &layout,
             llvm::ArrayRef<char> stream, llvm::MutableArrayRef<char> packed) {
  std::memset(packed.data(), 0, packed.size());
  std::vector<uint8_t> symbols(std::min(format.block, layout.numElements));
  uint64_t expected = layout.headerBytes;
  for (auto [p, plane] : llvm::enumerate(layout.planes)) {
    auto decoder = Decoder::create(
        stream.slice(layout.tables[p],
                     StreamLayout::getTableBytes(format.coder, plane.width)),
        plane.width);
    if (!decoder)
      return llvm::createStringError(
          "plane " + std::to_string(p) +
          ": illegal table: " + llvm::toString(decoder.takeError()));
    for (int64_t k = 0; k < layout.numBlocks; ++k) {
      // The offsets of a stream are consecutive, so the next is the end.
      uint64_t entry = layout.offsets[p] + 4 * k;
      uint64_t begin = endian::read32le(&stream[entry]);
      bool isLast = p + 1 == layout.planes.size() && k + 1 == layout.numBlocks;
      uint64_t end =
          isLast ? stream.size() : endian::read32le(&stream[entry + 4]);
      if (begin != expected || end < begin || end > stream.size())
        return llvm::createStringError(
            inBlock(p, k) + "illegal or truncated: it begins at " +
            std::to_string(begin) + ", not at " + std::to_string(expected) +
            ", and ends at " + std::to_string(end) + " of " +
            std::to_string(stream.size()));
      expected = end;
      llvm::MutableArrayRef<uint8_t> out(symbols.data(),
                                         layout.getBlockSize(k, format.block));
      if (llvm::Error error =
              decoder->decodeBlock(stream.slice(begin, end - begin), out))
        return llvm::createStringError(inBlock(p, k) +
                                       llvm::toString(std::move(error)));
      // A word's bits only change places, so parts can be stored apart.
      for (auto [i, symbol] : llvm::enumerate(out))
        storeElement(packed, k * format.block + i, format.element.width,
                     format.element.fromWord(uint64_t(symbol) << plane.shift));
    }
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// zstd
//===----------------------------------------------------------------------===//

static llvm::Error encodeZstd(llvm::ArrayRef<char> packed,
                              std::vector<char> &stream) {
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(
      ZSTD_createCCtx(), &ZSTD_freeCCtx);
  if (!context)
    return llvm::createStringError("zstd: out of memory");
  size_t begin = stream.size();
  stream.resize(begin + ZSTD_compressBound(packed.size()));
  size_t result =
      ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, zstdLevel);
  if (!ZSTD_isError(result))
    result = ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, 1);
  if (!ZSTD_isError(result))
    result =
        ZSTD_compress2(context.get(), &stream[begin], stream.size() - begin,
                       packed.data(), packed.size());
  if (ZSTD_isError(result))
    return llvm::createStringError("zstd: %s", ZSTD_getErrorName(result));
  stream.resize(begin + result);
  return llvm::Error::success();
}

static llvm::Error checkZstd(llvm::ArrayRef<char> frame, uint64_t packedBytes) {
  // A block of at least 4 bytes holds at most 2^17.
  if (ZSTD_getFrameContentSize(frame.data(), frame.size()) != packedBytes ||
      packedBytes >> 15 > frame.size())
    return llvm::createStringError(
        "zstd: expected a frame with a content size of %llu bytes",
        (unsigned long long)packedBytes);
  return llvm::Error::success();
}

static llvm::Error decodeZstd(llvm::ArrayRef<char> frame,
                              llvm::MutableArrayRef<char> packed) {
  size_t length = ZSTD_findFrameCompressedSize(frame.data(), frame.size());
  if (ZSTD_isError(length))
    return llvm::createStringError("zstd: %s", ZSTD_getErrorName(length));
  if (length != frame.size())
    return llvm::createStringError("zstd: %zu bytes follow the frame",
                                   frame.size() - length);
  size_t result =
      ZSTD_decompress(packed.data(), packed.size(), frame.data(), frame.size());
  if (ZSTD_isError(result))
    return llvm::createStringError("zstd: %s", ZSTD_getErrorName(result));
  if (result != packed.size())
    return llvm::createStringError("zstd: the frame holds %zu bytes, not %zu",
                                   result, packed.size());
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Streams
//===----------------------------------------------------------------------===//

/// The bits of the last byte that hold no element.
static unsigned getPaddingMask(const StreamFormat &format,
                               int64_t numElements) {
  unsigned used = uint64_t(numElements) * format.element.width % 8;
  return used ? 0xffu << used & 0xffu : 0;
}

llvm::Expected<std::vector<char>>
compress::encodeStream(const StreamFormat &format, int64_t numElements,
                       llvm::ArrayRef<char> packed) {
  auto layout = StreamLayout::get(format, numElements);
  if (!layout)
    return layout.takeError();
  if (packed.size() != layout->packedBytes)
    return llvm::createStringError(
        "expected %llu bytes of packed elements, found %zu",
        (unsigned long long)layout->packedBytes, packed.size());
  std::vector<char> stream(layout->headerBytes);
  endian::write64le(stream.data(), numElements);
  // What the padding holds must not show in the stream.
  std::vector<char> clean;
  if (unsigned padding = getPaddingMask(format, numElements)) {
    clean.assign(packed.begin(), packed.end());
    clean.back() &= ~padding;
    packed = clean;
  }
  llvm::Error error = llvm::Error::success();
  // Where the header alone is too long, no block is worth a try.
  if (!layout->isStored(layout->headerBytes)) {
    switch (format.coder) {
    case EntropyCoder::Huffman:
      error =
          encodePlanes<detail::HuffmanEncoder>(format, *layout, packed, stream);
      break;
    case EntropyCoder::RANS:
      error =
          encodePlanes<detail::RANSEncoder>(format, *layout, packed, stream);
      break;
    case EntropyCoder::Zstd:
      error = encodeZstd(packed, stream);
      break;
    }
  }
  if (error)
    return std::move(error);
  if (layout->isStored(stream.size())) {
    stream.resize(countBytes);
    stream.insert(stream.end(), packed.begin(), packed.end());
  }
  return stream;
}

static llvm::Error checkStream(const StreamFormat &format,
                               const StreamLayout &layout,
                               llvm::ArrayRef<char> stream) {
  auto claimed = getStreamElements(stream);
  if (!claimed)
    return claimed.takeError();
  if (*claimed != layout.numElements)
    return llvm::createStringError(
        "the stream holds %lld elements where %lld are expected",
        (long long)*claimed, (long long)layout.numElements);
  if (layout.isStored(stream.size())) {
    if (uint64_t extra = stream.size() - countBytes - layout.packedBytes)
      return llvm::createStringError(
          "%llu bytes follow the elements of a stored stream",
          (unsigned long long)extra);
    return llvm::Error::success();
  }
  if (stream.size() < layout.headerBytes)
    return llvm::createStringError(
        "the stream is truncated: it has %zu bytes, its header %llu",
        stream.size(), (unsigned long long)layout.headerBytes);
  if (format.coder == EntropyCoder::Zstd)
    return checkZstd(stream.drop_front(countBytes), layout.packedBytes);
  return llvm::Error::success();
}

llvm::Error compress::checkStream(const StreamFormat &format,
                                  int64_t numElements,
                                  llvm::ArrayRef<char> stream) {
  auto layout = StreamLayout::get(format, numElements);
  if (!layout)
    return layout.takeError();
  return ::checkStream(format, *layout, stream);
}

llvm::Error compress::decodeStream(const StreamFormat &format,
                                   int64_t numElements,
                                   llvm::ArrayRef<char> stream,
                                   llvm::MutableArrayRef<char> packed) {
  auto layout = StreamLayout::get(format, numElements);
  if (!layout)
    return layout.takeError();
  if (packed.size() != layout->packedBytes)
    return llvm::createStringError(
        "expected room for %llu bytes of packed elements, found %zu",
        (unsigned long long)layout->packedBytes, packed.size());
  if (llvm::Error error = ::checkStream(format, *layout, stream))
    return error;
  if (layout->isStored(stream.size())) {
    llvm::copy(stream.drop_front(countBytes), packed.begin());
  } else {
    switch (format.coder) {
    case EntropyCoder::Huffman:
      return decodePlanes<detail::HuffmanDecoder>(format, *layout, stream,
                                                  packed);
    case EntropyCoder::RANS:
      return decodePlanes<detail::RANSDecoder>(format, *layout, stream, packed);
    case EntropyCoder::Zstd:
      if (llvm::Error error = decodeZstd(stream.drop_front(countBytes), packed))
        return error;
      break;
    }
  }
  if (!packed.empty() && packed.back() & getPaddingMask(format, numElements))
    return llvm::createStringError("the bits after the last element are not 0");
  return llvm::Error::success();
}
