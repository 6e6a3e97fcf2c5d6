//===- SparseAgreementTest.cpp - Sparse tensors compiled and run *- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decodes, lookups and contractions of sparse constants, on the reference and
// the CPU target, against the host reference.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/Transforms/ContractRules.h"
#include "compress/InitAll.h"
#include "compress/Pipelines/CodeGen.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "gtest/gtest.h"
#include <cstring>
#include <random>

using namespace mlir;
using namespace compress;

namespace {

class SparseAgreement : public ::testing::TestWithParam<std::string> {
protected:
  SparseAgreement() : b(&context) {
    DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.loadDialect<arith::ArithDialect, linalg::LinalgDialect,
                        scf::SCFDialect, tensor::TensorDialect>();
    registerAllTargets();
    b.setInsertionPointToStart(module->getBody());
    auto input = RankedTensorType::get({inputRows, 19}, b.getF32Type());
    function = func::FuncOp::create(b, loc, "main_graph",
                                    b.getFunctionType(input, {}));
    b.setInsertionPointToStart(function.addEntryBlock());
  }

  CompressedTensorType parse(StringRef shape, StringRef encoding) {
    return cast<CompressedTensorType>(parseType(
        ("!compress.tensor<" + shape + "xf32, sparse<" + encoding + ">>").str(),
        &context));
  }

  HostTensor randomTensor(ArrayRef<int64_t> shape) {
    HostTensor value = HostTensor::allocate(shape, b.getF32Type());
    std::normal_distribution<float> normal(0, 1);
    for (float &x : value.getMutableData<float>())
      x = normal(engine);
    return value;
  }

  /// A constant of random values and its decoded values.
  std::pair<Value, HostTensor> makeConstant(CompressedTensorType type) {
    auto encoded =
        llvm::cantFail(encodeTensor(type, randomTensor(type.getShape())));
    HostTensor decoded = llvm::cantFail(decodeTensor(encoded));
    Value constant =
        ConstantOp::create(b, loc, encoded.type, encoded.leaves, "w");
    return {constant, decoded};
  }

  Value makeIndices(ArrayRef<int64_t> values, ArrayRef<int64_t> shape) {
    auto type = RankedTensorType::get(shape, b.getI64Type());
    return arith::ConstantOp::create(b, loc,
                                     DenseElementsAttr::get(type, values));
  }

  void expect(Value value, const HostTensor &host, const std::string &what) {
    results.push_back(value);
    expected.push_back(host.toFloats());
    names.push_back(what);
  }

  /// Ends the function.
  void finish() {
    func::ReturnOp::create(b, loc, results);
    function.setFunctionType(b.getFunctionType(function.getArgumentTypes(),
                                               TypeRange(ValueRange(results))));
  }

  /// Compiles, runs, and compares within a relative `tolerance`.
  void runAndCompare(const HostTensor &x, double tolerance) {
    const Target *target =
        llvm::cantFail(TargetRegistry::get().lookup(GetParam()));
    auto compiled =
        CompiledModel::compile(*module, "agreement", *target, TargetOptions());
    ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
    auto jit = llvm::cantFail(JITModel::create(std::move(*compiled), 2));
    NpyArray input =
        llvm::cantFail(NpyArray::allocate(COMPRESS_DTYPE_F32, x.getShape()));
    std::memcpy(input.mutableData(), x.getBytes().data(), x.getBytes().size());
    std::vector<NpyArray> outputs = llvm::cantFail(jit.run(input));
    ASSERT_EQ(outputs.size(), expected.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      auto found = outputs[i].as<float>();
      ASSERT_EQ(found.size(), expected[i].size()) << names[i];
      for (size_t k = 0; k < found.size(); ++k) {
        if (tolerance == 0)
          ASSERT_EQ(found[k], expected[i][k]) << names[i] << " at " << k;
        else
          ASSERT_NEAR(found[k], expected[i][k],
                      tolerance * (1 + std::fabs(expected[i][k])))
              << names[i] << " at " << k;
      }
    }
  }

  static constexpr int64_t inputRows = 4;
  MLIRContext context;
  OpBuilder b;
  Location loc = UnknownLoc::get(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  func::FuncOp function;
  SmallVector<Value> results;
  std::vector<std::vector<float>> expected;
  std::vector<std::string> names;
  std::mt19937 engine{5};
};

const char *const encodings[] = {
    "bitmask, nnz = 40, of = f32",
    "bitmask, nnz = 0, of = f16",
    "bitmask, nnz = 133, of = quant<i8, group = [*], scale = f32>",
    "csr<i8>, nnz = 30, of = f32",
    "csr<i16>, nnz = 31, of = quant<i4, group = [8], scale = f16>",
    "csr<i32>, nnz = 0, of = f32",
    "nm<2:4>, of = f16",
    "nm<3:5, axis = 0>, of = quant<i4, group = [1, 4], scale = f16>",
    "nm<1:16>, of = f32",
    "block<2x4>, nnz = 7, of = f32",
    "block<3x19>, nnz = 1, of = quant<i8, group = [1, *, *], scale = f32>",
    "block<2x4>, nnz = 0, of = f32",
    "channels<0>, nnz = 3, of = f16",
    "channels<1>, nnz = 8, of = quant<i8, group = [1, *], scale = f32>",
    "channels<1>, nnz = 0, of = f32",
    "channels<1>, nnz = 19, of = sparse<bitmask, nnz = 20, of = f32>"};

TEST_P(SparseAgreement, Decode) {
  for (const char *encoding : encodings) {
    auto [constant, decoded] = makeConstant(parse("7x19", encoding));
    expect(DecodeOp::create(b, loc, constant), decoded, encoding);
  }
  for (const char *encoding :
       {"bitmask, nnz = 4, of = f32", "csr<i8>, nnz = 9, of = f16",
        "nm<1:2, axis = 1>, of = f32", "block<1x2x2>, nnz = 2, of = f32",
        "channels<2>, nnz = 2, of = f32"}) {
    auto [constant, decoded] = makeConstant(parse("3x5x3", encoding));
    expect(DecodeOp::create(b, loc, constant), decoded, encoding);
  }
  auto [one, decoded] = makeConstant(parse("11", "csr<i8>, nnz = 3, of = f32"));
  expect(DecodeOp::create(b, loc, one), decoded, "one row");
  finish();
  runAndCompare(randomTensor({inputRows, 19}), 0);
}

TEST_P(SparseAgreement, Gather) {
  // Negative indices count from the end.
  const std::vector<int64_t> indices = {0, 6, 3, 3, -1, 2};
  for (const char *encoding : encodings)
    for (int64_t axis : {0, 1}) {
      bool isDynamic = (results.size() / 2 + axis) % 2;
      auto [constant, decoded] = makeConstant(parse("7x19", encoding));
      Value at = makeIndices(indices, {2, 3});
      SmallVector<int64_t> shape{2, 3};
      SmallVector<int64_t> type{2, 3};
      if (isDynamic) {
        type[1] = ShapedType::kDynamic;
        at = tensor::CastOp::create(
            b, loc, RankedTensorType::get(type, b.getI64Type()), at);
      }
      int64_t rows = axis == 0 ? 7 : 19, width = axis == 0 ? 19 : 7;
      shape.insert(axis == 0 ? shape.end() : shape.begin(), width);
      type.insert(axis == 0 ? type.end() : type.begin(), width);
      HostTensor host = HostTensor::allocate(shape, b.getF32Type());
      for (int64_t i = 0; i < 6; ++i)
        for (int64_t j = 0; j < width; ++j) {
          int64_t row = (indices[i] + rows) % rows;
          host.setBits(
              axis == 0 ? i * width + j : j * 6 + i,
              decoded.getBits(axis == 0 ? row * 19 + j : j * 19 + row));
        }
      Value found =
          GatherOp::create(b, loc, RankedTensorType::get(type, b.getF32Type()),
                           constant, at, axis);
      if (isDynamic)
        found = tensor::CastOp::create(
            b, loc, RankedTensorType::get(shape, b.getF32Type()), found);
      expect(found, host,
             std::string(encoding) + " axis " + std::to_string(axis));
    }
  finish();
  runAndCompare(randomTensor({inputRows, 19}), 0);
}

TEST_P(SparseAgreement, ContractRules) {
  HostTensor x = randomTensor({inputRows, 19});
  Value activation = function.getArgument(0);
  MLIRContext *ctx = &context;
  auto d = [&](unsigned i) { return getAffineDimExpr(i, ctx); };
  AffineMap xMap = AffineMap::get(3, 0, {d(0), d(2)}, ctx),
            yMap = AffineMap::get(3, 0, {d(0), d(1)}, ctx);
  unsigned rules = 0;
  for (const char *encoding :
       {"channels<0>, nnz = 3, of = f16", "channels<1>, nnz = 4, of = f32",
        "channels<0>, nnz = 0, of = f32",
        "channels<1>, nnz = 5, of = quant<i8, group = [1, *], scale = f32>",
        "csr<i8>, nnz = 30, of = f32", "csr<i16>, nnz = 1, of = f16",
        "csr<i8>, nnz = 0, of = f32",
        "csr<i8>, nnz = 33, of = quant<i8, group = [16], scale = f32>"})
    for (bool isTransposed : {false, true})
      for (bool isFirst : {false, true}) {
        // Seven outputs of 19 inputs.
        auto [weight, decoded] =
            makeConstant(parse(isTransposed ? "7x19" : "19x7", encoding));
        AffineMap wMap = AffineMap::get(
            3, 0, {d(isTransposed ? 1 : 2), d(isTransposed ? 2 : 1)}, ctx);
        HostTensor bias = randomTensor({inputRows, 7});
        auto outType = RankedTensorType::get({inputRows, 7}, b.getF32Type());
        Value init = arith::ConstantOp::create(
            b, loc,
            DenseElementsAttr::get(outType, ArrayRef(bias.getData<float>())));
        SmallVector<Value> operands{activation, weight};
        SmallVector<AffineMap> maps{xMap, wMap};
        if (isFirst) {
          std::reverse(operands.begin(), operands.end());
          std::reverse(maps.begin(), maps.end());
        }
        maps.push_back(yMap);
        auto contract = ContractOp::create(
            b, loc, outType, operands[0], operands[1], init,
            b.getAffineMapArrayAttr(maps),
            b.getStrArrayAttr({"parallel", "parallel", "reduction"}));
        ++rules;
        HostTensor host = HostTensor::allocate({inputRows, 7}, b.getF32Type());
        for (int64_t m = 0; m < inputRows; ++m)
          for (int64_t n = 0; n < 7; ++n) {
            double sum = bias.getDouble(m * 7 + n);
            for (int64_t k = 0; k < 19; ++k)
              sum += x.getDouble(m * 19 + k) *
                     decoded.getDouble(isTransposed ? n * 19 + k : k * 7 + n);
            host.setDouble(m * 7 + n, sum);
          }
        expect(contract, host,
               std::string(encoding) + (isTransposed ? " transposed" : ""));
      }
  finish();
  // A rule for each, and none left for a sparse operand.
  EXPECT_GE(applyContractRules(*module), rules);
  module->walk([&](ContractOp op) {
    for (Value operand : op->getOperands())
      if (auto type = dyn_cast<CompressedTensorType>(operand.getType()))
        EXPECT_FALSE(isa<SparseAttr>(type.getEncoding()));
  });
  runAndCompare(x, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Targets, SparseAgreement,
                         ::testing::Values("reference", "cpu"),
                         [](const auto &info) { return info.param; });

} // namespace
