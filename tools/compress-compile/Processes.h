//===- Processes.h - Several processes on one compile -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_TOOLS_COMPILE_PROCESSES_H
#define COMPRESS_TOOLS_COMPILE_PROCESSES_H

#include "compress/Search/JobPool.h"
#include <memory>

namespace compress {

/// The processes that `mpirun` started together; without it, this one alone.
/// An error when the build has no MPI. The destructor waits for all.
llvm::Expected<std::unique_ptr<ProcessGroup>> joinProcesses();

} // namespace compress

#endif // COMPRESS_TOOLS_COMPILE_PROCESSES_H
