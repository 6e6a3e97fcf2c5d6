//===- KernelExpand.cpp - Zeros put back between bytes ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelExpand.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

static constexpr int64_t kWordBits = 32;

int64_t ExpandedUnits::getByteSize() const {
  return values.getBytes().size() + mask.getBytes().size() +
         starts.getBytes().size();
}

static bool isZero(ArrayRef<char> unit) {
  return llvm::all_of(unit, [](char byte) { return byte == 0; });
}

static ExpandedUnits packUnits(const HostTensor &packed, int64_t unit) {
  ArrayRef<char> bytes = packed.getBytes();
  int64_t count = int64_t(bytes.size()) / unit;
  int64_t words = llvm::divideCeil(count, kWordBits);
  ExpandedUnits result;
  result.bytes = bytes.size();
  result.unit = unit;
  Type i8 = packed.getElementType();
  Type i32 = IntegerType::get(i8.getContext(), 32);
  result.mask = HostTensor::allocate({words}, i32);
  result.starts = HostTensor::allocate(
      {int64_t(llvm::divideCeil(words, kExpandedWords))}, i32);
  auto mask = result.mask.getMutableData<int32_t>();
  auto starts = result.starts.getMutableData<int32_t>();
  std::vector<char> values;
  for (int64_t i = 0; i < count; ++i) {
    if (i % (kWordBits * kExpandedWords) == 0)
      starts[i / (kWordBits * kExpandedWords)] = values.size() / unit;
    ArrayRef<char> one = bytes.slice(i * unit, unit);
    if (isZero(one))
      continue;
    mask[i / kWordBits] |= int32_t(uint32_t(1) << i % kWordBits);
    llvm::append_range(values, one);
  }
  result.stored = values.size() / unit;
  values.insert(values.end(), unit, 0);
  result.values = HostTensor::allocate({int64_t(values.size())}, i8);
  llvm::copy(values, result.values.getMutableBytes().begin());
  return result;
}

ExpandedUnits compress::cpu::packUnits(const HostTensor &bytes) {
  ExpandedUnits single = ::packUnits(bytes, 1), quads = ::packUnits(bytes, 4);
  return quads.getByteSize() <= single.getByteSize() ? std::move(quads)
                                                     : std::move(single);
}

std::string compress::cpu::generateExpand(ModuleOp module,
                                          const ExpandedUnits &packed) {
  int64_t unit = packed.unit, count = packed.bytes / unit;
  int64_t words = llvm::divideCeil(count, kWordBits);
  std::string name = llvm::formatv("compress_expand_b{0}_u{1}_v{2}",
                                   packed.bytes, unit, packed.stored);
  OpBuilder b(module.getContext());
  SmallVector<Type> types;
  for (const HostTensor *part : {&packed.values, &packed.mask, &packed.starts})
    types.push_back(MemRefType::get(part->getShape(), part->getElementType()));
  types.push_back(MemRefType::get({packed.bytes}, b.getI8Type()));
  getOrCreateKernel(module, name, types, [&](KernelBuilder &k) {
    Value isSmall = k.lessThan(k.index(packed.bytes), k.index(64 * 1024));
    k.tasks(k.index(llvm::divideCeil(words, kExpandedWords)), isSmall,
            [&](KernelBuilder &k, Value task) {
              ValueRange args = k.getArguments();
              Value begin = k.mul(task, kExpandedWords);
              Value end =
                  k.minimum(k.add(begin, kExpandedWords), k.index(words));
              Value first = k.toIndex(k.load(args[2], task));
              Type type = k.vector(unit, k.i8());
              Value zeros = k.integer(type, 0);
              k.loop(begin, end, 1, first, [&](Value word, ValueRange carried) {
                Value at = k.mul(word, kWordBits);
                Value last = k.minimum(k.add(at, kWordBits), k.index(count));
                Value bits = k.load(args[1], word);
                SmallVector<Value> next = k.loop(
                    at, last, 1, {carried[0], bits},
                    [&](Value i, ValueRange state) -> SmallVector<Value> {
                      Value isStored = k.bitAnd(state[1], 1);
                      Value value =
                          k.loadVector(unit, args[0], k.mul(state[0], unit));
                      value =
                          k.select(k.lessThan(k.integer(k.i32(), 0), isStored),
                                   value, zeros);
                      k.storeVector(value, args[3], k.mul(i, unit));
                      return {k.add(state[0], k.toIndex(isStored)),
                              k.shiftRight(state[1], 1)};
                    });
                return SmallVector<Value>{next[0]};
              });
            });
  });
  return name;
}
