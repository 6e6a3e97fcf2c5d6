//===- JobPool.cpp - Jobs over threads and processes ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Search/JobPool.h"
#include "mlir/IR/Threading.h"
#include "llvm/ADT/StringRef.h"
#include <algorithm>
#include <atomic>
#include <numeric>
#include <random>

using namespace compress;
using llvm::StringRef;

// The first character of what is exchanged.
static constexpr char working = 'w', done = 'd', failed = 'f';

/// Lengths, each followed by a blank, and the bytes.
static std::string join(llvm::ArrayRef<std::string> parts) {
  std::string text;
  for (const std::string &part : parts)
    text += std::to_string(part.size()) + " " + part;
  return text;
}

static std::vector<std::string> split(StringRef text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    size_t size = 0;
    text.consumeInteger(10, size);
    text = text.drop_front();
    parts.push_back(text.take_front(size).str());
    text = text.drop_front(size);
  }
  return parts;
}

llvm::Expected<std::vector<std::string>>
JobPool::meet(const std::string &line) {
  if (failure.empty()) {
    std::vector<std::string> all = group->exchange(working + line);
    auto other = llvm::find_if(
        all, [](const std::string &one) { return one[0] != working; });
    if (other == all.end()) {
      for (std::string &one : all)
        one.erase(0, 1);
      return all;
    }
    failure = other->substr(1);
    if (failure.empty())
      failure = "process " + std::to_string(other - all.begin()) +
                " has ended before the others";
  }
  return llvm::createStringError(StringRef(failure));
}

llvm::Expected<std::vector<std::string>>
JobPool::run(mlir::MLIRContext *context, size_t count,
             const std::string &inputs,
             llvm::function_ref<std::string(size_t)> job,
             const std::function<void(size_t, size_t)> &progress) {
  auto known = meet(inputs);
  if (!known)
    return known.takeError();
  for (auto [rank, other] : llvm::enumerate(*known))
    if (other != known->front()) {
      failure = "process " + std::to_string(rank) +
                " has another program, model or data than process 0";
      return llvm::createStringError(StringRef(failure));
    }

  // Neighbours (levels of one site, or one level of all) cost alike, so they
  // are spread: job i is the business of the process at i's place in a shuffle.
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  if (!isAlone()) {
    // Not std::shuffle, which differs between standard libraries.
    std::mt19937 random(count);
    for (size_t i = count; i > 1; --i)
      std::swap(order[i - 1], order[random() % i]);
  }
  auto getJobs = [&](size_t rank) {
    std::vector<size_t> jobs;
    for (size_t i = rank; i < count; i += group->getSize())
      jobs.push_back(order[i]);
    return jobs;
  };

  std::vector<size_t> jobs = getJobs(group->getRank());
  std::vector<std::string> own(jobs.size());
  std::atomic<size_t> numDone(0);
  mlir::parallelFor(context, 0, jobs.size(), [&](size_t i) {
    own[i] = job(jobs[i]);
    size_t now = ++numDone;
    // Others advance about as fast.
    if (progress)
      progress(now * count / jobs.size(), count);
  });
  if (isAlone())
    return own;

  auto gathered = meet(join(own));
  if (!gathered)
    return gathered.takeError();
  std::vector<std::string> results(count);
  for (auto [rank, text] : llvm::enumerate(*gathered)) {
    std::vector<std::string> parts = split(text);
    for (auto [index, part] : llvm::zip_equal(getJobs(rank), parts))
      results[index] = std::move(part);
  }
  return results;
}

std::string JobPool::finish(std::string message) {
  // Who failed together with others has their message already.
  if (!failure.empty() || isAlone())
    return message;
  std::vector<std::string> all =
      group->exchange((message.empty() ? done : failed) + message);
  for (const std::string &one : all)
    if (one[0] == failed)
      return one.substr(1);
  return message;
}
