//===- FactoredAgreementTest.cpp - Factors and codebooks compiled *- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decodes, lookups and contractions of factored and codebook constants, on the
// reference and the CPU target, against the host reference.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "compress/Dialect/Compress/Transforms/ContractRules.h"
#include "compress/InitAll.h"
#include "compress/Pipelines/CodeGen.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <random>

using namespace mlir;
using namespace compress;

namespace {

class FactoredAgreement : public ::testing::TestWithParam<std::string> {
protected:
  FactoredAgreement() : b(&context) {
    DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.loadDialect<arith::ArithDialect, linalg::LinalgDialect,
                        tensor::TensorDialect>();
    registerAllTargets();
  }

  /// Starts the function that `runAndCompare` will compile.
  void begin(ArrayRef<int64_t> inputShape) {
    module = ModuleOp::create(loc);
    b.setInsertionPointToStart(module->getBody());
    auto input = RankedTensorType::get(inputShape, b.getF32Type());
    function = func::FuncOp::create(b, loc, "main_graph",
                                    b.getFunctionType(input, {}));
    b.setInsertionPointToStart(function.addEntryBlock());
  }

  HostTensor randomTensor(ArrayRef<int64_t> shape) {
    HostTensor value = HostTensor::allocate(shape, b.getF32Type());
    std::normal_distribution<float> normal(0, 1);
    for (float &x : value.getMutableData<float>())
      x = normal(engine);
    return value;
  }

  /// A constant of random values and its decoded values.
  std::pair<Value, HostTensor> makeConstant(StringRef text) {
    auto type = cast<CompressedTensorType>(
        parseType(("!compress.tensor<" + text + ">").str(), &context));
    auto encoded =
        llvm::cantFail(encodeTensor(type, randomTensor(type.getShape())));
    HostTensor decoded = llvm::cantFail(decodeTensor(encoded));
    Value constant =
        ConstantOp::create(b, loc, encoded.type, encoded.leaves, "w");
    return {constant, decoded};
  }

  void expect(Value value, const HostTensor &host, const Twine &what) {
    results.push_back(value);
    expected.push_back(host.toFloats());
    names.push_back(what.str());
  }

  /// Ends the function.
  void finish() {
    func::ReturnOp::create(b, loc, results);
    function.setFunctionType(b.getFunctionType(function.getArgumentTypes(),
                                               TypeRange(ValueRange(results))));
  }

  /// Applies the rules; none may be left for a factored operand.
  void rewriteContracts() {
    EXPECT_GE(applyContractRules(*module), results.size());
    module->walk([&](ContractOp op) {
      for (Value operand : op->getOperands())
        if (auto type = dyn_cast<CompressedTensorType>(operand.getType())) {
          EXPECT_FALSE(isa<FactoredAttr>(type.getEncoding()));
        }
    });
  }

  /// Compiles, runs, and compares within a relative `tolerance`.
  void runAndCompare(const HostTensor &x, double tolerance) {
    const Target *target =
        llvm::cantFail(TargetRegistry::get().lookup(GetParam()));
    auto compiled = llvm::cantFail(
        CompiledModel::compile(*module, "agreement", *target, TargetOptions()));
    auto jit = llvm::cantFail(JITModel::create(std::move(compiled), 2));
    NpyArray input =
        llvm::cantFail(NpyArray::allocate(COMPRESS_DTYPE_F32, x.getShape()));
    std::memcpy(input.mutableData(), x.getBytes().data(), x.getBytes().size());
    std::vector<NpyArray> outputs = llvm::cantFail(jit.run(input));
    ASSERT_EQ(outputs.size(), expected.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      auto found = outputs[i].as<float>();
      ASSERT_EQ(found.size(), expected[i].size()) << names[i];
      for (size_t k = 0; k < found.size(); ++k)
        ASSERT_NEAR(found[k], expected[i][k],
                    tolerance * (1 + std::fabs(expected[i][k])))
            << names[i] << " at " << k;
    }
  }

  MLIRContext context;
  OpBuilder b;
  Location loc = UnknownLoc::get(&context);
  OwningOpRef<ModuleOp> module;
  func::FuncOp function;
  SmallVector<Value> results;
  std::vector<std::vector<float>> expected;
  std::vector<std::string> names;
  std::mt19937 engine{5};
};

const char *const matrices[] = {
    "12x20xf32, codebook<12, of = f16>",
    "12x20xf32, codebook<16, of = generated<nf4>>",
    "12x20xf16, codebook<5, of = f32, group = [1, *]>",
    "12x20xf32, codebook<9, of = quant<i8, group = [*, *], scale = f32>, vec = "
    "[1, 8]>",
    "12x20xf32, codebook<7, of = f32, vec = [2, 3], stages = 3, group = [4, "
    "9]>",
    "12x20xf32, factored<\"i j = i r, r j\", sizes = {r = 3}, of = [f16, f32]>",
    "12x20xf32, factored<\"i j = i r, r j\", sizes = {r = 6}, prefix = {r = "
    "2}, "
    "of = [quant<i4, group = [1, *], scale = f16>, f32]>",
    "12x20xf16, factored<\"i j = i r, r, r j\", sizes = {r = 3}, of = [f16, "
    "f32, "
    "codebook<4, of = f32>]>",
    "12x20xf32, factored<\"(a b) (c d) = a c r, r b d\", sizes = {a = 3, b = "
    "4, "
    "c = 5, d = 4, r = 2}, of = [f32, f32]>",
    "12x20xf32, factored<\"i (c d) = i c, d\", sizes = {c = 5, d = 4}, of = "
    "[f32, f32]>",
    "12x20xf32, factored<\"i j = j i\", sizes = {}, of = [bf16]>",
    "12x20xf32, factored<\"i j = i r, r j\", sizes = {r = 2}, of = [f32, "
    "generated<normal, seed = 2>]>"};

TEST_P(FactoredAgreement, DecodeAndGather) {
  begin({1});
  for (const char *text : matrices) {
    auto [constant, decoded] = makeConstant(text);
    auto type = cast<CompressedTensorType>(constant.getType());
    expect(DecodeOp::create(b, loc, constant), decoded, text);
    // Negative indices count from the end.
    const int64_t indices[] = {0, 11, 3, 3, -1, 2};
    for (int64_t axis : {0, 1})
      for (bool isDynamic : {false, true}) {
        auto indexType = RankedTensorType::get({2, 3}, b.getI64Type());
        Value at = arith::ConstantOp::create(
            b, loc, DenseElementsAttr::get(indexType, ArrayRef(indices)));
        SmallVector<int64_t> shape{2, 3}, found{2, 3};
        if (isDynamic) {
          found[1] = ShapedType::kDynamic;
          at = tensor::CastOp::create(
              b, loc, RankedTensorType::get(found, b.getI64Type()), at);
        }
        int64_t rows = axis == 0 ? 12 : 20, width = axis == 0 ? 20 : 12;
        shape.insert(axis == 0 ? shape.end() : shape.begin(), width);
        found.insert(axis == 0 ? found.end() : found.begin(), width);
        HostTensor host = HostTensor::allocate(shape, type.getElementType());
        for (int64_t i = 0; i < 6; ++i)
          for (int64_t j = 0; j < width; ++j) {
            int64_t row = (indices[i] + rows) % rows;
            host.setBits(
                axis == 0 ? i * width + j : j * 6 + i,
                decoded.getBits(axis == 0 ? row * 20 + j : j * 20 + row));
          }
        Value looked = GatherOp::create(
            b, loc, RankedTensorType::get(found, type.getElementType()),
            constant, at, axis);
        if (isDynamic)
          looked = tensor::CastOp::create(
              b, loc, RankedTensorType::get(shape, type.getElementType()),
              looked);
        expect(looked, host, Twine(text) + " axis " + Twine(axis));
      }
  }
  // Compare as f32.
  for (Value &value : results)
    if (!cast<RankedTensorType>(value.getType()).getElementType().isF32())
      value = buildElementwise(
          b, loc, b.getF32Type(), value,
          [](OpBuilder &b, Location loc, ValueRange in) -> Value {
            return arith::ExtFOp::create(b, loc, b.getF32Type(), in[0]);
          });
  finish();
  // Only the reference rounds every product.
  runAndCompare(randomTensor({1}), GetParam() == "reference" ? 0 : 1e-6);
}

TEST_P(FactoredAgreement, MatrixProducts) {
  begin({6, 12});
  HostTensor x = randomTensor({6, 12});
  Value activation = function.getArgument(0);
  AffineExpr m, n, k;
  bindDims(&context, m, n, k);
  for (
      const char *text :
      {"12x20xf32, factored<\"i j = i r, r j\", sizes = {r = 3}, of = [f16, "
       "f32]>",
       "12x20xf32, factored<\"i j = i r, r j\", sizes = {r = 9}, prefix = {r = "
       "2}, of = [quant<i4, group = [1, *], scale = f16>, f32]>",
       "12x20xf32, factored<\"i j = i r, r, r j\", sizes = {r = 3}, of = [f16, "
       "f32, f32]>",
       "12x20xf32, factored<\"(a b) (c d) = a c r, r b d\", sizes = {a = 3, b "
       "= 4, c = 5, d = 4, r = 1}, of = [f32, f32]>",
       "12x20xf32, factored<\"(a b) (c d) = a c, b d\", sizes = {a = 3, b = 4, "
       "c = 5, d = 4}, of = [f32, quant<i8, group = [*, *], scale = f32>]>",
       "12x20xf32, factored<\"i j = j i\", sizes = {}, of = [bf16]>"})
    for (bool isFirst : {false, true}) {
      auto [weight, decoded] = makeConstant(text);
      HostTensor bias = randomTensor({6, 20});
      auto outType = RankedTensorType::get({6, 20}, b.getF32Type());
      Value init = arith::ConstantOp::create(
          b, loc,
          DenseElementsAttr::get(outType, ArrayRef(bias.getData<float>())));
      SmallVector<Value> operands{activation, weight};
      SmallVector<AffineMap> maps{AffineMap::get(3, 0, {m, k}, &context),
                                  AffineMap::get(3, 0, {k, n}, &context)};
      if (isFirst) {
        std::reverse(operands.begin(), operands.end());
        std::reverse(maps.begin(), maps.end());
      }
      maps.push_back(AffineMap::get(3, 0, {m, n}, &context));
      auto contract = ContractOp::create(
          b, loc, outType, operands[0], operands[1], init,
          b.getAffineMapArrayAttr(maps),
          b.getStrArrayAttr({"parallel", "parallel", "reduction"}));
      HostTensor host = HostTensor::allocate({6, 20}, b.getF32Type());
      for (int64_t i = 0; i < 6; ++i)
        for (int64_t j = 0; j < 20; ++j) {
          double sum = bias.getDouble(i * 20 + j);
          for (int64_t l = 0; l < 12; ++l)
            sum += x.getDouble(i * 12 + l) * decoded.getDouble(l * 20 + j);
          host.setDouble(i * 20 + j, sum);
        }
      expect(contract, host, text);
    }
  finish();
  rewriteContracts();
  runAndCompare(x, 1e-4);
}

TEST_P(FactoredAgreement, Convolutions) {
  // Tucker-2, low rank, CP and a factor for each spatial axis.
  begin({1, 6, 9, 11});
  HostTensor x = randomTensor({1, 6, 9, 11});
  Value activation = function.getArgument(0);
  for (
      const char *equation :
      {"factored<\"o i h w = o p, p q h w, i q\", sizes = {p = 3, q = 2}, of = "
       "[f32, quant<i8, group = [1, *, *, *], scale = f32>, f16]>",
       "factored<\"o i h w = o r, r i h w\", sizes = {r = 2}, of = [f32, f32]>",
       "factored<\"o i h w = o r, i r, h r, w r\", sizes = {r = 2}, of = [f32, "
       "f32, f32, f32]>"})
    for (int64_t stride : {1, 2}) {
      auto [weight, decoded] =
          makeConstant(("8x6x3x2xf32, " + Twine(equation)).str());
      int64_t height = (9 - 3) / stride + 1, width = (11 - 2) / stride + 1;
      SmallVector<int64_t> shape{1, 8, height, width};
      HostTensor bias = randomTensor(shape);
      auto outType = RankedTensorType::get(shape, b.getF32Type());
      Value init = arith::ConstantOp::create(
          b, loc,
          DenseElementsAttr::get(outType, ArrayRef(bias.getData<float>())));
      AffineExpr n, o, y, z, i, h, w;
      bindDims(&context, n, o, y, z, i, h, w);
      AffineMap maps[] = {AffineMap::get(7, 0,
                                         {n, i, y * stride + h, z * stride + w},
                                         &context),
                          AffineMap::get(7, 0, {o, i, h, w}, &context),
                          AffineMap::get(7, 0, {n, o, y, z}, &context)};
      auto contract = ContractOp::create(
          b, loc, outType, activation, weight, init,
          b.getAffineMapArrayAttr(maps),
          b.getStrArrayAttr({"parallel", "parallel", "parallel", "parallel",
                             "reduction", "reduction", "reduction"}));
      HostTensor host = HostTensor::allocate(shape, b.getF32Type());
      for (int64_t at = 0; at < host.getNumElements(); ++at) {
        int64_t c = at / (height * width), py = at / width % height,
                px = at % width;
        double sum = bias.getDouble(at);
        for (int64_t l = 0; l < 6; ++l)
          for (int64_t ky = 0; ky < 3; ++ky)
            for (int64_t kx = 0; kx < 2; ++kx)
              sum += x.getDouble((l * 9 + py * stride + ky) * 11 + px * stride +
                                 kx) *
                     decoded.getDouble(((c * 6 + l) * 3 + ky) * 2 + kx);
        host.setDouble(at, sum);
      }
      expect(contract, host, equation);
    }
  finish();
  rewriteContracts();
  runAndCompare(x, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Targets, FactoredAgreement,
                         ::testing::Values("reference", "cpu"),
                         [](const auto &info) { return info.param; });

} // namespace
