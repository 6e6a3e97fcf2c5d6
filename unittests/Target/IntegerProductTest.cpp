//===- IntegerProductTest.cpp - Encoded x encoded on every target ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products of two tensors of 8-bit codes, signed or not, with zero points and
// without, of odd extents. Integer sums are exact: what a target gives differs
// from the reference, which multiplies the decoded values, by the rounding of
// that, at most 2^-18 |x| |w| for each element. So do sums of products of f16,
// which an f32 has in full.
//
//===----------------------------------------------------------------------===//

#include "SME/Emulator.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/InitAll.h"
#include "compress/Pipelines/CodeGen.h"
#include "compress/Target/Target.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace compress;

namespace {
struct Product {
  int64_t k, n;
  std::string activation, weight; // encodings of [m, k] and [n, k]
};

std::vector<Product> getProducts() {
  const char *activations[] = {
      "quant<i8, group = [1, *], scale = f32>",
      "quant<ui8, group = [1, *], scale = f32, zero = ui8>",
      "quant<i8, group = [*, *], scale = f32>",
  };
  const char *weights[] = {
      "quant<i8, group = [1, *], scale = f32>",
      "quant<ui8, group = [1, *], scale = f16, zero = ui8>",
      "quant<i8, group = [4, *], scale = f32, zero = i8>",
      "quant<ui8, group = [*, *], scale = f32>",
  };
  std::vector<Product> products;
  unsigned number = 0;
  const int64_t extents[] = {1, 3, 4, 7, 128, 33, 130};
  for (const char *activation : activations)
    for (const char *weight : weights)
      for (unsigned i = 0; i < 2; ++i, ++number)
        products.push_back(
            {extents[number % 7], 5 + int64_t(number % 3), activation, weight});
  // Codes where they are stored; of 38 the last four hangs over.
  const std::pair<int64_t, int64_t> shapes[] = {{38, 6}, {128, 19}, {32, 5}};
  for (auto [activation, shape] : llvm::zip_equal(activations, shapes))
    products.push_back(
        {shape.first, shape.second, activation,
         "sparse<nm<2:4>, of = quant<i8, group = [1, *], scale = f32>>"});
  for (auto [k, weight] :
       {std::pair(33, "f16"), std::pair(7, "f8E4M3FN"), std::pair(64, "bf16"),
        std::pair(50, "sparse<nm<2:4>, of = f16>")})
    products.push_back({k, 6, "f16", weight});
  return products;
}

struct IntegerProduct : public ::testing::TestWithParam<std::string> {
  IntegerProduct() {
    DialectRegistry registry;
    compress::registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.loadDialect<arith::ArithDialect, func::FuncDialect,
                        linalg::LinalgDialect, tensor::TensorDialect>();
  }

  CompressedTensorType parse(const std::string &shape,
                             const std::string &encoding) {
    return cast<CompressedTensorType>(parseType(
        "!compress.tensor<" + shape + "xf32, " + encoding + ">", &context));
  }

  static float valueAt(int64_t i, int64_t seed) {
    return std::sin(float(i * 7 + seed)) + 0.2f;
  }

  /// The model; rows are open.
  OwningOpRef<ModuleOp> makeModule() {
    OpBuilder b(&context);
    Location loc = b.getUnknownLoc();
    Type f32 = b.getF32Type();
    std::vector<Product> products = getProducts();
    SmallVector<Type> inputs;
    for (const Product &p : products)
      inputs.push_back(RankedTensorType::get({ShapedType::kDynamic, p.k}, f32));
    OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
    b.setInsertionPointToStart(module->getBody());
    auto function = func::FuncOp::create(b, loc, "main_graph",
                                         b.getFunctionType(inputs, {}));
    Block *block = function.addEntryBlock();
    b.setInsertionPointToStart(block);
    SmallVector<Value> results;
    for (auto [i, p] : llvm::enumerate(products)) {
      Value x = block->getArgument(i);
      Value lhs = EncodeOp::create(
          b, loc, parse("?x" + std::to_string(p.k), p.activation), x,
          ValueRange());
      std::vector<float> w(p.n * p.k);
      for (size_t j = 0; j < w.size(); ++j)
        w[j] = valueAt(j, 3);
      auto weight = llvm::cantFail(encodeTensor(
          parse(std::to_string(p.n) + "x" + std::to_string(p.k), p.weight),
          HostTensor::fromFloats({p.n, p.k}, f32, w)));
      Value rhs =
          compress::ConstantOp::create(b, loc, weight.type, weight.leaves, "w");
      Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
      Value init = tensor::EmptyOp::create(
          b, loc, {tensor::getMixedSize(b, loc, x, 0), b.getIndexAttr(p.n)},
          f32);
      init = linalg::FillOp::create(b, loc, zero, init).getResult(0);
      AffineExpr dm, dn, dk;
      bindDims(&context, dm, dn, dk);
      auto map = [&](AffineExpr x, AffineExpr y) {
        return AffineMap::get(3, 0, {x, y}, &context);
      };
      results.push_back(ContractOp::create(
          b, loc, init.getType(), lhs, rhs, init,
          b.getAffineMapArrayAttr({map(dm, dk), map(dn, dk), map(dm, dn)}),
          b.getStrArrayAttr({"parallel", "parallel", "reduction"})));
    }
    func::ReturnOp::create(b, loc, results);
    function.setType(b.getFunctionType(inputs, TypeRange(ValueRange(results))));
    return module;
  }

  static std::vector<NpyArray> makeInputs(int64_t rows) {
    std::vector<NpyArray> arrays;
    for (const Product &p : getProducts()) {
      NpyArray x =
          llvm::cantFail(NpyArray::allocate(COMPRESS_DTYPE_F32, {rows, p.k}));
      auto *values = reinterpret_cast<float *>(x.mutableData());
      for (int64_t i = 0; i < rows * p.k; ++i)
        values[i] = valueAt(i, p.k);
      arrays.push_back(x);
    }
    return arrays;
  }

  /// What a target makes of each number of rows.
  std::vector<std::vector<NpyArray>> run(StringRef name,
                                         ArrayRef<int64_t> rows) {
    const Target *target = llvm::cantFail(TargetRegistry::get().lookup(name));
    OwningOpRef<ModuleOp> module = makeModule();
    auto compiled =
        CompiledModel::compile(*module, "products", *target, TargetOptions());
    std::vector<std::vector<NpyArray>> results;
    auto add = [&](llvm::Expected<std::vector<NpyArray>> outputs) {
      if (outputs)
        results.push_back(std::move(*outputs));
      else
        ADD_FAILURE() << llvm::toString(outputs.takeError());
    };
    if (!compiled) {
      ADD_FAILURE() << llvm::toString(compiled.takeError());
    } else if (emulator && name == GetParam()) {
      for (int64_t count : rows) {
        SmallVector<Type> shapes;
        for (const Product &p : getProducts())
          shapes.push_back(
              RankedTensorType::get({count, p.n}, Float32Type::get(&context)));
        add(emulator->run(*compiled, makeInputs(count), shapes, count));
      }
    } else {
      auto jit = llvm::cantFail(JITModel::create(std::move(*compiled), 2));
      for (int64_t count : rows)
        add(jit.run(makeInputs(count)));
    }
    return results;
  }

  MLIRContext context;
  /// Where code for another machine runs.
  std::optional<test::Emulator> emulator;
};

TEST_P(IntegerProduct, AgreesWithReference) {
  const Target *target =
      llvm::cantFail(TargetRegistry::get().lookup(GetParam()));
  auto found = test::Emulator::findFor(*target);
  if (!found)
    GTEST_SKIP() << llvm::toString(found.takeError());
  emulator = std::move(*found);
  std::vector<Product> products = getProducts();
  const int64_t counts[] = {0, 1, 19};
  auto expected = run("reference", counts), results = run(GetParam(), counts);
  ASSERT_EQ(expected.size(), std::size(counts));
  ASSERT_EQ(results.size(), std::size(counts));
  for (auto [rows, all, found] : llvm::zip_equal(counts, expected, results)) {
    ASSERT_EQ(found.size(), products.size());
    for (auto [p, x, y] : llvm::zip_equal(products, all, found)) {
      ASSERT_EQ(x.shape, y.shape);
      // Values are at most 1.2.
      double bound = std::ldexp(1.5 * 1.5 * double(p.k), -18);
      for (int64_t i = 0; i < x.size(); ++i)
        ASSERT_NEAR(x.as<float>()[i], y.as<float>()[i], bound)
            << p.activation << " x " << p.weight << ", k = " << p.k
            << ", element " << i << " of " << rows << " rows";
    }
  }
}

std::vector<std::string> getTargetNames() {
  registerAllTargets();
  std::vector<std::string> names;
  for (const Target *target : TargetRegistry::get().getTargets())
    if (target->usesContractRules())
      names.push_back(target->getName().str());
  // The kernels of other GPUs, computed step by step.
  names.push_back("vulkan:warps");
  names.push_back("vulkan:waves");
  return names;
}
INSTANTIATE_TEST_SUITE_P(Targets, IntegerProduct,
                         ::testing::ValuesIn(getTargetNames()),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), ':', '_');
                           return name;
                         });
} // namespace
