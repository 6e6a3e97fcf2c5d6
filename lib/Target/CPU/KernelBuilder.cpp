//===- KernelBuilder.cpp - Terse construction of kernel code ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelBuilder.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

KernelBuilder::KernelBuilder(func::FuncOp function)
    : b(function.getContext()), loc(function.getLoc()), function(function) {
  b.setInsertionPointToStart(&function.getBody().front());
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Value KernelBuilder::index(int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}

Value KernelBuilder::integer(Type type, int64_t value) {
  if (type.isIndex())
    return index(value);
  auto element = cast<IntegerType>(getElementTypeOrSelf(type));
  APInt bits(element.getWidth(), uint64_t(value), /*isSigned=*/true,
             /*implicitTrunc=*/true);
  if (auto shaped = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, loc,
                                     DenseElementsAttr::get(shaped, bits));
  return arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, bits));
}

Value KernelBuilder::real(Type type, float value) {
  if (auto shaped = dyn_cast<VectorType>(type))
    return arith::ConstantOp::create(b, loc,
                                     DenseElementsAttr::get(shaped, value));
  return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
}

Value KernelBuilder::constantLike(Value like, int64_t value) {
  return integer(like.getType(), value);
}

Value KernelBuilder::prefixMask(int64_t lanes, int64_t count) {
  SmallVector<bool> bits(lanes, false);
  std::fill_n(bits.begin(), std::min(lanes, count), true);
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(vector(lanes, b.getI1Type()), bits));
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value KernelBuilder::lessThan(Value x, Value y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, x, y);
}

Value KernelBuilder::lessOrEqual(Value x, Value y) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ule, x, y);
}

Value KernelBuilder::convert(Value x, Type element, bool isUnsigned) {
  Type from = getElementTypeOrSelf(x.getType());
  if (from == element)
    return x;
  Type to = element;
  if (auto shaped = dyn_cast<VectorType>(x.getType()))
    to = VectorType::get(shaped.getShape(), element);
  if (isa<IntegerType>(from) && isa<IntegerType>(element)) {
    if (from.getIntOrFloatBitWidth() > element.getIntOrFloatBitWidth())
      return arith::TruncIOp::create(b, loc, to, x);
    return isUnsigned ? Value(arith::ExtUIOp::create(b, loc, to, x))
                      : Value(arith::ExtSIOp::create(b, loc, to, x));
  }
  if (isa<IntegerType>(from))
    return isUnsigned ? Value(arith::UIToFPOp::create(b, loc, to, x))
                      : Value(arith::SIToFPOp::create(b, loc, to, x));
  if (isa<IntegerType>(element))
    return arith::FPToSIOp::create(b, loc, to, x);
  if (from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(b, loc, to, x);
  return arith::TruncFOp::create(b, loc, to, x);
}

Value KernelBuilder::bitcast(Value x, Type type) {
  if (x.getType() == type)
    return x;
  if (isa<VectorType>(type))
    return vector::BitCastOp::create(b, loc, type, x);
  return arith::BitcastOp::create(b, loc, type, x);
}

Value KernelBuilder::toIndex(Value x) {
  return arith::IndexCastUIOp::create(b, loc, b.getIndexType(), x);
}

Value KernelBuilder::minF(Value x, Value y) {
  return select(arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, y),
                x, y);
}

Value KernelBuilder::maxF(Value x, Value y) {
  return select(arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, y),
                x, y);
}

Value KernelBuilder::roundEven(Value x) {
  return math::RoundEvenOp::create(b, loc, x);
}

Value KernelBuilder::multiplyAdd(Value x, Value y, Value z, bool fused) {
  if (fused)
    return math::FmaOp::create(b, loc, x, y, z);
  return addF(mulF(x, y), z);
}

//===----------------------------------------------------------------------===//
// Vectors and memory
//===----------------------------------------------------------------------===//

Value KernelBuilder::splat(Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(b, loc, vector(lanes, scalar.getType()),
                                     scalar);
}

Value KernelBuilder::shuffle(Value x, Value y, ArrayRef<int64_t> mask) {
  return vector::ShuffleOp::create(b, loc, x, y, mask);
}

Value KernelBuilder::dim(Value memref, unsigned axis) {
  auto type = cast<MemRefType>(memref.getType());
  if (!type.isDynamicDim(axis))
    return index(type.getDimSize(axis));
  return memref::DimOp::create(b, loc, memref, axis);
}

Value KernelBuilder::load(Value memref, ValueRange at) {
  return memref::LoadOp::create(b, loc, memref, at);
}

void KernelBuilder::store(Value value, Value memref, ValueRange at) {
  memref::StoreOp::create(b, loc, value, memref, at);
}

Value KernelBuilder::loadVector(int64_t lanes, Value memref, ValueRange at) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  return vector::LoadOp::create(b, loc, vector(lanes, element), memref, at);
}

void KernelBuilder::storeVector(Value value, Value memref, ValueRange at) {
  vector::StoreOp::create(b, loc, value, memref, at);
}

Value KernelBuilder::loadMasked(int64_t lanes, Value memref, ValueRange at,
                                Value mask) {
  VectorType type =
      vector(lanes, cast<MemRefType>(memref.getType()).getElementType());
  Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
  return vector::MaskedLoadOp::create(b, loc, type, memref, at, mask, zero);
}

void KernelBuilder::storeMasked(Value value, Value memref, ValueRange at,
                                Value mask) {
  vector::MaskedStoreOp::create(b, loc, memref, at, mask, value);
}

Value KernelBuilder::scratch(ArrayRef<int64_t> shape, Type element) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getBody().front());
  return memref::AllocaOp::create(b, loc, MemRefType::get(shape, element),
                                  b.getI64IntegerAttr(64));
}

Value KernelBuilder::call(StringRef intrinsic, Type result,
                          ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(b, loc, result,
                                       b.getStringAttr(intrinsic), arguments)
      .getResults();
}

SmallVector<Value> KernelBuilder::transpose(SmallVector<Value> rows) {
  // Each round of perfect shuffles turns one bit of the row number into one of
  // the lane number.
  int64_t lanes = rows.size();
  SmallVector<int64_t> low, high;
  for (int64_t i = 0; i < lanes; ++i) {
    low.push_back(i / 2 + (i % 2) * lanes);
    high.push_back(lanes / 2 + i / 2 + (i % 2) * lanes);
  }
  for (int64_t round = 1; round < lanes; round *= 2) {
    SmallVector<Value> next(lanes);
    for (int64_t i = 0; i < lanes / 2; ++i) {
      next[2 * i] = shuffle(rows[i], rows[i + lanes / 2], low);
      next[2 * i + 1] = shuffle(rows[i], rows[i + lanes / 2], high);
    }
    rows = std::move(next);
  }
  return rows;
}

//===----------------------------------------------------------------------===//
// Control
//===----------------------------------------------------------------------===//

SmallVector<Value> KernelBuilder::loop(Value lower, Value upper, int64_t step,
                                       ValueRange carried, LoopBody body) {
  auto op = scf::ForOp::create(b, loc, lower, upper, index(step), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.getBody());
  SmallVector<Value> next = body(op.getInductionVar(), op.getRegionIterArgs());
  if (!carried.empty())
    scf::YieldOp::create(b, loc, next);
  return op.getResults();
}

void KernelBuilder::loop(Value lower, Value upper, int64_t step,
                         llvm::function_ref<void(Value iv)> body) {
  loop(lower, upper, step, {}, [&](Value iv, ValueRange) {
    body(iv);
    return SmallVector<Value>();
  });
}

void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> body,
                           llvm::function_ref<void()> otherwise) {
  auto op = scf::IfOp::create(b, loc, condition, bool(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.thenBlock());
  body();
  if (otherwise) {
    b.setInsertionPointToStart(op.elseBlock());
    otherwise();
  }
}

SmallVector<Value>
KernelBuilder::ifValue(Value condition,
                       llvm::function_ref<SmallVector<Value>()> body,
                       llvm::function_ref<SmallVector<Value>()> otherwise) {
  SmallVector<Value> results[2];
  std::unique_ptr<Region> regions[2];
  Block *home = b.getInsertionBlock();
  Block::iterator point = b.getInsertionPoint();
  for (unsigned i = 0; i < 2; ++i) {
    regions[i] = std::make_unique<Region>();
    b.createBlock(regions[i].get());
    results[i] = i == 0 ? body() : otherwise();
    scf::YieldOp::create(b, loc, results[i]);
  }
  b.setInsertionPoint(home, point);
  auto op = scf::IfOp::create(b, loc, TypeRange(ValueRange(results[0])),
                              condition, /*withElseRegion=*/true);
  op.getThenRegion().takeBody(*regions[0]);
  op.getElseRegion().takeBody(*regions[1]);
  return op.getResults();
}

void KernelBuilder::tasks(
    Value count, Value isSmall,
    llvm::function_ref<void(KernelBuilder &, Value)> body) {
  auto module = function->getParentOfType<ModuleOp>();
  SmallVector<Type> types(function.getArgumentTypes());
  types.push_back(b.getIndexType());
  std::string name =
      function.getName().str() + "_task" + std::to_string(numTasks++);
  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    body(k, k.getArguments().back());
  });
  // What is left here only starts tasks. Inlined, it would fill the model's
  // function with branches.
  function->setAttr("passthrough", b.getArrayAttr(b.getStringAttr("noinline")));
  auto call = [&](Value task) {
    SmallVector<Value> arguments(getArguments());
    arguments.push_back(task);
    func::CallOp::create(b, loc, name, TypeRange(), arguments);
  };
  Value zero = index(0);
  ifThen(
      isSmall, [&] { loop(zero, count, 1, call); },
      [&] {
        Value one = index(1);
        auto op = scf::ParallelOp::create(b, loc, ValueRange(zero),
                                          ValueRange(count), ValueRange(one));
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(op.getBody());
        call(op.getInductionVars()[0]);
      });
}

SmallVector<Value> KernelBuilder::delinearize(Value linear,
                                              ArrayRef<int64_t> sizes) {
  SmallVector<Value> position(sizes.size());
  for (int64_t d = int64_t(sizes.size()) - 1; d > 0; --d) {
    position[d] = rem(linear, sizes[d]);
    linear = div(linear, sizes[d]);
  }
  if (!sizes.empty())
    position[0] = linear;
  return position;
}

void compress::cpu::getOrCreateKernel(
    ModuleOp module, StringRef name, TypeRange parameters,
    llvm::function_ref<void(KernelBuilder &)> body) {
  if (module.lookupSymbol(name))
    return;
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto function = func::FuncOp::create(builder, module.getLoc(), name,
                                       builder.getFunctionType(parameters, {}));
  function.setPrivate();
  function->setAttr(kGeneratedAttr, builder.getUnitAttr());
  function.addEntryBlock();
  KernelBuilder k(function);
  body(k);
  func::ReturnOp::create(k.b, k.loc);
}
