//===- EncodingProductJITTest.cpp - Nested encodings, compiled ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiled code against the host reference on nestings of encodings: all of
// depth one and two, and of depth three a sample in which each encoding meets
// each other at each place. (All of depth three are in EncodingProductTest.cpp;
// compiling those too takes minutes: COMPRESS_TEST_EXHAUSTIVE=1 in the
// environment does.)
//
// - On the reference target, decoding and gathering give the same bits.
// - The CPU target may fuse products and reorder sums: there the values of
//   each tensor w differ by at most 2^-16 |w|, |.| being the Euclidean norm.
//   Where there is nothing to add (dense, quant, sparse, permuted, coded) the
//   bits are the same.
// - A contraction with x on the CPU target, which takes it apart by the rules
//   of the encodings, differs from one of the decoded values in f64 by at most
//   2^-16 |x| |w|.
//
//===----------------------------------------------------------------------===//

#include "../../Target/SME/Emulator.h"
#include "EncodingGenerator.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/Transforms/Passes.h"
#include "compress/InitAll.h"
#include "compress/Pipelines/CodeGen.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstdlib>
#include <cstring>

using namespace mlir;
using namespace compress;
using namespace compress::testing;

namespace {

/// One encoded weight.
struct Item {
  std::string name;
  EncodedTensor tensor;
  HostTensor decoded;
};

/// Compiling is what takes time, so that many share a module.
constexpr size_t batchSize = 24;

struct Case {
  SmallVector<int64_t> shape;
  const char *elementType;
};

/// Every target; those whose device is missing are skipped, with the reason.
std::vector<std::string> getTargetNames(bool withReference = true) {
  registerAllTargets();
  std::vector<std::string> names;
  for (const Target *target : TargetRegistry::get().getTargets())
    if (withReference || target->getName() != "reference")
      names.push_back(target->getName().str());
  return names;
}

struct ProductJIT : public ::testing::TestWithParam<std::string> {
  ProductJIT() {
    DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.loadDialect<arith::ArithDialect, linalg::LinalgDialect,
                        tensor::TensorDialect>();
    registerAllTargets();
  }

  void SetUp() override {
    const Target *target =
        llvm::cantFail(TargetRegistry::get().lookup(GetParam()));
    auto found = test::Emulator::findFor(*target);
    if (!found)
      GTEST_SKIP() << llvm::toString(found.takeError());
    emulator = std::move(*found);
  }

  void add(std::vector<Item> &items, const Path &path, const Case &c,
           unsigned seed) {
    EncodingGenerator generator(&context, seed);
    std::string encoding = generator.alongPath(path, c.shape, c.elementType);
    std::string error;
    CompressedTensorType type =
        parseTensorType(&context, c.shape, c.elementType, encoding, error);
    // What is no type is no matter of this test.
    if (!type)
      return;
    // Emulated machines have no libzstd (test/Integration/zstd-aarch64.py).
    if (emulator && encoding.find("zstd") != std::string::npos)
      return;
    Item item;
    item.name =
        path.str() + ": " + getTensorText(c.shape, c.elementType, encoding);
    item.tensor = llvm::cantFail(
        encodeTensor(type, makeWeight(c.shape, type.getElementType(), 1)));
    item.decoded = llvm::cantFail(decodeTensor(item.tensor));
    items.push_back(std::move(item));
  }

  /// Depth one with several parameters each, depth two, part of depth three.
  std::vector<Item> getItems(ArrayRef<Case> cases, unsigned variants,
                             unsigned stride) {
    if (stride && std::getenv("COMPRESS_TEST_EXHAUSTIVE"))
      stride = 1;
    std::vector<Item> items;
    unsigned number = 0;
    auto next = [&]() -> const Case & { return cases[number % cases.size()]; };
    for (const Path &path : getPaths(0))
      for (unsigned k = 0; k < variants; ++k, ++number)
        add(items, path, next(), number);
    for (const Path &path : getPaths(1)) {
      add(items, path, next(), number);
      ++number;
    }
    // The stride has no factor in common with the number of places or kinds.
    std::vector<Path> paths = getPaths(2);
    for (size_t i = 0; stride && i < paths.size(); i += stride) {
      add(items, paths[i], next(), number);
      ++number;
    }
    return items;
  }

  /// Compiles and runs; no outputs if that fails.
  std::vector<NpyArray> run(ModuleOp module, ArrayRef<NpyArray> inputs) {
    const Target *target =
        llvm::cantFail(TargetRegistry::get().lookup(GetParam()));
    // Compiling consumes the module.
    auto function = *module.getOps<func::FuncOp>().begin();
    SmallVector<Type> results(function.getResultTypes());
    auto compiled =
        CompiledModel::compile(module, "product", *target, TargetOptions());
    if (!compiled) {
      problem = llvm::toString(compiled.takeError());
      return {};
    }
    if (emulator) {
      auto outputs = emulator->run(*compiled, inputs, results);
      if (!outputs) {
        problem = llvm::toString(outputs.takeError());
        return {};
      }
      return std::move(*outputs);
    }
    auto jit = llvm::cantFail(JITModel::create(std::move(*compiled), 2));
    auto outputs = jit.run(inputs);
    if (!outputs) {
      problem = llvm::toString(outputs.takeError());
      return {};
    }
    return std::move(*outputs);
  }

  /// Calls `check` with some items at a time; where it fails to compile those,
  /// with each of them, to name the one.
  void forEachBatch(ArrayRef<Item> items,
                    llvm::function_ref<bool(ArrayRef<Item>)> check) {
    while (!items.empty()) {
      ArrayRef<Item> batch = items.take_front(batchSize);
      items = items.drop_front(batch.size());
      if (check(batch))
        continue;
      for (const Item &item : batch)
        EXPECT_TRUE(check(item))
            << "cannot compile or run " << item.name << ": " << problem;
    }
  }

  /// Builds a module of one function: `build` gives the results for an item.
  using Build = llvm::function_ref<void(OpBuilder &, Location, const Item &,
                                        SmallVectorImpl<Value> &)>;
  OwningOpRef<ModuleOp> makeModule(ArrayRef<Item> items, TypeRange inputs,
                                   Build build) {
    OpBuilder b(&context);
    Location loc = b.getUnknownLoc();
    OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
    b.setInsertionPointToStart(module->getBody());
    auto function = func::FuncOp::create(b, loc, "main_graph",
                                         b.getFunctionType(inputs, {}));
    b.setInsertionPointToStart(function.addEntryBlock());
    SmallVector<Value> results;
    for (const Item &item : items)
      build(b, loc, item, results);
    func::ReturnOp::create(b, loc, results);
    function.setType(b.getFunctionType(inputs, TypeRange(ValueRange(results))));
    EXPECT_TRUE(succeeded(module->verify()));
    return module;
  }

  /// Takes compressed values apart before anything could simplify them.
  LogicalResult lower(ModuleOp module) {
    PassManager pm(&context);
    pm.addPass(createCompressLowerEncodings());
    return pm.run(module);
  }

  /// A tensor that code gets as input.
  static NpyArray makeInput(ArrayRef<int64_t> shape, uint64_t seed,
                            MLIRContext &context) {
    HostTensor values = makeWeight(shape, Float32Type::get(&context), seed);
    NpyArray array =
        llvm::cantFail(NpyArray::allocate(COMPRESS_DTYPE_F32, shape));
    std::memcpy(array.mutableData(), values.getBytes().data(),
                array.data.size());
    return array;
  }

  /// Compiles and runs the decode of each item.
  void checkDecodes(ArrayRef<Item> items) {
    forEachBatch(items, [&](ArrayRef<Item> batch) {
      OwningOpRef<ModuleOp> module = makeModule(
          batch, RankedTensorType::get({1}, Float32Type::get(&context)),
          [](OpBuilder &b, Location loc, const Item &item,
             SmallVectorImpl<Value> &results) {
            Value constant = ConstantOp::create(b, loc, item.tensor.type,
                                                item.tensor.leaves, "w");
            results.push_back(DecodeOp::create(b, loc, constant));
          });
      if (failed(lower(*module)))
        return false;
      std::vector<NpyArray> outputs = run(*module, makeInput({1}, 1, context));
      if (outputs.empty())
        return false;
      for (auto [item, output] : llvm::zip_equal(batch, outputs)) {
        EXPECT_EQ(ArrayRef<int64_t>(output.shape), item.decoded.getShape());
        expectSame(item, output, item.decoded);
      }
      return true;
    });
  }

  /// Compares by the rule of the target.
  void expectSame(const Item &item, const NpyArray &output,
                  const HostTensor &expected) {
    HostTensor found = toHost(output, expected);
    if (isSameValue(found, expected))
      return;
    if (isReference() || isExact(item.tensor.type)) {
      ADD_FAILURE() << "other bits: " << item.name;
      return;
    }
    double error = 0;
    for (int64_t i = 0, e = found.getNumElements(); i < e; ++i)
      error = std::fmax(error,
                        std::abs(found.getDouble(i) - expected.getDouble(i)));
    EXPECT_LE(error, std::ldexp(norm(item.decoded), -16)) << item.name;
  }

  /// Whether decoding adds nothing up, so that no rounding can differ.
  static bool isExact(CompressedTensorType type) {
    return !Attribute(type.getEncoding())
                .walk([](Attribute attr) {
                  bool adds = isa<SumAttr, FactoredAttr, RotatedAttr,
                                  CodebookAttr, GeneratedAttr>(attr);
                  return adds ? WalkResult::interrupt() : WalkResult::advance();
                })
                .wasInterrupted();
  }

  bool isReference() const { return GetParam() == "reference"; }

  /// The Euclidean norm.
  static double norm(const HostTensor &w) {
    double sum = 0;
    for (int64_t i = 0, e = w.getNumElements(); i < e; ++i)
      sum += w.getDouble(i) * w.getDouble(i);
    return std::sqrt(sum);
  }

  /// An output as a tensor of the type that was expected.
  static HostTensor toHost(const NpyArray &output, const HostTensor &like) {
    return HostTensor::borrow(like.getShape(), like.getElementType(),
                              output.data, output.owner);
  }

  MLIRContext context;
  /// Where code for another machine runs.
  std::optional<test::Emulator> emulator;
  /// Why the last run failed.
  std::string problem;
};

TEST_P(ProductJIT, Decode) {
  std::vector<Case> cases = {{{15, 14}, "f32"}, {{7, 19}, "f32"},
                             {{0, 5}, "f32"},   {{7, 9}, "f64"},
                             {{37}, "f32"},     {{6, 5, 3, 3}, "f32"}};
  // Narrow results round differences up to more than the bound.
  if (isReference()) {
    cases.push_back({{5, 11}, "f16"});
    cases.push_back({{3, 5, 7}, "bf16"});
  }
  std::vector<Item> items = getItems(cases, 8, isReference() ? 9 : 0);
  checkDecodes(items);
  RecordProperty("types", items.size());
}

class DamagedPayloads : public ProductJIT {};

/// Payloads that no encoder makes (infinities, repeated indices, scales of any
/// sign) but that are legal.
TEST_P(DamagedPayloads, Decode) {
  std::vector<Item> items;
  EncodingGenerator generator(&context, 5);
  ScopedDiagnosticHandler quiet(&context, [](Diagnostic &) {});
  for (unsigned attempt = 0; attempt < 4000 && items.size() < 96; ++attempt) {
    std::string text = generator.randomText();
    auto type =
        dyn_cast_or_null<CompressedTensorType>(parseType(text, &context));
    if (!type || !type.hasStaticShape() || type.getNumElements() > 512 ||
        isa<IntegerType>(type.getElementType()) || type.getLeafTypes().empty())
      continue;
    auto encoded = encodeTensor(
        type, makeWeight(type.getShape(), type.getElementType(), 1));
    if (!encoded) {
      llvm::consumeError(encoded.takeError());
      continue;
    }
    Item item;
    item.tensor = {encoded->type,
                   generator.randomLeaves(encoded->type, encoded->leaves)};
    auto decoded = decodeTensor(item.tensor);
    if (!decoded) {
      llvm::consumeError(decoded.takeError());
      continue;
    }
    item.decoded = *decoded;
    llvm::raw_string_ostream(item.name) << encoded->type;
    items.push_back(std::move(item));
  }
  EXPECT_EQ(items.size(), 96u);
  checkDecodes(items);
}

TEST_P(ProductJIT, Gather) {
  std::vector<Case> cases = {{{15, 14}, "f32"},
                             {{7, 19}, "f32"},
                             {{37}, "f32"},
                             {{6, 5, 3, 3}, "f32"},
                             {{9, 8}, "f64"}};
  // Negative indices count from the end.
  std::vector<int64_t> indices = {0, 4, -1, 3, 4, -5};
  std::vector<Item> items = getItems(cases, 6, 0);
  forEachBatch(items, [&](ArrayRef<Item> batch) {
    auto indexType = RankedTensorType::get({int64_t(indices.size())},
                                           IntegerType::get(&context, 64));
    SmallVector<int64_t> axes;
    OpBuilder builder(&context);
    OwningOpRef<ModuleOp> module = OwningOpRef<ModuleOp>(makeModule(
        batch, indexType,
        [&](OpBuilder &b, Location loc, const Item &item,
            SmallVectorImpl<Value> &results) {
          Value constant = ConstantOp::create(b, loc, item.tensor.type,
                                              item.tensor.leaves, "w");
          // The first two axes in turn; all have at least five entries.
          int64_t axis =
              item.tensor.type.getRank() > 1 ? int64_t(axes.size() % 2) : 0;
          axes.push_back(axis);
          SmallVector<int64_t> shape(item.decoded.getShape());
          shape[axis] = indices.size();
          Block *block = b.getInsertionBlock();
          results.push_back(GatherOp::create(
              b, loc,
              RankedTensorType::get(shape, item.decoded.getElementType()),
              constant, block->getArgument(0), axis));
        }));
    // Other targets see the lookup as it is.
    if (isReference() && failed(lower(*module)))
      return false;
    NpyArray input = llvm::cantFail(
        NpyArray::allocate(COMPRESS_DTYPE_I64, indexType.getShape()));
    std::memcpy(input.mutableData(), indices.data(), input.data.size());
    std::vector<NpyArray> outputs = run(*module, input);
    if (outputs.empty())
      return false;
    for (auto [item, output, axis] : llvm::zip_equal(batch, outputs, axes)) {
      ArrayRef<int64_t> from = item.decoded.getShape();
      int64_t outer = 1, inner = item.decoded.getBitWidth() / 8;
      for (int64_t dim : from.take_front(axis))
        outer *= dim;
      for (int64_t dim : from.drop_front(axis + 1))
        inner *= dim;
      std::string expected;
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t index : indices) {
          int64_t row = index < 0 ? index + from[axis] : index;
          ArrayRef<char> bytes = item.decoded.getBytes().slice(
              (o * from[axis] + row) * inner, inner);
          expected.append(bytes.begin(), bytes.end());
        }
      SmallVector<int64_t> shape(from);
      shape[axis] = indices.size();
      expectSame(item, output,
                 HostTensor::borrow(shape, item.decoded.getElementType(),
                                    {expected.data(), expected.size()}));
    }
    return true;
  });
}

INSTANTIATE_TEST_SUITE_P(Targets, ProductJIT,
                         ::testing::ValuesIn(getTargetNames()),
                         [](const auto &info) { return info.param; });

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

/// `compress.contract` of an activation with an item, and what it must give.
struct Contraction {
  SmallVector<AffineMap> maps; // activation, weight, result
  SmallVector<StringRef> iterators;
  SmallVector<int64_t> extents;
  SmallVector<int64_t> activationShape, resultShape;
};

INSTANTIATE_TEST_SUITE_P(Targets, DamagedPayloads,
                         ::testing::Values("reference"),
                         [](const auto &info) { return info.param; });

class ContractRules : public ProductJIT {
public:
  /// A product of matrices with the weight either way around, of a matrix and a
  /// vector, or a convolution, by the rank of the weight.
  Contraction getContraction(ArrayRef<int64_t> w, bool transposed,
                             int64_t m = 5) {
    Contraction c;
    auto set = [&](StringRef iterators, ArrayRef<int64_t> extents,
                   ArrayRef<SmallVector<AffineExpr>> maps) {
      for (char iterator : iterators)
        c.iterators.push_back(iterator == 'p' ? "parallel" : "reduction");
      c.extents.assign(extents.begin(), extents.end());
      for (const SmallVector<AffineExpr> &map : maps)
        c.maps.push_back(AffineMap::get(extents.size(), 0, map, &context));
    };
    auto d = [&](unsigned i) { return getAffineDimExpr(i, &context); };
    if (w.size() == 1) {
      set("pr", {m, w[0]}, {{d(0), d(1)}, {d(1)}, {d(0)}});
      c.activationShape = {m, w[0]};
      c.resultShape = {m};
    } else if (w.size() == 2) {
      int64_t k = w[transposed], n = w[!transposed];
      using Exprs = SmallVector<AffineExpr>;
      set("ppr", {m, n, k},
          {{d(0), d(2)},
           transposed ? Exprs{d(1), d(2)} : Exprs{d(2), d(1)},
           {d(0), d(1)}});
      c.activationShape = {m, k};
      c.resultShape = {m, n};
    } else {
      constexpr int64_t size = 4;
      set("pppprrr", {2, w[0], size, size, w[1], w[2], w[3]},
          {{d(0), d(4), d(2) + d(5), d(3) + d(6)},
           {d(1), d(4), d(5), d(6)},
           {d(0), d(1), d(2), d(3)}});
      c.activationShape = {2, w[1], size + w[2] - 1, size + w[3] - 1};
      c.resultShape = {2, w[0], size, size};
    }
    return c;
  }

  /// The contraction of decoded values in f64.
  static std::vector<double> evaluate(const Contraction &c, const NpyArray &x,
                                      const HostTensor &w) {
    auto flat = [&](unsigned map, ArrayRef<int64_t> shape,
                    ArrayRef<int64_t> position) {
      SmallVector<int64_t> at = c.maps[map].compose(position);
      int64_t index = 0;
      for (auto [dim, i] : llvm::zip_equal(shape, at))
        index = index * dim + i;
      return index;
    };
    int64_t count = 1, total = 1;
    for (int64_t dim : c.resultShape)
      count *= dim;
    for (int64_t extent : c.extents)
      total *= extent;
    std::vector<double> result(count, 0.0);
    SmallVector<int64_t> position(c.extents.size(), 0);
    for (int64_t i = 0; i < total; ++i) {
      result[flat(2, c.resultShape, position)] +=
          double(x.as<float>()[flat(0, c.activationShape, position)]) *
          w.getDouble(flat(1, w.getShape(), position));
      for (int64_t loop = c.extents.size() - 1; loop >= 0; --loop) {
        if (++position[loop] < c.extents[loop])
          break;
        position[loop] = 0;
      }
    }
    return result;
  }

  /// Compiles, runs and compares contractions with `m` rows.
  void checkErrors(ArrayRef<Item> items, int64_t m);
};

void ContractRules::checkErrors(ArrayRef<Item> items, int64_t m) {
  double worst = 0;
  forEachBatch(items, [&](ArrayRef<Item> batch) {
    std::vector<Contraction> contractions;
    std::vector<NpyArray> inputs;
    SmallVector<Type> inputTypes;
    Type f32 = Float32Type::get(&context);
    for (const Item &item : batch) {
      contractions.push_back(getContraction(item.decoded.getShape(),
                                            contractions.size() % 2 != 0, m));
      ArrayRef<int64_t> shape = contractions.back().activationShape;
      inputs.push_back(makeInput(shape, 7, context));
      inputTypes.push_back(RankedTensorType::get(shape, f32));
    }
    OwningOpRef<ModuleOp> module = makeModule(
        batch, inputTypes,
        [&](OpBuilder &b, Location loc, const Item &item,
            SmallVectorImpl<Value> &results) {
          Value weight = ConstantOp::create(b, loc, item.tensor.type,
                                            item.tensor.leaves, "w");
          size_t number = results.size();
          const Contraction &c = contractions[number];
          Value x = b.getInsertionBlock()->getArgument(number);
          Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
          Value init = tensor::EmptyOp::create(b, loc, c.resultShape, f32);
          init = linalg::FillOp::create(b, loc, zero, init).getResult(0);
          // The weight is the first operand now and then.
          bool swap = number % 5 == 0;
          SmallVector<AffineMap> maps(c.maps);
          if (swap)
            std::swap(maps[0], maps[1]);
          results.push_back(ContractOp::create(
              b, loc, init.getType(), swap ? weight : x, swap ? x : weight,
              init, b.getAffineMapArrayAttr(maps),
              b.getStrArrayAttr(c.iterators)));
        });
    std::vector<NpyArray> outputs = run(*module, inputs);
    if (outputs.empty())
      return false;
    for (auto [item, c, x, y] :
         llvm::zip_equal(batch, contractions, inputs, outputs)) {
      double normX = 0;
      for (float v : x.as<float>())
        normX += double(v) * v;
      double scale = std::sqrt(normX) * norm(item.decoded);
      std::vector<double> expected = evaluate(c, x, item.decoded);
      if (y.as<float>().size() != expected.size()) {
        ADD_FAILURE() << "wrong shape for " << item.name;
        continue;
      }
      double error = 0;
      for (size_t i = 0; i < expected.size(); ++i)
        error = std::fmax(error, std::abs(y.as<float>()[i] - expected[i]));
      EXPECT_LE(error, std::ldexp(scale, -16)) << item.name;
      if (scale > 0)
        worst = std::max(worst, error / scale);
    }
    return true;
  });
  RecordProperty("worst_relative_error", std::to_string(worst));
}

TEST_P(ContractRules, ErrorIsBounded) {
  std::vector<Case> cases = {
      {{15, 14}, "f32"}, {{7, 19}, "f32"},      {{0, 5}, "f32"},
      {{16, 12}, "f32"}, {{6, 5, 3, 3}, "f32"}, {{3, 0}, "f32"},
      {{37}, "f32"},
  };
  // Drivers of devices take long to compile kernels.
  checkErrors(
      GetParam() == "cpu" ? getItems(cases, 7, 11) : getItems(cases, 4, 0), 5);
}

/// The kernels of other GPUs, whose warps and matrix instructions are computed
/// step by step on a Vulkan device.
class EmulatedKernels : public ContractRules {
public:
  void check(int64_t m) {
    std::vector<Case> cases = {
        {{19, 70}, "f32"}, {{34, 40}, "f32"}, {{6, 5, 3, 3}, "f32"}};
    std::vector<Item> items;
    // Each of the tests sees other parameters and shapes.
    unsigned number = m + (GetParam() == "vulkan:waves");
    for (const Path &path : getPaths(0))
      add(items, path, cases[number % cases.size()], number), ++number;
    checkErrors(items, m);
  }

  /// Products take the second axis of every other weight as their sum.
  std::vector<Item> getItems(ArrayRef<int64_t> shape,
                             ArrayRef<const char *> encodings) {
    std::vector<Item> items;
    for (const char *encoding : encodings) {
      std::string error;
      CompressedTensorType type =
          parseTensorType(&context, shape, "f32", encoding, error);
      EXPECT_TRUE(type) << error;
      Item item;
      item.name = encoding;
      item.tensor = llvm::cantFail(
          encodeTensor(type, makeWeight(shape, type.getElementType(), 1)));
      item.decoded = llvm::cantFail(decodeTensor(item.tensor));
      items.push_back(std::move(item));
    }
    return items;
  }
};
// Few rows: the lanes of a warp share a column.
TEST_P(EmulatedKernels, OneRow) { check(1); }
TEST_P(EmulatedKernels, ManyRows) { check(21); }

// Two of four along the sum, for instructions that skip zeros, and along the
// other axis.
TEST_P(EmulatedKernels, TwoOfFour) {
  if (GetParam() == "vulkan:waves")
    GTEST_SKIP() << "no such instructions";
  checkErrors(getItems({37, 70}, {"sparse<nm<2:4, axis = 0>, of = f16>",
                                  "sparse<nm<2:4>, of = bf16>"}),
              21);
}

// Sums of which each lane has several words.
TEST_P(EmulatedKernels, LongSums) {
  checkErrors(getItems({3, 4096}, {"dense<f16>",
                                   "quant<i4, group = [1, 32], scale = f16>"}),
              1);
}

INSTANTIATE_TEST_SUITE_P(Vulkan, EmulatedKernels,
                         ::testing::Values("vulkan:warps", "vulkan:waves"),
                         [](const auto &info) {
                           return info.param.substr(info.param.find(':') + 1);
                         });

INSTANTIATE_TEST_SUITE_P(
    Targets, ContractRules,
    ::testing::ValuesIn(getTargetNames(/*withReference=*/false)),
    [](const auto &info) { return info.param; });
} // namespace
