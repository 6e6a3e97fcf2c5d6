//===- AddTargetTest.cpp - The worked example of docs/Targets.md ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A target in its smallest form, added from outside: one claim, of products of
// two f32 matrices, as a call of a function that it generates. All else is left
// to the rules of the encodings and to the reference semantics.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/InitAll.h"
#include "compress/Pipelines/CodeGen.h"
#include "compress/Target/Contraction.h"
#include "compress/Target/Host/Passes.h"
#include "compress/Target/Target.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// The target
//===----------------------------------------------------------------------===//

namespace {
/// y[m, n] += x[m, k] * w[k, n]
struct ClaimMatmul : public OpRewritePattern<ContractOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    MLIRContext *context = getContext();
    AffineExpr m, n, k;
    bindDims(context, m, n, k);
    auto maps = op.getIndexingMaps().getAsValueRange<AffineMapAttr>();
    auto map = [&](AffineExpr x, AffineExpr y) {
      return AffineMap::get(3, 0, {x, y}, context);
    };
    SmallVector<AffineMap> wanted{map(m, k), map(k, n), map(m, n)};
    if (!llvm::equal(maps, wanted))
      return rewriter.notifyMatchFailure(op, "not a product of matrices");
    for (Value operand : op->getOperands()) {
      auto type = dyn_cast<RankedTensorType>(operand.getType());
      if (!type || !type.getElementType().isF32())
        return rewriter.notifyMatchFailure(op, "not f32");
    }
    rewriter.replaceOpWithNewOp<KernelOp>(
        op, op->getResultTypes(), getFunction(op->getParentOfType<ModuleOp>()),
        ValueRange{op.getLhs(), op.getRhs()}, ValueRange(), op.getInit(),
        /*stateful=*/false, /*side_effect=*/false);
    return success();
  }

  /// The function that computes it on buffers of any size.
  static StringRef getFunction(ModuleOp module) {
    StringRef name = "tiny_matmul";
    if (module.lookupSymbol(name))
      return name;
    OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
    Location loc = module.getLoc();
    auto matrix = MemRefType::get({ShapedType::kDynamic, ShapedType::kDynamic},
                                  b.getF32Type());
    auto function = func::FuncOp::create(
        b, loc, name, b.getFunctionType({matrix, matrix, matrix}, {}));
    function.setPrivate();
    function->setAttr(kGeneratedAttr, b.getUnitAttr());
    Block *body = function.addEntryBlock();
    b.setInsertionPointToStart(body);
    linalg::MatmulOp::create(
        b, loc, ValueRange{body->getArgument(0), body->getArgument(1)},
        ValueRange(body->getArgument(2)));
    func::ReturnOp::create(b, loc);
    return name;
  }
};

class TinyTarget : public Target {
public:
  StringRef getName() const override { return "tiny"; }
  StringRef getSummary() const override { return "an example"; }
  llvm::Error checkAvailable(const TargetOptions &) const override {
    return llvm::Error::success();
  }
  Attribute describe(MLIRContext *context,
                     const TargetOptions &options) const override {
    Builder b(context);
    return TargetDeviceSpecAttr::get(
        context, {DataLayoutEntryAttr::get(b.getStringAttr("triple"),
                                           b.getStringAttr(options.triple))});
  }
  void populateClaimPatterns(RewritePatternSet &patterns,
                             const TargetOptions &) const override {
    patterns.add<ClaimMatmul>(patterns.getContext());
  }
  std::optional<double> estimateSeconds(ContractOp,
                                        const TargetOptions &) const override {
    return std::nullopt;
  }
  void buildLoweringPipeline(OpPassManager &pm,
                             const TargetOptions &) const override {
    buildHostLoweringPipeline(pm, HostLoweringOptions());
  }
};

//===----------------------------------------------------------------------===//
// The test
//===----------------------------------------------------------------------===//

// A product that is claimed, and one with a weight that is not.
constexpr const char *kModel = R"mlir(
#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (k, n)>
#y = affine_map<(m, n, k) -> (m, n)>
func.func @main_graph(%x: tensor<3x2xf32>, %w: tensor<2x2xf32>)
    -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  %zero = arith.constant dense<0.0> : tensor<3x2xf32>
  %y = compress.contract ins(%x, %w : tensor<3x2xf32>, tensor<2x2xf32>)
    outs(%zero : tensor<3x2xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<3x2xf32>
  %c = compress.constant [dense<[[1, 2], [3, -4]]> : tensor<2x2xi8>, dense<0.5> : tensor<1x1xf32>]
     : !compress.tensor<2x2xf32, quant<i8, group = [*, *], scale = f32>>
  %z = compress.contract ins(%x, %c : tensor<3x2xf32>,
      !compress.tensor<2x2xf32, quant<i8, group = [*, *], scale = f32>>)
    outs(%zero : tensor<3x2xf32>) indexing_maps = [#x, #w, #y]
    iterator_types = ["parallel", "parallel", "reduction"] -> tensor<3x2xf32>
  return %y, %z : tensor<3x2xf32>, tensor<3x2xf32>
}
)mlir";

NpyArray makeArray(ArrayRef<int64_t> shape, ArrayRef<float> values) {
  NpyArray array =
      llvm::cantFail(NpyArray::allocate(COMPRESS_DTYPE_F32, shape));
  llvm::copy(values, reinterpret_cast<float *>(array.mutableData()));
  return array;
}

TEST(AddTarget, IsCompiledForAndRuns) {
  registerAllTargets();
  TargetRegistry::get().add(std::make_unique<TinyTarget>());
  const Target *target = llvm::cantFail(TargetRegistry::get().lookup("tiny"));

  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  context.loadDialect<arith::ArithDialect, func::FuncDialect,
                      linalg::LinalgDialect, tensor::TensorDialect>();
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(kModel, &context);
  ASSERT_TRUE(module);

  OwningOpRef<ModuleOp> copy = cast<ModuleOp>((*module)->clone());
  PassManager pm(&context);
  CompressAssignTargetOptions options;
  options.target = "tiny";
  pm.addPass(createCompressAssignTarget(options));
  ASSERT_TRUE(succeeded(pm.run(*copy)));
  unsigned claimed = 0, left = 0;
  copy->walk([&](Operation *op) {
    claimed += isa<KernelOp>(op);
    left += isa<ContractOp>(op);
  });
  EXPECT_EQ(claimed, 1u);
  EXPECT_EQ(left, 1u);

  auto compiled =
      CompiledModel::compile(*module, "tiny", *target, TargetOptions());
  ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
  auto model = JITModel::create(std::move(*compiled), 1);
  ASSERT_TRUE(bool(model)) << llvm::toString(model.takeError());
  auto outputs = model->run({makeArray({3, 2}, {1, 2, 3, 4, 5, 6}),
                             makeArray({2, 2}, {1, -1, 2, 0.5})});
  ASSERT_TRUE(bool(outputs)) << llvm::toString(outputs.takeError());
  EXPECT_EQ((*outputs)[0].as<float>(), ArrayRef<float>({5, 0, 11, -1, 17, -2}));
  EXPECT_EQ((*outputs)[1].as<float>(),
            ArrayRef<float>({3.5, -3, 7.5, -5, 11.5, -7}));
}
} // namespace
