//===- EmitEntry.cpp - The entry point of the model ABI ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSEMITENTRY
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;
namespace L = mlir::LLVM;

/// The memref descriptors in a function's results, in LLVM types.
static SmallVector<Type> getResultDescriptors(L::LLVMFuncOp function) {
  Type result = function.getFunctionType().getReturnType();
  auto structure = dyn_cast<L::LLVMStructType>(result);
  if (!structure)
    return {};
  // A single memref is its own descriptor {ptr, ptr, i64, ...}; several are
  // a struct of descriptors.
  if (isa<L::LLVMPointerType>(structure.getBody()[0]))
    return {structure};
  return SmallVector<Type>(structure.getBody());
}

/// Bytes of a descriptor: two pointers, an offset, sizes and strides.
static int64_t getDescriptorSize(Type type) {
  auto body = cast<L::LLVMStructType>(type).getBody();
  int64_t rank =
      body.size() > 3 ? cast<L::LLVMArrayType>(body[3]).getNumElements() : 0;
  return 8 * (3 + 2 * rank);
}

namespace {
/// Emits LLVM-dialect code tersely.
struct Emitter {
  OpBuilder b;
  Location loc;
  L::LLVMPointerType pointer = L::LLVMPointerType::get(b.getContext());

  Value integer(int64_t value) {
    return L::ConstantOp::create(b, loc, b.getI64Type(),
                                 b.getI64IntegerAttr(value));
  }
  Value offset(Value base, int64_t bytes) {
    return L::GEPOp::create(b, loc, pointer, b.getI8Type(), base,
                            ArrayRef<L::GEPArg>{int32_t(bytes)});
  }
  Value load(Type type, Value from) {
    return L::LoadOp::create(b, loc, type, from);
  }
  void store(Value value, Value to) { L::StoreOp::create(b, loc, value, to); }
  Value alloca(int64_t bytes) {
    return L::AllocaOp::create(b, loc, pointer, b.getI8Type(), integer(bytes),
                               /*alignment=*/16);
  }
};

struct EmitEntry : public compress::impl::CompressEmitEntryBase<EmitEntry> {
  L::LLVMFuncOp declare(StringRef name, Type result, ArrayRef<Type> arguments) {
    ModuleOp module = getOperation();
    if (auto found = module.lookupSymbol<L::LLVMFuncOp>(name))
      return found;
    OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
    return L::LLVMFuncOp::create(b, module.getLoc(), name,
                                 L::LLVMFunctionType::get(result, arguments));
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<L::LLVMFuncOp>(kMainFunction);
    auto wrapper =
        module.lookupSymbol<L::LLVMFuncOp>("_mlir_ciface_main_graph");
    if (!main || !wrapper) {
      module.emitError("there is no @main_graph to make an entry point for");
      return signalPassFailure();
    }
    auto prepare = module.lookupSymbol<L::LLVMFuncOp>(kPrepareFunction);
    auto prepareWrapper =
        module.lookupSymbol<L::LLVMFuncOp>("_mlir_ciface_compress_prepare");
    // Attributes of arguments have served their purpose, and LLVM IR has no
    // words for them.
    for (auto function : module.getOps<L::LLVMFuncOp>()) {
      function.removeArgAttrsAttr();
      function.removeResAttrsAttr();
    }
    MLIRContext *context = &getContext();
    OpBuilder b(context);
    b.setInsertionPointToEnd(module.getBody());
    Location loc = module.getLoc();
    auto pointer = L::LLVMPointerType::get(context);
    Type voidType = L::LLVMVoidType::get(context);
    auto entry = L::LLVMFuncOp::create(
        b, loc, "compress_entry",
        L::LLVMFunctionType::get(voidType,
                                 {pointer, pointer, pointer, pointer}));
    Block *start = entry.addEntryBlock(b);
    Emitter e{OpBuilder::atBlockBegin(start), loc};
    Value ctx = start->getArgument(0), weights = start->getArgument(1);
    Value inputs = start->getArgument(2), outputs = start->getArgument(3);

    // The mapped weights as memref<?xi8>.
    int64_t size = 0;
    if (auto attr = module->getAttrOfType<IntegerAttr>(kWeightsSizeAttr))
      size = attr.getInt();
    Value weightsMemref = e.alloca(40);
    e.store(weights, weightsMemref);
    e.store(weights, e.offset(weightsMemref, 8));
    e.store(e.integer(0), e.offset(weightsMemref, 16));
    e.store(e.integer(size), e.offset(weightsMemref, 24));
    e.store(e.integer(1), e.offset(weightsMemref, 32));

    SmallVector<Type> results = getResultDescriptors(main);
    int64_t resultBytes = 0;
    for (Type type : results)
      resultBytes += getDescriptorSize(type);
    Value resultMemory = e.alloca(std::max<int64_t>(resultBytes, 8));

    // Prepared tensors: a flag, then their descriptors, kept by the instance.
    SmallVector<Value> prepared;
    if (prepare) {
      SmallVector<Type> types = getResultDescriptors(prepare);
      int64_t bytes = 8;
      for (Type type : types)
        bytes += getDescriptorSize(type);
      auto getState =
          declare("compress_rt_prepared", pointer, {pointer, b.getI64Type()});
      auto own = declare("compress_rt_own", voidType,
                         {pointer, pointer, b.getI64Type()});
      Value state = L::CallOp::create(e.b, loc, getState,
                                      ValueRange{ctx, e.integer(bytes)})
                        .getResult();
      Value flag = e.load(b.getI64Type(), state);
      Value isNew =
          L::ICmpOp::create(e.b, loc, L::ICmpPredicate::eq, flag, e.integer(0));
      Block *run = b.createBlock(&entry.getBody(), entry.getBody().end());
      Block *rest = b.createBlock(&entry.getBody(), entry.getBody().end());
      L::CondBrOp::create(e.b, loc, isNew, run, rest);
      e.b.setInsertionPointToStart(run);
      Value first = e.offset(state, 8);
      L::CallOp::create(e.b, loc, prepareWrapper,
                        ValueRange{first, ctx, weightsMemref});
      int64_t at = 8;
      unsigned index = 0;
      auto elementBytes =
          module->getAttrOfType<DenseI64ArrayAttr>(kPreparedBytesAttr)
              .asArrayRef();
      for (Type type : types) {
        Value allocated = e.load(pointer, e.offset(state, at));
        // A contiguous tensor: the first size times the first stride. Strides
        // follow the sizes.
        int64_t rank = (getDescriptorSize(type) / 8 - 3) / 2;
        Value elements = e.integer(1);
        if (rank > 0)
          elements = L::MulOp::create(
              e.b, loc, e.load(b.getI64Type(), e.offset(state, at + 24)),
              e.load(b.getI64Type(), e.offset(state, at + 24 + 8 * rank)));
        Value bytes = L::MulOp::create(e.b, loc, elements,
                                       e.integer(elementBytes[index++]));
        L::CallOp::create(e.b, loc, own, ValueRange{ctx, allocated, bytes});
        at += getDescriptorSize(type);
      }
      e.store(e.integer(1), state);
      L::BrOp::create(e.b, loc, rest);
      e.b.setInsertionPointToStart(rest);
      at = 8;
      for (Type type : types) {
        prepared.push_back(e.offset(state, at));
        at += getDescriptorSize(type);
      }
    }

    // The wrapper takes (results?, context, weights, inputs..., prepared...).
    SmallVector<Value> arguments;
    unsigned expected = wrapper.getFunctionType().getNumParams();
    if (!results.empty())
      arguments.push_back(resultMemory);
    arguments.push_back(ctx);
    arguments.push_back(weightsMemref);
    unsigned numInputs = expected - arguments.size() - prepared.size();
    for (unsigned i = 0; i < numInputs; ++i)
      arguments.push_back(e.load(pointer, e.offset(inputs, 8 * i)));
    llvm::append_range(arguments, prepared);
    L::CallOp::create(e.b, loc, wrapper, arguments);
    int64_t at = 0;
    for (auto [i, type] : llvm::enumerate(results)) {
      Value out = e.load(pointer, e.offset(outputs, 8 * i));
      e.store(e.load(type, e.offset(resultMemory, at)), out);
      at += getDescriptorSize(type);
    }
    L::ReturnOp::create(e.b, loc, ValueRange());
  }
};
} // namespace
