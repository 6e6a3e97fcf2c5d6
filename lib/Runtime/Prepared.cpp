//===- Prepared.cpp - Tensors made once per model instance ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Context.h"
#include "compress/Runtime/Functions.h"

#include <cstdlib>

using namespace compress::runtime;

Context::~Context() {
  for (auto [block, size] : prepared)
    deallocate(block);
}

extern "C" void *compress_rt_prepared(void *ctx, int64_t bytes) {
  auto *context = static_cast<Context *>(ctx);
  if (!context->preparedState) {
    context->preparedState.reset(std::calloc(1, static_cast<size_t>(bytes)));
    if (!context->preparedState) {
      context->setError(COMPRESS_ERROR_MEMORY,
                        "out of memory for prepared weights");
      leaveRun(context);
    }
  }
  return context->preparedState.get();
}

extern "C" void compress_rt_own(void *ctx, void *block, int64_t bytes) {
  auto *context = static_cast<Context *>(ctx);
  disown(block);
  try {
    context->prepared.emplace_back(static_cast<char *>(block),
                                   static_cast<size_t>(bytes));
  } catch (const std::exception &) {
    deallocate(block);
    context->setError(COMPRESS_ERROR_MEMORY,
                      "out of memory for prepared weights");
  }
}
