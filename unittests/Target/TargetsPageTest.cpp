//===- TargetsPageTest.cpp - The table in docs/Targets.md -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which encodings each target computes with, found out by asking it. With
// COMPRESS_UPDATE_DOCS=1 in the environment the page is rewritten.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/InitAll.h"
#include "compress/Target/GPU/Passes.h"
#include "compress/Target/GPU/Tools.h"
#include "compress/Target/Host/Passes.h"
#include "compress/Target/Target.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/InitAllDialects.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace compress;

namespace {
/// A row of the table: encodings of a matrix [16, 32] and of a filter
/// [8, 8, 3, 3]; empty where there is none.
struct Row {
  const char *name, *matrix, *filter;
  const char *activation = "";
};
constexpr Row kRows[] = {
    {"`dense<f32>`", "dense<f32>", "dense<f32>"},
    {"`dense<f16>`", "dense<f16>", "dense<f16>"},
    {"`quant<i8>` per channel", "quant<i8, group = [1, *], scale = f32>",
     "quant<i8, group = [1, *, *, *], scale = f32>"},
    {"`quant<i4>` in groups", "quant<i4, group = [1, 16], scale = f16>",
     "quant<i4, group = [1, 4, *, *], scale = f16>"},
    {"`quant<ui3>`, zero points",
     "quant<ui3, group = [1, 16], scale = f16, zero = ui3>",
     "quant<ui3, group = [1, *, *, *], scale = f16, zero = ui3>"},
    {"`quant<f4E2M1FN>` (MX)",
     "quant<f4E2M1FN, group = [1, 32], scale = f8E8M0FNU>",
     "quant<f4E2M1FN, group = [1, 8, 1, 1], scale = f8E8M0FNU>"},
    {"`quant<i8>` x `quant<i8>`", "quant<i8, group = [1, *], scale = f32>",
     "quant<i8, group = [1, *, *, *], scale = f32>", "i8"},
    {"`codebook` of scalars", "codebook<16, of = f16>",
     "codebook<16, of = f16>"},
    {"`codebook` of vectors",
     "codebook<16, of = f16, vec = [1, 8], stages = 2>",
     "codebook<16, of = f16, vec = [1, 8, 1, 1], stages = 2>"},
    {"`sparse<nm>`", "sparse<nm<2:4>, of = f32>", "sparse<nm<1:3>, of = f32>"},
    {"`sparse<bitmask>`", "sparse<bitmask, nnz = ?, of = f32>",
     "sparse<bitmask, nnz = ?, of = f32>"},
    {"`sparse<csr>`", "sparse<csr<i8>, nnz = ?, of = f32>",
     "sparse<csr<i8>, nnz = ?, of = f32>"},
    {"`sparse<block>`", "sparse<block<4x4>, nnz = ?, of = f32>",
     "sparse<block<4x4x1x1>, nnz = ?, of = f32>"},
    {"`sparse<channels>`", "sparse<channels<0>, nnz = ?, of = f32>",
     "sparse<channels<0>, nnz = ?, of = f32>"},
    {"`factored` (low rank)",
     "factored<\"i j = i r, r j\", sizes = {r = 4}, of = [f32, f32]>", ""},
    {"`sum` (int4 + outliers)",
     "sum<[quant<i4, group = [1, 32], scale = f16>, sparse<csr<i8>, nnz = ?, "
     "of = f16>]>",
     "sum<[quant<i4, group = [1, *, *, *], scale = f16>, sparse<csr<i8>, nnz = "
     "?, of = f16>]>"},
    {"`scaled` (NF4)",
     "scaled<group = [1, 16], scale = f32, of = codebook<16, of = "
     "generated<nf4>>>",
     "scaled<group = [1, *, *, *], scale = f32, of = codebook<16, of = "
     "generated<nf4>>>"},
    {"`permuted`",
     "permuted<axis = 1, index = i8, of = quant<i4, group = [1, 16], scale = "
     "f16>>",
     "permuted<axis = 1, index = i8, of = quant<i4, group = [1, *, *, *], "
     "scale "
     "= f16>>"},
    {"`rotated`",
     "rotated<hadamard, axis = 1, block = 32, of = quant<i4, group = [1, 16], "
     "scale = f16>>",
     ""},
    {"`generated`", "generated<normal, seed = 7>", ""},
    {"`coded`", "coded<rans, block = 64, bytes = [?], of = dense<i8>>",
     "coded<rans, block = 64, bytes = [?], of = dense<i8>>"},
};

struct TargetsPage : public ::testing::Test {
  TargetsPage() {
    DialectRegistry registry;
    mlir::registerAllDialects(registry);
    compress::registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    registerAllTargets();
  }

  /// The weight as a value; null where it is no type.
  Value makeWeight(OpBuilder &b, ArrayRef<int64_t> shape, StringRef encoding) {
    std::string text = "!compress.tensor<";
    for (int64_t size : shape)
      text += std::to_string(size) + "x";
    text += "f32, " + encoding.str() + ">";
    auto type =
        dyn_cast_or_null<CompressedTensorType>(parseType(text, &context));
    if (!type)
      return {};
    int64_t count = 1;
    for (int64_t size : shape)
      count *= size;
    std::vector<float> values(count);
    // Some zeros, for patterns.
    for (int64_t i = 0; i < count; ++i)
      values[i] = i % 3 ? std::sin(float(i)) : 0;
    auto encoded = encodeTensor(
        type, HostTensor::fromFloats(shape, b.getF32Type(), values));
    if (!encoded) {
      ADD_FAILURE() << llvm::toString(encoded.takeError());
      return {};
    }
    return compress::ConstantOp::create(b, b.getUnknownLoc(), encoded->type,
                                        encoded->leaves, "w");
  }

  /// Fills a function of these inputs by `build`; false where that is nothing.
  using Build = llvm::function_ref<Value(OpBuilder &, Block &)>;
  bool addFunction(ModuleOp module, const std::string &name, Build build,
                   ArrayRef<Type> inputs) {
    OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
    Location loc = b.getUnknownLoc();
    auto function =
        func::FuncOp::create(b, loc, name, b.getFunctionType(inputs, {}));
    Block *block = function.addEntryBlock();
    b.setInsertionPointToStart(block);
    Value result = build(b, *block);
    if (!result) {
      function.erase();
      return false;
    }
    func::ReturnOp::create(b, loc, result);
    function.setType(b.getFunctionType(inputs, result.getType()));
    return true;
  }

  static CompressAssignTargetOptions assignTo(const Target &target,
                                              StringRef name) {
    CompressAssignTargetOptions options;
    options.target = name.str();
    // The table is the same on every machine.
    TargetOptions machine{"x86_64-unknown-linux-gnu", "cascadelake", ""};
    llvm::Error error = target.resolve(machine);
    if (!error)
      error = target.checkAvailable(machine);
    if (!error) {
      options.triple = machine.triple;
      options.cpu = machine.cpu;
    }
    llvm::consumeError(std::move(error));
    return options;
  }

  /// What a target makes of a function that `build` fills.
  std::string classify(const Target &target, Build build,
                       ArrayRef<Type> inputs) {
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    if (!addFunction(*module, "main_graph", build, inputs))
      return "";
    PassManager pm(&context);
    pm.addPass(createCompressAssignTarget(assignTo(target, target.getName())));
    if (failed(pm.run(*module)))
      return "fails";
    bool left = false, decodes = false;
    module->walk([&](Operation *op) {
      left |= isa<ContractOp, GatherOp>(op);
      if (auto decode = dyn_cast<DecodeOp>(op))
        decodes |= !decode.getSource().getDefiningOp<EncodeOp>();
    });
    return left ? "falls back" : decodes ? "decoded" : "native";
  }

  std::string getTable() {
    std::vector<const Target *> targets;
    for (const Target *target : TargetRegistry::get().getTargets())
      if (target->usesContractRules())
        targets.push_back(target);
    // One table for each operation.
    std::string text;
    const char *names[] = {"product", "convolution", "lookup"};
    for (auto [op, name] : llvm::enumerate(names)) {
      text += std::string("\n| weight, ") + name + " |";
      std::string line = "|---|";
      for (const Target *target : targets) {
        text += " `" + target->getName().str() + "` |";
        line += "---|";
      }
      text += "\n" + line + "\n";
      for (const Row &row : kRows) {
        std::string cells;
        bool any = false;
        for (const Target *target : targets) {
          std::string cell = getCell(*target, row, op);
          any |= !cell.empty();
          cells += " " + cell + " |";
        }
        if (any)
          text += std::string("| ") + row.name + " |" + cells + "\n";
      }
    }
    return text;
  }

  std::string getCell(const Target &target, const Row &row, int op) {
    std::string cell;
    withCell(row, op, 4, [&](Build build, ArrayRef<Type> inputs) {
      cell = classify(target, build, inputs);
    });
    return cell;
  }

  /// Calls `use` with what builds an operation on a weight: 0 a product with so
  /// many rows, 1 a convolution, 2 a lookup; not where there is none.
  void withCell(const Row &row, int op, int64_t rows,
                llvm::function_ref<void(Build, ArrayRef<Type>)> use) {
    Type f32 = Float32Type::get(&context);
    bool isConv = op == 1;
    if (!*(isConv ? row.filter : row.matrix) || (op == 2 && *row.activation))
      return;
    if (op == 2) {
      auto indices = RankedTensorType::get({5}, IntegerType::get(&context, 64));
      return use(
          [&](OpBuilder &b, Block &block) -> Value {
            Value table = makeWeight(b, {16, 32}, row.matrix);
            if (!table)
              return {};
            return GatherOp::create(b, b.getUnknownLoc(),
                                    RankedTensorType::get({5, 32}, f32), table,
                                    block.getArgument(0), 0);
          },
          Type(indices));
    }
    SmallVector<int64_t> in = isConv ? SmallVector<int64_t>{1, 8, 9, 9}
                                     : SmallVector<int64_t>{rows, 32};
    SmallVector<int64_t> out = isConv ? SmallVector<int64_t>{1, 8, 7, 7}
                                      : SmallVector<int64_t>{rows, 16};
    SmallVector<int64_t> shape = isConv ? SmallVector<int64_t>{8, 8, 3, 3}
                                        : SmallVector<int64_t>{16, 32};
    auto xType = RankedTensorType::get(in, f32);
    use(
        [&](OpBuilder &b, Block &block) -> Value {
          Location loc = b.getUnknownLoc();
          Value w = makeWeight(b, shape, isConv ? row.filter : row.matrix);
          if (!w)
            return {};
          Value x = block.getArgument(0);
          if (*row.activation) {
            std::string text =
                isConv ? "!compress.tensor<1x8x9x9xf32, quant<i8, group = [*, "
                         "*, *, *], scale = f32>>"
                       : "!compress.tensor<" + std::to_string(rows) +
                             "x32xf32, quant<i8, group = [1, *], scale = f32>>";
            auto type = cast<CompressedTensorType>(parseType(text, &context));
            x = EncodeOp::create(b, loc, type, x, ValueRange());
          }
          Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
          Value init = tensor::EmptyOp::create(b, loc, out, f32);
          init = linalg::FillOp::create(b, loc, zero, init).getResult(0);
          auto d = [&](unsigned i) { return b.getAffineDimExpr(i); };
          SmallVector<AffineMap> maps;
          auto add = [&](ArrayRef<AffineExpr> exprs) {
            maps.push_back(AffineMap::get(isConv ? 7 : 3, 0, exprs, &context));
          };
          SmallVector<StringRef> iterators;
          if (isConv) {
            add({d(0), d(4), d(2) + d(5), d(3) + d(6)});
            add({d(1), d(4), d(5), d(6)});
            add({d(0), d(1), d(2), d(3)});
            iterators = {"parallel",  "parallel",  "parallel", "parallel",
                         "reduction", "reduction", "reduction"};
          } else {
            add({d(0), d(2)});
            add({d(1), d(2)});
            add({d(0), d(1)});
            iterators = {"parallel", "parallel", "reduction"};
          }
          return ContractOp::create(b, loc, init.getType(), x, w, init,
                                    b.getAffineMapArrayAttr(maps),
                                    b.getStrArrayAttr(iterators));
        },
        Type(xType));
  }

  MLIRContext context;
};

/// Every row of the table, by few and by many rows, for devices that this
/// machine need not have: the code generator and, where it is there, NVIDIA's
/// assembler take all kernels.
TEST_F(TargetsPage, DevicesHaveCode) {
  for (auto [name, triple, chip] :
       {std::tuple("cuda:sm_80", "nvptx64-nvidia-cuda", "sm_80"),
        std::tuple("cuda:sm_90", "nvptx64-nvidia-cuda", "sm_90"),
        std::tuple("rocm:gfx90a", "amdgcn-amd-amdhsa", "gfx90a"),
        std::tuple("rocm:gfx942", "amdgcn-amd-amdhsa", "gfx942")}) {
    const Target *target = llvm::cantFail(TargetRegistry::get().lookup(name));
    TargetOptions machine;
    llvm::cantFail(machine.resolve());
    if (llvm::Error error = target->checkAvailable(machine)) {
      // Such as a missing linker.
      llvm::errs() << name << ": " << llvm::toString(std::move(error)) << "\n";
      continue;
    }
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    unsigned numFunctions = 0;
    // Of the second chip of each vendor only what may differ.
    bool isSecond = StringRef(chip) == "sm_90" || StringRef(chip) == "gfx942";
    for (const Row &row : kRows)
      for (auto [op, rows] : {std::pair(0, 4), std::pair(0, 64),
                              std::pair(1, 1), std::pair(2, 1)})
        if (!isSecond || rows == 64)
          withCell(row, op, rows, [&](Build build, ArrayRef<Type> inputs) {
            numFunctions += addFunction(
                *module, "f" + std::to_string(numFunctions), build, inputs);
          });
    EXPECT_GE(numFunctions, (isSecond ? 1 : 3) * std::size(kRows));
    PassManager pm(&context);
    pm.addPass(createCompressAssignTarget(assignTo(*target, name)));
    CompressSerializeLLVMOptions serialize;
    serialize.triple = triple;
    serialize.chip = chip;
    pm.addPass(createCompressSerializeLLVM(serialize));
    ASSERT_TRUE(succeeded(pm.run(*module))) << name;
    unsigned numKernels = 0;
    for (auto global : module->getOps<memref::GlobalOp>())
      numKernels += global.getSymName().ends_with("_binary");
    EXPECT_GE(numKernels, numFunctions / 2) << name;
  }
  if (!findAssembler())
    GTEST_SKIP() << "no ptxas: kernels for CUDA were not assembled";
}

TEST_F(TargetsPage, TableIsWhatTargetsDo) {
  auto file = llvm::MemoryBuffer::getFile(COMPRESS_TARGETS_PAGE);
  ASSERT_TRUE(bool(file)) << COMPRESS_TARGETS_PAGE;
  StringRef page = (*file)->getBuffer();
  StringRef begin = "<!-- begin table -->\n", end = "<!-- end table -->\n";
  size_t from = page.find(begin), to = page.find(end);
  ASSERT_TRUE(from != StringRef::npos && to != StringRef::npos);
  from += begin.size();
  std::string table = getTable();
  if (std::getenv("COMPRESS_UPDATE_DOCS")) {
    std::string text =
        (page.take_front(from) + table + page.drop_front(to)).str();
    std::error_code error;
    llvm::raw_fd_ostream(COMPRESS_TARGETS_PAGE, error) << text;
    ASSERT_FALSE(error);
    return;
  }
  EXPECT_EQ(page.slice(from, to).str(), table)
      << "run this test with COMPRESS_UPDATE_DOCS=1";
}
} // namespace
