//===- Warp.h - What the lanes of a workgroup do together -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_GPU_WARP_H
#define COMPRESS_LIB_TARGET_GPU_WARP_H

#include "DeviceKernel.h"

namespace compress::device {

/// A workgroup of warps, within the body of a kernel. All calls are for all
/// lanes of a workgroup alike.
class Warp {
public:
  explicit Warp(DeviceKernel &k);

  const int64_t lanes, numWarps, numThreads;
  /// The number of the invocation in its workgroup, of its warp there and of
  /// its lane in that: indices.
  Value thread, warp, lane;

  /// Memory of the workgroup, so many words.
  Value allocateShared(int64_t words);
  Value load(Value shared, Value at);
  void store(Value word, Value shared, Value at);
  void barrier();

  /// The sum over the lanes of a warp of an f32 or i32, in each of them.
  Value sumLanes(Value x);
  /// c + a b; see MatrixInstruction.
  llvm::SmallVector<Value> multiply(const MatrixInstruction &instruction,
                                    ValueRange a, ValueRange b, ValueRange c);
  /// Where register `r` of this lane lies, as indices.
  Value getRow(const FragmentLayout &layout, unsigned r);
  Value getColumn(const FragmentLayout &layout, unsigned r);

private:
  llvm::SmallVector<Value> emulateSparse(const MatrixInstruction &instruction,
                                         ValueRange a, ValueRange b,
                                         ValueRange c);
  Value position(const FragmentLayout &layout, int64_t ofQuotient,
                 int64_t ofRemainder, int64_t offset);
  /// Shared memory to emulate with, at least so many words.
  Value getScratch(int64_t words);

  DeviceKernel &k;
  Value scratch;
};

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_GPU_WARP_H
