//===- FactoredLayout.h - The equation of a factored tensor -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_DIALECT_COMPRESS_IR_FACTOREDLAYOUT_H
#define COMPRESS_LIB_DIALECT_COMPRESS_IR_FACTOREDLAYOUT_H

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Numeric/Einsum.h"

namespace compress {

/// The equation of a `factored` encoding with the extents that it has for a
/// tensor of some shape.
struct FactoredLayout {
  Einsum einsum;
  /// Of each name, as stored and as decoded (`prefix`); kDynamic where the
  /// shape is.
  llvm::SmallVector<int64_t> stored, used;

  /// The attribute and the shape have been verified.
  static FactoredLayout get(FactoredAttr attr, llvm::ArrayRef<int64_t> shape);

  llvm::SmallVector<int64_t> getFactorShape(unsigned factor) const {
    llvm::SmallVector<int64_t> shape;
    for (unsigned name : einsum.factors[factor])
      shape.push_back(stored[name]);
    return shape;
  }
  bool hasPrefix() const { return stored != used; }
};

} // namespace compress

#endif // COMPRESS_LIB_DIALECT_COMPRESS_IR_FACTOREDLAYOUT_H
