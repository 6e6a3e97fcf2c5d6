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
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

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

/// The variants of a model, the most demanding first.
static llvm::Expected<std::vector<CodeVariant>>
makeVariants(ArrayRef<TargetOptions> machines, const Target &target) {
  std::vector<CodeVariant> variants;
  auto count = [](const CodeVariant &variant) {
    return StringRef(variant.cpuFeatures).count(',');
  };
  for (const TargetOptions &machine : machines) {
    CodeVariant variant;
    variant.options = machine;
    if (llvm::Error error = target.resolve(variant.options))
      return std::move(error);
    variant.cpuFeatures = getCheckedFeatures(variant.options);
    for (const CodeVariant &other : variants) {
      if (other.options.triple != variant.options.triple)
        return llvm::createStringError("one library cannot run on " +
                                       other.options.triple + " and " +
                                       variant.options.triple);
      if (other.cpuFeatures == variant.cpuFeatures)
        return llvm::createStringError(
            "'" + machine.cpu + "' has the same features as '" +
            other.options.cpu + "', so one of them would never run");
    }
    auto place = llvm::find_if(variants, [&](const CodeVariant &other) {
      return count(other) < count(variant);
    });
    variants.insert(place, std::move(variant));
  }
  return variants;
}

llvm::Expected<CompiledModel>
CompiledModel::compile(ModuleOp module, StringRef name, const Target &target,
                       ArrayRef<TargetOptions> machines, bool remarks) {
  CompiledModel model;
  model.impl = std::make_unique<Impl>();
  Impl &impl = *model.impl;
  impl.name = name.str();
  impl.target = &target;
  auto variants = makeVariants(machines, target);
  if (!variants)
    return variants.takeError();
  impl.variants = std::move(*variants);
  if (llvm::Error error = describeInterface(module, impl))
    return std::move(error);

  // Each variant is lowered from a copy, the last in place, and adds to one
  // file of weights what those before it have not put there.
  std::vector<OwningOpRef<ModuleOp>> copies;
  for (size_t i = 0; i + 1 < impl.variants.size(); ++i)
    copies.push_back(cast<ModuleOp>(module->clone()));
  Attribute weights;
  for (auto [i, variant] : llvm::enumerate(impl.variants)) {
    ModuleOp lowered = i < copies.size() ? *copies[i] : module;
    if (weights)
      lowered->setAttr(kWeightsAttr, weights);
    PassManager pm(module.getContext());
    buildCompilePipeline(pm, target, variant.options, remarks);
    if (failed(pm.run(lowered)))
      return llvm::createStringError("compilation failed");
    if (auto slots = lowered->getAttrOfType<IntegerAttr>(kNumSlotsAttr))
      variant.numSlots = slots.getInt();
    weights = lowered->getAttr(kWeightsAttr);
  }
  if (llvm::Error error = collectWeights(module, impl))
    return std::move(error);
  for (unsigned i = 0; i < impl.variants.size(); ++i)
    if (llvm::Error error =
            emitObject(i < copies.size() ? *copies[i] : module, impl, i))
      return std::move(error);
  return model;
}
