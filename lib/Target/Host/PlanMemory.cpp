//===- PlanMemory.cpp - One block for all intermediates ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Offsets are chosen greedily, the largest buffer first, each in the smallest
// gap that fits among the buffers that live at the same time (Pisarchyk and
// Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
//
//===----------------------------------------------------------------------===//

#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSPLANMEMORY
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// A cache line, as the allocator aligns.
static constexpr int64_t kAlignment = 64;

namespace {
/// A buffer of known size that lives between two operations of a block.
struct Buffer {
  memref::AllocOp alloc;
  memref::DeallocOp dealloc;
  int64_t size, begin, end;
  int64_t offset = -1;

  bool livesWith(const Buffer &other) const {
    return begin < other.end && other.begin < end;
  }
};

struct PlanMemory : public compress::impl::CompressPlanMemoryBase<PlanMemory> {
  using Base::Base;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal() || function->hasAttr(kGeneratedAttr))
      return;
    std::vector<Buffer> buffers = collect(function.getBody().front());
    if (buffers.size() < 2)
      return;
    int64_t size = place(buffers);
    numPlaced += buffers.size();
    function->setAttr(kWorkspaceAttr,
                      Builder(function).getI64IntegerAttr(size));
    rewrite(function, buffers, size);
  }

private:
  static std::vector<Buffer> collect(Block &block) {
    llvm::DenseMap<Operation *, int64_t> positions;
    for (auto [i, op] : llvm::enumerate(block))
      positions[&op] = i;
    std::vector<Buffer> buffers;
    for (auto alloc : block.getOps<memref::AllocOp>()) {
      MemRefType type = alloc.getType();
      if (!type.hasStaticShape() || !type.getLayout().isIdentity() ||
          !type.getElementType().isIntOrFloat() ||
          type.getElementTypeBitWidth() % 8 != 0 || type.getMemorySpace())
        continue;
      memref::DeallocOp dealloc;
      unsigned count = 0;
      for (Operation *user : alloc->getUsers())
        if (auto op = dyn_cast<memref::DeallocOp>(user)) {
          dealloc = op;
          ++count;
        }
      if (count != 1 || dealloc->getBlock() != &block)
        continue;
      int64_t bytes =
          type.getNumElements() * (type.getElementTypeBitWidth() / 8);
      buffers.push_back({alloc, dealloc,
                         int64_t(llvm::alignTo(bytes, kAlignment)),
                         positions[alloc], positions[dealloc]});
    }
    return buffers;
  }

  /// Gives each buffer an offset; returns the size of the whole.
  static int64_t place(std::vector<Buffer> &buffers) {
    std::vector<Buffer *> order, placed;
    for (Buffer &buffer : buffers)
      order.push_back(&buffer);
    llvm::sort(order, [](const Buffer *a, const Buffer *b) {
      return std::pair(-a->size, a->begin) < std::pair(-b->size, b->begin);
    });
    int64_t whole = 0;
    for (Buffer *buffer : order) {
      // `placed` is sorted by offset.
      int64_t end = 0, best = -1, bestGap = INT64_MAX;
      for (const Buffer *other : placed) {
        if (!buffer->livesWith(*other))
          continue;
        int64_t gap = other->offset - end;
        if (gap >= buffer->size && gap < bestGap) {
          best = end;
          bestGap = gap;
        }
        end = std::max(end, other->offset + other->size);
      }
      buffer->offset = best < 0 ? end : best;
      whole = std::max(whole, buffer->offset + buffer->size);
      placed.insert(llvm::upper_bound(placed, buffer,
                                      [](const Buffer *a, const Buffer *b) {
                                        return a->offset < b->offset;
                                      }),
                    buffer);
    }
    return whole;
  }

  static void rewrite(func::FuncOp function, ArrayRef<Buffer> buffers,
                      int64_t size) {
    Block &block = function.getBody().front();
    OpBuilder b = OpBuilder::atBlockBegin(&block);
    Location loc = function.getLoc();
    auto type = MemRefType::get({size}, b.getI8Type());
    Value workspace =
        memref::AllocOp::create(b, loc, type, b.getI64IntegerAttr(kAlignment));
    for (const Buffer &buffer : buffers) {
      b.setInsertionPoint(buffer.alloc);
      Value offset = arith::ConstantIndexOp::create(b, loc, buffer.offset);
      memref::AllocOp alloc = buffer.alloc;
      Value view = memref::ViewOp::create(b, alloc.getLoc(), alloc.getType(),
                                          workspace, offset, ValueRange());
      memref::DeallocOp(buffer.dealloc).erase();
      alloc.getResult().replaceAllUsesWith(view);
      alloc.erase();
    }
    b.setInsertionPoint(block.getTerminator());
    memref::DeallocOp::create(b, loc, workspace);
  }
};
} // namespace
