//===- ElementCosts.h - What reading an element takes -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The work of kernels that read operands element by element (LazyTensor.h), by
// types alone: components are counted, not encodings told apart, so that one
// that is added has a cost.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_ELEMENTS_ELEMENTCOSTS_H
#define COMPRESS_LIB_TARGET_ELEMENTS_ELEMENTCOSTS_H

#include "compress/Dialect/Compress/IR/Compress.h"

namespace compress::device {

struct ElementWork {
  /// Of the whole tensor in memory.
  double bytes = 0;
  /// Instructions to find an element where it is stored and to decode it.
  double ops = 0;
  /// Of the products with the whole tensor those that are computed.
  double share = 1;
};

/// The work of an operand with so many elements. What kernels cannot read
/// element by element counts as decoded to f32.
ElementWork getElementWork(mlir::Type type, double elements);

/// Whether both factors are codes of at most 8 bits, plain or two of four, with
/// scales that do not change along what is summed over.
bool areCodes(ContractOp op);

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_ELEMENTS_ELEMENTCOSTS_H
