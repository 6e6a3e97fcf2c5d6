//===- EmitObject.cpp - From the LLVM dialect to machine code ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeGenImpl.h"
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
#include "llvm/Transforms/Scalar/LoopIdiomRecognize.h"
#include <mutex>

using namespace mlir;
using namespace compress;

/// The name of a symbol of a variant; the first has no number.
static std::string numbered(StringRef name, unsigned index) {
  return index ? (name + "_" + Twine(index)).str() : name.str();
}
static constexpr llvm::StringLiteral kEntry = "compress_entry";
static constexpr llvm::StringLiteral kInfo = "compress_model_info";

/// Emits the description of a variant, and with the first the table of all
/// (ModelABI.h).
static void emitModelInfo(llvm::Module &module, const CompiledModel::Impl &impl,
                          unsigned index) {
  const CodeVariant &variant = impl.variants[index];
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
       llvm::ConstantInt::get(i64, impl.weightsHash),
       string(variant.cpuFeatures),
       llvm::ConstantInt::get(i64, variant.numSlots)});
  new llvm::GlobalVariable(module, infoType, true,
                           llvm::GlobalValue::ExternalLinkage, value,
                           numbered(kInfo, index));
  if (index)
    return;
  auto *entryType = llvm::FunctionType::get(
      llvm::Type::getVoidTy(context), {pointer, pointer, pointer, pointer},
      /*isVarArg=*/false);
  auto *variantType = llvm::StructType::get(context, {pointer, pointer});
  SmallVector<llvm::Constant *> variants;
  for (unsigned i = 0; i < impl.variants.size(); ++i)
    variants.push_back(llvm::ConstantStruct::get(
        variantType,
        {cast<llvm::Constant>(
             module.getOrInsertGlobal(numbered(kInfo, i), infoType)),
         cast<llvm::Constant>(
             module.getOrInsertFunction(numbered(kEntry, i), entryType)
                 .getCallee())}));
  variants.push_back(llvm::ConstantAggregateZero::get(variantType));
  auto *tableType = llvm::ArrayType::get(variantType, variants.size());
  new llvm::GlobalVariable(
      module, tableType, true, llvm::GlobalValue::ExternalLinkage,
      llvm::ConstantArray::get(tableType, variants), "compress_model_variants");
}

std::string compress::getCheckedFeatures(const TargetOptions &options) {
  llvm::SetVector<StringRef> names;
  llvm::SubtargetFeatures features(options.features);
  for (const std::string &feature : features.getFeatures()) {
    StringRef name = llvm::SubtargetFeatures::StripFlag(feature);
    // AVX10 is another name for what the avx512 features say one by one.
    if (((name.starts_with("avx") && !name.starts_with("avx10")) ||
         name.starts_with("sse4") || name.starts_with("amx-") ||
         llvm::is_contained({"fma", "f16c", "bmi", "bmi2", "popcnt", "lzcnt",
                             "dotprod", "i8mm", "bf16", "fullfp16", "sve",
                             "sve2", "sme", "sme2"},
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

/// Recognizing cyclic redundancy checks takes time exponential in the depth of
/// a loop's expressions (HashRecognize's search for recurrences remembers
/// nothing), and no model has any.
static void disableHashRecognition() {
  static std::once_flag once;
  std::call_once(once, [] { llvm::DisableLIRP::HashRecognize = true; });
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  disableHashRecognition();
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

llvm::Error compress::emitObject(ModuleOp module, CompiledModel::Impl &impl,
                                 unsigned index) {
  CodeVariant &variant = impl.variants[index];
  const TargetOptions &options = variant.options;
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
  if (llvm::Function *entry = llvmModule->getFunction(kEntry))
    entry->setName(numbered(kEntry, index));
  emitModelInfo(*llvmModule, impl, index);
  // Only the entry point and its description are seen from outside.
  for (llvm::Function &function : *llvmModule)
    if (!function.isDeclaration() &&
        function.getName() != numbered(kEntry, index))
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
  preferWideVectors(*llvmModule, options);
  optimize(*llvmModule, **machine);
  if (index == 0)
    llvm::raw_string_ostream(impl.llvmIR) << *llvmModule;
  llvm::raw_svector_ostream out(variant.object);
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, out, nullptr,
                                      llvm::CodeGenFileType::ObjectFile))
    return llvm::createStringError("cannot emit an object file for " +
                                   options.triple);
  passes.run(*llvmModule);
  return llvm::Error::success();
}
