//===- KernelSparseConv.h - Convolutions with sparse filters ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// f32 convolutions at a cost that goes with the number of stored filter values
// (see SliceLayout), without a matrix of windows: "direct sparse convolution"
// (Park et al., Faster CNNs with Direct Sparse Convolutions and Guided Pruning,
// ICLR 2017).
//
// Images are copied once into planes with their padding, one plane for each
// channel and each remainder of a position by the strides. A tap is then a
// constant distance in the planes, and neighbouring results, which are in the
// lanes, read neighbouring inputs. Results are numbered by rows as long as
// those of the planes; what is past the end of an image's row is not stored.
//
// The difference to the reference is that of SparseGEMM.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELSPARSECONV_H
#define COMPRESS_LIB_TARGET_CPU_KERNELSPARSECONV_H

#include "KernelSparse.h"

namespace compress::cpu {

/// out[i, f, y, x] = init + sum over c, r, s of w[f, (c, r, s)] *
///     image[i, c, y * stride + r * dilation - padLow, ...]
///   ins image: f32 [N, C, H, W], values, indices, outputs, steps, slices
///       (PackedSlices), offsets: i32 [C * R * S] (`getOffsets`)
///       [, scales: f32 [padded F]] [, bias: f32 [F]]
///   outs out: f32 [N, F, OH, OW], scratch: f32 [N * `getScratchSize()`]
struct SparseConv {
  const KernelISA *isa;
  SliceLayout layout;
  int64_t channels;
  std::array<int64_t, 2> sizes, outSizes, kernel, strides, dilations, padLow;
  InitKind init;

  /// Rows of a plane and their length.
  int64_t getPlaneSize(unsigned axis) const {
    return outSizes[axis] +
           (kernel[axis] - 1) * dilations[axis] / strides[axis];
  }
  int64_t getPlane() const { return getPlaneSize(0) * getPlaneSize(1); }
  /// Results of an image, with those past the ends of rows.
  int64_t getPositions() const { return outSizes[0] * getPlaneSize(1); }
  /// Of an image: its planes, and what the last tile reads behind them.
  int64_t getScratchSize() const;
  /// Where result 0 finds each input.
  std::vector<int32_t> getOffsets() const;
};
std::string generateSparseConv(mlir::ModuleOp module, const SparseConv &conv);

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELSPARSECONV_H
