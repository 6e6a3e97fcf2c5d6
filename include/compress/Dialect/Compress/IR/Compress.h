//===- Compress.h - The compress dialect ------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_COMPRESS_H
#define COMPRESS_DIALECT_COMPRESS_IR_COMPRESS_H

#include "compress/Dialect/Compress/IR/HostTensor.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace compress {
class CompressedTensorType;
class EncodingAttrInterface;

/// One part of what an encoding stores.
struct Component {
  llvm::StringRef name;
  /// A `RankedTensorType` of a signless integer or a float, or a
  /// `CompressedTensorType`.
  mlir::Type type;
};

/// How an operation uses an operand that can be a weight.
struct WeightOperand {
  /// Operand number of the weight.
  unsigned operand;
  /// Operand number of the activation it is contracted with; -1 for a table
  /// that is looked up (no activation to quantize).
  int activation = -1;
  /// Axes of the weight that select the output (one scale each in per-axis
  /// quantization), and axes that are summed over, in the order in which groups
  /// are formed.
  llvm::SmallVector<int64_t> outputAxes, reductionAxes;
  /// The activation axis that `reductionAxes[0]` is contracted with; -1 when
  /// there is none.
  int64_t activationChannelAxis = -1;
};

} // namespace compress

// The interface takes the type by value and the type only names the interface,
// so the type comes first.
#define GET_TYPEDEF_CLASSES
#include "compress/Dialect/Compress/IR/CompressTypes.h.inc"

#include "compress/Dialect/Compress/IR/CompressAttrInterfaces.h.inc"
#include "compress/Dialect/Compress/IR/CompressDialect.h.inc"
#include "compress/Dialect/Compress/IR/CompressOpInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "compress/Dialect/Compress/IR/CompressAttrs.h.inc"

#define GET_OP_CLASSES
#include "compress/Dialect/Compress/IR/CompressOps.h.inc"

#endif // COMPRESS_DIALECT_COMPRESS_IR_COMPRESS_H
