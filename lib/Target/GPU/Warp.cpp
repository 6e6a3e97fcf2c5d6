//===- Warp.cpp - What the lanes of a workgroup do together -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Warp.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

Warp::Warp(DeviceKernel &k)
    : lanes(k.device.warp.lanes), numWarps(k.workgroupSize / lanes),
      numThreads(k.workgroupSize), k(k) {
  thread = k.getThread();
  warp = k.div(thread, lanes);
  lane = k.rem(thread, lanes);
}

Value Warp::allocateShared(int64_t words) {
  OpBuilder::InsertionGuard guard(k.b);
  auto function =
      k.b.getBlock()->getParentOp()->getParentOfType<gpu::GPUFuncOp>();
  if (!function)
    function = cast<gpu::GPUFuncOp>(k.b.getBlock()->getParentOp());
  k.b.setInsertionPointToStart(&function.getBody().front());
  return k.device.warp.allocateShared(k.b, k.loc, words);
}
Value Warp::load(Value shared, Value at) {
  return memref::LoadOp::create(k.b, k.loc, shared, at);
}
void Warp::store(Value word, Value shared, Value at) {
  memref::StoreOp::create(k.b, k.loc, k.bitcast(word, k.b.getI32Type()), shared,
                          at);
}
void Warp::barrier() { gpu::BarrierOp::create(k.b, k.loc); }

Value Warp::position(const FragmentLayout &layout, int64_t ofQuotient,
                     int64_t ofRemainder, int64_t offset) {
  Value result = k.index(offset);
  if (ofQuotient)
    result = k.add(k.mul(k.div(lane, layout.split), ofQuotient), result);
  if (ofRemainder)
    result = k.add(k.mul(k.rem(lane, layout.split), ofRemainder), result);
  return result;
}
Value Warp::getRow(const FragmentLayout &layout, unsigned r) {
  return position(layout, layout.rowOfQuotient, layout.rowOfRemainder,
                  layout.rows[r]);
}
Value Warp::getColumn(const FragmentLayout &layout, unsigned r) {
  return position(layout, layout.columnOfQuotient, layout.columnOfRemainder,
                  layout.columns[r]);
}

Value Warp::getScratch(int64_t words) {
  // One allocation serves all that is emulated; see emulationWords.
  if (!scratch)
    scratch = allocateShared(std::max(words, k.device.warp.emulationWords));
  return scratch;
}

static Value addValues(DeviceKernel &k, Value x, Value y) {
  if (x.getType().isF32())
    return arith::AddFOp::create(k.b, k.loc, x, y);
  return k.add(x, y);
}

Value Warp::sumLanes(Value x) {
  Type type = x.getType();
  Type i32 = k.b.getI32Type();
  if (k.device.warp.shuffle) {
    for (int64_t mask = lanes / 2; mask > 0; mask /= 2) {
      Value other = k.device.warp.shuffle(k.b, k.loc, k.bitcast(x, i32),
                                          k.toI32(lane), mask);
      x = addValues(k, x, k.bitcast(other, type));
    }
    return x;
  }
  Value memory = getScratch(numThreads);
  barrier();
  store(x, memory, thread);
  barrier();
  Value first = k.mul(warp, lanes);
  Value zero = type.isF32() ? k.f32(0) : k.i32(0);
  return k.loops(k.index(lanes), zero, [&](ValueRange at, Value sum) {
    return addValues(k, sum,
                     k.bitcast(load(memory, k.add(first, at[0])), type));
  });
}

/// Element number `i` of a word, as f32 or i32.
static Value getElement(DeviceKernel &k, MatrixInstruction::Element element,
                        Value word, int64_t i) {
  switch (element) {
  case MatrixInstruction::Element::I8:
    return k.shiftRightSigned(k.shiftLeft(word, 24 - 8 * i), 24);
  case MatrixInstruction::Element::F16:
    return k.fromHalf(i == 0 ? k.bitAnd(word, 0xffff) : k.shiftRight(word, 16));
  case MatrixInstruction::Element::BF16:
    Value bits = i == 0 ? k.shiftLeft(word, 16) : k.bitAnd(word, 0xffff0000);
    return k.bitcast(bits, k.b.getF32Type());
  }
  llvm_unreachable("covered switch");
}

static Value addProduct(DeviceKernel &k, Value x, Value y, Value sum) {
  if (!x.getType().isF32())
    return k.add(sum, k.mul(x, y));
  return addValues(k, sum, arith::MulFOp::create(k.b, k.loc, x, y));
}

SmallVector<Value> Warp::multiply(const MatrixInstruction &instruction,
                                  ValueRange a, ValueRange b, ValueRange c) {
  if (instruction.emit)
    return instruction.emit(k.b, k.loc, a, b, c);
  if (instruction.isSparse)
    return emulateSparse(instruction, a, b, c);
  // Both matrices go to memory by where the layout says that they are.
  int64_t perWord = instruction.getPerWord(), words = instruction.k / perWord;
  int64_t perWarp = (instruction.m + instruction.n) * words;
  Value memory = getScratch(perWarp * numWarps);
  Value firstA = k.mul(warp, perWarp);
  Value firstB = k.add(firstA, instruction.m * words);
  auto put = [&](const FragmentLayout &layout, ValueRange values, Value first) {
    for (auto [r, value] : llvm::enumerate(values)) {
      Value at = k.add(k.mul(getRow(layout, r), words),
                       k.div(getColumn(layout, r), perWord));
      store(value, memory, k.add(first, at));
    }
  };
  barrier();
  put(instruction.a, a, firstA);
  put(instruction.b, b, firstB);
  barrier();
  SmallVector<Value> result;
  for (auto [r, start] : llvm::enumerate(c)) {
    Value rowA = k.add(firstA, k.mul(getRow(instruction.c, r), words));
    Value rowB = k.add(firstB, k.mul(getColumn(instruction.c, r), words));
    result.push_back(
        k.loops(k.index(words), start, [&](ValueRange at, Value sum) {
          Value x = load(memory, k.add(rowA, at[0]));
          Value y = load(memory, k.add(rowB, at[0]));
          for (int64_t i = 0; i < perWord; ++i) {
            Value left = getElement(k, instruction.element, x, i);
            Value right = getElement(k, instruction.element, y, i);
            sum = addProduct(k, left, right, sum);
          }
          return sum;
        }));
  }
  return result;
}

SmallVector<Value> Warp::emulateSparse(const MatrixInstruction &instruction,
                                       ValueRange a, ValueRange b,
                                       ValueRange c) {
  // Words of a row: stored values, positions of 16 columns each, b.
  int64_t perWord = instruction.getPerWord(), bits = 32 / perWord;
  int64_t stored = instruction.k / 2 / perWord, halves = instruction.k / 16,
          words = instruction.k / perWord;
  int64_t perWarp = instruction.m * (stored + halves) + instruction.n * words;
  Value memory = getScratch(perWarp * numWarps);
  Value firstA = k.mul(warp, perWarp);
  Value firstP = k.add(firstA, instruction.m * stored);
  Value firstB = k.add(firstP, instruction.m * halves);
  barrier();
  for (auto [r, word] : llvm::enumerate(a.drop_back())) {
    Value at = k.add(k.mul(getRow(instruction.a, r), stored),
                     k.div(getColumn(instruction.a, r), perWord));
    store(word, memory, k.add(firstA, at));
  }
  for (auto [r, word] : llvm::enumerate(b)) {
    Value at = k.add(k.mul(getRow(instruction.b, r), words),
                     k.div(getColumn(instruction.b, r), perWord));
    store(word, memory, k.add(firstB, at));
  }
  // See MatrixInstruction::isSparse.
  Value quad = k.div(lane, 4), inQuad = k.rem(lane, 4);
  auto storeHalves = [&](Value lower, Value upper) {
    store(k.bitAnd(a.back(), 0xffff), memory, k.add(firstP, lower));
    store(k.shiftRight(a.back(), 16), memory, k.add(firstP, upper));
  };
  if (perWord == 4) {
    Value row = k.add(quad, k.mul(k.rem(inQuad, 2), 8));
    Value lower = k.add(k.mul(row, halves), k.mul(k.div(inQuad, 2), 2));
    storeHalves(lower, k.add(lower, 1));
  } else {
    auto counts = scf::IfOp::create(
        k.b, k.loc, k.compare(arith::CmpIPredicate::ult, inQuad, k.index(2)),
        false);
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(counts.thenBlock());
    Value lower = k.add(k.mul(quad, halves), inQuad);
    storeHalves(lower, k.add(lower, 8 * halves));
  }
  barrier();
  SmallVector<Value> result;
  for (auto [r, start] : llvm::enumerate(c)) {
    Value row = getRow(instruction.c, r);
    Value rowA = k.add(firstA, k.mul(row, stored));
    Value rowP = k.add(firstP, k.mul(row, halves));
    Value rowB = k.add(firstB, k.mul(getColumn(instruction.c, r), words));
    result.push_back(
        k.loops(k.index(stored), start, [&](ValueRange at, Value sum) {
          Value values = load(memory, k.add(rowA, at[0]));
          for (int64_t i = 0; i < perWord; ++i) {
            Value four = k.add(k.mul(at[0], perWord / 2), i / 2);
            Value positions = load(memory, k.add(rowP, k.div(four, 4)));
            Value shift = k.add(k.mul(k.rem(four, 4), 4), 2 * (i % 2));
            Value position =
                k.bitAnd(k.shiftRight(positions, k.toI32(shift)), 3);
            Value column = k.add(k.mul(four, 4), k.toIndex(position));
            Value word = load(memory, k.add(rowB, k.div(column, perWord)));
            Value part = k.toI32(k.mul(k.rem(column, perWord), bits));
            Value right =
                getElement(k, instruction.element, k.shiftRight(word, part), 0);
            Value left = getElement(k, instruction.element, values, i);
            sum = addProduct(k, left, right, sum);
          }
          return sum;
        }));
  }
  return result;
}
