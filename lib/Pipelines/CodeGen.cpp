//===- CodeGen.cpp - From the LLVM dialect to an object file ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeGenImpl.h"
#include "compress/Pipelines/Pipelines.h"
#include "compress/Runtime/Hash.h"
#include "compress/Runtime/ModelABI.h"
#include "compress/Runtime/ModelInstance.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/TargetParser/SubtargetFeature.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace compress;

CompiledModel::CompiledModel() = default;
CompiledModel::CompiledModel(CompiledModel &&) = default;
CompiledModel &CompiledModel::operator=(CompiledModel &&) = default;
CompiledModel::~CompiledModel() = default;
uint64_t CompiledModel::getWeightsSize() const { return impl->weightsSize; }
std::string CompiledModel::getLLVMIR() const { return impl->llvmIR; }

//===----------------------------------------------------------------------===//
// Interface of the model
//===----------------------------------------------------------------------===//

static llvm::Expected<CompressDType> getDType(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type)) {
    bool isUnsigned = integer.isUnsigned();
    switch (integer.getWidth()) {
    case 1:
      return COMPRESS_DTYPE_BOOL;
    case 8:
      return isUnsigned ? COMPRESS_DTYPE_U8 : COMPRESS_DTYPE_I8;
    case 16:
      return isUnsigned ? COMPRESS_DTYPE_U16 : COMPRESS_DTYPE_I16;
    case 32:
      return isUnsigned ? COMPRESS_DTYPE_U32 : COMPRESS_DTYPE_I32;
    case 64:
      return isUnsigned ? COMPRESS_DTYPE_U64 : COMPRESS_DTYPE_I64;
    default:
      break;
    }
  }
  if (type.isF32())
    return COMPRESS_DTYPE_F32;
  if (type.isF64())
    return COMPRESS_DTYPE_F64;
  if (type.isF16())
    return COMPRESS_DTYPE_F16;
  if (type.isBF16())
    return COMPRESS_DTYPE_BF16;
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return llvm::createStringError("unsupported element type " + text);
}

/// Dynamic dimensions of one name get one number below -1, so that the runtime
/// checks that they agree; -1 is a dimension without a name.
static llvm::Expected<TensorInfo>
getTensorInfo(Type type, DictionaryAttr attrs, StringRef kind, unsigned i,
              llvm::StringMap<int64_t> &symbols) {
  TensorInfo info;
  info.name = (kind + std::to_string(i)).str();
  if (attrs)
    if (auto name = attrs.getAs<StringAttr>("onnx.name"))
      info.name = name.str();
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return llvm::createStringError(kind + " '" + info.name +
                                   "' is not a tensor of known rank");
  auto dtype = getDType(tensor.getElementType());
  if (!dtype)
    return llvm::createStringError(kind + " '" + info.name +
                                   "': " + llvm::toString(dtype.takeError()));
  info.dtype = *dtype;
  auto names = attrs ? attrs.getAs<ArrayAttr>("onnx.dim_params") : ArrayAttr();
  for (auto [axis, dim] : llvm::enumerate(tensor.getShape())) {
    if (!ShapedType::isDynamic(dim)) {
      info.shape.push_back(dim);
      continue;
    }
    auto name = names && axis < names.size() ? dyn_cast<StringAttr>(names[axis])
                                             : StringAttr();
    if (!name || name.empty()) {
      info.shape.push_back(-1);
      continue;
    }
    int64_t next = -2 - int64_t(symbols.size());
    info.shape.push_back(
        symbols.try_emplace(name.getValue(), next).first->second);
  }
  return info;
}

static llvm::Error describeInterface(ModuleOp module,
                                     CompiledModel::Impl &impl);

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

static llvm::Error collectWeights(ModuleOp module, CompiledModel::Impl &impl) {
  auto entries = module->getAttrOfType<ArrayAttr>(kWeightsAttr);
  if (!entries)
    return llvm::Error::success();
  llvm::StringMap<unsigned> used;
  for (Attribute attr : entries) {
    auto entry = cast<DictionaryAttr>(attr);
    StoredWeight weight;
    weight.name = entry.getAs<StringAttr>("name").str();
    // Tensor names are unique in the file; resource keys need not be.
    if (unsigned n = used[weight.name]++)
      weight.name += "#" + std::to_string(n);
    weight.offset = entry.getAs<IntegerAttr>("offset").getInt();
    auto value = HostTensor::fromAttr(entry.getAs<ElementsAttr>("value"));
    if (!value)
      return value.takeError();
    weight.value = *value;
    impl.weightsSize = weight.offset + value->getBytes().size();
    impl.weights.push_back(std::move(weight));
  }
  runtime::ContentHash hash;
  uint64_t position = 0;
  static const char zeros[64] = {};
  for (const StoredWeight &weight : impl.weights) {
    hash.update(zeros, weight.offset - position);
    ArrayRef<char> bytes = weight.value.getBytes();
    hash.update(bytes.data(), bytes.size());
    position = weight.offset + bytes.size();
  }
  impl.weightsHash = hash.finish();
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// LLVM
//===----------------------------------------------------------------------===//

/// Emits `compress_model_info` (ModelABI.h).
static void emitModelInfo(llvm::Module &module,
                          const CompiledModel::Impl &impl) {
  llvm::LLVMContext &context = module.getContext();
  auto *pointer = llvm::PointerType::get(context, 0);
  auto *i32 = llvm::Type::getInt32Ty(context);
  auto *i64 = llvm::Type::getInt64Ty(context);
  auto global = [&](llvm::Constant *value) -> llvm::Constant * {
    return new llvm::GlobalVariable(module, value->getType(), true,
                                    llvm::GlobalValue::PrivateLinkage, value);
  };
  auto string = [&](StringRef text) {
    return global(llvm::ConstantDataArray::getString(context, text));
  };
  auto *tensorType =
      llvm::StructType::get(context, {pointer, i32, i32, pointer});
  auto tensors = [&](ArrayRef<TensorInfo> infos) -> llvm::Constant * {
    SmallVector<llvm::Constant *> elements;
    for (const TensorInfo &info : infos) {
      SmallVector<uint64_t> dims(info.shape.begin(), info.shape.end());
      // A scalar still needs an address.
      if (dims.empty())
        dims.push_back(0);
      elements.push_back(llvm::ConstantStruct::get(
          tensorType,
          {string(info.name), llvm::ConstantInt::get(i32, info.dtype),
           llvm::ConstantInt::get(i32, info.shape.size()),
           global(llvm::ConstantDataArray::get(context, dims))}));
    }
    return global(llvm::ConstantArray::get(
        llvm::ArrayType::get(tensorType, elements.size()), elements));
  };
  auto *infoType = llvm::StructType::get(context, {i32, i32, pointer, pointer,
                                                   pointer, pointer, i64, i64,
                                                   i64, i64, pointer, i64});
  auto *value = llvm::ConstantStruct::get(
      infoType,
      {llvm::ConstantInt::get(i32, COMPRESS_MODEL_ABI_VERSION),
       llvm::ConstantInt::get(i32, 0), string(impl.name), string("compress"),
       tensors(impl.inputs), tensors(impl.outputs),
       llvm::ConstantInt::get(i64, impl.inputs.size()),
       llvm::ConstantInt::get(i64, impl.outputs.size()),
       llvm::ConstantInt::get(i64, impl.weightsSize),
       llvm::ConstantInt::get(i64, impl.weightsHash), string(impl.cpuFeatures),
       llvm::ConstantInt::get(i64, impl.numSlots)});
  new llvm::GlobalVariable(module, infoType, true,
                           llvm::GlobalValue::ExternalLinkage, value,
                           "compress_model_info");
}

/// The features that generated code may use and a loader must check: those
/// that change what instructions are emitted.
static std::string getCheckedFeatures(const TargetOptions &options) {
  llvm::SetVector<StringRef> names;
  llvm::SubtargetFeatures features(options.features);
  for (const std::string &feature : features.getFeatures()) {
    StringRef name = llvm::SubtargetFeatures::StripFlag(feature);
    // AVX10 is another name for what the avx512 features say one by one.
    if (((name.starts_with("avx") && !name.starts_with("avx10")) ||
         name.starts_with("sse4") || name.starts_with("amx-") ||
         llvm::is_contained({"fma", "f16c", "bmi", "bmi2", "popcnt", "lzcnt"},
                            name)) &&
        options.hasFeature(name))
      names.insert(name);
  }
  return llvm::join(names, ",");
}

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createTargetMachine(const TargetOptions &options) {
  std::string error;
  llvm::Triple triple(options.triple);
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return llvm::createStringError(error);
  llvm::TargetOptions machineOptions;
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, options.cpu, options.features, machineOptions, llvm::Reloc::PIC_,
      std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    return llvm::createStringError("no code generator for " + options.triple);
  return machine;
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = true;
  // Loops carry the work; straight-line vectorization of a long main function
  // costs more time than it saves.
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = true;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3)
      .run(module, modules);
}

/// LLVM prefers 256 bits on many processors with AVX512, since programs with
/// little vector code would only lose clock rate. Ours are all vector code.
static void preferWideVectors(llvm::Module &module,
                              const TargetOptions &options) {
  if (!options.hasFeature("avx512f"))
    return;
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      function.addFnAttr("prefer-vector-width", "512");
}

static llvm::Error emitObject(ModuleOp module, const TargetOptions &options,
                              CompiledModel::Impl &impl) {
  DialectRegistry registry;
  registerAllToLLVMIRTranslations(registry);
  module.getContext()->appendDialectRegistry(registry);
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> llvmModule =
      translateModuleToLLVMIR(module, context, impl.name);
  if (!llvmModule)
    return llvm::createStringError("translation to LLVM IR failed");
  auto machine = createTargetMachine(options);
  if (!machine)
    return machine.takeError();
  llvmModule->setDataLayout((*machine)->createDataLayout());
  llvmModule->setTargetTriple((*machine)->getTargetTriple());
  emitModelInfo(*llvmModule, impl);
  // Only the entry point and its description are seen from outside.
  for (llvm::Function &function : *llvmModule)
    if (!function.isDeclaration() && function.getName() != "compress_entry")
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
  preferWideVectors(*llvmModule, options);
  optimize(*llvmModule, **machine);
  llvm::raw_string_ostream(impl.llvmIR) << *llvmModule;
  llvm::raw_svector_ostream out(impl.object);
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, out, nullptr,
                                      llvm::CodeGenFileType::ObjectFile))
    return llvm::createStringError("cannot emit an object file for " +
                                   options.triple);
  passes.run(*llvmModule);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

llvm::Error describeInterface(ModuleOp module, CompiledModel::Impl &impl) {
  auto main = module.lookupSymbol<func::FuncOp>(kMainFunction);
  if (!main || main.isExternal())
    return llvm::createStringError("the module has no @main_graph");
  llvm::StringMap<int64_t> symbols;
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    auto info = getTensorInfo(main.getArgumentTypes()[i],
                              main.getArgAttrDict(i), "input", i, symbols);
    if (!info)
      return info.takeError();
    impl.inputs.push_back(*info);
  }
  for (unsigned i = 0; i < main.getNumResults(); ++i) {
    auto info = getTensorInfo(main.getResultTypes()[i],
                              main.getResultAttrDict(i), "output", i, symbols);
    if (!info)
      return info.takeError();
    impl.outputs.push_back(*info);
  }
  return llvm::Error::success();
}

llvm::Expected<CompiledModel>
CompiledModel::compile(ModuleOp module, StringRef name, const Target &target,
                       const TargetOptions &givenOptions, bool remarks) {
  CompiledModel model;
  model.impl = std::make_unique<Impl>();
  Impl &impl = *model.impl;
  impl.name = name.str();
  TargetOptions options = givenOptions;
  if (llvm::Error error = options.resolve())
    return std::move(error);
  if (llvm::Error error = describeInterface(module, impl))
    return std::move(error);
  PassManager pm(module.getContext());
  buildCompilePipeline(pm, target, options, remarks);
  if (failed(pm.run(module)))
    return llvm::createStringError("compilation failed");
  if (auto slots = module->getAttrOfType<IntegerAttr>(kNumSlotsAttr))
    impl.numSlots = slots.getInt();
  impl.cpuFeatures = getCheckedFeatures(options);
  if (llvm::Error error = collectWeights(module, impl))
    return std::move(error);
  if (llvm::Error error = emitObject(module, options, impl))
    return std::move(error);
  return model;
}
