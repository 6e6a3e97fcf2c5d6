//===- WeightDecoder.h - Codes to f32 in registers --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_WEIGHTDECODER_H
#define COMPRESS_LIB_TARGET_CPU_WEIGHTDECODER_H

#include "KernelWeightOnly.h"

namespace compress::cpu {

/// Per-column parameters of one block, as f32 vectors. `scales` has the factor
/// of float codes in it.
struct BlockParameters {
  unsigned first; // vector of the panel
  llvm::SmallVector<Value> scales, zeros;
};

/// How codes of a small float type become f32 by arithmetic. Where f16 converts
/// in hardware the bits are placed in an f16, which is then too small by a
/// power of two, `factor`; elsewhere they are placed in an f32 of the right
/// exponent.
struct FloatPlacement {
  FloatPlacement(mlir::FloatType type, const KernelISA &isa);
  /// Width of the wider float, and how far magnitudes and signs move up.
  unsigned width, magnitudeShift, signShift;
  float factor;
};

/// `lanes` scales stored as `type` (see WeightOnlyGEMM::scaleType) as f32.
Value loadScales(KernelBuilder &k, unsigned lanes, Value memref, Type type,
                 Value at);

/// Whether codes of up to 4 bits are looked up in a register.
bool usesTable(const CodeLayout &layout, const KernelISA &isa);

/// Whether codes can be taken four bits at a time (forEachNibble).
bool usesNibbles(const WeightOnlyGEMM &gemm);

/// What the code of one k adds to a product, for each value of a nibble.
struct NibbleTerm {
  Value k, factors;
};

/// Emits the decoding of one panel of packed weights (see CodeLayout). The
/// packed weights are argument 1 of the kernel, scales 2, zeros and the table,
/// where there are any, next.
class WeightDecoder {
public:
  /// `inflated` holds the codes of the panel, where they are coded.
  WeightDecoder(KernelBuilder &k, const WeightOnlyGEMM &gemm,
                unsigned panelVectors, Value column, Value inflated = {});

  BlockParameters loadParameters(Value block, unsigned first, unsigned vectors);

  using BlockBody = llvm::function_ref<llvm::SmallVector<Value>(
      Value block, Value k0, int64_t extent, ValueRange carried)>;
  /// The blocks of [k0, k0 + extent): a loop over whole ones and what is left.
  /// When `extent` is less than a block, all of it lies in one.
  llvm::SmallVector<Value> forEachBlock(Value k0, int64_t extent,
                                        ValueRange carried, BlockBody body);

  using CodeBody = llvm::function_ref<llvm::SmallVector<Value>(
      Value k, llvm::ArrayRef<Value> weights, ValueRange carried)>;
  /// The codes [k0, k0 + extent) of a block, k0 at the start of a unit:
  /// `weights` are vectors of code - zero, still to be scaled.
  llvm::SmallVector<Value> forEachCode(const BlockParameters &parameters,
                                       Value k0, int64_t extent,
                                       ValueRange carried, CodeBody body);

  using NibbleBody = llvm::function_ref<llvm::SmallVector<Value>(
      llvm::ArrayRef<NibbleTerm> terms, llvm::ArrayRef<Value> nibbles,
      ValueRange carried)>;
  /// The same by nibbles: in the lower bits of each lane of `nibbles`, what is
  /// to be looked up in the sum of `terms` times activations.
  llvm::SmallVector<Value> forEachNibble(const BlockParameters &parameters,
                                         Value k0, int64_t extent,
                                         ValueRange carried, NibbleBody body);

private:
  /// Calls `body(k0, count)` for the units of [k0, k0 + extent).
  llvm::SmallVector<Value> forEachUnit(
      Value k0, int64_t extent, ValueRange carried,
      llvm::function_ref<llvm::SmallVector<Value>(Value, unsigned, ValueRange)>
          body);
  /// The words of a unit for each vector of columns.
  llvm::SmallVector<llvm::SmallVector<Value>>
  loadWords(const BlockParameters &parameters, Value k0);
  /// Lanes with nibble number `nibble` of the unit at k0 in their lower bits.
  Value loadNibble(const BlockParameters &parameters, Value k0,
                   llvm::ArrayRef<llvm::SmallVector<Value>> words, unsigned v,
                   int64_t nibble);
  llvm::SmallVector<Value> emitUnit(const BlockParameters &parameters, Value k0,
                                    unsigned count, ValueRange carried,
                                    CodeBody body);
  /// Code number `j` of a unit whose words are given.
  Value extract(llvm::ArrayRef<Value> words, unsigned j);
  /// Codes in integer lanes, with any bits above the code, as f32.
  Value placeFloat(Value codes);
  /// Entries of the table for i32 lanes of codes; any bits above these.
  Value lookUp(Value codes);
  Value getTable();
  Value toVectorBase(Value offset, unsigned v, unsigned bytesPerLane);

  KernelBuilder &k;
  const WeightOnlyGEMM &gemm;
  const KernelISA &isa;
  CodeLayout layout;
  unsigned lanes, panelVectors;
  Value column, packed, panelBase;
  /// Values of all codes, for lookups in registers: vectors of 16.
  llvm::SmallVector<Value> table;
};

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_WEIGHTDECODER_H
