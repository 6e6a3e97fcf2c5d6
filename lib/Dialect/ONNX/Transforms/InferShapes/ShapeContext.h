//===- ShapeContext.h - Symbolic shapes of onnx values ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The state of shape inference. A dimension is a constant times symbols, so
// that a dynamic batch dimension survives Shape -> Gather -> Concat -> Reshape
// and cancels in `-1` dimensions. Integer tensors that may describe shapes
// carry their elements in the same form.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_DIALECT_ONNX_TRANSFORMS_INFERSHAPES_SHAPECONTEXT_H
#define COMPRESS_LIB_DIALECT_ONNX_TRANSFORMS_INFERSHAPES_SHAPECONTEXT_H

#include "compress/Dialect/ONNX/Transforms/Node.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace compress::onnx {

/// `coefficient * s0 * s1 * ...`; the symbols are sorted.
struct Dim {
  Dim(int64_t coefficient = 0) : coefficient(coefficient) {}

  bool isConstant() const { return symbols.empty(); }
  bool is(int64_t value) const { return isConstant() && coefficient == value; }
  bool operator==(const Dim &other) const {
    return coefficient == other.coefficient && symbols == other.symbols;
  }
  bool operator!=(const Dim &other) const { return !(*this == other); }

  int64_t coefficient;
  llvm::SmallVector<unsigned, 1> symbols;
};
using Dims = llvm::SmallVector<Dim>;

/// What is known of a value.
struct ValueInfo {
  mlir::Type elementType;
  std::optional<Dims> shape;
  /// The elements of a small integer tensor of rank 0 or 1.
  std::optional<Dims> elements;
};

/// Knowledge about all values seen so far.
class ShapeState {
public:
  Dim fresh() {
    Dim dim(1);
    dim.symbols.push_back(nextSymbol++);
    return dim;
  }
  Dim add(const Dim &a, const Dim &b);
  Dim sub(const Dim &a, const Dim &b);
  Dim mul(const Dim &a, const Dim &b);
  /// Division that rounds towards zero. Symbolic only where exact.
  Dim div(const Dim &a, const Dim &b);
  Dim product(llvm::ArrayRef<Dim> dims);

  /// Knowledge from the type (and constant elements) unless recorded already.
  const ValueInfo &get(mlir::Value value);
  void set(mlir::Value value, ValueInfo info) {
    values[value] = std::make_unique<ValueInfo>(std::move(info));
  }
  /// The dimension for a name such as `batch`: one symbol for each name.
  Dim named(llvm::StringRef name);

  /// Integer tensors of more elements are not followed.
  static constexpr int64_t kMaxElements = 1024;

private:
  /// Boxed, so that rules may hold on to shapes while looking up others.
  llvm::DenseMap<mlir::Value, std::unique_ptr<ValueInfo>> values;
  llvm::StringMap<Dim> names;
  unsigned nextSymbol = 0;
};

/// Shape inference of one node.
class ShapeContext {
public:
  ShapeContext(ShapeState &state, Node node, int64_t opset);

  ShapeState &state;
  Node node;
  int64_t opset;

  /// The shape of input `index`; null when absent or unranked.
  const Dims *shape(unsigned index);
  /// The element type of input `index`; null when absent or unknown.
  mlir::Type elementType(unsigned index);
  /// The elements of integer input `index` when they are followed.
  const Dims *elements(unsigned index);
  /// All elements as constants; nothing when one of them is not.
  std::optional<llvm::SmallVector<int64_t>> constants(unsigned index);
  /// The attribute `name` or, if there is none, the constant input `index`.
  /// `given` says whether either was given.
  std::optional<llvm::SmallVector<int64_t>>
  attrOrInput(llvm::StringRef name, unsigned index, bool &given);

  /// Records a result. Results that no rule sets keep the declared type.
  void setShape(unsigned result, mlir::Type elementType, Dims shape);
  /// The same for result 0 with sizes that a tensor holds: negative ones are an
  /// error.
  mlir::LogicalResult setShapeChecked(mlir::Type elementType,
                                      const Dims &shape);
  void setElementType(unsigned result, mlir::Type elementType);
  void setElements(unsigned result, Dims elements);
  ValueInfo &result(unsigned index) { return results[index]; }
  unsigned getNumResults() const { return results.size(); }

  /// Emits `error: node 'name' (Op): reason` at the node.
  mlir::LogicalResult fail(const llvm::Twine &reason);
  /// Axis in [0, rank), or a diagnostic.
  mlir::FailureOr<int64_t> axis(int64_t axis, int64_t rank);
  /// Numpy broadcasting. A dynamic dimension equals the other one unless that
  /// is 1.
  mlir::FailureOr<Dims> broadcast(llvm::ArrayRef<Dim> a, llvm::ArrayRef<Dim> b);
  /// `rank` dimensions of unknown size.
  Dims unknown(int64_t rank);
  /// The length of 1-D input `index` when it is static.
  std::optional<int64_t> length(unsigned index);
  mlir::Type i64();
  mlir::Type i1();

private:
  llvm::SmallVector<ValueInfo> results;
};

/// `2x?x3`.
std::string toString(llvm::ArrayRef<Dim> dims);

using ShapeRule = mlir::LogicalResult (*)(ShapeContext &);
using ShapeRules = llvm::StringMap<ShapeRule>;
void addElementwiseShapeRules(ShapeRules &rules);
void addContractionShapeRules(ShapeRules &rules);
void addDataMovementShapeRules(ShapeRules &rules);
void addReshapeShapeRules(ShapeRules &rules);
void addReductionShapeRules(ShapeRules &rules);
/// All of the above.
const ShapeRules &getShapeRules();

} // namespace compress::onnx

#endif // COMPRESS_LIB_DIALECT_ONNX_TRANSFORMS_INFERSHAPES_SHAPECONTEXT_H
