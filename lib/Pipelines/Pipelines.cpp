//===- Pipelines.cpp - The stages of the compiler ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Pipelines/Pipelines.h"
#include "compress/Conversion/ONNXToLinalg/ONNXToLinalg.h"
#include "compress/Dialect/Compress/Transforms/Passes.h"
#include "compress/Dialect/ONNX/Transforms/CompactExperts/CompactExperts.h"
#include "compress/Dialect/ONNX/Transforms/ConstantFold/ConstantFold.h"
#include "compress/Dialect/ONNX/Transforms/FoldBatchNorm/FoldBatchNorm.h"
#include "compress/Dialect/ONNX/Transforms/InferShapes/InferShapes.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace compress;

void compress::buildSimplifyPipeline(OpPassManager &pm) {
  OpPassManager &function = pm.nest<func::FuncOp>();
  function.addPass(onnx::createInferShapes());
  function.addPass(onnx::createConstantFold());
  function.addPass(onnx::createFoldBatchNorm());
  // Folding reveals shapes, and shapes what can be folded.
  function.addPass(onnx::createInferShapes());
  function.addPass(onnx::createConstantFold());
}

void compress::buildContractPipeline(OpPassManager &pm) {
  pm.addNestedPass<func::FuncOp>(createConvertONNXToLinalg());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addNestedPass<func::FuncOp>(createCompressFuseContract());
}

void compress::buildCompilePipeline(OpPassManager &pm, const Target &target,
                                    const TargetOptions &options,
                                    bool remarks) {
  pm.addNestedPass<func::FuncOp>(onnx::createCompactExperts());
  buildContractPipeline(pm);
  CompressAssignTargetOptions assign;
  assign.target = target.getName().str();
  assign.triple = options.triple;
  assign.cpu = options.cpu;
  assign.features = options.features;
  assign.coded = stringify(options.coded).str();
  assign.remarks = remarks;
  pm.addPass(createCompressAssignTarget(assign));
  target.buildLoweringPipeline(pm, options);
}

namespace {
struct CompileOptions : public PassPipelineOptions<CompileOptions> {
  Option<std::string> target{*this, "target", llvm::cl::desc("Target name"),
                             llvm::cl::init("cpu")};
  Option<bool> remarks{*this, "remarks",
                       llvm::cl::desc("Report what the target does not claim"),
                       llvm::cl::init(false)};
};
} // namespace

void compress::registerPipelines() {
  static PassPipelineRegistration<> simplify(
      "compress-simplify",
      "Shape inference, constant folding and batch-norm folding of an imported "
      "model",
      buildSimplifyPipeline);
  static PassPipelineRegistration<CompileOptions> compile(
      "compress-compile-pipeline",
      "From the onnx dialect to the LLVM dialect for a target",
      [](OpPassManager &pm, const CompileOptions &options) {
        registerAllTargets();
        auto target = TargetRegistry::get().lookup(options.target);
        if (!target) {
          llvm::errs() << "compress-opt: error: "
                       << llvm::toString(target.takeError()) << "\n";
          exit(1);
        }
        buildCompilePipeline(pm, **target, TargetOptions(), options.remarks);
      });
}
