//===- Inflate.cpp - Weights coded by a library -----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
//
// A file of its own: only models with such weights link the library.
//
//===----------------------------------------------------------------------===//

#include "Context.h"
#include "Kernels.h"
#include "compress/Runtime/Functions.h"

#include <string>
#include <zstd.h>

using namespace compress::runtime;

/// Returns whether all went well; the error is then in the context.
static bool inflateZstd(Context &ctx, const MemRef &stream, const MemRef &out,
                        int64_t first) noexcept {
  CompressStatus status = COMPRESS_ERROR_SHAPE;
  const char *reason = "operands are not contiguous bytes";
  if (stream.rank == 1 && out.rank == 1 && first >= 0 &&
      first <= stream.sizes[0] &&
      (stream.sizes[0] < 2 || stream.strides[0] == 1) &&
      (out.sizes[0] < 2 || out.strides[0] == 1)) {
    size_t expected = static_cast<size_t>(out.sizes[0]);
    size_t written =
        ZSTD_decompress(out.data, expected, stream.data + first,
                        static_cast<size_t>(stream.sizes[0] - first));
    if (!ZSTD_isError(written) && written == expected)
      return true;
    status = COMPRESS_ERROR_WEIGHTS;
    reason = ZSTD_isError(written) ? ZSTD_getErrorName(written)
                                   : "the frame is too short";
  }
  try {
    ctx.setError(status, std::string("inflate_zstd: ") + reason);
  } catch (const std::exception &) {
    ctx.status = COMPRESS_ERROR_MEMORY;
  }
  return false;
}

extern "C" void _mlir_ciface_compress_rt_inflate_zstd(
    void *ctxPtr, int64_t /*slot*/, CompressUnrankedMemRef *stream,
    CompressUnrankedMemRef *out, int64_t first) {
  auto &ctx = *static_cast<Context *>(ctxPtr);
  if (!inflateZstd(ctx, MemRef(stream, 1), MemRef(out, 1), first))
    leaveRun(&ctx);
}
