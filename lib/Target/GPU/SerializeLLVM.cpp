//===- SerializeLLVM.cpp - Device kernels to binaries by LLVM ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels become plain functions before anything is converted, and the
// conversions are those of the host: all that is special about the devices is
// a few intrinsics, address spaces and attributes.
//
//===----------------------------------------------------------------------===//

#include "compress/Target/GPU/Device.h"
#include "compress/Target/GPU/DeviceCode.h"
#include "compress/Target/GPU/Passes.h"
#include "compress/Target/GPU/Tools.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVM/ModuleToObject.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSSERIALIZELLVM
#include "compress/Target/GPU/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// Addresses within a kernel are counted in 32 bits.
static constexpr unsigned kIndexBits = 32;

namespace {
/// What LLVM's code generators for devices differ in.
struct Platform {
  StringRef thread, group, barrier;
  StringRef kernelAttr;
  bool isNVPTX;
};
constexpr Platform kNVPTX = {
    "llvm.nvvm.read.ptx.sreg.tid.x", "llvm.nvvm.read.ptx.sreg.ctaid.x",
    "llvm.nvvm.barrier.cta.sync.aligned.all", "nvvm.kernel", true};
constexpr Platform kAMDGPU = {"llvm.amdgcn.workitem.id.x",
                              "llvm.amdgcn.workgroup.id.x",
                              "llvm.amdgcn.s.barrier", "rocdl.kernel", false};

/// The images of a kernel, best first, and its assembly.
struct Images {
  std::string assembly;
  SmallVector<std::string> images;
};

/// LLVM's code generator for one kernel.
class Emitter : public LLVM::ModuleToObject {
public:
  Emitter(ModuleOp module, StringRef triple, StringRef chip, StringRef features,
          bool isNVPTX)
      : ModuleToObject(*module, triple, chip, features), isNVPTX(isNVPTX) {}

  std::string assembly;
  /// Of AMDGPU only.
  SmallVector<char, 0> object;

protected:
  FailureOr<SmallVector<char, 0>> moduleToObject(llvm::Module &code) override {
    auto machine = getOrCreateTargetMachine();
    if (failed(machine))
      return failure();
    if (!isNVPTX)
      code.addModuleFlag(llvm::Module::Error, "amdhsa_code_object_version",
                         500);
    // Code generation changes the module.
    std::unique_ptr<llvm::Module> copy =
        isNVPTX ? nullptr : llvm::CloneModule(code);
    auto text = translateModuleToISA(
        code, **machine, [&] { return getOperation().emitError(); });
    if (failed(text))
      return failure();
    assembly = text->str().str();
    if (copy) {
      llvm::raw_svector_ostream os(object);
      llvm::legacy::PassManager passes;
      if ((*machine)->addPassesToEmitFile(passes, os, nullptr,
                                          llvm::CodeGenFileType::ObjectFile))
        return getOperation().emitError("cannot emit an object");
      passes.run(*copy);
    }
    return SmallVector<char, 0>();
  }

private:
  bool isNVPTX;
};

struct SerializeLLVM
    : public compress::impl::CompressSerializeLLVMBase<SerializeLLVM> {
  using Base::Base;

  void getDependentDialects(DialectRegistry &registry) const override {
    Base::getDependentDialects(registry);
    makePipeline().getDependentDialects(registry);
  }

  static OpPassManager makePipeline() {
    OpPassManager pm(ModuleOp::getOperationName());
    pm.addPass(createCanonicalizerPass());
    pm.addPass(createCSEPass());
    pm.addPass(createLoopInvariantCodeMotionPass());
    pm.addPass(createSCFToControlFlowPass());
    pm.addPass(arith::createArithExpandOpsPass({}));
    pm.addPass(createConvertMathToLLVMPass());
    FinalizeMemRefToLLVMConversionPassOptions memref;
    memref.indexBitwidth = kIndexBits;
    pm.addPass(createFinalizeMemRefToLLVMConversionPass(memref));
    ArithToLLVMConversionPassOptions arith;
    arith.indexBitwidth = kIndexBits;
    pm.addPass(createArithToLLVMConversionPass(arith));
    ConvertVectorToLLVMPassOptions vector;
    pm.addPass(createConvertVectorToLLVMPass(vector));
    ConvertFuncToLLVMPassOptions func;
    func.useBarePtrCallConv = true;
    func.indexBitwidth = kIndexBits;
    pm.addPass(createConvertFuncToLLVMPass(func));
    ConvertControlFlowToLLVMPassOptions flow;
    flow.indexBitwidth = kIndexBits;
    pm.addPass(createConvertControlFlowToLLVMPass(flow));
    pm.addPass(createReconcileUnrealizedCastsPass());
    return pm;
  }

  void runOnOperation() override {
    if (StringRef(triple).starts_with("nvptx"))
      platform = kNVPTX;
    else if (StringRef(triple).starts_with("amdgcn"))
      platform = kAMDGPU;
    else {
      getOperation().emitError("no device is '") << triple << "'";
      return signalPassFailure();
    }
    SmallVector<gpu::GPUModuleOp> kernels(
        getOperation().getOps<gpu::GPUModuleOp>());
    for (gpu::GPUModuleOp kernel : kernels)
      if (failed(run(kernel)))
        return signalPassFailure();
  }

  LogicalResult run(gpu::GPUModuleOp kernel) {
    std::string name = kernel.getName().str();
    ++numKernels;
    ModuleOp module = makeModule(kernel);
    kernel.erase();
    OpPassManager pipeline = makePipeline();
    if (failed(module.verify()) || failed(approximateMath(module)) ||
        failed(runPipeline(pipeline, module)))
      return failure();
    for (auto function : module.getOps<LLVM::LLVMFuncOp>())
      if (!function.isExternal())
        function->setAttr(platform.kernelAttr, UnitAttr::get(&getContext()));
    Images made;
    LogicalResult result = emit(module, name, made);
    module.erase();
    if (failed(result))
      return failure();
    // See DeviceCode.h.
    size_t header =
        COMPRESS_CODE_HEADER + COMPRESS_CODE_IMAGE * made.images.size();
    SmallVector<uint32_t> words(header, 0);
    words[COMPRESS_CODE_NUM_IMAGES] = made.images.size();
    chip.getValue().copy(reinterpret_cast<char *>(&words[COMPRESS_CODE_CHIP]),
                         COMPRESS_CODE_CHIP_BYTES);
    for (auto [i, image] : llvm::enumerate(made.images)) {
      uint32_t *entry = &words[COMPRESS_CODE_HEADER + COMPRESS_CODE_IMAGE * i];
      entry[COMPRESS_CODE_OFFSET] = 4 * words.size();
      entry[COMPRESS_CODE_BYTES] = image.size() + 1;
      size_t first = words.size();
      // Images are aligned as in files.
      words.resize(
          llvm::alignTo(first + llvm::divideCeil(image.size() + 1, 4), 4));
      llvm::copy(image, reinterpret_cast<char *>(&words[first]));
    }
    numBytes += 4 * words.size();
    defineDeviceCode(getOperation(), name, words);
    return success();
  }

  /// A module with the kernel as a function, next to this one.
  ModuleOp makeModule(gpu::GPUModuleOp kernel) {
    MLIRContext *context = &getContext();
    Location loc = kernel.getLoc();
    OpBuilder b = OpBuilder::atBlockEnd(getOperation().getBody());
    auto module = ModuleOp::create(b, loc);
    auto source = *kernel.getOps<gpu::GPUFuncOp>().begin();
    b.setInsertionPointToStart(module.getBody());
    // Sizes are not known; bare pointers stand for memrefs of static shape.
    auto toStatic = [](Type type) -> Type {
      auto memref = dyn_cast<MemRefType>(type);
      if (!memref || memref.hasStaticShape())
        return type;
      return MemRefType::get({INT32_MAX}, memref.getElementType(),
                             MemRefLayoutAttrInterface(),
                             memref.getMemorySpace());
    };
    SmallVector<Type> types;
    for (Type type : source.getFunctionType().getInputs())
      types.push_back(toStatic(type));
    auto function = func::FuncOp::create(b, loc, COMPRESS_CODE_ENTRY,
                                         b.getFunctionType(types, {}));
    // Buffers never overlap, and only the last is written.
    for (unsigned i = 0; i < types.size(); ++i) {
      function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                          b.getUnitAttr());
      function.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(),
                          b.getI64IntegerAttr(16));
      if (i + 1 < types.size())
        function.setArgAttr(i, LLVM::LLVMDialect::getReadonlyAttrName(),
                            b.getUnitAttr());
    }
    int64_t threads =
        source->getAttrOfType<IntegerAttr>(kWorkgroupSizeAttr).getInt();
    if (platform.isNVPTX)
      function->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(),
                        b.getDenseI32ArrayAttr({int32_t(threads), 1, 1}));
    else
      function->setAttr("rocdl.flat_work_group_size",
                        b.getStringAttr(Twine(threads) + "," + Twine(threads)));
    // Memory that a workgroup shares becomes globals.
    SmallVector<memref::GlobalOp> shared;
    for (BlockArgument argument : source.getWorkgroupAttributions()) {
      auto type = cast<MemRefType>(argument.getType());
      std::string name = "shared" + std::to_string(shared.size());
      shared.push_back(memref::GlobalOp::create(
          b, loc, name, b.getStringAttr("private"), type, b.getUnitAttr(),
          /*constant=*/false, b.getI64IntegerAttr(16)));
    }
    function.getBody().takeBody(source.getBody());
    Block &entry = function.getBody().front();
    b.setInsertionPointToStart(&entry);
    for (auto [i, global] : llvm::enumerate(shared)) {
      Value address = memref::GetGlobalOp::create(b, loc, global.getType(),
                                                  global.getName());
      entry.getArgument(types.size() + i).replaceAllUsesWith(address);
    }
    entry.eraseArguments(types.size(), shared.size());
    for (auto [argument, type] : llvm::zip_equal(entry.getArguments(), types))
      argument.setType(type);
    function.walk([&](Operation *op) { replaceDeviceOp(op, context); });
    return module;
  }

  void replaceDeviceOp(Operation *op, MLIRContext *context) {
    OpBuilder b(op);
    Location loc = op->getLoc();
    auto call = [&](StringRef intrinsic, ValueRange arguments) {
      LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr(intrinsic),
                                    arguments);
    };
    if (isa<gpu::ThreadIdOp, gpu::BlockIdOp>(op)) {
      // All kernels use one dimension.
      Value number =
          LLVM::CallIntrinsicOp::create(b, loc, b.getI32Type(),
                                        b.getStringAttr(isa<gpu::ThreadIdOp>(op)
                                                            ? platform.thread
                                                            : platform.group),
                                        ValueRange())
              .getResult(0);
      number = arith::IndexCastOp::create(b, loc, b.getIndexType(), number);
      op->replaceAllUsesWith(ValueRange{number});
      op->erase();
    } else if (isa<gpu::BarrierOp>(op)) {
      if (platform.isNVPTX) {
        Value zero = LLVM::ConstantOp::create(b, loc, b.getI32IntegerAttr(0));
        call(platform.barrier, zero);
      } else {
        // What was written before is seen after it.
        auto fence = [&](LLVM::AtomicOrdering order) {
          LLVM::FenceOp::create(b, loc, order, "workgroup");
        };
        fence(LLVM::AtomicOrdering::release);
        call(platform.barrier, {});
        fence(LLVM::AtomicOrdering::acquire);
      }
      op->erase();
    } else if (isa<gpu::ReturnOp>(op)) {
      func::ReturnOp::create(b, loc);
      op->erase();
    }
  }

  /// There is no mathematical library on the device.
  LogicalResult approximateMath(ModuleOp module) {
    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
      return llvm::is_contained(
          {math::ExpOp::getOperationName(), math::ErfOp::getOperationName(),
           math::TanhOp::getOperationName(), math::LogOp::getOperationName(),
           math::SinOp::getOperationName(), math::CosOp::getOperationName()},
          name);
    });
    math::populateExpansionPatterns(patterns, {"rsqrt"});
    return applyPatternsGreedily(module, std::move(patterns));
  }

  LogicalResult emit(ModuleOp module, StringRef name, Images &made) {
    std::string features = platform.isNVPTX ? "+ptx78" : "";
    Emitter emitter(module, triple, chip, features, platform.isNVPTX);
    if (!emitter.run())
      return failure();
    made.assembly = emitter.assembly;
    auto fail = [&](llvm::Error error) {
      return module.emitError(llvm::toString(std::move(error)));
    };
    if (platform.isNVPTX) {
      std::optional<std::string> tool;
      if (assemble)
        tool = findAssembler();
      if (tool) {
        auto binary =
            runTool(*tool, {"-arch=" + chip, "-O3", "-o", "%out", "%in"}, "ptx",
                    made.assembly);
        if (!binary)
          return fail(binary.takeError());
        made.images.push_back(std::move(*binary));
      }
      made.images.push_back(made.assembly);
    } else {
      auto tool = findDeviceLinker();
      if (!tool)
        return fail(tool.takeError());
      auto binary =
          runTool(*tool, {"-shared", "-o", "%out", "%in"}, "o",
                  StringRef(emitter.object.data(), emitter.object.size()));
      if (!binary)
        return fail(binary.takeError());
      made.images.push_back(std::move(*binary));
    }
    if (dump.empty())
      return success();
    if (failed(write(name + (platform.isNVPTX ? ".ptx" : ".s"), made.assembly)))
      return failure();
    if (platform.isNVPTX && made.images.size() == 1)
      return success();
    return write(name + (platform.isNVPTX ? ".cubin" : ".hsaco"),
                 made.images[0]);
  }

  LogicalResult write(const Twine &name, StringRef text) {
    SmallString<256> path(dump);
    llvm::sys::path::append(path, name);
    std::error_code error;
    llvm::raw_fd_ostream os(path, error);
    os << text;
    os.close();
    if (error || os.has_error())
      return getOperation().emitError("cannot write '") << path << "'";
    return success();
  }

  Platform platform = kNVPTX;
};
} // namespace
