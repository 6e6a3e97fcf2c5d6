//===- Processes.cpp - Several processes on one compile ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All that knows MPI.
//
//===----------------------------------------------------------------------===//

#include "Processes.h"
#include <cstdlib>
#ifdef COMPRESS_HAS_MPI
#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <mpi.h>
#include <numeric>
#include <thread>
#endif

using namespace compress;

/// Whether a launcher of several processes started this one: variables of Open
/// MPI, MPICH and Intel MPI, Slurm. A process alone never loads MPI's
/// machinery.
static bool isLaunched() {
  for (const char *name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
    if (const char *size = std::getenv(name))
      return std::atoi(size) > 1;
  return std::getenv("PMIX_RANK") != nullptr;
}

#ifdef COMPRESS_HAS_MPI

namespace {
class MPIGroup : public ProcessGroup {
public:
  MPIGroup() {
    int provided, value;
    // Only the main thread exchanges.
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &value);
    rank = value;
    MPI_Comm_size(MPI_COMM_WORLD, &value);
    size = value;
  }
  ~MPIGroup() override { MPI_Finalize(); }

  unsigned getRank() const override { return rank; }
  unsigned getSize() const override { return size; }
  std::vector<std::string> exchange(const std::string &own) override;

private:
  /// MPI's own waiting keeps a core busy, which the first process may be
  /// timing code on.
  static void wait(MPI_Request request) {
    int isDone = 0;
    for (int i = 0;; ++i) {
      MPI_Test(&request, &isDone, MPI_STATUS_IGNORE);
      if (isDone)
        return;
      std::this_thread::sleep_for(std::chrono::milliseconds(i < 20 ? 1 : 20));
    }
  }

  unsigned rank, size;
};
} // namespace

std::vector<std::string> MPIGroup::exchange(const std::string &own) {
  // Errors of MPI itself end all processes, with its message.
  MPI_Request request;
  int64_t ownLength = own.size();
  std::vector<int64_t> lengths(size);
  MPI_Iallgather(&ownLength, 1, MPI_INT64_T, lengths.data(), 1, MPI_INT64_T,
                 MPI_COMM_WORLD, &request);
  wait(request);
  int64_t total = std::accumulate(lengths.begin(), lengths.end(), int64_t(0));
  if (total > INT_MAX) {
    std::fprintf(stderr, "compress-compile: results are too large for MPI\n");
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  std::vector<int> counts(lengths.begin(), lengths.end()), offsets(size, 0);
  std::partial_sum(counts.begin(), counts.end() - 1, offsets.begin() + 1);
  std::string all(total, 0);
  MPI_Iallgatherv(own.data(), counts[rank], MPI_CHAR, all.data(), counts.data(),
                  offsets.data(), MPI_CHAR, MPI_COMM_WORLD, &request);
  wait(request);
  std::vector<std::string> parts;
  for (unsigned i = 0; i < size; ++i)
    parts.push_back(all.substr(offsets[i], counts[i]));
  return parts;
}

#endif // COMPRESS_HAS_MPI

llvm::Expected<std::unique_ptr<ProcessGroup>> compress::joinProcesses() {
  if (!isLaunched())
    return std::make_unique<ProcessGroup>();
#ifdef COMPRESS_HAS_MPI
  return std::make_unique<MPIGroup>();
#else
  return llvm::createStringError(
      "started as one of several processes, but this build has no MPI: install "
      "libopenmpi-dev and configure again, or start one process");
#endif
}
