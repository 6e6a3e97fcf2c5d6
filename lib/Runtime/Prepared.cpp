//===- Prepared.cpp - What an instance keeps between runs -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "Context.h"
#include "compress/Runtime/Functions.h"

#include <cstdlib>

using namespace compress::runtime;

Context::~Context() {
  for (auto [destroy, state] : extensions)
    if (state)
      destroy(state);
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

extern "C" void compress_rt_fail(void *ctx, int32_t status,
                                 const char *message) {
  auto *context = static_cast<Context *>(ctx);
  context->setError(static_cast<CompressStatus>(status), message);
  leaveRun(context);
}

extern "C" int64_t compress_rt_is_constant(void *ctx, const void *address) {
  return static_cast<Context *>(ctx)->isConstant(address);
}

extern "C" void **compress_rt_extension(void *ctx, void (*destroy)(void *)) {
  auto *context = static_cast<Context *>(ctx);
  for (auto &extension : context->extensions)
    if (extension.first == destroy)
      return &extension.second;
  context->extensions.emplace_back(destroy, nullptr);
  return &context->extensions.back().second;
}
