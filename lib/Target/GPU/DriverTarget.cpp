//===- DriverTarget.cpp - GPUs that LLVM generates code for -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/GPU/DriverTarget.h"
#include "compress/Target/GPU/Passes.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"

using namespace mlir;
using namespace compress;

/// LLVM's address spaces, of both vendors.
static constexpr unsigned kGlobalSpace = 1, kSharedSpace = 3;

Value compress::getDevicePointer(OpBuilder &b, Location loc, Value memref,
                                 Value index) {
  auto type = cast<MemRefType>(memref.getType());
  auto pointer =
      LLVM::LLVMPointerType::get(b.getContext(), type.getMemorySpaceAsInt());
  // What the conversion to the LLVM dialect makes of it.
  Type i32 = b.getI32Type(), sizes = LLVM::LLVMArrayType::get(i32, 1);
  auto descriptor = LLVM::LLVMStructType::getLiteral(
      b.getContext(), {pointer, pointer, i32, sizes, sizes});
  Value whole = UnrealizedConversionCastOp::create(b, loc, descriptor, memref)
                    .getResult(0);
  Value base = LLVM::ExtractValueOp::create(b, loc, whole, int64_t(1));
  Value offset = arith::IndexCastOp::create(b, loc, i32, index);
  return LLVM::GEPOp::create(b, loc, pointer, i32, base, ValueRange{offset});
}

DeviceInterface DriverTarget::makeDevice(MLIRContext *context, StringRef launch,
                                         int64_t lanes) const {
  DeviceInterface device;
  device.name = base;
  device.launch = launch;
  device.workgroupSize = 4 * lanes;
  device.maxBuffers = 64;
  device.hasFlatGrid = true;
  device.contracts = true;
  device.hasHalf = true;
  device.bufferSpace = Builder(context).getI64IntegerAttr(kGlobalSpace);
  device.peaks = {chip->bytesPerSecond, chip->floatOps, chip->halfOps,
                  chip->byteOps, "the data sheet, not measured"};
  device.warp.lanes = lanes;
  device.warp.allocateShared = [](OpBuilder &b, Location loc,
                                  int64_t words) -> Value {
    auto function = cast<gpu::GPUFuncOp>(b.getInsertionBlock()->getParentOp());
    auto type =
        MemRefType::get({words}, b.getI32Type(), MemRefLayoutAttrInterface(),
                        b.getI64IntegerAttr(kSharedSpace));
    return function.addWorkgroupAttribution(type, loc);
  };
  return device;
}

Attribute DriverTarget::describe(MLIRContext *context,
                                 const TargetOptions &options) const {
  Builder b(context);
  auto entry = [&](StringRef key, Attribute value) {
    return DataLayoutEntryAttr::get(b.getStringAttr(key), value);
  };
  SmallVector<DataLayoutEntryInterface> entries{
      entry("triple", b.getStringAttr(options.triple)),
      entry("device_triple", b.getStringAttr(triple)),
      entry("chip", b.getStringAttr(chip->name))};
  llvm::append_range(entries, describeDevice(context, getDevice(context)));
  return TargetDeviceSpecAttr::get(context, entries);
}

llvm::Expected<std::unique_ptr<Target>>
DriverTarget::forDevice(StringRef device) const {
  std::string known;
  for (const DeviceChip &candidate : chips) {
    if (candidate.name == device)
      return make(device);
    known += (known.empty() ? "" : ", ") + candidate.name.str() + " (" +
             candidate.example.str() + ")";
  }
  return llvm::createStringError("target '" + base + "' has no device '" +
                                 device + "'; known: " + known);
}

void DriverTarget::registerDialects(DialectRegistry &registry) const {
  registry.insert<gpu::GPUDialect, LLVM::LLVMDialect, NVVM::NVVMDialect,
                  ROCDL::ROCDLDialect>();
  // Kernels become LLVM IR while the host's part is not yet.
  registerAllToLLVMIRTranslations(registry);
}

llvm::Error DriverTarget::checkAvailable(const TargetOptions &) const {
  return llvm::Error::success();
}

llvm::Error DriverTarget::checkDevice() const {
  char text[512];
  if (probe(text, sizeof text))
    return llvm::Error::success();
  return llvm::createStringError(base + ": " + StringRef(text));
}

void DriverTarget::populateClaimPatterns(RewritePatternSet &patterns,
                                         const TargetOptions &) const {
  DeviceInterface device = getDevice(patterns.getContext());
  populateDevicePatterns(patterns, device, /*isLast=*/false);
  populateDeviceLinalgPatterns(patterns, device);
}

void DriverTarget::populateFallbackPatterns(RewritePatternSet &patterns,
                                            const TargetOptions &) const {
  populateDevicePatterns(patterns, getDevice(patterns.getContext()),
                         /*isLast=*/true);
}

std::optional<double>
DriverTarget::estimateSeconds(ContractOp op, const TargetOptions &) const {
  return estimateDeviceSeconds(op, getDevice(op.getContext()));
}

void DriverTarget::buildLoweringPipeline(OpPassManager &pm,
                                         const TargetOptions &) const {
  CompressSerializeLLVMOptions serialize;
  serialize.triple = triple.str();
  serialize.chip = chip->name.str();
  pm.addPass(createCompressSerializeLLVM(serialize));
  HostLoweringOptions options;
  options.addDevicePasses = [](OpPassManager &pm) {
    pm.addPass(createCompressKeepOnDevice());
  };
  buildHostLoweringPipeline(pm, options);
}
