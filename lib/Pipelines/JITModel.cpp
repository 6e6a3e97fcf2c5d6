//===- JITModel.cpp - Run a compiled model in this process ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeGenImpl.h"
#include "compress/Runtime/Functions.h"
#include "compress/Runtime/ModelInstance.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <cstdlib>
#include <cstring>

using namespace compress;
using namespace llvm;

struct JITModel::Impl {
  CompiledModel model;
  std::unique_ptr<orc::LLJIT> jit;
  struct Free {
    void operator()(char *memory) const { std::free(memory); }
  };
  std::unique_ptr<char, Free> weights;
  ObserveCallback observer;
  std::vector<NpyArray> lastInputs;
  // Last: its destruction needs the code and the weights.
  std::unique_ptr<runtime::ModelInstance> instance;
};

JITModel::JITModel() : impl(std::make_unique<Impl>()) {}
JITModel::JITModel(JITModel &&) = default;
JITModel::~JITModel() = default;

Expected<JITModel> JITModel::create(CompiledModel model, int threads) {
  JITModel result;
  Impl &impl = *result.impl;
  impl.model = std::move(model);
  const CompiledModel::Impl &compiled = *impl.model.impl;

  Triple triple(compiled.variants.front().options.triple);
  if (Triple own(sys::getProcessTriple());
      triple.getArch() != own.getArch() || triple.getOS() != own.getOS())
    return createStringError("the model was compiled for " + triple.str() +
                             ", this is " + own.str());
  auto jit = orc::LLJITBuilder().create();
  if (!jit)
    return jit.takeError();
  impl.jit = std::move(*jit);
  orc::JITDylib &library = impl.jit->getMainJITDylib();
  orc::SymbolMap symbols;
  for (const CompressSymbol *symbol = compress_rt_symbols; symbol->name;
       ++symbol)
    if (symbol->address)
      symbols[impl.jit->mangleAndIntern(symbol->name)] = {
          orc::ExecutorAddr::fromPtr(symbol->address),
          JITSymbolFlags::Exported};
  for (const RuntimeSymbol &symbol : compiled.target->getRuntimeSymbols())
    symbols[impl.jit->mangleAndIntern(symbol.name)] = {
        orc::ExecutorAddr::fromPtr(symbol.address), JITSymbolFlags::Exported};
  if (Error error = library.define(orc::absoluteSymbols(std::move(symbols))))
    return std::move(error);
  // The C and math libraries.
  auto process = orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      impl.jit->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  library.addGenerator(std::move(*process));
  for (auto [i, variant] : enumerate(compiled.variants)) {
    auto object = MemoryBuffer::getMemBuffer(
        StringRef(variant.object.data(), variant.object.size()),
        (Twine(compiled.name) + "." + Twine(i)).str(),
        /*RequiresNullTerminator=*/false);
    if (Error error = impl.jit->addObjectFile(std::move(object)))
      return std::move(error);
  }
  auto variants = impl.jit->lookup("compress_model_variants");
  if (!variants)
    return variants.takeError();
  const CompressModelVariant &variant =
      runtime::selectVariant(variants->toPtr<const CompressModelVariant *>());

  uint64_t size = compiled.weightsSize;
  uint64_t rounded = alignTo(std::max<uint64_t>(size, 1), 64);
  impl.weights.reset(static_cast<char *>(std::aligned_alloc(64, rounded)));
  if (!impl.weights)
    return createStringError("out of memory for %llu bytes of weights",
                             (unsigned long long)size);
  for (const StoredWeight &weight : compiled.weights) {
    ArrayRef<char> bytes = weight.value.getBytes();
    std::memcpy(impl.weights.get() + weight.offset, bytes.data(), bytes.size());
  }
  CompressModelOptions options = {};
  options.threads = threads;
  CompressStatus status = COMPRESS_OK;
  std::string message;
  impl.instance = runtime::ModelInstance::create(
      variant.entry, *variant.info,
      runtime::Weights::borrow(impl.weights.get(), size), options, status,
      message);
  if (!impl.instance)
    return createStringError(message);
  return result;
}

const CompressModelInfo &JITModel::getInfo() const {
  return impl->instance->info();
}

uint64_t JITModel::getMemoryBytes() const {
  return impl->model.impl->weightsSize + impl->instance->preparedBytes() +
         impl->instance->peakBytes();
}

void JITModel::setObserver(ObserveCallback callback) {
  impl->observer = std::move(callback);
  impl->instance->setObserver(
      [](void *user, int64_t slot, const runtime::ObservedTensor &tensor) {
        static_cast<Impl *>(user)->observer(
            slot, tensor.dtype, ArrayRef<int64_t>(tensor.sizes, tensor.rank),
            ArrayRef<int64_t>(tensor.strides, tensor.rank), tensor.data);
      },
      impl.get());
}

void JITModel::setLastInputs(std::vector<NpyArray> inputs) {
  impl->lastInputs = std::move(inputs);
}

Expected<std::vector<NpyArray>> JITModel::run(ArrayRef<NpyArray> inputs) {
  std::vector<CompressTensor> in(inputs.size() + impl->lastInputs.size());
  for (auto [tensor, array] :
       zip_equal(in, concat<const NpyArray>(inputs, impl->lastInputs))) {
    tensor = {};
    tensor.data = const_cast<char *>(array.data.data());
    tensor.dtype = array.dtype;
    if (array.shape.size() > COMPRESS_MAX_RANK)
      return createStringError("input of rank %zu", array.shape.size());
    tensor.rank = array.shape.size();
    std::copy(array.shape.begin(), array.shape.end(), tensor.dims);
  }
  std::vector<CompressTensor> out(getInfo().num_outputs);
  for (CompressTensor &tensor : out)
    tensor = {};
  if (impl->instance->run(in.data(), in.size(), out.data(), out.size()) !=
      COMPRESS_OK)
    return createStringError(impl->instance->lastError());
  std::vector<NpyArray> results;
  Error failure = Error::success();
  for (const CompressTensor &tensor : out) {
    auto array =
        NpyArray::allocate(static_cast<CompressDType>(tensor.dtype),
                           ArrayRef<int64_t>(tensor.dims, tensor.rank));
    if (!array) {
      failure = joinErrors(std::move(failure), array.takeError());
      break;
    }
    if (!array->data.empty())
      std::memcpy(array->mutableData(), tensor.data, array->data.size());
    results.push_back(std::move(*array));
  }
  runtime::releaseTensors(out.data(), out.size());
  if (failure)
    return std::move(failure);
  return results;
}
