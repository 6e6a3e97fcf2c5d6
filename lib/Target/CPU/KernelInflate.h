//===- KernelInflate.h - Entropy-coded weights in kernels -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Packed weights of a kernel whose panels are entropy coded one by one, so that
// a kernel can inflate the panel that it is about to use, and a loader all of
// them. The bytes of a panel are dealt out to 16 streams, which the lanes of
// vectors decode in lockstep.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELINFLATE_H
#define COMPRESS_LIB_TARGET_CPU_KERNELINFLATE_H

#include "KernelBuilder.h"
#include "KernelCosts.h"
#include "KernelGEMM.h"
#include "compress/Dialect/Compress/IR/HostTensor.h"
#include "compress/Support/EntropyCoding.h"

namespace compress::cpu {

/// Streams of a panel.
inline constexpr int64_t kInflateStreams = 16;
/// Panels of more bytes are not inflated on the stack of a thread.
inline constexpr int64_t kMostInflatedBytes = 512 * 1024;

/// How panels of bytes are coded.
struct CodedPanels {
  EntropyCoder coder; // huffman or rans
  int64_t numPanels;
  /// Bytes of a panel, and of the last one.
  int64_t panelBytes, lastBytes;
  /// Words of all streams.
  int64_t numWords = 0;

  /// Of the buffer that a panel is inflated to: streams end together, and
  /// symbols are decoded in pairs.
  int64_t getBufferBytes() const {
    return llvm::alignTo(panelBytes, 2 * kInflateStreams);
  }
  int64_t getBytes() const { return (numPanels - 1) * panelBytes + lastBytes; }
};

/// In the order of operands: the streams as i32 words, the first word of each
/// stream, and what the next 12 bits of one mean, a symbol each: as runs, which
/// `generateSlots` makes a table of.
struct CodedOperands {
  HostTensor words, starts, runs;
  int64_t getByteSize() const;
};

/// Codes packed weights of `panels`, each of `columnBytes` bytes a column, and
/// sets `layout`. Nothing where coding does not make them smaller or panels are
/// too large.
std::optional<CodedOperands> codePanels(const HostTensor &packed,
                                        const Panels &panels,
                                        int64_t columnBytes, EntropyCoder coder,
                                        CodedPanels &layout);

/// The types of `CodedOperands` as arguments of a kernel.
llvm::SmallVector<Type, 3> getCodedTypes(mlir::MLIRContext *context,
                                         const CodedPanels &layout);

/// Inflates panel `panel` to the first bytes of a new buffer, which it gives.
Value emitInflate(KernelBuilder &k, const KernelISA &isa,
                  const CodedPanels &layout, Value panel, Value words,
                  Value starts, Value slots);

/// A kernel that writes out the table that streams are decoded with:
///   ins runs
///   outs i32 [getNumSlots()]
std::string generateSlots(mlir::ModuleOp module, EntropyCoder coder,
                          int64_t numRuns);
int64_t getNumSlots();

/// A kernel that inflates everything:
///   ins words, starts, slots
///   outs i8 [all bytes]
std::string generateInflate(mlir::ModuleOp module, const KernelISA &isa,
                            const CodedPanels &layout);

/// What inflating all panels once takes.
KernelWork getInflateWork(const CodedPanels &layout);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELINFLATE_H
