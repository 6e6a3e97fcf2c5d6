//===- Context.h - State of one model instance ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_LIB_RUNTIME_CONTEXT_H
#define COMPRESS_LIB_RUNTIME_CONTEXT_H

#include "compress/Runtime/ModelInstance.h"

#include <csetjmp>
#include <cstdlib>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace compress::runtime {

/// What a call site keeps between runs (prepared kernels, reordered weights).
/// One kind per call site, so a static_cast by the kernel that made it is safe.
struct SlotState {
  virtual ~SlotState() = default;
};

struct Slot {
  // Generated code may call from a parallel region.
  std::mutex mutex;
  std::unique_ptr<SlotState> state;

  template <typename T> T &get() {
    if (!state)
      state = std::make_unique<T>();
    return static_cast<T &>(*state);
  }
};

/// The `ctx` of generated code.
struct Context {
  const char *weightsBegin = nullptr;
  const char *weightsEnd = nullptr;
  int32_t threads = 1;
  /// Whether runs at the same time divide these threads between them.
  bool sharesCores = false;
  Observer observer = nullptr;
  void *observerData = nullptr;
  std::vector<Slot> slots;

  // The error of the current run: the first one wins.
  std::mutex errorMutex;
  CompressStatus status = COMPRESS_OK;
  std::string error;
  // Where a failing runtime function leaves the generated code to; valid while
  // `running`.
  jmp_buf exit;
  bool running = false;

  // Weights that generated code decodes once (Prepared.cpp): its descriptors,
  // and the blocks, which this context frees.
  struct Free {
    void operator()(void *memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> preparedState;
  std::vector<std::pair<char *, size_t>> prepared;
  /// What runtimes of devices keep, by who destroys it.
  std::list<std::pair<void (*)(void *), void *>> extensions;
  ~Context();

  explicit Context(size_t numSlots) : slots(numSlots) {}

  /// Whether [p, p+1) lies in the weight file or in prepared weights, and so
  /// never changes.
  bool isConstant(const void *p) const {
    if (p >= weightsBegin && p < weightsEnd)
      return true;
    for (auto [begin, size] : prepared)
      if (p >= begin && p < begin + size)
        return true;
    return false;
  }

  void setError(CompressStatus newStatus, std::string message) {
    std::lock_guard<std::mutex> lock(errorMutex);
    if (status != COMPRESS_OK)
      return;
    status = newStatus;
    error = std::move(message);
  }
};

/// The context whose entry point this thread is executing, or null.
Context *currentContext();

/// Ends the current run after an error was set: does not return when called on
/// the thread that runs the model, outside of parallel regions. Elsewhere it
/// returns, and the run fails when the generated code has finished.
///
/// It leaves by longjmp, so no frame between here and the generated code may
/// hold an object with a destructor.
void leaveRun(Context *ctx);

/// Allocation and peak of the allocator of Memory.cpp.
void *allocate(size_t size, size_t alignment = 64) noexcept;
void deallocate(void *ptr) noexcept;
/// Bytes in live blocks, process-wide.
size_t liveBytes();
/// Starts a new peak measurement at the current live bytes.
void resetPeak();
size_t peakLiveBytes();
/// Returns cached memory beyond `keep` bytes to the system.
void trimCache(size_t keep);
/// Frees the blocks that `owner`'s run allocated and has not freed.
void freeBlocksOf(Context *owner);
/// Marks a block as the caller's: freeBlocksOf no longer applies to it.
void disown(void *ptr);

} // namespace compress::runtime

#endif // COMPRESS_LIB_RUNTIME_CONTEXT_H
