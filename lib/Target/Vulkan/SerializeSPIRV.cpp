//===- SerializeSPIRV.cpp - Device kernels to SPIR-V ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/GPU/Device.h"
#include "compress/Target/Vulkan/Passes.h"
#include "compress/Target/Vulkan/Runtime.h"
#include "mlir/Conversion/ArithToSPIRV/ArithToSPIRV.h"
#include "mlir/Conversion/GPUToSPIRV/GPUToSPIRV.h"
#include "mlir/Conversion/MathToSPIRV/MathToSPIRV.h"
#include "mlir/Conversion/MemRefToSPIRV/MemRefToSPIRV.h"
#include "mlir/Conversion/SCFToSPIRV/SCFToSPIRV.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVDialect.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVOps.h"
#include "mlir/Dialect/SPIRV/IR/TargetAndABI.h"
#include "mlir/Dialect/SPIRV/Transforms/Passes.h"
#include "mlir/Dialect/SPIRV/Transforms/SPIRVConversion.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/SPIRV/Serialization.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSSERIALIZESPIRV
#include "compress/Target/Vulkan/Passes.h.inc"
} // namespace compress

using namespace mlir;

/// What kernels may use: Vulkan 1.1, which every driver of the last years has.
/// Dot products are part of SPIR-V 1.6, that is Vulkan 1.3.
static spirv::TargetEnvAttr getTargetEnv(MLIRContext *context, bool hasDots) {
  auto triple = spirv::VerCapExtAttr::get(
      hasDots ? spirv::Version::V_1_6 : spirv::Version::V_1_3,
      {spirv::Capability::Shader, spirv::Capability::DotProduct,
       spirv::Capability::DotProductInput4x8BitPacked},
      {spirv::Extension::SPV_KHR_storage_buffer_storage_class,
       spirv::Extension::SPV_KHR_integer_dot_product},
      context);
  return spirv::TargetEnvAttr::get(
      triple, spirv::getDefaultResourceLimits(context),
      spirv::ClientAPI::Vulkan, spirv::Vendor::Unknown,
      spirv::DeviceType::Unknown, spirv::TargetEnvAttr::kUnknownDeviceID);
}

/// Computes dot products of packed bytes one byte at a time; returns whether
/// there are any.
static bool emulateDotProducts(gpu::GPUModuleOp kernel) {
  SmallVector<spirv::SDotOp> dots;
  kernel.walk([&](spirv::SDotOp op) { dots.push_back(op); });
  for (spirv::SDotOp op : dots) {
    OpBuilder b(op);
    Location loc = op.getLoc();
    auto number = [&](int64_t value) -> Value {
      return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
    };
    auto byteOf = [&](Value word, int64_t i) -> Value {
      word = arith::ShLIOp::create(b, loc, word, number(24 - 8 * i));
      return arith::ShRSIOp::create(b, loc, word, number(24));
    };
    Value sum;
    for (int64_t i = 0; i < 4; ++i) {
      Value product = arith::MulIOp::create(b, loc, byteOf(op.getVector1(), i),
                                            byteOf(op.getVector2(), i));
      sum = sum ? Value(arith::AddIOp::create(b, loc, sum, product)) : product;
    }
    op.replaceAllUsesWith(sum);
    op.erase();
  }
  return !dots.empty();
}

namespace {
struct SerializeSPIRV
    : public compress::impl::CompressSerializeSPIRVBase<SerializeSPIRV> {
  using Base::Base;

  void getDependentDialects(DialectRegistry &registry) const override {
    Base::getDependentDialects(registry);
    makePipeline().getDependentDialects(registry);
  }

  /// What makes a converted module ready to be written.
  static OpPassManager makePipeline() {
    OpPassManager pm(spirv::ModuleOp::getOperationName());
    pm.addPass(spirv::createSPIRVLowerABIAttributesPass());
    pm.addPass(spirv::createSPIRVUpdateVCEPass());
    return pm;
  }

  void runOnOperation() override {
    SmallVector<gpu::GPUModuleOp> kernels(
        getOperation().getOps<gpu::GPUModuleOp>());
    for (gpu::GPUModuleOp kernel : kernels)
      if (failed(run(kernel)))
        return signalPassFailure();
  }

  using Words = SmallVector<uint32_t>;

  LogicalResult run(gpu::GPUModuleOp kernel) {
    std::string name = kernel.getName().str();
    // For devices without the instructions that it would use.
    OwningOpRef<gpu::GPUModuleOp> plain(kernel.clone());
    bool hasPlain = emulateDotProducts(*plain);
    SmallVector<std::pair<uint32_t, Words>> variants(hasPlain ? 2 : 1);
    if (hasPlain)
      variants[0].first = COMPRESS_VULKAN_NEEDS_DOT_PRODUCT;
    ++numKernels;
    if (failed(convert(kernel, variants[0].second)))
      return failure();
    if (!serializeModules)
      return success();
    if (hasPlain) {
      getOperation().getBody()->push_back(*plain);
      if (failed(convert(plain.release(), variants[1].second)))
        return failure();
    }
    for (auto [i, variant] : llvm::enumerate(variants))
      if (failed(write(name + "." + std::to_string(i), variant.second)))
        return failure();
    Words container{uint32_t(variants.size())};
    uint32_t first = 1 + 3 * variants.size();
    for (auto &[needs, words] : variants) {
      container.append({needs, first, uint32_t(words.size())});
      first += words.size();
    }
    for (auto &[needs, words] : variants)
      llvm::append_range(container, words);
    numBytes += 4 * container.size();
    compress::defineDeviceCode(getOperation(), name, container);
    return success();
  }

  LogicalResult write(const std::string &name, ArrayRef<uint32_t> words) {
    if (dump.empty())
      return success();
    SmallString<256> path(dump);
    llvm::sys::path::append(path, name + ".spv");
    std::error_code error;
    llvm::raw_fd_ostream os(path, error);
    os.write(reinterpret_cast<const char *>(words.data()), 4 * words.size());
    os.close();
    if (error || os.has_error())
      return getOperation().emitError("cannot write '") << path << "'";
    return success();
  }

  /// Replaces a kernel by its binary.
  LogicalResult convert(gpu::GPUModuleOp kernel, Words &words) {
    ModuleOp module = getOperation();
    MLIRContext *context = &getContext();
    std::string name = kernel.getName().str();
    bool hasDots =
        kernel.walk([](spirv::SDotOp) { return WalkResult::interrupt(); })
            .wasInterrupted();
    spirv::TargetEnvAttr env = getTargetEnv(context, hasDots);
    kernel->setAttr(spirv::getTargetEnvAttrName(), env);
    SPIRVConversionOptions options;
    SPIRVTypeConverter types(env, options);
    ScfToSPIRVContext scfContext;
    RewritePatternSet patterns(context);
    populateGPUToSPIRVPatterns(types, patterns);
    populateSCFToSPIRVPatterns(types, scfContext, patterns);
    arith::populateArithToSPIRVPatterns(types, patterns);
    populateMathToSPIRVPatterns(types, patterns);
    populateMemRefToSPIRVPatterns(types, patterns);
    auto target = SPIRVConversionTarget::get(env);
    Location loc = kernel.getLoc();
    if (failed(applyFullConversion(kernel, *target, std::move(patterns))))
      return emitError(loc, "kernel @")
             << name << " cannot be written in SPIR-V for Vulkan "
             << (hasDots ? "1.3" : "1.1");
    // The conversion put a new module where the old one was.
    spirv::ModuleOp converted;
    for (auto op : module.getOps<spirv::ModuleOp>())
      if (op.getName() && op.getName()->contains(name))
        converted = op;
    if (!converted)
      return module.emitError("no SPIR-V came of kernel @") << name;
    OpPassManager pipeline = makePipeline();
    if (failed(runPipeline(pipeline, converted)))
      return failure();
    if (!serializeModules)
      return success();
    spirv::SerializationOptions serialization;
    serialization.emitSymbolName = false;
    if (failed(spirv::serialize(converted, words, serialization)))
      return emitError(loc, "SPIR-V of kernel @") << name << " is not valid";
    converted.erase();
    return success();
  }
};
} // namespace
