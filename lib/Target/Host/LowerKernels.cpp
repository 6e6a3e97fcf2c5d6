//===- LowerKernels.cpp - compress.kernel to function calls -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSLOWERKERNELS
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// Copies a buffer of unsuitable layout into a fresh contiguous one.
static Value makeContiguous(OpBuilder &b, Location loc, Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  SmallVector<Value> sizes;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (type.isDynamicDim(i))
      sizes.push_back(memref::DimOp::create(b, loc, buffer, i));
  auto plain = MemRefType::get(type.getShape(), type.getElementType());
  Value copy =
      memref::AllocOp::create(b, loc, plain, sizes, b.getI64IntegerAttr(64));
  memref::CopyOp::create(b, loc, buffer, copy);
  return copy;
}

namespace {
struct LowerKernels
    : public compress::impl::CompressLowerKernelsBase<LowerKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<func::FuncOp> functions(module.getOps<func::FuncOp>());
    for (func::FuncOp function : functions) {
      SmallVector<KernelOp> kernels;
      function.walk([&](KernelOp op) { kernels.push_back(op); });
      bool isEntry = function.getName() == kMainFunction ||
                     function.getName() == kPrepareFunction;
      Value context;
      if (isEntry && !function.isExternal()) {
        auto pointer = LLVM::LLVMPointerType::get(&getContext());
        Builder b(&getContext());
        auto attrs = b.getDictionaryAttr(
            b.getNamedAttr(kArgumentRoleAttr, b.getStringAttr("context")));
        if (failed(
                function.insertArgument(0, pointer, attrs, function.getLoc())))
          return signalPassFailure();
        context = function.getArgument(0);
        function->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                          b.getUnitAttr());
      }
      for (KernelOp op : kernels) {
        auto callee = module.lookupSymbol<func::FuncOp>(op.getCallee());
        bool generated = callee && callee->hasAttr(kGeneratedAttr);
        if (failed(generated ? lowerGenerated(op, callee, context)
                             : lowerRuntime(op, context)))
          return signalPassFailure();
      }
    }
    module->setAttr(kNumSlotsAttr,
                    Builder(&getContext()).getI64IntegerAttr(numSlots));
  }

  /// The state slot: an explicit one (observer ids), or the next.
  int64_t getSlot(KernelOp op) {
    if (auto attr = op->getAttrOfType<IntegerAttr>("slot"))
      return attr.getInt();
    return op.getStateful() ? numSlots++ : 0;
  }

  /// Stateful kernels get the context and their slot first.
  LogicalResult lowerGenerated(KernelOp op, func::FuncOp callee,
                               Value context) {
    OpBuilder b(op);
    Location loc = op.getLoc();
    SmallVector<Value> arguments;
    if (op.getStateful()) {
      if (!context)
        return op.emitOpError("stateful kernel @")
               << op.getCallee()
               << " is called outside of the model's function";
      arguments = {context, arith::ConstantOp::create(
                                b, loc, b.getI64IntegerAttr(getSlot(op)))};
    }
    llvm::append_range(arguments, op.getInputs());
    llvm::append_range(arguments, op.getScalars());
    llvm::append_range(arguments, op.getOuts());
    ArrayRef<Type> types = callee.getFunctionType().getInputs();
    if (types.size() != arguments.size())
      return op.emitOpError("kernel @")
             << op.getCallee() << " takes " << types.size()
             << " arguments, found " << arguments.size();
    SmallVector<std::pair<Value, Value>> copyBack;
    unsigned firstOut = arguments.size() - op.getOuts().size();
    for (auto [i, argument] : llvm::enumerate(arguments)) {
      if (argument.getType() == types[i])
        continue;
      auto from = dyn_cast<MemRefType>(argument.getType());
      auto to = dyn_cast<MemRefType>(types[i]);
      if (!from || !to)
        return op.emitOpError("argument #")
               << i << " of kernel @" << op.getCallee() << " must be "
               << types[i] << ", found " << argument.getType();
      Value original = argument;
      if (!from.getLayout().isIdentity() && to.getLayout().isIdentity()) {
        argument = makeContiguous(b, loc, argument);
        if (i >= firstOut)
          copyBack.emplace_back(argument, original);
      }
      if (argument.getType() != to) {
        if (!memref::CastOp::areCastCompatible(argument.getType(), to))
          return op.emitOpError("argument #")
                 << i << " of kernel @" << op.getCallee() << " must be "
                 << types[i] << ", found " << argument.getType();
        argument = memref::CastOp::create(b, loc, to, argument);
      }
      arguments[i] = argument;
    }
    func::CallOp::create(b, loc, callee, arguments);
    for (auto [from, to] : copyBack)
      memref::CopyOp::create(b, loc, from, to);
    op.erase();
    return success();
  }

  LogicalResult lowerRuntime(KernelOp op, Value context) {
    if (!context)
      return op.emitOpError("runtime kernel @")
             << op.getCallee() << " is called outside of the model's function";
    OpBuilder b(op);
    Location loc = op.getLoc();
    SmallVector<Value> arguments{
        context,
        arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(getSlot(op)))};
    auto orders = op->getAttrOfType<ArrayAttr>("permutations");
    SmallVector<Value> buffers(op.getInputs());
    llvm::append_range(buffers, op.getOuts());
    for (auto [i, buffer] : llvm::enumerate(buffers)) {
      if (orders && i < orders.size()) {
        auto order = cast<DenseI64ArrayAttr>(orders[i]).asArrayRef();
        if (!order.empty() &&
            !AffineMap::getPermutationMap(order, &getContext()).isIdentity())
          buffer = memref::TransposeOp::create(
              b, loc, buffer,
              AffineMapAttr::get(
                  AffineMap::getPermutationMap(order, &getContext())));
      }
      auto type = cast<MemRefType>(buffer.getType());
      arguments.push_back(memref::CastOp::create(
          b, loc,
          UnrankedMemRefType::get(type.getElementType(), type.getMemorySpace()),
          buffer));
    }
    llvm::append_range(arguments, op.getScalars());
    auto type = b.getFunctionType(TypeRange(ValueRange(arguments)), {});
    auto module = getOperation();
    auto callee = module.lookupSymbol<func::FuncOp>(op.getCallee());
    if (!callee) {
      OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
      callee = func::FuncOp::create(top, loc, op.getCallee(), type);
      callee.setPrivate();
      callee->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                      b.getUnitAttr());
    } else if (callee.getFunctionType() != type) {
      return op.emitOpError("kernel @")
             << op.getCallee() << " is called as " << type << " and as "
             << callee.getFunctionType();
    }
    func::CallOp::create(b, loc, callee, arguments);
    op.erase();
    return success();
  }

  int64_t numSlots = 0;
};
} // namespace
