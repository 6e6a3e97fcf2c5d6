//===- TileKernel.cpp - Kernels around outer products -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TileKernel.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace compress;
using namespace compress::sme;

static MemRefType toMemRef(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return MemRefType::get(tensor.getShape(), tensor.getElementType());
}

TileKernel::TileKernel(OpBuilder &host, Location loc, ModuleOp module,
                       RankedTensorType type)
    : ElementKernel(host, loc), module(module), type(type) {
  OpBuilder top = OpBuilder::atBlockEnd(module.getBody());
  function = func::FuncOp::create(
      top, module.getLoc(), "sme_kernel",
      b.getFunctionType({toMemRef(type), b.getIndexType()}, TypeRange()));
  function.setPrivate();
  b.setInsertionPointToStart(function.addEntryBlock());
}

TileKernel::~TileKernel() {
  if (function)
    function.erase();
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

Value TileKernel::addArgument(Type type, unsigned position) {
  (void)function.insertArgument(position, type, DictionaryAttr(), loc);
  return function.getArgument(position);
}

unsigned TileKernel::addInput(Value tensor) {
  auto [it, isNew] = inputs.try_emplace(tensor, buffers.size());
  if (!isNew)
    return it->second;
  Value argument = addArgument(toMemRef(tensor.getType()), buffers.size());
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  Value address =
      memref::ExtractAlignedPointerAsIndexOp::create(b, loc, argument);
  address = LLVM::IntToPtrOp::create(
      b, loc, LLVM::LLVMPointerType::get(b.getContext()), toI64(address));
  buffers.push_back({tensor, address});
  return it->second;
}

Value TileKernel::size(Value tensor, unsigned axis) {
  // Kernels read past padding, which else would be made for its sizes alone.
  auto pad = tensor.getDefiningOp<tensor::PadOp>();
  if (pad && pad.getStaticLow()[axis] == 0 && pad.getStaticHigh()[axis] == 0)
    return size(pad.getSource(), axis);
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(axis))
    return index(type.getDimSize(axis));
  Value &known = sizes[{tensor, axis}];
  if (!known) {
    known = addArgument(b.getIndexType(), buffers.size() + scalars.size());
    scalars.push_back(tensor::DimOp::create(host, loc, tensor, axis));
  }
  return known;
}

Value TileKernel::loadWord(unsigned buffer, Value at) {
  return load(b.getI32Type(), buffers[buffer].address, at);
}

Value TileKernel::loadBits(unsigned buffer, Value at, unsigned width) {
  if (width != 8 && width != 16 && width != 64)
    return ElementKernel::loadBits(buffer, at, width);
  Value bits = load(b.getIntegerType(width), buffers[buffer].address, at);
  if (width == 64)
    return arith::TruncIOp::create(b, loc, b.getI32Type(), bits);
  return arith::ExtUIOp::create(b, loc, b.getI32Type(), bits);
}

//===----------------------------------------------------------------------===//
// The task
//===----------------------------------------------------------------------===//

Value TileKernel::toI64(Value index) {
  return arith::IndexCastOp::create(b, loc, b.getI64Type(), index);
}

Value TileKernel::scratch(int64_t words) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  Value count = LLVM::ConstantOp::create(b, loc, b.getI64Type(),
                                         b.getI64IntegerAttr(words));
  return LLVM::AllocaOp::create(b, loc,
                                LLVM::LLVMPointerType::get(b.getContext()),
                                b.getI32Type(), count, /*alignment=*/64);
}

Value TileKernel::load(Type type, Value pointer, Value at) {
  Value address = LLVM::GEPOp::create(b, loc, pointer.getType(), type, pointer,
                                      ValueRange(toI64(at)));
  return LLVM::LoadOp::create(b, loc, type, address);
}

void TileKernel::store(Value value, Value pointer, Value at) {
  Value address =
      LLVM::GEPOp::create(b, loc, pointer.getType(), value.getType(), pointer,
                          ValueRange(toI64(at)));
  LLVM::StoreOp::create(b, loc, value, address);
}

void TileKernel::storeResult(Value value, ValueRange position) {
  unsigned out = function.getNumArguments() - 2;
  memref::StoreOp::create(b, loc, value, function.getArgument(out), position);
}

void TileKernel::loop(Value end, llvm::function_ref<void(Value)> body) {
  auto op = scf::ForOp::create(b, loc, index(0), end, index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.getBody());
  body(op.getInductionVar());
}

Value TileKernel::minimum(Value x, Value y) {
  return arith::MinUIOp::create(b, loc, x, y);
}

Value TileKernel::ceilDiv(Value x, int64_t y) { return div(add(x, y - 1), y); }

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

Value TileKernel::finish(Value count, bool isParallel,
                         ArrayRef<OpFoldResult> extents) {
  func::ReturnOp::create(b, loc);
  // What was tried and given up is not read.
  for (unsigned i = buffers.size(); i-- > 0;) {
    Value address = buffers[i].address;
    if (!address.use_empty())
      continue;
    while (Operation *op = address.getDefiningOp()) {
      address = op->getOperand(0);
      op->erase();
    }
    (void)function.eraseArgument(i);
    buffers.erase(buffers.begin() + i);
  }

  // The function that starts tasks gets the same, and their number.
  SmallVector<Type> types(function.getArgumentTypes().drop_back());
  types.insert(types.end() - 1, b.getIndexType());

  // Equal kernels are one.
  std::string text;
  llvm::raw_string_ostream os(text);
  function.print(os, OpPrintingFlags().assumeVerified());
  os << isParallel;
  std::string name = "sme_" + llvm::utohexstr(llvm::xxh3_64bits(text));
  if (module.lookupSymbol(name)) {
    function.erase();
  } else {
    std::string task = name + "_task";
    function.setName(task);
    function->setAttr(kGeneratedAttr, b.getUnitAttr());
    // Inlined, its scratch memory would add up to that of other kernels.
    function->setAttr("passthrough",
                      b.getArrayAttr(b.getStringAttr("noinline")));
    OpBuilder top = OpBuilder::atBlockEnd(module.getBody());
    auto start = func::FuncOp::create(top, module.getLoc(), name,
                                      b.getFunctionType(types, TypeRange()));
    start.setPrivate();
    start->setAttr(kGeneratedAttr, b.getUnitAttr());
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(start.addEntryBlock());
    SmallVector<Value> arguments(start.getArguments());
    Value number = arguments[arguments.size() - 2];
    arguments.erase(arguments.end() - 2);
    auto call = [&](Value index) {
      SmallVector<Value> all(arguments);
      all.push_back(index);
      func::CallOp::create(b, loc, task, TypeRange(), all);
    };
    if (isParallel) {
      // One task needs no other thread, and none at all no team of them.
      Value isAlone = compare(arith::CmpIPredicate::ule, number, index(1));
      auto choice = scf::IfOp::create(b, loc, isAlone, /*withElseRegion=*/true);
      OpBuilder::InsertionGuard inner(b);
      b.setInsertionPointToStart(choice.thenBlock());
      loop(number, call);
      b.setInsertionPointToStart(choice.elseBlock());
      auto op =
          scf::ParallelOp::create(b, loc, ValueRange(index(0)),
                                  ValueRange(number), ValueRange(index(1)));
      b.setInsertionPointToStart(op.getBody());
      call(op.getInductionVars()[0]);
    } else {
      loop(number, call);
    }
    func::ReturnOp::create(b, loc);
  }
  function = nullptr;

  SmallVector<Value> ins, numbers(scalars);
  for (const Buffer &buffer : buffers)
    ins.push_back(buffer.tensor);
  numbers.push_back(count);
  Value out =
      tensor::EmptyOp::create(host, loc, extents, type.getElementType());
  if (out.getType() != type)
    out = tensor::CastOp::create(host, loc, type, out);
  return KernelOp::create(host, loc, TypeRange(type), name, ins, numbers, out,
                          /*stateful=*/false, /*side_effect=*/false)
      .getResult(0);
}
