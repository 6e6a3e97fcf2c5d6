//===- EncodingAgreementTest.cpp - Host reference against IR ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every combination of code type, grouping, scale and zero encoding, compiled
// and run: decode, dynamic encode and static encode must agree with the host
// reference bit for bit, on the reference target and on the CPU target.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/InitAll.h"
#include "compress/Pipelines/CodeGen.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "gtest/gtest.h"
#include <cstring>
#include <random>

using namespace mlir;
using namespace compress;

namespace {
struct Agreement : public ::testing::TestWithParam<std::string> {};

/// Encodings of the product for tensors of rank 2.
std::vector<std::string> getEncodings(unsigned stride) {
  std::vector<std::string> encodings;
  std::vector<std::string> codes = {
      "i2",       "i3",       "i4",       "ui4",    "i5",       "i8",
      "ui8",      "ui11",     "i16",      "f8E5M2", "f8E4M3FN", "f8E4M3FNUZ",
      "f6E3M2FN", "f6E2M3FN", "f4E2M1FN", "i1",     "ui1",      "i7"};
  std::vector<std::string> groups = {"[*, *]", "[1, *]", "[*, 1]", "[1, 8]",
                                     "[3, 5]"};
  std::vector<std::string> scales = {
      "f32", "f16", "f8E8M0FNU", "quant<ui6, group = [*, *], scale = f16>",
      "quant<f8E4M3FN, group = [1, *], scale = f32>"};
  std::vector<std::string> zeros = {"", "i8", "f32", "ui4",
                                    "quant<i6, group = [1, *], scale = f16>"};
  unsigned i = 0;
  for (const std::string &code : codes)
    for (const std::string &group : groups)
      for (const std::string &scale : scales)
        for (const std::string &zero : zeros) {
          if (!zero.empty() && code[0] == 'f')
            continue;
          // A stride prime to all list lengths: every pair of parameters still
          // meets.
          if (i++ % stride != 0)
            continue;
          encodings.push_back("quant<" + code + ", group = " + group +
                              ", scale = " + scale +
                              (zero.empty() ? "" : ", zero = " + zero) + ">");
        }
  for (const char *storage : {"f16", "bf16", "f8E4M3FN", "f8E5M2", "f4E2M1FN",
                              "i8", "ui8", "i4", "f64", "f8E8M0FNU"})
    encodings.push_back(storage);
  return encodings;
}

/// Compiles `module` for a target and runs it on one input.
std::vector<NpyArray> run(ModuleOp module, StringRef targetName,
                          const NpyArray &input) {
  registerAllTargets();
  const Target *target =
      llvm::cantFail(TargetRegistry::get().lookup(targetName));
  auto compiled = llvm::cantFail(
      CompiledModel::compile(module, "agreement", *target, TargetOptions()));
  auto jit = llvm::cantFail(JITModel::create(std::move(compiled), 2));
  return llvm::cantFail(jit.run(input));
}

TEST_P(Agreement, HostEqualsIR) {
  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  OpBuilder b(&context);
  Location loc = b.getUnknownLoc();
  Type f32 = b.getF32Type();
  bool reference = GetParam() == "reference";

  // Odd tails, magnitudes over many binades, exact zeros.
  SmallVector<int64_t> shape{7, 19};
  std::mt19937 engine(11);
  std::normal_distribution<float> normal(0, 1);
  NpyArray input =
      llvm::cantFail(NpyArray::allocate(COMPRESS_DTYPE_F32, shape));
  HostTensor value = HostTensor::allocate(shape, f32);
  auto data = value.getMutableData<float>();
  for (size_t i = 0; i < data.size(); ++i)
    data[i] =
        i % 13 == 0 ? 0.0f : normal(engine) * std::exp2(float(int(i % 9) - 4));
  std::memcpy(input.mutableData(), data.data(), input.data.size());

  std::vector<std::string> encodings = getEncodings(reference ? 13 : 29);
  // Many cases share one module: compiling is what takes time.
  constexpr size_t batch = 8;
  for (size_t begin = 0; begin < encodings.size(); begin += batch) {
    size_t end = std::min(encodings.size(), begin + batch);
    OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
    b.setInsertionPointToStart(module->getBody());
    auto tensorType = RankedTensorType::get(shape, f32);
    size_t count = (end - begin) * 3;
    auto function = func::FuncOp::create(
        b, loc, "main_graph",
        b.getFunctionType({tensorType}, SmallVector<Type>(count, tensorType)));
    Block *body = function.addEntryBlock();
    b.setInsertionPointToStart(body);
    Value x = body->getArgument(0);
    SmallVector<Value> results;
    std::vector<HostTensor> expected;
    for (size_t i = begin; i < end; ++i) {
      auto type = dyn_cast_or_null<CompressedTensorType>(parseType(
          "!compress.tensor<7x19xf32, " + encodings[i] + ">", &context));
      ASSERT_TRUE(type) << encodings[i];
      EncodingAttrInterface encoding = type.getEncoding();
      auto leaves = llvm::cantFail(encoding.encodeHost(type, value, {}));
      HostTensor decoded = llvm::cantFail(encoding.decodeHost(type, leaves));
      // 1: decode of a constant. 2: dynamic encode. 3: encode with the
      // parameters of the constant.
      Value constant = ConstantOp::create(b, loc, type, leaves, "c");
      results.push_back(DecodeOp::create(b, loc, constant));
      expected.push_back(decoded);
      Value dynamic = EncodeOp::create(b, loc, type, x, ValueRange());
      results.push_back(DecodeOp::create(b, loc, dynamic));
      expected.push_back(decoded);
      SmallVector<Value> parameters;
      if (unsigned n = encoding.getNumParameters()) {
        auto unpack = UnpackOp::create(b, loc, constant);
        llvm::append_range(parameters, unpack.getResults().take_back(n));
      }
      Value fixed = EncodeOp::create(b, loc, type, x, parameters);
      results.push_back(DecodeOp::create(b, loc, fixed));
      expected.push_back(decoded);
    }
    func::ReturnOp::create(b, loc, results);
    std::vector<NpyArray> outputs = run(*module, GetParam(), input);
    ASSERT_EQ(outputs.size(), expected.size());
    const char *what[] = {"decode", "dynamic encode", "static encode"};
    for (size_t i = 0; i < outputs.size(); ++i)
      for (size_t k = 0; k < data.size(); ++k)
        ASSERT_EQ(outputs[i].as<float>()[k], expected[i].getData<float>()[k])
            << what[i % 3] << " of " << encodings[begin + i / 3]
            << " at element " << k << ", value " << data[k];
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Agreement,
                         ::testing::Values("reference", "cpu"),
                         [](const auto &info) { return info.param; });
} // namespace
