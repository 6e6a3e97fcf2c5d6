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
#include "llvm/ADT/DenseSet.h"
#include "llvm/Support/Mutex.h"

namespace mlir {
class RewriterBase;
} // namespace mlir

namespace compress {
class CompressedTensorType;
class EncodingAttrInterface;
class TensorBuilder;
struct ComponentValue;
struct DenseValue;
struct EncodedTensor;

/// One part of what an encoding stores.
struct Component {
  std::string name;
  /// A `RankedTensorType` of a signless integer or a float, or a
  /// `CompressedTensorType`.
  mlir::Type type;
  /// The encoding that was asked for: `dense<T>` for a ranked tensor (T keeps
  /// the signedness), else that of the compressed tensor.
  mlir::Attribute encoding;
  /// The element type of the decoded component.
  mlir::Type elementType;
};

/// Where the stored values of a `sparse` encoding lie.
enum class SparsePattern { Bitmask, CSR, NM, Block, Channels };

/// How an operation uses an operand that can be a weight.
struct WeightOperand {
  /// Operand number of the weight.
  unsigned operand;
  /// Operand number of the activation it is contracted with; -1 for a table
  /// that is looked up (no activation to quantize).
  int activation = -1;
  /// Whether it meets the other operands element by element. Such a constant is
  /// no weight by itself: it is one if nothing else uses it as one.
  bool isElementwise = false;
  /// Axes of the weight that select the output (one scale each in per-axis
  /// quantization), and axes that are summed over, in the order in which groups
  /// are formed.
  llvm::SmallVector<int64_t> outputAxes, reductionAxes;
  /// The activation axis that `reductionAxes[0]` is contracted with; -1 when
  /// there is none.
  int64_t activationChannelAxis = -1;
};

/// How often an operation multiplies with a weight.
struct WeightWork {
  WeightOperand role;
  /// Vectors of channels that meet the weight and that come of it: rows of a
  /// matrix product, pixels of a convolution before and after its window. 0
  /// for a table.
  double inputs = 1, outputs = 1;
};

/// Multiply-adds that are alike.
struct MultiplyAdds {
  double count = 0;
  /// What is multiplied on the side of the weight: a type of codes, or a float
  /// where they are decoded to one first.
  mlir::Type type;
};

/// The work of an operation by its shapes; nothing where one is dynamic.
std::optional<WeightWork> getWorkByShapes(mlir::Operation *op,
                                          const WeightOperand &role);

} // namespace compress

// The interface takes the type by value and the type only names the interface,
// so the type comes first.
#define GET_TYPEDEF_CLASSES
#include "compress/Dialect/Compress/IR/CompressTypes.h.inc"

namespace compress {

/// A compressed constant: a type of static shape and its leaves.
struct EncodedTensor {
  CompressedTensorType type;
  llvm::SmallVector<HostTensor> leaves;
};

// Defaults of EncodingAttrInterface; see Encoding.h.
void countDecodedMultiplyAdds(CompressedTensorType type, const WeightWork &work,
                              llvm::SmallVectorImpl<MultiplyAdds> &counts);
mlir::FailureOr<mlir::Value>
buildDecodeByDescription(mlir::OpBuilder &builder, mlir::Location loc,
                         CompressedTensorType type,
                         mlir::ValueRange components);
mlir::FailureOr<mlir::Value>
buildGatherOfDecoded(mlir::OpBuilder &builder, mlir::Location loc,
                     CompressedTensorType type, mlir::ValueRange components,
                     mlir::Value indices, int64_t axis);
EncodingAttrInterface refineComponents(EncodingAttrInterface encoding,
                                       CompressedTensorType type,
                                       llvm::ArrayRef<HostTensor> leaves);
llvm::Expected<HostTensor>
decodeHostByDescription(CompressedTensorType type,
                        llvm::ArrayRef<HostTensor> leaves);

} // namespace compress

#include "compress/Dialect/Compress/IR/TensorBuilder.h"

#include "compress/Dialect/Compress/IR/CompressAttrInterfaces.h.inc"
#include "compress/Dialect/Compress/IR/CompressDialect.h.inc"
#include "compress/Dialect/Compress/IR/CompressOpInterfaces.h.inc"

#include "compress/Dialect/Compress/IR/CompressEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "compress/Dialect/Compress/IR/CompressAttrs.h.inc"

#define GET_OP_CLASSES
#include "compress/Dialect/Compress/IR/CompressOps.h.inc"

#endif // COMPRESS_DIALECT_COMPRESS_IR_COMPRESS_H
