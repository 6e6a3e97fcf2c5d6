//===- Lowering.h - What a lowering of one operator uses --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_CONVERSION_ONNXTOLINALG_LOWERING_H
#define COMPRESS_LIB_CONVERSION_ONNXTOLINALG_LOWERING_H

#include "compress/Dialect/ONNX/Transforms/Node.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/Transforms/DialectConversion.h"
#include "llvm/ADT/StringMap.h"

namespace compress {

using Sizes = llvm::SmallVector<mlir::OpFoldResult>;
/// Emits the body of a structured operation; gets the block arguments.
using Body = llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location,
                                            mlir::ValueRange)>;

/// The conversion of one operator: its operands after conversion, its result
/// types, and the building blocks that lowerings share.
class Lowering {
public:
  Lowering(onnx::Node node, mlir::ValueRange operands,
           const mlir::TypeConverter &converter,
           mlir::ConversionPatternRewriter &rewriter, int64_t opset);

  onnx::Node node;
  mlir::ConversionPatternRewriter &b;
  mlir::Location loc;
  int64_t opset;
  /// Set by `fail`.
  std::string reason;

  //===--- Operands and results ------------------------------------------===//

  /// Converted input `index`; null when it is not given.
  mlir::Value in(unsigned index) const;
  unsigned getNumInputs() const { return operands.size(); }
  mlir::RankedTensorType inType(unsigned index) const;
  /// The element type before conversion, which still knows its signedness.
  mlir::Type sourceElement(unsigned index) const;
  mlir::Type resultSourceElement(unsigned index) const;
  mlir::RankedTensorType outType(unsigned index = 0) const {
    return resultTypes[index];
  }
  bool isResultUsed(unsigned index) const;
  /// The producer of the input before conversion, for constants.
  std::optional<llvm::SmallVector<int64_t>> constantInts(unsigned index) const;
  std::optional<llvm::SmallVector<double>> constantFloats(unsigned index) const;
  /// The attribute or, failing that, the constant input.
  std::optional<llvm::SmallVector<int64_t>> attrOrInts(llvm::StringRef name,
                                                       unsigned index) const;

  /// Replaces the operator; values are cast to the result types. Null values
  /// are allowed for results without uses.
  mlir::LogicalResult replace(mlir::ValueRange values);
  mlir::LogicalResult fail(const llvm::Twine &why);
  mlir::FailureOr<int64_t> axis(int64_t axis, int64_t rank);

  //===--- Scalars and sizes ---------------------------------------------===//

  /// A scalar of a float or integer type.
  mlir::Value scalar(mlir::Type type, double value);
  mlir::Value scalarInt(mlir::Type type, int64_t value);
  mlir::Value index(int64_t value);
  mlir::Value toValue(mlir::OpFoldResult value);
  /// `tensor.dim`, folded for static dimensions.
  mlir::OpFoldResult dim(mlir::Value tensor, int64_t axis);
  Sizes sizes(mlir::Value tensor);
  /// Index arithmetic, folded on constants.
  mlir::OpFoldResult apply(mlir::AffineExpr expr,
                           llvm::ArrayRef<mlir::OpFoldResult> operands);
  mlir::OpFoldResult mul(mlir::OpFoldResult a, mlir::OpFoldResult b);
  mlir::OpFoldResult add(mlir::OpFoldResult a, mlir::OpFoldResult b);
  mlir::OpFoldResult sub(mlir::OpFoldResult a, mlir::OpFoldResult b);
  /// Sizes of `type` where dynamic ones come from the broadcast of `inputs`.
  Sizes broadcastSizes(mlir::RankedTensorType type, mlir::ValueRange inputs);
  /// Element `position` of a rank 0 or 1 integer tensor as an index.
  mlir::Value extractIndex(mlir::Value tensor, int64_t position);

  //===--- Tensors -------------------------------------------------------===//

  mlir::Value empty(llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::Type type);
  mlir::Value filled(llvm::ArrayRef<mlir::OpFoldResult> sizes,
                     mlir::Value scalar);
  mlir::Value constant(llvm::ArrayRef<int64_t> shape, mlir::Type type,
                       llvm::ArrayRef<double> values);
  mlir::Value constantInts(llvm::ArrayRef<int64_t> shape, mlir::Type type,
                           llvm::ArrayRef<int64_t> values);
  mlir::Value castTo(mlir::Value tensor, mlir::RankedTensorType type);
  /// The same elements under other sizes; `target` may have dynamic sizes,
  /// whose values are `targetSizes`.
  mlir::Value reshape(mlir::Value tensor, mlir::RankedTensorType target,
                      llvm::ArrayRef<mlir::OpFoldResult> targetSizes);
  mlir::Value transpose(mlir::Value tensor, llvm::ArrayRef<int64_t> perm);
  /// Pads axis by axis with `value`; zero pads add nothing.
  mlir::Value pad(mlir::Value tensor, llvm::ArrayRef<mlir::OpFoldResult> low,
                  llvm::ArrayRef<mlir::OpFoldResult> high, mlir::Value value);
  mlir::Value slice(mlir::Value tensor,
                    llvm::ArrayRef<mlir::OpFoldResult> offsets,
                    llvm::ArrayRef<mlir::OpFoldResult> sizes,
                    llvm::ArrayRef<int64_t> strides);

  //===--- Structured operations -----------------------------------------===//

  /// `linalg.generic` with one result. Maps: one per input, then one for
  /// `init`.
  mlir::Value generic(mlir::ValueRange inputs, mlir::Value init,
                      llvm::ArrayRef<mlir::AffineMap> maps,
                      llvm::ArrayRef<mlir::utils::IteratorType> iterators,
                      Body body);
  /// The map by which `shape` is broadcast (numpy) to loops over `target`: the
  /// loops' dimensions, and zero where a size of 1 meets another.
  mlir::AffineMap broadcastMap(llvm::ArrayRef<int64_t> shape,
                               llvm::ArrayRef<int64_t> target);
  /// Elementwise over numpy-broadcast inputs. One-element constants are put
  /// into the body.
  mlir::Value elementwise(mlir::RankedTensorType type, mlir::ValueRange inputs,
                          Body body);
  /// Elementwise with explicit maps from the loops of `sizes`.
  mlir::Value mapped(llvm::ArrayRef<mlir::OpFoldResult> sizes,
                     mlir::Type elementType, mlir::ValueRange inputs,
                     llvm::ArrayRef<mlir::AffineMap> maps, Body body);
  /// Reduces `axes` away; `body` gets (element, accumulator).
  mlir::Value reduce(mlir::Value tensor, llvm::ArrayRef<int64_t> axes,
                     mlir::Value init, Body body);
  /// The map from `rank` loops to those that are not in `axes`: how a result
  /// of `reduce` is read next to its input.
  mlir::AffineMap keptMap(int64_t rank, llvm::ArrayRef<int64_t> axes);
  mlir::AffineMap identityMap(int64_t rank) {
    return b.getMultiDimIdentityMap(rank);
  }
  /// Converts all elements between float types.
  mlir::Value convertFloat(mlir::Value tensor, mlir::Type type);

private:
  mlir::ValueRange operands;
  llvm::SmallVector<mlir::RankedTensorType> resultTypes;
};

/// Scalar conversions with ONNX semantics (`Cast`). Types are source types,
/// whose signedness counts; values are signless.
mlir::Value castScalar(mlir::OpBuilder &b, mlir::Location loc,
                       mlir::Value value, mlir::Type from, mlir::Type to,
                       bool saturate = true);
/// Rounds to nearest even, adds nothing, and clamps to the range of the
/// integer type `to`; for small floats rounds and saturates.
mlir::Value quantizeScalar(mlir::OpBuilder &b, mlir::Location loc,
                           mlir::Value value, mlir::Value zeroPoint,
                           mlir::Type to);
/// An arith constant of a scalar float or integer type.
mlir::Value scalarConstant(mlir::OpBuilder &b, mlir::Location loc,
                           mlir::Type type, double value);
/// The lowest (highest) value of the type: infinities for floats.
mlir::Value lowestConstant(mlir::OpBuilder &b, mlir::Location loc,
                           mlir::Type sourceType);
mlir::Value highestConstant(mlir::OpBuilder &b, mlir::Location loc,
                            mlir::Type sourceType);
/// The signless type that stands for an ONNX element type in linalg.
mlir::Type toSignless(mlir::Type elementType);

using LowerFn = mlir::LogicalResult (*)(Lowering &);
using LowerTable = llvm::StringMap<LowerFn>;
void addElementwiseLowerings(LowerTable &table);
void addActivationLowerings(LowerTable &table);
void addContractionLowerings(LowerTable &table);
void addPoolingLowerings(LowerTable &table);
void addNormalizationLowerings(LowerTable &table);
void addReductionLowerings(LowerTable &table);
void addShapeLowerings(LowerTable &table);
void addDataMovementLowerings(LowerTable &table);
void addGatherLowerings(LowerTable &table);
void addResizeLowerings(LowerTable &table);
void addQuantizationLowerings(LowerTable &table);
/// All of the above.
const LowerTable &getLowerTable();

} // namespace compress

#endif // COMPRESS_LIB_CONVERSION_ONNXTOLINALG_LOWERING_H
