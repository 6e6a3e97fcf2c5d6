//===- CodedEncodingTest.cpp - The coded encoding ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/InitAll.h"
#include "compress/Pipelines/CodeGen.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/Support/DebugStringHelper.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <random>

using namespace mlir;
using namespace compress;

namespace {

DialectRegistry makeRegistry() {
  DialectRegistry registry;
  registerAllDialects(registry);
  return registry;
}

class Coded : public ::testing::Test {
protected:
  Coded() : context(makeRegistry()), b(&context) {
    context.loadAllAvailableDialects();
    context.getDiagEngine().registerHandler(
        [](Diagnostic &diagnostic) { ADD_FAILURE() << diagnostic.str(); });
  }

  CompressedTensorType type(const std::string &encoding,
                            const std::string &shape = "7x19") {
    auto result = dyn_cast_or_null<CompressedTensorType>(parseType(
        "!compress.tensor<" + shape + "xf32, " + encoding + ">", &context));
    EXPECT_TRUE(result) << encoding;
    return result;
  }

  /// Normally distributed values, one of 13 zero.
  HostTensor values(ArrayRef<int64_t> shape) {
    std::mt19937 engine(5);
    std::normal_distribution<float> normal(0, 0.05f);
    HostTensor result = HostTensor::allocate(shape, b.getF32Type());
    for (auto [i, value] : llvm::enumerate(result.getMutableData<float>()))
      value = i % 13 == 0 ? 0.0f : normal(engine);
    return result;
  }

  EncodedTensor encode(const std::string &encoding,
                       const std::string &shape = "7x19") {
    CompressedTensorType target = type(encoding, shape);
    return llvm::cantFail(encodeTensor(target, values(target.getShape())));
  }

  static bool equal(ArrayRef<HostTensor> a, ArrayRef<HostTensor> b) {
    return a.size() == b.size() &&
           llvm::all_of(llvm::zip_equal(a, b), [](auto pair) {
             auto [x, y] = pair;
             return x.getShape() == y.getShape() &&
                    x.getBytes() == y.getBytes();
           });
  }

  MLIRContext context;
  OpBuilder b;
};

struct Inner {
  const char *encoding;
  unsigned leaves;
};

const Inner inners[] = {
    {"f32", 1},
    {"bf16", 1},
    {"f16", 1},
    {"i8", 1},
    {"f64", 1},
    {"f8E4M3FN", 1},
    {"f4E2M1FN", 1},
    {"quant<i4, group = [1, 8], scale = f32>", 2},
    {"quant<ui4, group = [*, *], scale = f16, zero = ui4>", 3},
    {"quant<i3, group = [1, *], scale = f16>", 2},
    {"quant<i11, group = [*, 1], scale = bf16>", 2},
    {"quant<f6E2M3FN, group = [1, 8], scale = f8E8M0FNU>", 2},
    {"sum<[quant<i2, group = [1, *], scale = f32>, bf16]>", 3}};

std::string code(const std::string &coder, const Inner &inner,
                 const std::string &block = "") {
  std::string bytes = "?";
  for (unsigned i = 1; i < inner.leaves; ++i)
    bytes += ", ?";
  return "coded<" + coder + ", " + block + "bytes = [" + bytes +
         "], of = " + inner.encoding + ">";
}

TEST_F(Coded, IsLossless) {
  for (const Inner &inner : inners)
    for (const char *coder : {"huffman", "rans", "zstd"})
      for (const char *shape : {"7x19", "0x8", "1x1", "50x100"}) {
        EncodedTensor plain = encode(inner.encoding, shape);
        EncodedTensor coded = encode(code(coder, inner), shape);
        EXPECT_TRUE(isRefined(coded.type));
        EXPECT_FALSE(bool(compress::verifyPayload(coded.type, coded.leaves)));
        EXPECT_TRUE(equal(llvm::cantFail(decodeTensor(coded)),
                          llvm::cantFail(decodeTensor(plain))))
            << inner.encoding << " " << coder << " " << shape;
        // There and back, to the very leaves.
        EncodedTensor opened = llvm::cantFail(castTensor(coded, plain.type));
        EXPECT_EQ(opened.type, plain.type);
        EXPECT_TRUE(equal(opened.leaves, plain.leaves));
        EncodedTensor again =
            llvm::cantFail(castTensor(plain, type(code(coder, inner), shape)));
        EXPECT_EQ(again.type, coded.type);
        EXPECT_TRUE(equal(again.leaves, coded.leaves));
        // Exact storage.
        uint64_t bits = 0;
        for (const HostTensor &leaf : coded.leaves)
          bits += 8 * leaf.getBytes().size();
        EXPECT_EQ(coded.type.getStorageBits(), bits);
      }
}

TEST_F(Coded, RecodesWithoutValues) {
  // Codes that no value gives back: rounding to nearest would move them.
  EncodedTensor plain = encode("quant<i4, group = [1, *], scale = f32>");
  auto codes = HostTensor::allocate({7, 19}, b.getIntegerType(4));
  std::mt19937 random(1);
  for (int64_t i = 0; i < codes.getNumElements(); ++i)
    codes.setBits(i, random() & 15);
  auto scales = HostTensor::allocate({7, 1}, b.getF32Type());
  plain.leaves = {codes, scales}; // all scales are zero
  EncodedTensor tensor = plain;
  for (const char *coder : {"huffman", "rans", "zstd", "huffman", "rans"}) {
    CompressedTensorType target = type(code(coder, inners[7]));
    target = type("coded<" + std::string(coder) +
                  ", bytes = [?, ?], of = quant<i4, group = [1, *], "
                  "scale = f32>>");
    tensor = llvm::cantFail(castTensor(tensor, target));
    EXPECT_TRUE(isa<CodedAttr>(tensor.type.getEncoding()));
  }
  EncodedTensor back = llvm::cantFail(castTensor(tensor, plain.type));
  EXPECT_TRUE(equal(back.leaves, plain.leaves));
  EncodedTensor exchanged =
      llvm::cantFail(tensor.type.getEncoding().getExchangeForm(tensor));
  EXPECT_EQ(exchanged.type, plain.type);
  EXPECT_TRUE(equal(exchanged.leaves, plain.leaves));
}

TEST_F(Coded, SizesInsideAreFound) {
  EncodedTensor coded =
      encode("coded<rans, bytes = [?, ?], of = sparse<bitmask, nnz = ?, of = "
             "f32>>",
             "50x40");
  ASSERT_TRUE(isRefined(coded.type));
  auto attr = cast<CodedAttr>(coded.type.getEncoding());
  EXPECT_TRUE(isRefined(attr.getInnerType(coded.type)));
  EncodedTensor plain = encode("sparse<bitmask, nnz = ?, of = f32>", "50x40");
  EXPECT_EQ(attr.getInnerType(coded.type), plain.type);
}

TEST_F(Coded, GivenSizesMustComeOut) {
  auto result = encodeTensor(type("coded<huffman, bytes = [99], of = bf16>"),
                             values({7, 19}));
  ASSERT_FALSE(bool(result));
  EXPECT_EQ(llvm::toString(result.takeError()),
            "stream0: it takes 274 bytes where the type says 99; write '?' "
            "for a size to be found");
}

TEST_F(Coded, BadPayloadIsRefused) {
  // What is inside must be legal too, not only the stream.
  EncodedTensor coded = encode(
      "coded<huffman, bytes = [?, ?], of = quant<i4, group = [1, *], scale = "
      "f32>>",
      "50x100");
  EncodedTensor broken = coded;
  HostTensor stream =
      HostTensor::allocate(coded.leaves[0].getShape(), b.getI8Type());
  llvm::copy(coded.leaves[0].getBytes(), stream.getMutableBytes().begin());
  stream.getMutableBytes()[0] ^= 1;
  broken.leaves[0] = stream;
  EXPECT_EQ(llvm::toString(compress::verifyPayload(broken.type, broken.leaves)),
            "stream0: the stream holds 5001 elements where 5000 are expected");
  EXPECT_FALSE(bool(decodeTensor(broken)) ||
               succeeded(broken.type.getEncoding().recodeHost(
                   broken, type("f32", "50x100"))));
  // A truncated stream of a type that says so.
  int64_t size = coded.leaves[0].getNumElements() - 1;
  broken = coded;
  broken.leaves[0] = HostTensor::borrow({size}, b.getI8Type(),
                                        coded.leaves[0].getBytes().drop_back());
  broken.type = refineType(coded.type, broken.leaves);
  EXPECT_EQ(llvm::toString(compress::verifyPayload(broken.type, broken.leaves)),
            "stream0: plane 0, block 1: it is truncated");
}

//===----------------------------------------------------------------------===//
// IR
//===----------------------------------------------------------------------===//

/// One function that decodes several coded tensors whose streams are arguments,
/// every other by a cast to what is inside.
struct Program {
  OwningOpRef<ModuleOp> module;
  std::vector<NpyArray> inputs;
  SmallVector<HostTensor> expected;
};

class CodedIR : public Coded,
                public ::testing::WithParamInterface<std::string> {
protected:
  Program build(ArrayRef<EncodedTensor> tensors) {
    Program program;
    Location loc = b.getUnknownLoc();
    program.module = ModuleOp::create(loc);
    b.setInsertionPointToStart(program.module->getBody());
    SmallVector<Type> inputs, outputs;
    for (const EncodedTensor &tensor : tensors) {
      llvm::append_range(inputs, tensor.type.getLeafTypes());
      outputs.push_back(tensor.type.getLogicalType());
    }
    auto function = func::FuncOp::create(b, loc, "main_graph",
                                         b.getFunctionType(inputs, outputs));
    Block *body = function.addEntryBlock();
    b.setInsertionPointToStart(body);
    SmallVector<Value> results;
    ValueRange arguments = body->getArguments();
    for (const EncodedTensor &tensor : tensors) {
      size_t count = tensor.leaves.size();
      Value packed =
          PackOp::create(b, loc, tensor.type, arguments.take_front(count));
      arguments = arguments.drop_front(count);
      if (results.size() % 2) {
        auto coded = cast<CodedAttr>(tensor.type.getEncoding());
        packed =
            CastOp::create(b, loc, coded.getInnerType(tensor.type), packed);
      }
      results.push_back(DecodeOp::create(b, loc, packed));
      program.expected.push_back(llvm::cantFail(decodeTensor(tensor)));
      for (const HostTensor &leaf : tensor.leaves) {
        NpyArray array = llvm::cantFail(
            NpyArray::allocate(COMPRESS_DTYPE_I8, leaf.getShape()));
        llvm::copy(leaf.getBytes(), array.mutableData());
        program.inputs.push_back(std::move(array));
      }
    }
    func::ReturnOp::create(b, loc, results);
    return program;
  }

  JITModel compile(ModuleOp module) {
    registerAllTargets();
    const Target *target =
        llvm::cantFail(TargetRegistry::get().lookup(GetParam()));
    auto compiled = llvm::cantFail(
        CompiledModel::compile(module, "coded", *target, TargetOptions()));
    return llvm::cantFail(JITModel::create(std::move(compiled), 2));
  }
};

TEST_P(CodedIR, HostEqualsIR) {
  for (StringRef coder : {"huffman", "rans", "zstd"}) {
    SmallVector<EncodedTensor> tensors;
    for (const Inner &inner : inners) {
      // Several blocks, the last one short.
      tensors.push_back(encode(
          code(coder.str(), inner, coder == "zstd" ? "" : "block = 1000, "),
          "61x161"));
      EXPECT_LT(tensors.back().type.getStorageBits(),
                encode(inner.encoding, "61x161").type.getStorageBits() +
                    (coder == "zstd" ? 72 * inner.leaves : 0));
    }
    tensors.push_back(encode(code(coder.str(), inners[0]), "0x8"));
    tensors.push_back(encode(code(coder.str(), inners[1]), "1x3"));
    Program program = build(tensors);
    JITModel jit = compile(*program.module);
    std::vector<NpyArray> outputs = llvm::cantFail(jit.run(program.inputs));
    ASSERT_EQ(outputs.size(), program.expected.size());
    for (auto [i, output] : llvm::enumerate(outputs))
      ASSERT_EQ(output.data, program.expected[i].getBytes())
          << debugString(tensors[i].type);
  }
}

TEST_P(CodedIR, BadStreamsStayInside) {
  // Streams that were never checked: any numbers come out, but all reads and
  // writes stay inside.
  for (const char *coder : {"huffman", "rans"}) {
    EncodedTensor tensor =
        encode(code(coder, inners[1], "block = 500, "), "30x50");
    Program program = build(tensor);
    JITModel jit = compile(*program.module);
    std::mt19937 random(7);
    for (int round = 0; round < 100; ++round) {
      for (NpyArray &input : program.inputs)
        for (size_t i = 0; i < input.data.size(); ++i)
          if (round < 50 ? random() % 50 == 0 : true)
            input.mutableData()[i] = char(random());
      ASSERT_EQ(llvm::cantFail(jit.run(program.inputs)).size(), 1u);
    }
  }
  // The library reports them, and the run fails.
  EncodedTensor tensor = encode(code("zstd", inners[1]), "30x50");
  Program program = build(tensor);
  JITModel jit = compile(*program.module);
  std::memset(program.inputs[0].mutableData() + 8, 0, 8);
  auto outputs = jit.run(program.inputs);
  ASSERT_FALSE(bool(outputs));
  EXPECT_NE(llvm::toString(outputs.takeError()).find("inflate_zstd"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Targets, CodedIR,
                         ::testing::Values("reference", "cpu"),
                         [](const auto &info) { return info.param; });
} // namespace
