//===- JobPool.h - Jobs over threads and processes --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_SEARCH_JOBPOOL_H
#define COMPRESS_SEARCH_JOBPOOL_H

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include <functional>
#include <string>
#include <vector>

namespace compress {

/// The processes that run one program with the same arguments. This class is a
/// process alone; launchers of several derive from it.
class ProcessGroup {
public:
  virtual ~ProcessGroup() = default;
  virtual unsigned getRank() const { return 0; }
  virtual unsigned getSize() const { return 1; }
  /// Waits until every process has called it; gives each what all gave, by
  /// rank. Called from one thread only.
  virtual std::vector<std::string> exchange(const std::string &own) {
    return {own};
  }
};

/// Runs jobs on the threads of all processes of a group. All processes make the
/// same calls; who has nothing more to run calls `finish`, alone or not.
class JobPool {
public:
  /// Without a group: this process alone.
  explicit JobPool(ProcessGroup *group = nullptr)
      : group(group ? group : &alone) {}
  JobPool(const JobPool &) = delete;
  JobPool &operator=(const JobPool &) = delete;

  /// The first process does what is not divided, and writes and prints.
  bool isFirst() const { return group->getRank() == 0; }
  bool isAlone() const { return group->getSize() == 1; }

  /// Calls `job` with each of 0 to `count` - 1, once in all processes, and
  /// returns the results by index, the same everywhere. `inputs` identifies
  /// all that results depend on. Errors: processes with other inputs, a process
  /// that has finished (with its message).
  llvm::Expected<std::vector<std::string>>
  run(mlir::MLIRContext *context, size_t count, const std::string &inputs,
      llvm::function_ref<std::string(size_t)> job,
      const std::function<void(size_t done, size_t total)> &progress = nullptr);

  /// Says that this process is done, with a message if it failed, and waits for
  /// the others. The message of the first that failed; empty if none did. Once,
  /// at the end.
  std::string finish(std::string message);

private:
  /// Exchanges one line; an error if some process is done.
  llvm::Expected<std::vector<std::string>> meet(const std::string &line);

  ProcessGroup alone;
  ProcessGroup *group;
  /// Why the processes no longer work together; with it nothing more is
  /// exchanged.
  std::string failure;
};

} // namespace compress

#endif // COMPRESS_SEARCH_JOBPOOL_H
