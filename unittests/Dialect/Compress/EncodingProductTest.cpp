//===- EncodingProductTest.cpp - Every encoding in every other ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Generates every nesting of encodings to depth three, on shapes with odd tails
// and empty dimensions, and checks what must hold of any of them: text and
// bytecode round trips, accounting, encode and decode, re-encoding, and that
// simplification keeps every bit.
//
//===----------------------------------------------------------------------===//

#include "EncodingGenerator.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::testing;

namespace {

struct Case {
  SmallVector<int64_t> shape;
  const char *elementType;
};

/// Shapes in turn: odd tails, primes, empty dimensions, ranks 1 to 4, and every
/// logical float type.
const std::vector<Case> &getCases() {
  static const std::vector<Case> cases = {
      {{15, 14}, "f32"}, {{7, 19}, "f16"},      {{0, 5}, "f32"},
      {{37}, "f32"},     {{3, 0}, "f32"},       {{6, 5, 3, 3}, "f32"},
      {{7, 19}, "f64"},  {{3, 5, 7}, "bf16"},   {{1, 1}, "f32"},
      {{9, 8}, "f32"},   {{2, 0, 3, 3}, "f32"},
  };
  return cases;
}

/// The nestings that are no types: coding twice gains nothing.
bool isRefused(const Path &path) {
  unsigned numCoded = path.leaf == Kind::Coded;
  for (const Place &place : path.places)
    numCoded += place.kind == Kind::Coded;
  return numCoded > 1;
}

struct Product : public ::testing::Test {
  Product() {
    context.loadDialect<CompressDialect, func::FuncDialect>();
    context.disableMultithreading();
  }

  std::string print(Type type) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return text;
  }

  /// The module with the constant in it, through text or bytecode.
  OwningOpRef<ModuleOp> makeModule(const EncodedTensor &tensor) {
    OpBuilder b(&context);
    Location loc = b.getUnknownLoc();
    OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
    b.setInsertionPointToStart(module->getBody());
    auto function = func::FuncOp::create(
        b, loc, "f", b.getFunctionType({tensor.type}, {tensor.type}));
    b.setInsertionPointToStart(function.addEntryBlock());
    Value constant =
        ConstantOp::create(b, loc, tensor.type, tensor.leaves, "w");
    func::ReturnOp::create(b, loc, constant);
    return module;
  }

  void expectSameModule(ModuleOp module, const EncodedTensor &tensor) {
    auto function = *module.getOps<func::FuncOp>().begin();
    EXPECT_EQ(function.getArgumentTypes()[0], tensor.type);
    auto constant = *function.getOps<ConstantOp>().begin();
    EXPECT_EQ(constant.getType(), tensor.type);
    SmallVector<HostTensor> leaves = constant.getLeaves();
    ASSERT_EQ(leaves.size(), tensor.leaves.size());
    for (auto [i, leaf] : llvm::enumerate(leaves))
      EXPECT_TRUE(isSame(leaf, tensor.leaves[i])) << "leaf " << i;
  }

  void checkRoundTrips(const EncodedTensor &tensor) {
    OwningOpRef<ModuleOp> module = makeModule(tensor);
    ASSERT_TRUE(succeeded(module->verify()));
    std::string text, bytecode;
    llvm::raw_string_ostream textStream(text), byteStream(bytecode);
    module->print(textStream);
    ASSERT_TRUE(succeeded(writeBytecodeToFile(*module, byteStream)));
    for (const std::string &form : {text, bytecode}) {
      auto again = parseSourceString<ModuleOp>(form, &context);
      ASSERT_TRUE(again) << text;
      expectSameModule(*again, tensor);
    }
  }

  void check(const Case &c, const std::string &encoding) {
    std::string error;
    CompressedTensorType type =
        parseTensorType(&context, c.shape, c.elementType, encoding, error);
    ASSERT_TRUE(type) << error;
    ++numTypes;
    // What is printed (perhaps a shorter spelling) is the same type.
    std::string text = print(type);
    Type again = parseType(text, &context);
    ASSERT_EQ(again, type) << text;
    ASSERT_EQ(print(again), text);

    HostTensor value = makeWeight(c.shape, type.getElementType(), 1);
    auto encoded = encodeTensor(type, value);
    ASSERT_TRUE(bool(encoded)) << llvm::toString(encoded.takeError());
    ASSERT_TRUE(isRefined(encoded->type)) << print(encoded->type);
    uint64_t bits = 0;
    for (const HostTensor &leaf : encoded->leaves)
      bits += uint64_t(leaf.getNumElements()) * leaf.getBitWidth();
    EXPECT_EQ(encoded->type.getStorageBits(), bits);

    auto decoded = decodeTensor(*encoded);
    ASSERT_TRUE(bool(decoded)) << llvm::toString(decoded.takeError());
    ASSERT_EQ(decoded->getShape(), ArrayRef(c.shape));
    ASSERT_EQ(decoded->getElementType(), type.getElementType());
    for (int64_t i = 0, e = decoded->getNumElements(); i < e; ++i)
      ASSERT_TRUE(std::isfinite(decoded->getDouble(i)))
          << "element " << i << " of " << text;

    checkRoundTrips(*encoded);
    checkCasts(type, value, *encoded, *decoded);

    EncodedTensor simpler = simplifyTensor(*encoded, /*allowRounding=*/false);
    auto same = decodeTensor(simpler);
    ASSERT_TRUE(bool(same)) << llvm::toString(same.takeError());
    EXPECT_TRUE(isSame(*same, *decoded))
        << text << " simplified to " << print(simpler.type);
  }

  /// Re-encoding equals encoding the decoded values, whichever way it goes.
  void checkCasts(CompressedTensorType type, const HostTensor &value,
                  const EncodedTensor &encoded, const HostTensor &decoded) {
    Type element = type.getElementType();
    auto dense = CompressedTensorType::get(&context, type.getShape(), element,
                                           DenseAttr::get(&context, element));
    auto there = castTensor(EncodedTensor{dense, {value}}, type);
    ASSERT_TRUE(bool(there)) << llvm::toString(there.takeError());
    ASSERT_EQ(there->type, encoded.type);
    for (auto [i, leaf] : llvm::enumerate(there->leaves))
      EXPECT_TRUE(isSame(leaf, encoded.leaves[i])) << "leaf " << i;
    auto back = castTensor(encoded, dense);
    ASSERT_TRUE(bool(back)) << llvm::toString(back.takeError());
    ASSERT_EQ(back->type, dense);
    EXPECT_TRUE(isSame(back->leaves[0], decoded));
    auto self = castTensor(encoded, encoded.type);
    ASSERT_TRUE(bool(self)) << llvm::toString(self.takeError());
    for (auto [i, leaf] : llvm::enumerate(self->leaves))
      EXPECT_TRUE(isSame(leaf, encoded.leaves[i])) << "leaf " << i;
  }

  void checkPaths(unsigned numPlaces, unsigned casesPerPath) {
    unsigned number = 0;
    for (const Path &path : getPaths(numPlaces))
      for (unsigned k = 0; k < casesPerPath; ++k, ++number) {
        const Case &c = getCases()[number % getCases().size()];
        EncodingGenerator generator(&context, number);
        std::string encoding =
            generator.alongPath(path, c.shape, c.elementType);
        SCOPED_TRACE(path.str() + ": " +
                     getTensorText(c.shape, c.elementType, encoding));
        if (!isRefused(path)) {
          check(c, encoding);
          continue;
        }
        std::string error;
        EXPECT_FALSE(
            parseTensorType(&context, c.shape, c.elementType, encoding, error));
        EXPECT_NE(error.find("'of' holds a coded encoding already"),
                  std::string::npos)
            << error;
      }
    RecordProperty("types", numTypes);
  }

  MLIRContext context;
  unsigned numTypes = 0;
};

TEST_F(Product, Depth1) { checkPaths(0, 11 * getCases().size()); }

TEST_F(Product, Depth2) { checkPaths(1, 2 * getCases().size() + 1); }

TEST_F(Product, Depth3) { checkPaths(2, 1); }

/// Integers are stored, moved, dropped and packed, not computed with.
TEST_F(Product, Integers) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Case c{seed % 3 ? SmallVector<int64_t>{7, 19} : SmallVector<int64_t>{4, 0},
           seed % 2 ? "i32" : "i8"};
    EncodingGenerator generator(&context, seed);
    std::string encoding, error;
    do
      encoding = generator.atRandom(3, c.shape, c.elementType);
    while (!parseTensorType(&context, c.shape, c.elementType, encoding, error));
    SCOPED_TRACE(getTensorText(c.shape, c.elementType, encoding));
    check(c, encoding);
  }
}

/// Text that nests endlessly, or names ever more of itself, is refused.
TEST_F(Product, NestingIsLimited) {
  auto nested = [](unsigned depth) {
    std::string text;
    for (unsigned i = 1; i < depth; ++i)
      text += i % 2 ? "sum<[" : "#compress.sum<[";
    text += "f32";
    for (unsigned i = 1; i < depth; ++i)
      text += "]>";
    return text;
  };
  std::string error;
  EXPECT_TRUE(parseTensorType(&context, {3}, "f32", nested(32), error));
  EXPECT_FALSE(parseTensorType(&context, {3}, "f32", nested(33), error));
  EXPECT_EQ(error, "encodings nest deeper than 32 levels");
  EXPECT_FALSE(parseTensorType(&context, {3}, "f32", nested(100000), error));
  EXPECT_EQ(error, "encodings nest deeper than 32 levels");

  std::string text = "#a0 = #compress.sum<[f32]>\n";
  for (unsigned i = 1; i < 30; ++i)
    text += "#a" + std::to_string(i) + " = #compress.sum<[#a" +
            std::to_string(i - 1) + ", #a" + std::to_string(i - 1) + "]>\n";
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    error = diagnostic.str();
    return success();
  });
  EXPECT_FALSE(parseSourceString<ModuleOp>(text, &context));
  EXPECT_EQ(error, "a type consists of more than 4096 encodings");
}
} // namespace
