//===- Inflate.cpp - Weights coded by a library -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// A file of its own: only models with such weights link the library. Runtimes
// for other machines (COMPRESS_LOAD_ZSTD) load it when it is first needed,
// since cross compilers do not bring it.
//
//===----------------------------------------------------------------------===//

#include "Context.h"
#include "Kernels.h"
#include "compress/Runtime/Functions.h"

#include <string>
#include <type_traits>
#ifdef COMPRESS_LOAD_ZSTD
#include <dlfcn.h>
#else
#include <zstd.h>
#endif

using namespace compress::runtime;

namespace {
/// What is called of the library; null with a reason where it is not found.
struct Zstd {
  size_t (*decompress)(void *, size_t, const void *, size_t) = nullptr;
  unsigned (*isError)(size_t) = nullptr;
  const char *(*getErrorName)(size_t) = nullptr;
  std::string missing;

#ifdef COMPRESS_LOAD_ZSTD
  Zstd() {
    // It stays for the life of the process.
    void *library = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
    auto find = [&](const char *name, auto &function) {
      if (library)
        function = reinterpret_cast<std::decay_t<decltype(function)>>(
            dlsym(library, name));
      return library && function;
    };
    if (find("ZSTD_decompress", decompress) && find("ZSTD_isError", isError) &&
        find("ZSTD_getErrorName", getErrorName))
      return;
    const char *reason = dlerror();
    missing = std::string("weights are coded by zstd, and there is no "
                          "libzstd.so.1 (Debian: libzstd1): ") +
              (reason ? reason : "it lacks a function");
  }
#else
  Zstd()
      : decompress(ZSTD_decompress), isError(ZSTD_isError),
        getErrorName(ZSTD_getErrorName) {}
#endif

  static const Zstd &get() {
    static const Zstd zstd;
    return zstd;
  }
};
} // namespace

/// Returns whether all went well; the error is then in the context.
static bool inflateZstd(Context &ctx, const MemRef &stream, const MemRef &out,
                        int64_t first) noexcept try {
  CompressStatus status = COMPRESS_ERROR_SHAPE;
  std::string reason = "operands are not contiguous bytes";
  const Zstd &zstd = Zstd::get();
  if (!zstd.missing.empty()) {
    status = COMPRESS_ERROR_WEIGHTS;
    reason = zstd.missing;
  } else if (stream.rank == 1 && out.rank == 1 && first >= 0 &&
             first <= stream.sizes[0] &&
             (stream.sizes[0] < 2 || stream.strides[0] == 1) &&
             (out.sizes[0] < 2 || out.strides[0] == 1)) {
    size_t expected = static_cast<size_t>(out.sizes[0]);
    size_t written =
        zstd.decompress(out.data, expected, stream.data + first,
                        static_cast<size_t>(stream.sizes[0] - first));
    if (!zstd.isError(written) && written == expected)
      return true;
    status = COMPRESS_ERROR_WEIGHTS;
    reason = zstd.isError(written) ? zstd.getErrorName(written)
                                   : "the frame is too short";
  }
  ctx.setError(status, "inflate_zstd: " + reason);
  return false;
} catch (const std::exception &) {
  ctx.status = COMPRESS_ERROR_MEMORY;
  return false;
}

extern "C" void _mlir_ciface_compress_rt_inflate_zstd(
    void *ctxPtr, int64_t /*slot*/, CompressUnrankedMemRef *stream,
    CompressUnrankedMemRef *out, int64_t first) {
  auto &ctx = *static_cast<Context *>(ctxPtr);
  if (!inflateZstd(ctx, MemRef(stream, 1), MemRef(out, 1), first))
    leaveRun(&ctx);
}
