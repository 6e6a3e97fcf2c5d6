//===- Memory.cpp - Caching allocator of generated code ---------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// A run of a model allocates and frees the same sizes again and again. Blocks
// therefore go to free lists by size class instead of back to the system, which
// would unmap large ones and take a page fault per 4 KiB at the next run.
//
// Four classes per power of two bound the waste to 25 %. One lock guards all:
// generated code allocates per tensor, not per element.
//
//===----------------------------------------------------------------------===//

#include "Context.h"
#include "compress/Runtime/Functions.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <sys/mman.h>

namespace compress::runtime {
namespace {

/// Sits in the 64 bytes before the user's pointer.
struct alignas(64) Header {
  Header *prev, *next; // in the list of live blocks, or `next` in a free list
  void *base;          // what std::free takes
  Context *owner;      // the run that allocated it, null outside of runs
  size_t size;         // usable bytes
  int32_t sizeClass;   // -1: not cached
};
static_assert(sizeof(Header) == 64, "blocks must stay 64-byte aligned");

constexpr size_t hugePage = size_t(2) << 20;
constexpr int numClasses = 4 * 48;

/// The smallest class whose size is at least `size`, and that size. Class c
/// holds (4 + c % 4) << (c / 4) units of 16 bytes, so the least is 64 bytes.
int classOf(size_t size, size_t &rounded) {
  size_t units = size <= 64 ? 4 : (size + 15) / 16;
  int shift = 0;
  while (((units + (size_t(1) << shift) - 1) >> shift) > 7)
    ++shift;
  size_t mantissa = (units + (size_t(1) << shift) - 1) >> shift;
  rounded = (mantissa << shift) * 16;
  return shift * 4 + int(mantissa) - 4;
}

struct Pool {
  std::mutex mutex;
  Header *freeLists[numClasses] = {};
  Header live = {&live, &live, nullptr, nullptr, 0, -1};
  size_t liveBytes = 0, peakBytes = 0, cachedBytes = 0;

  // The lists keep pointers to `live`; blocks may outlive static destruction.
  static Pool &get() {
    alignas(Pool) static unsigned char storage[sizeof(Pool)];
    static Pool *pool = new (storage) Pool;
    return *pool;
  }

  void link(Header *block) {
    block->next = live.next;
    block->prev = &live;
    live.next->prev = block;
    live.next = block;
    liveBytes += block->size;
    if (liveBytes > peakBytes)
      peakBytes = liveBytes;
  }
  void unlink(Header *block) {
    block->prev->next = block->next;
    block->next->prev = block->prev;
    liveBytes -= block->size;
  }
  void release(Header *block) {
    unlink(block);
    if (block->sizeClass < 0)
      return std::free(block->base);
    block->next = freeLists[block->sizeClass];
    freeLists[block->sizeClass] = block;
    cachedBytes += block->size;
  }
  void trim(size_t keep) {
    for (int c = numClasses - 1; c >= 0 && cachedBytes > keep; --c)
      while (freeLists[c] && cachedBytes > keep) {
        Header *block = freeLists[c];
        freeLists[c] = block->next;
        cachedBytes -= block->size;
        std::free(block->base);
      }
  }
};

Header *headerOf(void *ptr) { return static_cast<Header *>(ptr) - 1; }

} // namespace

void *allocate(size_t size, size_t alignment) noexcept {
  if (alignment < 64)
    alignment = 64;
  // Nothing real is that large, and the sums below must not overflow.
  if (size > (size_t(1) << 46) || alignment > (size_t(1) << 30))
    return nullptr;
  Pool &pool = Pool::get();
  std::lock_guard<std::mutex> lock(pool.mutex);
  size_t rounded = size;
  int sizeClass = -1;
  if (alignment == 64) {
    sizeClass = classOf(size, rounded);
    if (Header *block = pool.freeLists[sizeClass]) {
      pool.freeLists[sizeClass] = block->next;
      pool.cachedBytes -= block->size;
      block->owner = currentContext();
      pool.link(block);
      return block + 1;
    }
  }
  // The header takes `alignment` bytes so that what follows stays aligned.
  size_t total = alignment + rounded;
  size_t blockAlignment = alignment;
  if (total >= hugePage && alignment < hugePage)
    blockAlignment = hugePage;
  total = (total + blockAlignment - 1) / blockAlignment * blockAlignment;
  if (blockAlignment == hugePage && total - rounded > rounded / 4) {
    // Rounding up to huge pages would waste too much.
    blockAlignment = alignment;
    total = (alignment + rounded + alignment - 1) / alignment * alignment;
  }
  void *base = std::aligned_alloc(blockAlignment, total);
  if (!base) {
    pool.trim(0);
    base = std::aligned_alloc(blockAlignment, total);
  }
  if (!base)
    return nullptr;
  if (blockAlignment == hugePage)
    madvise(base, total, MADV_HUGEPAGE); // A hint: failing is harmless.
  auto *block = headerOf(static_cast<char *>(base) + alignment);
  block->base = base;
  block->owner = currentContext();
  block->size = rounded;
  block->sizeClass = sizeClass;
  pool.link(block);
  return block + 1;
}

void deallocate(void *ptr) noexcept {
  if (!ptr)
    return;
  Pool &pool = Pool::get();
  std::lock_guard<std::mutex> lock(pool.mutex);
  pool.release(headerOf(ptr));
}

size_t liveBytes() {
  Pool &pool = Pool::get();
  std::lock_guard<std::mutex> lock(pool.mutex);
  return pool.liveBytes;
}

void resetPeak() {
  Pool &pool = Pool::get();
  std::lock_guard<std::mutex> lock(pool.mutex);
  pool.peakBytes = pool.liveBytes;
}

size_t peakLiveBytes() {
  Pool &pool = Pool::get();
  std::lock_guard<std::mutex> lock(pool.mutex);
  return pool.peakBytes;
}

void trimCache(size_t keep) {
  Pool &pool = Pool::get();
  std::lock_guard<std::mutex> lock(pool.mutex);
  pool.trim(keep);
}

void freeBlocksOf(Context *owner) {
  Pool &pool = Pool::get();
  std::lock_guard<std::mutex> lock(pool.mutex);
  for (Header *block = pool.live.next, *next; block != &pool.live;
       block = next) {
    next = block->next;
    if (block->owner == owner)
      pool.release(block);
  }
}

void disown(void *ptr) {
  Pool &pool = Pool::get();
  std::lock_guard<std::mutex> lock(pool.mutex);
  headerOf(ptr)->owner = nullptr;
}

} // namespace compress::runtime

using namespace compress::runtime;

/// An allocation by generated code that cannot be served: it does not check
/// for null, so it must not get control back.
static void *outOfMemory(uint64_t size) {
  if (Context *ctx = currentContext()) {
    ctx->setError(COMPRESS_ERROR_MEMORY, "out of memory: cannot allocate " +
                                             std::to_string(size) +
                                             " bytes for a tensor");
    leaveRun(ctx);
  }
  // A worker thread cannot leave the run, and memory that is not there cannot
  // be written: what remains is to say why the process ends.
  std::fprintf(stderr,
               "compress: out of memory: cannot allocate %llu bytes in a "
               "parallel region\n",
               static_cast<unsigned long long>(size));
  std::abort();
}

extern "C" void *_mlir_memref_to_llvm_alloc(uint64_t size) {
  void *ptr = allocate(size);
  return ptr ? ptr : outOfMemory(size);
}

extern "C" void *_mlir_memref_to_llvm_aligned_alloc(uint64_t alignment,
                                                    uint64_t size) {
  void *ptr = allocate(size, alignment);
  return ptr ? ptr : outOfMemory(size);
}

extern "C" void _mlir_memref_to_llvm_free(void *ptr) { deallocate(ptr); }
