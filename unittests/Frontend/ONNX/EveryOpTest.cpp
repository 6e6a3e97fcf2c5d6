//===- EveryOpTest.cpp - each op of the dialect round-trips ---------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/IR/ONNXSchema.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace compress::onnx;

namespace {

Attribute sample(Builder &b, AttrKind kind) {
  auto type = RankedTensorType::get({2}, b.getF32Type());
  switch (kind) {
  case AttrKind::INT:
    return b.getI64IntegerAttr(-3);
  case AttrKind::FLOAT:
    return b.getF32FloatAttr(0.1f);
  case AttrKind::STRING:
    return b.getStringAttr("a\"b\n");
  case AttrKind::INTS:
    return b.getDenseI64ArrayAttr({1, -2, 3});
  case AttrKind::FLOATS:
    return b.getDenseF32ArrayAttr({0.5f, -1.0f});
  case AttrKind::STRINGS:
    return b.getStrArrayAttr({"x", ""});
  case AttrKind::TENSOR:
    return DenseElementsAttr::get(type, {1.0f, 2.0f});
  case AttrKind::SPARSE_TENSOR:
    return ProtoAttr::get(b.getContext(), "AttributeProto",
                          StringRef("\0\xff", 2));
  }
  return {};
}

/// Standard op `name` with `inputs` operands and every attribute.
OwningOpRef<ModuleOp> moduleWith(MLIRContext &context, StringRef name,
                                 const OpSchema &schema, int inputs,
                                 int outputs) {
  OpBuilder b(&context);
  Location loc = b.getUnknownLoc();
  auto type = UnrankedTensorType::get(b.getF32Type());
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(module->getBody());
  Value value =
      UnrealizedConversionCastOp::create(b, loc, TypeRange(type), ValueRange())
          .getResult(0);
  OperationState state(loc, ("onnx." + name).str());
  state.addOperands(SmallVector<Value>(inputs, value));
  state.addTypes(SmallVector<Type>(outputs, type));
  for (const AttrSchema &attr : schema.attrs)
    state.addAttribute(attr.odsName, sample(b, attr.kind));
  state.addAttribute("onnx.node_name", b.getStringAttr("n"));
  b.create(state);
  return module;
}

std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os);
  return text;
}

} // namespace

TEST(ONNXDialect, EveryOpRoundTrips) {
  MLIRContext context;
  context.loadDialect<ONNXDialect>();
  unsigned count = 0;
  for (RegisteredOperationName name :
       context.getRegisteredOperationsByDialect("onnx")) {
    StringRef mnemonic = name.stripDialect();
    const OpSchema *schema = lookupSchema(mnemonic);
    if (!schema) {
      EXPECT_TRUE(llvm::is_contained(
          {"NoValue", "Initializer", "SparseInitializer", "Custom"}, mnemonic))
          << mnemonic.str() << " has no schema";
      continue;
    }
    ++count;
    SCOPED_TRACE(mnemonic.str());
    const OpVersion &newest = schema->versions.back();
    OwningOpRef<ModuleOp> module = moduleWith(
        context, mnemonic, *schema,
        newest.maxInputs < 0 ? newest.minInputs + 2 : newest.maxInputs,
        newest.maxOutputs < 0 ? newest.minOutputs + 2 : newest.maxOutputs);
    std::string text = textOf(*module), bytecode;
    {
      llvm::raw_string_ostream os(bytecode);
      ASSERT_TRUE(succeeded(writeBytecodeToFile(*module, os)));
    }
    // The values make no sense to the verifiers.
    ParserConfig config(&context, /*verifyAfterParse=*/false);
    for (StringRef form : {StringRef(text), StringRef(bytecode)}) {
      OwningOpRef<ModuleOp> again = parseSourceString<ModuleOp>(form, config);
      ASSERT_TRUE(again) << text;
      EXPECT_EQ(textOf(*again), text);
    }
  }
  EXPECT_GT(count, 140u);
}

TEST(ONNXDialect, SchemaOfEveryOpIsOrdered) {
  MLIRContext context;
  context.loadDialect<ONNXDialect>();
  for (RegisteredOperationName name :
       context.getRegisteredOperationsByDialect("onnx"))
    if (const OpSchema *schema = lookupSchema(name.stripDialect())) {
      ASSERT_FALSE(schema->versions.empty());
      EXPECT_EQ(schema->inOpset(getNewestOpsetVersion()),
                &schema->versions.back());
      EXPECT_EQ(schema->inOpset(0), nullptr);
      for (size_t i = 1; i < schema->versions.size(); ++i)
        EXPECT_LT(schema->versions[i - 1].since, schema->versions[i].since);
      for (const AttrSchema &attr : schema->attrs)
        EXPECT_TRUE(llvm::is_contained(name.getAttributeNames(),
                                       StringRef(attr.odsName)))
            << attr.odsName;
    }
}

TEST(ONNXDialect, ConstantsInEveryForm) {
  MLIRContext context;
  context.loadDialect<ONNXDialect>();
  Builder b(&context);
  auto ints = [&](Type element, ArrayRef<char> raw, int64_t count) {
    ElementsAttr elements =
        makeElements(RankedTensorType::get({count}, element), raw);
    std::optional<SmallVector<int64_t>> values = getInts(elements);
    return values ? std::vector<int64_t>(values->begin(), values->end())
                  : std::vector<int64_t>();
  };
  using V = std::vector<int64_t>;
  const char bytes[] = {'\x21', '\xf8'};
  EXPECT_EQ(ints(b.getI8Type(), bytes, 2), (V{0x21, -8}));
  EXPECT_EQ(
      ints(IntegerType::get(&context, 8, IntegerType::Unsigned), bytes, 2),
      (V{0x21, 0xf8}));
  EXPECT_EQ(ints(b.getIntegerType(4), bytes, 4), (V{1, 2, -8, -1}));
  EXPECT_EQ(
      ints(IntegerType::get(&context, 2, IntegerType::Unsigned), bytes, 7),
      (V{1, 0, 2, 0, 0, 2, 3}));
  const char flags[] = {0, 1, 2};
  EXPECT_EQ(ints(b.getI1Type(), flags, 3), (V{0, 1, 1}));

  // 1.0, 0.5 in six bits: 0b001000, 0b000100.
  const char six[] = {'\x08', '\x01'};
  auto elements = makeElements(
      RankedTensorType::get({2}, Float6E2M3FNType::get(&context)), six);
  EXPECT_EQ((*getFloats(elements))[0], 1.0);
  EXPECT_EQ((*getFloats(elements))[1], 0.5);

  // Inline elements of packed types take one byte each in MLIR.
  auto type = RankedTensorType::get({3}, b.getIntegerType(4));
  auto dense =
      DenseElementsAttr::get(type, {APInt(4, 1), APInt(4, 0xf), APInt(4, 7)});
  SmallVector<char> buffer;
  std::optional<ArrayRef<char>> raw = getRawData(dense, buffer);
  ASSERT_TRUE(raw);
  EXPECT_EQ(*raw, ArrayRef<char>({'\xf1', '\x07'}));
  // Splats are expanded.
  auto splat = DenseElementsAttr::get(
      RankedTensorType::get({3}, b.getI16Type()), APInt(16, 0x0102));
  raw = getRawData(splat, buffer);
  ASSERT_TRUE(raw);
  EXPECT_EQ(*raw, ArrayRef<char>({2, 1, 2, 1, 2, 1}));
}
