//===- EncodeChains.h - Codes from one kernel to the next -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel can store codes if a `compress.encode` with static parameters uses
// its result. Where others stand between the two that do the same to codes as
// to values (the maximum of a window, concatenation), the encoding moves before
// them: rounding is monotone, so this changes no code.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_ENCODECHAINS_H
#define COMPRESS_LIB_TARGET_CPU_ENCODECHAINS_H

#include "KernelISA.h"
#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/IR/PatternMatch.h"

namespace compress::cpu {

/// Unsigned 8-bit codes of a whole tensor with constant parameters.
struct StaticEncoding {
  CompressedTensorType type;
  float scale;
  int64_t zero; // 0..255

  bool operator==(const StaticEncoding &other) const {
    return type.getEncoding() == other.type.getEncoding() &&
           scale == other.scale && zero == other.zero;
  }
};
std::optional<StaticEncoding> matchStaticEncoding(CompressedTensorType type,
                                                  mlir::ValueRange parameters);

/// Encodes `value` where it comes to be.
EncodeOp emitEncode(mlir::PatternRewriter &rewriter, mlir::Value value,
                    const StaticEncoding &encoding);

/// A tensor that is encoded so, and its codes.
struct StaticCodes {
  StaticEncoding encoding;
  mlir::Value codes;
};
/// Finds the codes of a `compress.pack`, or computes those of a
/// `compress.encode` at its place, for all its users.
std::optional<StaticCodes> getStaticCodes(mlir::PatternRewriter &rewriter,
                                          const KernelISA &isa,
                                          mlir::Value value);

/// The encoding of `value` that its users want, if a static one is among them.
/// Encodings move to `value` from behind operations that allow it.
std::optional<StaticEncoding> hoistEncode(mlir::PatternRewriter &rewriter,
                                          mlir::Value value);
/// Gives all encodings of `value` that equal `encoding` these codes instead.
void replaceEncodes(mlir::PatternRewriter &rewriter, mlir::Value value,
                    const StaticEncoding &encoding, mlir::Value codes);
/// Whether anything but dead code and encodings equal to `encoding` uses
/// `value`.
bool hasOtherUsers(mlir::Value value, const StaticEncoding &encoding);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_ENCODECHAINS_H
