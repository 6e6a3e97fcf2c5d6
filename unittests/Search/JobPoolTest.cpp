//===- JobPoolTest.cpp - Jobs over threads and processes --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/JobPool.h"
#include "gtest/gtest.h"
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

using namespace compress;

namespace {
/// What processes share here: they are threads.
struct Board {
  explicit Board(unsigned size) : lines(size) {}
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> lines, shown;
  unsigned arrived = 0, round = 0;
};

class ThreadGroup : public ProcessGroup {
public:
  ThreadGroup(Board &board, unsigned rank) : board(board), rank(rank) {}
  unsigned getRank() const override { return rank; }
  unsigned getSize() const override { return board.lines.size(); }
  std::vector<std::string> exchange(const std::string &own) override {
    std::unique_lock<std::mutex> lock(board.mutex);
    board.lines[rank] = own;
    unsigned round = board.round;
    if (++board.arrived == board.lines.size()) {
      board.arrived = 0;
      ++board.round;
      board.shown = board.lines;
      board.changed.notify_all();
    }
    board.changed.wait(lock, [&] { return board.round != round; });
    return board.shown;
  }

private:
  Board &board;
  unsigned rank;
};

/// Runs `process` as so many processes.
void runProcesses(unsigned size,
                  const std::function<void(JobPool &, unsigned rank,
                                           mlir::MLIRContext *)> &process) {
  Board board(size);
  std::vector<std::thread> threads;
  for (unsigned rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
      ThreadGroup group(board, rank);
      JobPool pool(&group);
      process(pool, rank, &context);
    });
  for (std::thread &thread : threads)
    thread.join();
}

/// Lengths that differ, empty ones and separators included.
std::string getResult(size_t i) {
  return i % 7 ? std::string(i % 5, 'x') + " " + std::to_string(i) + "\n" : "";
}
} // namespace

TEST(JobPool, EachJobRunsOnceAndAllGetAllResults) {
  for (unsigned size : {1u, 2u, 3u, 5u})
    for (size_t count : {size_t(0), size_t(1), size_t(4), size_t(100)}) {
      std::vector<std::atomic<int>> runs(count);
      std::atomic<size_t> largest(0);
      runProcesses(
          size, [&](JobPool &pool, unsigned rank, mlir::MLIRContext *context) {
            EXPECT_EQ(pool.isFirst(), rank == 0);
            EXPECT_EQ(pool.isAlone(), size == 1);
            size_t own = 0;
            auto results = pool.run(context, count, "same", [&](size_t i) {
              ++runs[i];
              ++own;
              return getResult(i);
            });
            ASSERT_TRUE(bool(results)) << llvm::toString(results.takeError());
            ASSERT_EQ(results->size(), count);
            for (size_t i = 0; i < count; ++i)
              EXPECT_EQ((*results)[i], getResult(i));
            size_t before = largest;
            while (before < own && !largest.compare_exchange_weak(before, own))
              ;
            EXPECT_EQ(pool.finish(""), "");
          });
      for (std::atomic<int> &number : runs)
        EXPECT_EQ(number, 1);
      EXPECT_EQ(largest, (count + size - 1) / size);
    }
}

TEST(JobPool, RunsAgain) {
  runProcesses(2, [&](JobPool &pool, unsigned, mlir::MLIRContext *context) {
    for (size_t count : {3, 8, 5}) {
      auto results = pool.run(context, count, "same", getResult);
      ASSERT_TRUE(bool(results)) << llvm::toString(results.takeError());
      EXPECT_EQ(results->back(), getResult(count - 1));
    }
    EXPECT_EQ(pool.finish(""), "");
  });
}

TEST(JobPool, OtherInputsAreAnError) {
  runProcesses(3, [&](JobPool &pool, unsigned rank,
                      mlir::MLIRContext *context) {
    auto results = pool.run(context, 4, rank == 1 ? "other" : "same",
                            [](size_t) -> std::string {
                              ADD_FAILURE() << "a job ran";
                              return "";
                            });
    ASSERT_FALSE(bool(results));
    std::string message = llvm::toString(results.takeError());
    EXPECT_EQ(message,
              "process 1 has another program, model or data than process 0");
    // Later calls do not wait for anybody.
    auto again = pool.run(context, 4, "same", getResult);
    ASSERT_FALSE(bool(again));
    EXPECT_EQ(llvm::toString(again.takeError()), message);
    EXPECT_EQ(pool.finish("in the file: " + message),
              "in the file: " + message);
  });
}

TEST(JobPool, OneFailsAllGetItsMessage) {
  runProcesses(3,
               [&](JobPool &pool, unsigned rank, mlir::MLIRContext *context) {
                 if (rank == 2) {
                   EXPECT_EQ(pool.finish("no such file"), "no such file");
                   return;
                 }
                 auto results = pool.run(context, 4, "same", getResult);
                 ASSERT_FALSE(bool(results));
                 EXPECT_EQ(llvm::toString(results.takeError()), "no such file");
               });
}

TEST(JobPool, TheFirstFailsAtTheEnd) {
  runProcesses(
      3, [&](JobPool &pool, unsigned rank, mlir::MLIRContext *context) {
        llvm::cantFail(pool.run(context, 4, "same", getResult).takeError());
        EXPECT_EQ(pool.finish(rank == 0 ? "disk full" : ""), "disk full");
      });
}

TEST(JobPool, AllFailAlike) {
  runProcesses(3, [&](JobPool &pool, unsigned, mlir::MLIRContext *) {
    EXPECT_EQ(pool.finish("no such option"), "no such option");
  });
}

TEST(JobPool, OneEndsEarly) {
  runProcesses(2,
               [&](JobPool &pool, unsigned rank, mlir::MLIRContext *context) {
                 if (rank == 1) {
                   EXPECT_EQ(pool.finish(""), "");
                   return;
                 }
                 auto results = pool.run(context, 4, "same", getResult);
                 ASSERT_FALSE(bool(results));
                 EXPECT_EQ(llvm::toString(results.takeError()),
                           "process 1 has ended before the others");
               });
}
