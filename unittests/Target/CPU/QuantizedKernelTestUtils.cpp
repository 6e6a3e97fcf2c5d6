//===- QuantizedKernelTestUtils.cpp - Run claimed contractions --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "QuantizedKernelTestUtils.h"
#include "DenseClaims.h"
#include "compress/Dialect/Compress/Transforms/ContractRules.h"
#include "compress/Dialect/Compress/Transforms/Passes.h"
#include "compress/Runtime/Functions.h"
#include "compress/Runtime/ModelInstance.h"
#include "compress/Target/CPU/CPUTarget.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Verifier.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "gtest/gtest.h"
#include <chrono>
#include <random>

using namespace mlir;
using namespace compress;
using namespace compress::test;

MLIRContext &compress::test::getContext() {
  static MLIRContext *context = [] {
    DialectRegistry registry;
    registerAllDialects(registry);
    registerAllExtensions(registry);
    registerAllToLLVMIRTranslations(registry);
    registry.insert<CompressDialect>();
    registerKernelBufferization(registry);
    auto *result = new MLIRContext(registry);
    result->loadAllAvailableDialects();
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return result;
  }();
  return *context;
}

static const std::pair<const char *, const char *> kISAs[] = {
    {"amx", "+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx512vnni,+avx2,+fma,"
            "+f16c,+avx512vbmi2,+avx512vpopcntdq,+amx-tile,+amx-int8"},
    {"avx512vnni", "+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx512vnni,+avx2,"
                   "+fma,+f16c"},
    {"avx512bw", "+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx2,+fma,+f16c"},
    {"avxvnni", "+avxvnni,+avx2,+fma,+f16c"},
    {"avx2", "+avx2,+fma,+f16c"},
    {"sse2", "+sse2"},
    {"portable", ""},
};

std::optional<TargetOptions> compress::test::getOptions(StringRef isa) {
  auto host = llvm::sys::getHostCPUFeatures();
  for (auto [name, features] : kISAs) {
    if (isa != name)
      continue;
    SmallVector<StringRef> list;
    StringRef(features).split(list, ',', -1, /*KeepEmpty=*/false);
    for (StringRef feature : list)
      if (!host.lookup(feature.drop_front()))
        return std::nullopt;
    // The system must let the process use tile registers.
    if (!runtime::missingCPUFeatures(features).empty())
      return std::nullopt;
    TargetOptions options;
    options.triple = llvm::sys::getProcessTriple();
    options.cpu = "x86-64";
    options.features = features;
    return options;
  }
  return std::nullopt;
}

std::vector<std::string> compress::test::getRunnableISAs() {
  std::vector<std::string> names;
  for (auto [name, features] : kISAs)
    if (getOptions(name))
      names.push_back(name);
  return names;
}

Array Array::random(std::vector<int64_t> shape, unsigned seed, float scale) {
  Array result = filled(std::move(shape), 0.0f);
  std::mt19937 engine(seed);
  std::normal_distribution<float> distribution(0.1f * scale, scale);
  for (float &value : result.values)
    value = distribution(engine);
  return result;
}

Array Array::filled(std::vector<int64_t> shape, float value) {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return {std::move(shape), std::vector<float>(count, value)};
}

CompressedTensorType compress::test::parseType(const std::string &text) {
  return cast<CompressedTensorType>(
      mlir::parseType("!compress.tensor<" + text + ">", &getContext()));
}

std::vector<HostTensor> compress::test::encode(CompressedTensorType type,
                                               const Array &values) {
  HostTensor tensor = HostTensor::fromFloats(
      values.shape, Float32Type::get(&getContext()), values.values);
  auto leaves = llvm::cantFail(type.getEncoding().encodeHost(type, tensor, {}));
  return {leaves.begin(), leaves.end()};
}

Array compress::test::roundTrip(CompressedTensorType type,
                                const Array &values) {
  type = type.cloneWith(ArrayRef<int64_t>(values.shape), type.getElementType());
  HostTensor decoded =
      llvm::cantFail(type.getEncoding().decodeHost(type, encode(type, values)));
  return {values.shape, decoded.toFloats()};
}

//===----------------------------------------------------------------------===//
// Compiled
//===----------------------------------------------------------------------===//

struct Compiled::Impl {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  void *function = nullptr;
};

static void addLowering(OpPassManager &pm) {
  pm.addPass(createCompressLowerContract());
  pm.addPass(createCompressLowerEncodings());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(bufferize));
  pm.addPass(createCompressLowerKernels());
  pm.addPass(createCompressInsertDeallocations());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(bufferization::createBufferDeallocationSimplificationPass());
  pm.addPass(bufferization::createLowerDeallocationsPass());
  pm.addPass(createConvertBufferizationToMemRefPass());
  pm.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  pm.addNestedPass<func::FuncOp>(createCanonicalizerPass());
  pm.addNestedPass<func::FuncOp>(createCSEPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  arith::ArithExpandOpsPassOptions expand;
  pm.addPass(arith::createArithExpandOpsPass(expand));
  pm.addPass(createConvertMathToLLVMPass());
  ConvertVectorToLLVMPassOptions vectorOptions;
  vectorOptions.amx = true;
  pm.addPass(createConvertVectorToLLVMPass(vectorOptions));
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

Value compress::test::buildConv(OpBuilder &b, RankedTensorType result,
                                Value images, Value filters, Value start,
                                ArrayRef<int64_t> strides,
                                ArrayRef<int64_t> dilations, bool isDepthwise,
                                bool hasGroups) {
  // Loops: n, f, o.., c, k.. [, g]
  unsigned rank = strides.size(), loops = 3 + 2 * rank + hasGroups;
  MLIRContext *context = b.getContext();
  auto dim = [&](unsigned i) { return getAffineDimExpr(i, context); };
  SmallVector<AffineExpr> in{dim(0), dim(2 + rank)},
      filter{dim(1), dim(2 + rank)}, out{dim(0), dim(1)};
  if (isDepthwise)
    in.insert(in.begin() + 1, dim(1));
  if (hasGroups) {
    AffineExpr group = dim(loops - 1);
    in.insert(in.begin() + 1, group);
    filter.insert(filter.begin(), group);
    out.insert(out.begin() + 1, group);
  }
  for (unsigned d = 0; d < rank; ++d) {
    in.push_back(dim(2 + d) * strides[d] + dim(3 + rank + d) * dilations[d]);
    filter.push_back(dim(3 + rank + d));
    out.push_back(dim(2 + d));
  }
  SmallVector<Attribute> iterators(2 + rank, b.getStringAttr("parallel"));
  iterators.append(1 + rank, b.getStringAttr("reduction"));
  if (hasGroups)
    iterators.push_back(b.getStringAttr("parallel"));
  return ContractOp::create(
      b, b.getUnknownLoc(), result, images, filters, start,
      b.getAffineMapArrayAttr({AffineMap::get(loops, 0, in, context),
                               AffineMap::get(loops, 0, filter, context),
                               AffineMap::get(loops, 0, out, context)}),
      b.getArrayAttr(iterators));
}

Value compress::test::buildProduct(OpBuilder &b, RankedTensorType result,
                                   Value like, Value lhs, Value rhs,
                                   bool transposed, Init init, Value start) {
  Location loc = b.getUnknownLoc();
  Type f32 = b.getF32Type();
  if (init != Init::Tensor) {
    OpFoldResult rows = tensor::getMixedSize(b, loc, like, 0);
    Value empty = tensor::EmptyOp::create(
        b, loc, {rows, b.getIndexAttr(result.getDimSize(1))}, f32);
    if (init == Init::Bias)
      start = linalg::BroadcastOp::create(b, loc, start, empty,
                                          ArrayRef<int64_t>{0})
                  ->getResult(0);
    else
      start =
          linalg::FillOp::create(
              b, loc,
              Value(arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0))),
              empty)
              .getResult(0);
  }
  AffineExpr m, n, k;
  bindDims(b.getContext(), m, n, k);
  auto map = [&](AffineExpr first, AffineExpr second) {
    return AffineMap::get(3, 0, {first, second}, b.getContext());
  };
  Attribute parallel = b.getStringAttr("parallel");
  return ContractOp::create(
      b, loc, result, lhs, rhs, start,
      b.getAffineMapArrayAttr(
          {map(m, k), transposed ? map(n, k) : map(k, n), map(m, n)}),
      b.getArrayAttr({parallel, parallel, b.getStringAttr("reduction")}));
}

Compiled::Compiled(const TargetOptions &options, TypeRange inputs,
                   RankedTensorType result,
                   llvm::function_ref<Value(OpBuilder &, ValueRange)> build,
                   bool usesRules)
    : impl(std::make_unique<Impl>()), resultRank(result.getRank()) {
  compile(options, inputs, result, build, usesRules);
}

void Compiled::compile(const TargetOptions &options, TypeRange inputs,
                       RankedTensorType result,
                       llvm::function_ref<Value(OpBuilder &, ValueRange)> build,
                       bool usesRules) {
  MLIRContext *context = &getContext();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(context));
  OpBuilder b = OpBuilder::atBlockEnd(module->getBody());
  auto function = func::FuncOp::create(
      b, b.getUnknownLoc(), "f", b.getFunctionType(inputs, TypeRange(result)));
  function->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                    b.getUnitAttr());
  function.addEntryBlock();
  for (unsigned i = 0; i < inputs.size(); ++i)
    function.setArgAttr(i, "bufferization.writable", b.getBoolAttr(false));
  b.setInsertionPointToStart(&function.getBody().front());
  Value value = build(b, function.getArguments());
  func::ReturnOp::create(b, b.getUnknownLoc(), value);
  ASSERT_TRUE(succeeded(verify(*module)));

  RewritePatternSet patterns(context);
  populateCPUQuantizedPatterns(patterns, options);
  populateCPUFloatPatterns(patterns, options);
  cpu::populateFloatConvPatterns(patterns, options);
  cpu::populateAttentionPatterns(patterns, options);
  populateCPUSparsePatterns(patterns, options);
  populateCPUCodebookPatterns(patterns, options);
  populateCPUCodedPatterns(patterns, options);
  FrozenRewritePatternSet frozen(std::move(patterns));
  do {
    walkAndApplyPatterns(function, frozen);
  } while (usesRules && applyContractRulesOnce(function));
  claimed = true;
  function.walk([&](KernelOp op) { kernels.push_back(op.getCallee().str()); });
  module->walk([&](ContractOp) { claimed = false; });
  ASSERT_TRUE(succeeded(verify(*module)));
  module->walk([&](arith::ConstantOp op) {
    auto elements = dyn_cast<DenseResourceElementsAttr>(op.getValue());
    if (elements)
      constantBytes += elements.getRawHandle().getBlob()->getData().size();
  });
  if (getenv("COMPRESS_TEST_DUMP"))
    module->dump();

  PassManager pm(context);
  addLowering(pm);
  ASSERT_TRUE(succeeded(pm.run(*module)));
  auto llvmContext = std::make_unique<llvm::LLVMContext>();
  auto llvmModule = translateModuleToLLVMIR(*module, *llvmContext);
  ASSERT_TRUE(llvmModule);

  llvm::orc::JITTargetMachineBuilder builder((llvm::Triple(options.triple)));
  builder.setCPU(options.cpu);
  SmallVector<StringRef> features;
  StringRef(options.features).split(features, ',', -1, false);
  builder.addFeatures(
      std::vector<std::string>(features.begin(), features.end()));
  builder.setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
  // As compiled models are: whole vectors for those who have them.
  for (llvm::Function &f : *llvmModule)
    if (!f.isDeclaration())
      f.addFnAttr("prefer-vector-width", "512");
  auto machine = llvm::cantFail(builder.createTargetMachine());
  llvmModule->setDataLayout(machine->createDataLayout());
  llvmModule->setTargetTriple(llvm::Triple(options.triple));
  {
    llvm::LoopAnalysisManager lam;
    llvm::FunctionAnalysisManager fam;
    llvm::CGSCCAnalysisManager cgam;
    llvm::ModuleAnalysisManager mam;
    llvm::PassBuilder passes(machine.get());
    passes.registerModuleAnalyses(mam);
    passes.registerCGSCCAnalyses(cgam);
    passes.registerFunctionAnalyses(fam);
    passes.registerLoopAnalyses(lam);
    passes.crossRegisterProxies(lam, fam, cgam, mam);
    passes.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
        .run(*llvmModule, mam);
  }
  if (const char *path = getenv("COMPRESS_TEST_LLVM")) {
    std::error_code error;
    llvm::raw_fd_ostream os(path, error);
    llvmModule->print(os, nullptr);
  }
  impl->jit = llvm::cantFail(
      llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(builder).create());
  llvm::orc::SymbolMap symbols;
  for (const CompressSymbol *known = compress_rt_symbols; known->name; ++known)
    if (known->address)
      symbols[impl->jit->mangleAndIntern(known->name)] = {
          llvm::orc::ExecutorAddr::fromPtr(known->address),
          llvm::JITSymbolFlags::Exported};
  llvm::cantFail(impl->jit->getMainJITDylib().define(
      llvm::orc::absoluteSymbols(std::move(symbols))));
  llvm::cantFail(impl->jit->addIRModule(llvm::orc::ThreadSafeModule(
      std::move(llvmModule), std::move(llvmContext))));
  auto symbol = impl->jit->lookup("_mlir_ciface_f");
  ASSERT_TRUE(bool(symbol)) << llvm::toString(symbol.takeError());
  impl->function = symbol->toPtr<void *>();
}

Compiled::~Compiled() = default;

/// A memref descriptor of the C interface.
static std::vector<int64_t> describe(ArrayRef<int64_t> shape,
                                     const float *data) {
  int64_t address = reinterpret_cast<int64_t>(data);
  std::vector<int64_t> words{address, address, 0};
  words.insert(words.end(), shape.begin(), shape.end());
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (int64_t d = int64_t(shape.size()) - 1; d >= 0; --d) {
    strides[d] = stride;
    stride *= shape[d];
  }
  words.insert(words.end(), strides.begin(), strides.end());
  return words;
}

/// Calls the function; the result is a descriptor that owns its memory.
static std::vector<int64_t>
invoke(void *function, const std::vector<Array> &inputs, unsigned resultRank) {
  std::vector<std::vector<int64_t>> descriptors;
  for (const Array &input : inputs)
    descriptors.push_back(describe(input.shape, input.values.data()));
  std::vector<int64_t> result(3 + 2 * resultRank);
  auto at = [&](size_t i) { return descriptors[i].data(); };
  switch (inputs.size()) {
  case 1:
    reinterpret_cast<void (*)(void *, void *)>(function)(result.data(), at(0));
    break;
  case 2:
    reinterpret_cast<void (*)(void *, void *, void *)>(function)(result.data(),
                                                                 at(0), at(1));
    break;
  case 3:
    reinterpret_cast<void (*)(void *, void *, void *, void *)>(function)(
        result.data(), at(0), at(1), at(2));
    break;
  case 4:
    reinterpret_cast<void (*)(void *, void *, void *, void *, void *)>(
        function)(result.data(), at(0), at(1), at(2), at(3));
    break;
  default:
    ADD_FAILURE() << "too many inputs";
  }
  return result;
}

Array Compiled::operator()(const std::vector<Array> &inputs) const {
  if (!impl->function)
    return {};
  std::vector<int64_t> words = invoke(impl->function, inputs, resultRank);
  auto *data = reinterpret_cast<const float *>(words[1]) + words[2];
  Array result;
  result.shape.assign(words.begin() + 3, words.begin() + 3 + resultRank);
  int64_t count = 1;
  for (int64_t size : result.shape)
    count *= size;
  result.values.assign(data, data + count);
  free(reinterpret_cast<void *>(words[0]));
  return result;
}

double Compiled::time(const std::vector<Array> &inputs) const {
  double best = 1e9;
  for (int i = 0; i < 20; ++i) {
    auto start = std::chrono::steady_clock::now();
    std::vector<int64_t> words = invoke(impl->function, inputs, resultRank);
    std::chrono::duration<double> seconds =
        std::chrono::steady_clock::now() - start;
    free(reinterpret_cast<void *>(words[0]));
    best = std::min(best, seconds.count());
  }
  return best;
}
