//===- SparseEncodingTest.cpp - The sparse encoding on the host -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decodes are checked against loops of this file, which ask of each element
// whether and where it is stored; payloads are drawn at random.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "mlir/AsmParser/AsmParser.h"
#include "gtest/gtest.h"
#include <cmath>
#include <numeric>
#include <random>

using namespace mlir;
using namespace compress;

namespace {

class SparseEncoding : public ::testing::Test {
protected:
  SparseEncoding() {
    context.loadDialect<CompressDialect>();
    context.allowUnregisteredDialects();
  }

  CompressedTensorType parse(ArrayRef<int64_t> shape, StringRef encoding,
                             StringRef element = "f32") {
    std::string text = "!compress.tensor<";
    for (int64_t dim : shape)
      text += std::to_string(dim) + "x";
    auto type = dyn_cast_or_null<CompressedTensorType>(parseType(
        text + element.str() + ", " + encoding.str() + ">", &context));
    EXPECT_TRUE(type) << text << " " << encoding.str();
    return type;
  }

  bool isChosen(double density) {
    return std::uniform_real_distribution<>(0, 1)(engine) < density;
  }

  /// `count` of 0 to `size` - 1, increasing.
  std::vector<int64_t> choose(int64_t count, int64_t size) {
    std::vector<int64_t> all(size);
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), engine);
    all.resize(count);
    std::sort(all.begin(), all.end());
    return all;
  }

  HostTensor randomTensor(ArrayRef<int64_t> shape, Type element) {
    HostTensor tensor = HostTensor::allocate(shape, element);
    std::normal_distribution<float> normal(0, 1);
    for (int64_t i = 0; i < tensor.getNumElements(); ++i)
      tensor.setDouble(i, i % 5 == 3 ? -0.0 : normal(engine));
    return tensor;
  }

  HostTensor fromInts(Type element, ArrayRef<int64_t> values,
                      ArrayRef<int64_t> shape) {
    HostTensor tensor = HostTensor::allocate(shape, element);
    for (auto [i, value] : llvm::enumerate(values))
      tensor.setBits(i, value);
    return tensor;
  }

  /// A random payload of a type with nnz = ?, and its type.
  EncodedTensor randomPayload(CompressedTensorType type, double density) {
    auto attr = cast<SparseAttr>(type.getEncoding());
    ArrayRef<int64_t> shape = type.getShape();
    Builder b(&context);
    SmallVector<HostTensor> positions;
    int64_t nnz = 0;
    auto randomMask = [&](ArrayRef<int64_t> grid) {
      HostTensor mask = HostTensor::allocate(grid, b.getI1Type());
      for (int64_t i = 0; i < mask.getNumElements(); ++i)
        if (isChosen(density)) {
          mask.setBits(i, 1);
          ++nnz;
        }
      positions.push_back(mask);
    };
    switch (attr.getPattern()) {
    case SparsePattern::Bitmask:
      randomMask(shape);
      break;
    case SparsePattern::Block:
      randomMask(getGroupGrid(shape, attr.getArguments()));
      break;
    case SparsePattern::CSR: {
      std::vector<int64_t> columns, offsets{0};
      for (int64_t row = 0; row < countElements(shape.drop_back()); ++row) {
        for (int64_t column = 0; column < shape.back(); ++column)
          if (isChosen(density))
            columns.push_back(column);
        offsets.push_back(columns.size());
      }
      nnz = columns.size();
      positions.push_back(
          fromInts(b.getIntegerType(attr.getArguments()[0]), columns, nnz));
      positions.push_back(
          fromInts(b.getI32Type(), offsets, int64_t(offsets.size())));
      break;
    }
    case SparsePattern::NM: {
      SmallVector<int64_t> stored = attr.getValuesShape(shape);
      int64_t axis = attr.getAxis(shape.size());
      HostTensor tensor = HostTensor::allocate(
          stored, b.getIntegerType(llvm::Log2_64_Ceil(attr.getM())));
      int64_t inner = countElements(shape.drop_front(axis + 1));
      for (int64_t i = 0; i < tensor.getNumElements(); ++i) {
        if (i / inner % attr.getN())
          continue;
        for (auto [k, place] :
             llvm::enumerate(choose(attr.getN(), attr.getM())))
          tensor.setBits(i + int64_t(k) * inner, place);
      }
      positions.push_back(tensor);
      break;
    }
    case SparsePattern::Channels: {
      int64_t size = shape[attr.getAxis(shape.size())];
      nnz = std::llround(density * size);
      positions.push_back(fromInts(b.getI32Type(), choose(nnz, size), nnz));
      break;
    }
    }
    SparseAttr known = attr.withNnz(nnz);
    auto knownType = CompressedTensorType::get(&context, shape,
                                               type.getElementType(), known);
    HostTensor values =
        randomTensor(known.getValuesShape(shape), type.getElementType());
    EncodedTensor result{knownType, {}};
    llvm::cantFail(
        encodeComponent(knownType.getComponents()[0], values, result.leaves));
    llvm::append_range(result.leaves, positions);
    result.type = refineType(knownType, result.leaves);
    return result;
  }

  /// The bits of each element, found one by one.
  std::vector<uint64_t> decodeByHand(const EncodedTensor &tensor) {
    auto attr = cast<SparseAttr>(tensor.type.getEncoding());
    ArrayRef<int64_t> shape = tensor.type.getShape();
    int64_t rank = shape.size();
    SmallVector<ComponentValue> parts = splitLeaves(tensor.type, tensor.leaves);
    HostTensor values = llvm::cantFail(decodeComponent(parts[0]));
    ArrayRef<HostTensor> positions =
        ArrayRef(tensor.leaves).take_back(attr.getNumParameters());
    std::vector<uint64_t> result;
    int64_t count = countElements(shape), before = 0;
    for (int64_t i = 0; i < count; ++i) {
      SmallVector<int64_t> at(rank);
      for (int64_t axis = rank - 1, rest = i; axis >= 0; --axis) {
        at[axis] = rest % shape[axis];
        rest /= shape[axis];
      }
      int64_t slot = -1;
      auto slotAt = [&](int64_t axis, int64_t size, int64_t index) {
        int64_t flat = 0;
        for (int64_t d = 0; d < rank; ++d)
          flat = flat * (d == axis ? size : shape[d]) +
                 (d == axis ? index : at[d]);
        return flat;
      };
      switch (attr.getPattern()) {
      case SparsePattern::Bitmask:
        if (positions[0].getBits(i))
          slot = before++;
        break;
      case SparsePattern::CSR: {
        int64_t row = i / shape.back();
        for (uint64_t k = positions[1].getBits(row);
             k < positions[1].getBits(row + 1); ++k)
          if (int64_t(positions[0].getBits(k)) == at.back())
            slot = k;
        break;
      }
      case SparsePattern::NM: {
        int64_t axis = attr.getAxis(rank), n = attr.getN(), m = attr.getM();
        int64_t size = attr.getValuesShape(shape)[axis];
        for (int64_t k = 0; k < n; ++k) {
          int64_t entry = slotAt(axis, size, at[axis] / m * n + k);
          if (int64_t(positions[0].getBits(entry)) == at[axis] % m)
            slot = entry;
        }
        break;
      }
      case SparsePattern::Block: {
        int64_t block = 0, within = 0;
        for (int64_t d = 0; d < rank; ++d) {
          int64_t size = attr.getArguments()[d];
          block = block * positions[0].getShape()[d] + at[d] / size;
          within = within * size + at[d] % size;
        }
        int64_t rankOfBlock = 0;
        for (int64_t b = 0; b < block; ++b)
          rankOfBlock += positions[0].getBits(b);
        if (positions[0].getBits(block))
          slot = rankOfBlock * countElements(attr.getArguments()) + within;
        break;
      }
      case SparsePattern::Channels: {
        int64_t axis = attr.getAxis(rank);
        for (int64_t k = 0; k < attr.getNnz(); ++k)
          if (int64_t(positions[0].getBits(k)) == at[axis])
            slot = slotAt(axis, attr.getNnz(), k);
        break;
      }
      }
      result.push_back(slot < 0 ? 0 : values.getBits(slot));
    }
    return result;
  }

  static std::vector<uint64_t> bitsOf(const HostTensor &tensor) {
    std::vector<uint64_t> bits(tensor.getNumElements());
    for (size_t i = 0; i < bits.size(); ++i)
      bits[i] = tensor.getBits(i);
    return bits;
  }

  static std::vector<uint64_t> decode(const EncodedTensor &tensor) {
    return bitsOf(llvm::cantFail(decodeTensor(tensor)));
  }

  HostTensor makeFloats(ArrayRef<int64_t> shape, ArrayRef<float> values) {
    return HostTensor::fromFloats(shape, Float32Type::get(&context), values);
  }

  std::vector<float> roundTrip(StringRef encoding, ArrayRef<int64_t> shape,
                               ArrayRef<float> values) {
    auto encoded = llvm::cantFail(
        encodeTensor(parse(shape, encoding), makeFloats(shape, values)));
    return llvm::cantFail(decodeTensor(encoded)).toFloats();
  }

  std::string errorOf(const EncodedTensor &tensor) {
    llvm::Error error = verifyPayload(tensor.type, tensor.leaves);
    return error ? llvm::toString(std::move(error)) : "";
  }

  MLIRContext context;
  std::mt19937 engine{17};
};

/// Patterns that fit a shape, with nnz = ? where they have one.
std::vector<std::string> getPatterns(ArrayRef<int64_t> shape) {
  std::vector<std::string> patterns{"bitmask, nnz = ?"};
  std::string block;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    std::string number = std::to_string(axis);
    patterns.push_back("channels<" + number + ">, nnz = ?");
    patterns.push_back("nm<2:4, axis = " + number + ">");
    block += (axis ? "x" : "") + std::to_string(2 + axis % 2);
  }
  if (!shape.empty()) {
    for (const char *width : {"i8", "i16", "i32"})
      patterns.push_back(std::string("csr<") + width + ">, nnz = ?");
    for (const char *nm : {"1:2", "1:4", "3:7", "5:8", "4:16", "31:32"})
      patterns.push_back(std::string("nm<") + nm + ">");
    patterns.push_back("block<" + block + ">, nnz = ?");
  }
  return patterns;
}

const std::vector<SmallVector<int64_t>> shapes = {
    {},     {7},    {1},    {0},       {5, 9},       {4, 8},
    {0, 3}, {3, 0}, {6, 1}, {3, 5, 7}, {2, 3, 4, 5}, {2, 0, 3, 1}};

TEST_F(SparseEncoding, DecodeMatchesLoops) {
  for (ArrayRef<int64_t> shape : shapes)
    for (const std::string &pattern : getPatterns(shape))
      for (double density : {0.0, 0.2, 0.6, 1.0})
        for (auto [of, element] :
             {std::pair("f32", "f32"), std::pair("f16", "f32"),
              std::pair("f64", "f64"), std::pair("bf16", "bf16")}) {
          EncodedTensor tensor = randomPayload(
              parse(shape, "sparse<" + pattern + ", of = " + of + ">", element),
              density);
          EXPECT_EQ(errorOf(tensor), "") << pattern;
          EXPECT_TRUE(isRefined(tensor.type));
          EXPECT_EQ(decode(tensor), decodeByHand(tensor))
              << pattern << " of " << of << " at density " << density
              << ", rank " << shape.size();
        }
}

TEST_F(SparseEncoding, NestedValues) {
  for (const char *text :
       {"bitmask, nnz = ?, of = quant<i8, group = [*], scale = f32>",
        "csr<i8>, nnz = ?, of = quant<i4, group = [8], scale = f16>",
        "nm<2:4>, of = quant<i4, group = [1, 4], scale = f16>",
        "nm<2:4, axis = 0>, of = sparse<nm<1:2>, of = f16>",
        "block<2x4>, nnz = ?, of = quant<i8, group = [1, *, *], scale = f32>",
        "channels<1>, nnz = 7, of = sparse<bitmask, nnz = ?, of = f32>",
        "bitmask, nnz = 50, of = sparse<csr<i8>, nnz = ?, of = bf16>"})
    for (double density : {0.0, 0.4, 1.0}) {
      EncodedTensor tensor = randomPayload(
          parse({7, 18}, std::string("sparse<") + text + ">"), density);
      EXPECT_EQ(errorOf(tensor), "") << text;
      EXPECT_TRUE(isRefined(tensor.type)) << text;
      EXPECT_EQ(decode(tensor), decodeByHand(tensor)) << text;
    }
}

TEST_F(SparseEncoding, EncodeOfUnknownCountLosesNothing) {
  for (ArrayRef<int64_t> shape : shapes)
    for (const std::string &pattern : getPatterns(shape)) {
      if (pattern[0] == 'n')
        continue;
      for (double density : {0.0, 0.3, 1.0}) {
        HostTensor value = randomTensor(shape, Float32Type::get(&context));
        for (int64_t i = 0; i < value.getNumElements(); ++i)
          if (!isChosen(density) || value.getDouble(i) == 0)
            value.setBits(i, 0);
        EncodedTensor tensor = llvm::cantFail(encodeTensor(
            parse(shape, "sparse<" + pattern + ", of = f32>"), value));
        EXPECT_EQ(errorOf(tensor), "");
        EXPECT_EQ(decode(tensor), bitsOf(value)) << pattern;
        // And stores no more than it must.
        auto attr = cast<SparseAttr>(tensor.type.getEncoding());
        if (density == 0)
          EXPECT_EQ(attr.getNnz(), 0);
      }
    }
}

TEST_F(SparseEncoding, KeepsTheLargest) {
  using Floats = std::vector<float>;
  Floats values = {1, -5, 2, 5, 0, 3, -3, 4};
  EXPECT_EQ(roundTrip("sparse<bitmask, nnz = 3, of = f32>", {8}, values),
            (Floats{0, -5, 0, 5, 0, 0, 0, 4}));
  // Of the equals 3 and -3 the first.
  EXPECT_EQ(roundTrip("sparse<csr<i8>, nnz = 4, of = f32>", {2, 4}, values),
            (Floats{0, -5, 0, 5, 0, 3, 0, 4}));
  EXPECT_EQ(roundTrip("sparse<bitmask, nnz = 0, of = f32>", {8}, values),
            Floats(8, 0));
  EXPECT_EQ(roundTrip("sparse<nm<2:4>, of = f32>", {2, 4}, values),
            (Floats{0, -5, 0, 5, 0, 3, 0, 4}));
  EXPECT_EQ(roundTrip("sparse<nm<1:2, axis = 0>, of = f32>", {2, 4}, values),
            (Floats{1, -5, 0, 5, 0, 0, -3, 0}));
  // Norms: the columns of blocks sum to 1 + 25, 4 + 25, 9, 9 + 16.
  EXPECT_EQ(roundTrip("sparse<block<1x2>, nnz = 2, of = f32>", {2, 4}, values),
            (Floats{1, -5, 2, 5, 0, 0, 0, 0}));
  EXPECT_EQ(roundTrip("sparse<channels<1>, nnz = 2, of = f32>", {2, 4}, values),
            (Floats{0, -5, 0, 5, 0, 3, 0, 4}));
  EXPECT_EQ(roundTrip("sparse<channels<0>, nnz = 1, of = f32>", {2, 4}, values),
            (Floats{1, -5, 2, 5, 0, 0, 0, 0}));
  // A last block of one element keeps it.
  EXPECT_EQ(roundTrip("sparse<nm<2:4>, of = f32>", {5}, {1, 2, 3, 4, 0.5}),
            (Floats{0, 0, 3, 4, 0.5}));
  // NaN is kept, before infinity where it comes first.
  Floats kept =
      roundTrip("sparse<bitmask, nnz = 2, of = f32>", {3}, {1, NAN, INFINITY});
  EXPECT_TRUE(kept[0] == 0 && std::isnan(kept[1]) && std::isinf(kept[2]));
}

TEST_F(SparseEncoding, KeepsGivenPositions) {
  for (ArrayRef<int64_t> shape : shapes)
    for (const std::string &pattern : getPatterns(shape)) {
      CompressedTensorType open =
          parse(shape, "sparse<" + pattern + ", of = f32>");
      EncodedTensor mask = randomPayload(open, 0.5);
      auto attr = cast<SparseAttr>(mask.type.getEncoding());
      HostTensor value = randomTensor(shape, Float32Type::get(&context));
      auto leaves = llvm::cantFail(attr.encodeHost(
          open, value,
          ArrayRef(mask.leaves).take_back(attr.getNumParameters())));
      EncodedTensor tensor{refineType(open, leaves), leaves};
      EXPECT_EQ(tensor.type, mask.type);
      // Ones in place of the values tell which elements are kept.
      for (int64_t i = 0; i < mask.leaves[0].getNumElements(); ++i)
        mask.leaves[0].setDouble(i, 1);
      std::vector<uint64_t> expected = bitsOf(value), isKept = decode(mask);
      for (auto [bits, kept] : llvm::zip_equal(expected, isKept))
        bits = kept ? bits : 0;
      EXPECT_EQ(decode(tensor), expected) << pattern;
    }
}

TEST_F(SparseEncoding, RefusesBadPositions) {
  Builder b(&context);
  CompressedTensorType type =
      parse({2, 4}, "sparse<channels<1>, nnz = ?, of = f32>");
  HostTensor value = makeFloats({2, 4}, std::vector<float>(8, 1));
  auto errorWith = [&](CompressedTensorType type, HostTensor positions) {
    return llvm::toString(
        type.getEncoding().encodeHost(type, value, positions).takeError());
  };
  EXPECT_EQ(errorWith(type, fromInts(b.getI32Type(), {1, 4}, 2)),
            "sparse: kept channel 4 is not in the axis of size 4");
  EXPECT_EQ(errorWith(type, fromInts(b.getI8Type(), {1, 2}, 2)),
            "sparse: 'kept' must be of type tensor<2xi32>, found tensor<2xi8>");
  EXPECT_EQ(errorWith(type, fromInts(b.getI32Type(), {0, 1, 2, 3, 3}, 5)),
            "5 are kept: sparse: nnz is 5, but the tensor has 4 channels");
  type = parse({2, 4}, "sparse<channels<1>, nnz = 3, of = f32>");
  EXPECT_EQ(errorWith(type, fromInts(b.getI32Type(), {1, 2}, 2)),
            "sparse: 'kept' must be of type tensor<3xi32>, found "
            "tensor<2xi32>");
  type = parse({2, 4}, "sparse<csr<i8>, nnz = 3, of = f32>");
  EXPECT_EQ(errorWith(type, fromInts(b.getI32Type(), {1, 2}, 2)),
            "sparse: expected 2 position components, found 1");
}

TEST_F(SparseEncoding, PayloadIsVerified) {
  Builder b(&context);
  Type i1 = b.getI1Type(), i2 = b.getIntegerType(2), i8 = b.getI8Type(),
       i32 = b.getI32Type();
  auto check = [&](StringRef encoding, ArrayRef<HostTensor> positions) {
    CompressedTensorType type =
        parse({2, 4}, ("sparse<" + encoding + ", of = f32>").str());
    auto attr = cast<SparseAttr>(type.getEncoding());
    EncodedTensor tensor{type,
                         {HostTensor::allocate(attr.getValuesShape({2, 4}),
                                               Float32Type::get(&context))}};
    llvm::append_range(tensor.leaves, positions);
    return errorOf(tensor);
  };
  HostTensor mask = fromInts(i1, {0, 1, 0, 0, 1, 0, 0, 1}, {2, 4});
  EXPECT_EQ(check("bitmask, nnz = 3", mask), "");
  EXPECT_EQ(check("bitmask, nnz = 2", mask),
            "sparse: mask has 3 ones, but nnz is 2");
  EXPECT_EQ(check("block<1x2>, nnz = 1", fromInts(i1, {1, 0, 1, 0}, {2, 2})),
            "sparse: mask has 2 ones, but nnz is 1");
  auto csr = [&](ArrayRef<int64_t> columns, ArrayRef<int64_t> offsets) {
    return check("csr<i8>, nnz = 3",
                 {fromInts(i8, columns, 3), fromInts(i32, offsets, 3)});
  };
  EXPECT_EQ(csr({0, 3, 0}, {0, 2, 3}), "");
  EXPECT_EQ(csr({0, 3, 0}, {1, 2, 3}), "sparse: row_offsets must start at 0");
  EXPECT_EQ(csr({0, 3, 0}, {0, 4, 3}),
            "sparse: row_offsets must not decrease, but do after row 1");
  EXPECT_EQ(csr({0, 1, 2}, {0, 2, 2}),
            "sparse: row_offsets must end at nnz = 3, found 2");
  EXPECT_EQ(csr({0, 1, 2}, {0, 2, 9}),
            "sparse: row_offsets must end at nnz = 3, found 9");
  EXPECT_EQ(csr({0, 1, 2}, {0, -1, 3}),
            "sparse: row_offsets must not decrease, but do after row 1");
  EXPECT_EQ(csr({0, 4, 2}, {0, 2, 3}),
            "sparse: column 4 of entry 1 is not below the last dimension, 4");
  EXPECT_EQ(csr({0, 255, 2}, {0, 2, 3}),
            "sparse: column 255 of entry 1 is not below the last dimension, 4");
  EXPECT_EQ(csr({1, 1, 2}, {0, 2, 3}),
            "sparse: columns must increase within a row, found 1, then 1 in "
            "row 0");
  EXPECT_EQ(check("nm<2:4>", fromInts(i2, {0, 3, 1, 2}, {2, 2})), "");
  EXPECT_EQ(check("nm<2:4>", fromInts(i2, {0, 3, 2, 2}, {2, 2})),
            "sparse: positions must increase within a block, found 2, then 2 "
            "at entry 3");
  EXPECT_EQ(check("nm<2:3>", fromInts(i2, {0, 3, 0, 1, 1, 2, 0, 1}, {2, 4})),
            "sparse: position 3 of entry 1 is not below m = 3");
  EXPECT_EQ(check("channels<1>, nnz = 2", fromInts(i32, {1, 3}, 2)), "");
  EXPECT_EQ(check("channels<1>, nnz = 2", fromInts(i32, {1, 4}, 2)),
            "sparse: kept channel 4 is not in the axis of size 4");
  EXPECT_EQ(check("channels<1>, nnz = 2", fromInts(i32, {-1, 2}, 2)),
            "sparse: kept channel -1 is not in the axis of size 4");
  EXPECT_EQ(check("channels<1>, nnz = 2", fromInts(i32, {3, 1}, 2)),
            "sparse: kept channels must increase, found 3, then 1");
}

TEST_F(SparseEncoding, RecodesWithoutLoss) {
  struct Case {
    const char *from, *to;
  };
  const char *quant = "quant<i8, group = [*], scale = f32>";
  const SmallVector<int64_t> matrix{5, 9};
  for (const SmallVector<int64_t> &shape : {matrix, {3, 4, 6}, {7}, {0, 4}})
    for (const Case &c : {Case{"bitmask, nnz = ?", "csr<i8>, nnz = ?"},
                          Case{"csr<i16>, nnz = ?", "bitmask, nnz = ?"},
                          Case{"csr<i16>, nnz = ?", "csr<i8>, nnz = ?"},
                          Case{"nm<2:4>", "bitmask, nnz = ?"},
                          Case{"nm<2:4, axis = 0>", "bitmask, nnz = ?"},
                          Case{"nm<1:3, axis = 0>", "csr<i32>, nnz = ?"},
                          Case{"block<2x3>, nnz = 2", "block<2x3>, nnz = ?"}})
      for (std::string of : {"f16", quant}) {
        bool isNM = c.from[0] == 'n', isBlock = c.from[1] == 'l';
        if ((of == quant && (isNM || isBlock)) || (isBlock && shape != matrix))
          continue;
        auto encoding = [&](const char *pattern) {
          return std::string("sparse<") + pattern + ", of = " + of + ">";
        };
        CompressedTensorType from = parse(shape, encoding(c.from));
        auto attr = cast<SparseAttr>(from.getEncoding());
        EncodedTensor source =
            isBlock ? llvm::cantFail(encodeTensor(
                          from, randomTensor(shape, from.getElementType())))
                    : randomPayload(from, 0.4);
        auto result = attr.recodeHost(source, parse(shape, encoding(c.to)));
        ASSERT_TRUE(succeeded(result)) << c.from << " to " << c.to;
        EXPECT_EQ(errorOf(*result), "");
        EXPECT_TRUE(isRefined(result->type));
        EXPECT_EQ(decode(*result), decode(source)) << c.from << " to " << c.to;
        if (!isNM)
          EXPECT_EQ(result->leaves[0].getBytes().data(),
                    source.leaves[0].getBytes().data());
      }
  // A count that does not fit is for the way through the values.
  EncodedTensor source =
      randomPayload(parse({5, 9}, "sparse<bitmask, nnz = ?, of = f32>"), 1);
  auto target = parse({5, 9}, "sparse<csr<i8>, nnz = 2, of = f32>");
  EXPECT_TRUE(failed(target.getEncoding().recodeHost(source, target)));
  EXPECT_EQ(llvm::cantFail(castTensor(source, target)).type, target);
}

TEST_F(SparseEncoding, Simplifies) {
  auto simplify = [&](CompressedTensorType type, double density) {
    EncodedTensor tensor = randomPayload(type, density);
    EncodedTensor simpler = simplifyTensor(tensor, false);
    EXPECT_EQ(errorOf(simpler), "");
    EXPECT_EQ(decode(simpler), decode(tensor));
    return simpler.type;
  };
  for (const char *outer : {"bitmask", "csr<i8>"})
    for (const char *inner : {"bitmask", "csr<i8>"}) {
      std::string text = std::string("sparse<") + outer +
                         ", nnz = 50, of = sparse<" + inner +
                         ", nnz = ?, of = f16>>";
      auto attr =
          cast<SparseAttr>(simplify(parse({6, 11}, text), 0.7).getEncoding());
      EXPECT_EQ(attr.getPattern() == SparsePattern::CSR, outer[0] == 'c');
      EXPECT_TRUE(isa<DenseAttr>(attr.getOf()));
    }
  EXPECT_EQ(simplify(parse({6, 11}, "sparse<channels<1>, nnz = ?, of = quant<"
                                    "i8, group = [1, *], scale = f32>>"),
                     1),
            parse({6, 11}, "quant<i8, group = [1, *], scale = f32>"));
  EXPECT_EQ(simplify(parse({6, 11}, "sparse<csr<i8>, nnz = ?, of = f16>"), 1),
            parse({6, 11}, "f16"));
  // Nothing to do.
  for (const char *text :
       {"sparse<nm<2:4>, of = f16>", "sparse<bitmask, nnz = ?, of = f16>",
        "sparse<channels<0>, nnz = 3, of = sparse<bitmask, nnz = ?, of = f16>>",
        "sparse<bitmask, nnz = ?, of = quant<i8, group = [*], scale = f32>>"}) {
    EncodedTensor tensor = randomPayload(parse({6, 11}, text), 0.5);
    EXPECT_EQ(simplifyTensor(tensor, true).type, tensor.type);
  }
}

TEST_F(SparseEncoding, StorageIsExact) {
  auto bits = [&](ArrayRef<int64_t> shape, const char *encoding) {
    return parse(shape, encoding).getStorageBits();
  };
  EXPECT_EQ(bits({5, 9}, "sparse<bitmask, nnz = 7, of = f16>"), 7u * 16 + 45u);
  EXPECT_EQ(bits({5, 9}, "sparse<csr<i8>, nnz = 7, of = f16>"),
            7u * 24 + 6u * 32);
  EXPECT_EQ(bits({5, 9}, "sparse<nm<2:4>, of = f16>"), 5u * 6 * (16 + 2));
  EXPECT_EQ(bits({5, 9}, "sparse<nm<2:5, axis = 0>, of = f16>"),
            2u * 9 * (16 + 3));
  EXPECT_EQ(bits({5, 9}, "sparse<block<2x4>, nnz = 3, of = f16>"),
            3u * 8 * 16 + 9);
  EXPECT_EQ(bits({5, 9}, "sparse<channels<0>, nnz = 2, of = f16>"),
            2u * 9 * 16 + 2 * 32);
}

} // namespace
