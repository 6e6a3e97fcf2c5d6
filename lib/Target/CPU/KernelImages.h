//===- KernelImages.h - Images in kernels -----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Images with channels last as kernels address them.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_CPU_KERNELIMAGES_H
#define COMPRESS_LIB_TARGET_CPU_KERNELIMAGES_H

#include "KernelBuilder.h"

namespace compress::cpu {

/// A buffer seen as one axis.
Value flatten(KernelBuilder &k, Value memref);

/// `type` as a part of a larger image may have it, of a concatenation say:
/// channels are consecutive, other strides are not known.
mlir::MemRefType getPlacedType(mlir::MemRefType type);

/// Images [n, row, column, channel] or [n, column, channel] of a placed type.
struct PlacedImages {
  /// The buffer as one axis, and strides of [image, row, column].
  Value flat;
  llvm::SmallVector<Value, 3> strides;
  Value offset;

  PlacedImages() = default;
  PlacedImages(KernelBuilder &k, Value memref);
  /// Where a pixel begins.
  Value emitPixel(KernelBuilder &k, Value image, Value row,
                  Value column) const {
    return k.add(k.add(offset, k.mul(image, strides[0])),
                 k.add(k.mul(row, strides[1]), k.mul(column, strides[2])));
  }
};

} // namespace compress::cpu

#endif // COMPRESS_LIB_TARGET_CPU_KERNELIMAGES_H
