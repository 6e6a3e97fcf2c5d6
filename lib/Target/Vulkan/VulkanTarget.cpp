//===- VulkanTarget.cpp - Devices behind Vulkan -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Vulkan/VulkanTarget.h"
#include "compress/Target/GPU/Device.h"
#include "compress/Target/GPU/Passes.h"
#include "compress/Target/Host/Passes.h"
#include "compress/Target/Vulkan/Passes.h"
#include "compress/Target/Vulkan/Runtime.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVDialect.h"
#include "mlir/Dialect/SPIRV/IR/SPIRVOps.h"
#include "mlir/Dialect/SPIRV/IR/TargetAndABI.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cstdlib>

using namespace mlir;
using namespace compress;

namespace {
constexpr int64_t kWorkgroupSize = 64;

/// Nobody knows the device before a model runs: those of a small GPU of a
/// laptop. And of lavapipe, fitted to times on two cores (docs/CostModel.md).
constexpr DevicePeaks kNominalPeaks = {
    60e9, 2e12, 2e12, 4e12, "nominal, for a small GPU", 20e-6};
constexpr DevicePeaks kSoftwarePeaks = {
    10e9, 5e9, 5e9, 5e9, "measured on lavapipe, two cores", 50e-6};

class VulkanTarget : public Target {
public:
  /// `emulated`: the kernels of other devices, whose warps and matrix
  /// instructions are computed step by step, to execute their index code in
  /// tests: "warps", as on NVIDIA's GPUs, or "waves", as on AMD's.
  explicit VulkanTarget(StringRef emulated = "")
      : emulated(emulated),
        name(("vulkan" + Twine(emulated.empty() ? "" : ":") + emulated).str()) {
  }

  StringRef getName() const override { return name; }
  llvm::Expected<std::unique_ptr<Target>>
  forDevice(StringRef device) const override {
    if (device == "warps" || device == "waves")
      return std::make_unique<VulkanTarget>(device);
    return llvm::createStringError(
        "target 'vulkan' chooses its device when a model runs "
        "(COMPRESS_VULKAN_DEVICE); known for tests: warps, waves");
  }
  StringRef getSummary() const override {
    return "any GPU with a Vulkan driver: compute shaders (SPIR-V) that decode "
           "weights as they read them; the rest on the CPU";
  }

  llvm::Error checkAvailable(const TargetOptions &options) const override {
    return llvm::Error::success();
  }

  llvm::Error checkDevice() const override {
    char text[512];
    if (compress_rt_vulkan_probe(text, sizeof text))
      return llvm::Error::success();
    return llvm::createStringError("vulkan: " + llvm::StringRef(text));
  }

  Attribute describe(MLIRContext *context,
                     const TargetOptions &options) const override {
    Builder b(context);
    auto entry = [&](StringRef key, Attribute value) {
      return DataLayoutEntryAttr::get(b.getStringAttr(key), value);
    };
    SmallVector<DataLayoutEntryInterface> entries{
        entry("triple", b.getStringAttr(options.triple)),
        entry("code", b.getStringAttr("SPIR-V 1.3, Vulkan 1.1")),
        entry("int8_dot_product", b.getStringAttr("integer dot product"))};
    llvm::append_range(entries, describeDevice(context, getDevice(context)));
    return TargetDeviceSpecAttr::get(context, entries);
  }

  void registerDialects(DialectRegistry &registry) const override {
    registry.insert<gpu::GPUDialect, spirv::SPIRVDialect>();
  }

  void populateClaimPatterns(RewritePatternSet &patterns,
                             const TargetOptions &) const override {
    populateDevicePatterns(patterns, getDevice(patterns.getContext()),
                           /*isLast=*/false);
    populateDeviceLinalgPatterns(patterns, getDevice(patterns.getContext()));
  }
  void populateFallbackPatterns(RewritePatternSet &patterns,
                                const TargetOptions &) const override {
    populateDevicePatterns(patterns, getDevice(patterns.getContext()),
                           /*isLast=*/true);
  }

  std::optional<double> estimateSeconds(ContractOp op,
                                        const TargetOptions &) const override {
    return estimateDeviceSeconds(op, getPlainDevice());
  }

  void buildLoweringPipeline(OpPassManager &pm,
                             const TargetOptions &) const override {
    pm.addPass(createCompressSerializeSPIRV());
    HostLoweringOptions options;
    options.addDevicePasses = [](OpPassManager &pm) {
      pm.addPass(createCompressKeepOnDevice());
    };
    buildHostLoweringPipeline(pm, options);
  }

  StringRef getRuntimeLibrary() const override {
    return "libCompressRuntimeVulkan.a";
  }
  llvm::ArrayRef<RuntimeSymbol> getRuntimeSymbols() const override {
    static const RuntimeSymbol symbols[] = {
        {"compress_rt_vulkan_launch",
         reinterpret_cast<void *>(&compress_rt_vulkan_launch)}};
    return symbols;
  }

private:
  /// All but what needs the dialects of the code, which are not there when a
  /// search asks for costs.
  DeviceInterface getPlainDevice() const {
    DeviceInterface device;
    device.workgroupSize = kWorkgroupSize;
    // The runtime asks the same.
    const char *named = std::getenv("COMPRESS_VULKAN_DEVICE");
    bool isSoftware = named && StringRef(named) == "software";
    device.peaks = isSoftware ? kSoftwarePeaks : kNominalPeaks;
    if (!emulated.empty())
      addEmulation(device);
    return device;
  }

  DeviceInterface getDevice(MLIRContext *context) const {
    DeviceInterface device = getPlainDevice();
    device.name = "vulkan";
    device.launch = "compress_rt_vulkan_launch";
    device.bufferSpace = spirv::StorageClassAttr::get(
        context, spirv::StorageClass::StorageBuffer);
    device.getEntryAttributes = [context](int64_t size) {
      return SmallVector<NamedAttribute>{
          {StringAttr::get(context, spirv::getEntryPointABIAttrName()),
           spirv::getEntryPointABIAttr(context, {int32_t(size), 1, 1})}};
    };
    device.dotBytes = [](OpBuilder &b, Location loc, Value x, Value y,
                         Value sum) -> Value {
      auto format = spirv::PackedVectorFormatAttr::get(
          b.getContext(), spirv::PackedVectorFormat::PackedVectorFormat4x8Bit);
      Value dot = spirv::SDotOp::create(b, loc, b.getI32Type(), x, y, format);
      return arith::AddIOp::create(b, loc, sum, dot);
    };
    return device;
  }

  void addEmulation(DeviceInterface &device) const {
    using Element = MatrixInstruction::Element;
    bool isWarps = emulated == "warps";
    WarpInterface &warp = device.warp;
    warp.lanes = isWarps ? 32 : 64;
    device.workgroupSize = 2 * warp.lanes;
    // Peaks with which small shapes are worth these kernels.
    device.peaks = {1e12, 1e9, 1e15, 1e15, "made up, for tests"};
    warp.allocateShared = [](OpBuilder &b, Location loc,
                             int64_t words) -> Value {
      auto type =
          MemRefType::get({words}, b.getI32Type(), MemRefLayoutAttrInterface(),
                          spirv::StorageClassAttr::get(
                              b.getContext(), spirv::StorageClass::Workgroup));
      return memref::AllocOp::create(b, loc, type);
    };
    warp.tilesM = 1;
    warp.tilesN = 2;
    warp.wordsK = 8;
    // What Warp::multiply has in memory.
    auto reserve = [&](int64_t words) {
      warp.emulationWords = std::max(warp.emulationWords, 2 * words);
    };
    for (Element element : {Element::BF16, Element::F16, Element::I8}) {
      MatrixInstruction matrix =
          isWarps ? getPTXInstruction(element) : getMFMAInstruction(element, 2);
      int64_t words = matrix.k / matrix.getPerWord();
      reserve((matrix.m + matrix.n) * words);
      warp.matrices.push_back(std::move(matrix));
      if (!isWarps)
        continue;
      matrix = getPTXSparseInstruction(element);
      words = matrix.k / matrix.getPerWord();
      reserve(matrix.m * (words / 2 + matrix.k / 16) + matrix.n * words);
      warp.sparseMatrices.push_back(std::move(matrix));
    }
    if (!isWarps)
      return;
    warp.copyAsync = [](OpBuilder &b, Location loc, Value shared, Value to,
                        Value buffer, Value from) {
      for (int64_t i = 0; i < 4; ++i) {
        Value offset = arith::ConstantIndexOp::create(b, loc, i);
        Value word = memref::LoadOp::create(
            b, loc, buffer,
            ValueRange{arith::AddIOp::create(b, loc, from, offset)});
        memref::StoreOp::create(
            b, loc, word, shared,
            ValueRange{arith::AddIOp::create(b, loc, to, offset)});
      }
    };
    warp.commitCopies = [](OpBuilder &, Location) {};
    warp.waitForCopies = [](OpBuilder &, Location, int64_t) {};
  }

  std::string emulated, name;
};
} // namespace

std::unique_ptr<Target> compress::createVulkanTarget() {
  registerCompressGPUPasses();
  registerCompressVulkanPasses();
  return std::make_unique<VulkanTarget>();
}
