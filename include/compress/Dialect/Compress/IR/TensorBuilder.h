//===- TensorBuilder.h - Whole-tensor arithmetic, once ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The vocabulary in which an encoding says how it is decoded. One description
// gives the host reference (evaluated at once), the IR (linalg and tensor
// operations) and the ONNX form (standard operators), which therefore agree.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_DIALECT_COMPRESS_IR_TENSORBUILDER_H
#define COMPRESS_DIALECT_COMPRESS_IR_TENSORBUILDER_H

#include "compress/Dialect/Compress/IR/HostTensor.h"
#include "mlir/IR/Value.h"

namespace compress {

/// A dense tensor while a decode is described: numbers on the host, or a value
/// of the program being built.
struct DenseValue {
  llvm::SmallVector<int64_t> shape;
  /// f16, bf16, f32, f64, i1 (a truth value), i32 or i64 (both signed).
  mlir::Type elementType;
  HostTensor host;
  mlir::Value value;

  int64_t getRank() const { return shape.size(); }
};

/// One component of a compressed tensor.
struct ComponentValue {
  Component component;
  /// Its leaves (host, and ONNX where the tensor is a constant), and the number
  /// of the first among those of the whole tensor.
  llvm::SmallVector<HostTensor> leaves;
  int64_t firstLeaf = 0;
  /// Its value (IR).
  mlir::Value value;
};

enum class TensorBinary { Add, Sub, Mul, And, Or, Xor, Shl, ShrU, Equal, Less };

/// Shapes are static unless said otherwise. Where rounding can occur results
/// are those of IEEE arithmetic in the element type, operation by operation.
class TensorBuilder {
public:
  explicit TensorBuilder(mlir::MLIRContext *context) : context(context) {}
  virtual ~TensorBuilder();

  mlir::MLIRContext *getContext() const { return context; }
  /// Reports why there is no description; for `return`.
  virtual mlir::LogicalResult emitFailure(const llvm::Twine &message) = 0;

  /// The decoded component, of `component.elementType`. Dynamic shapes allowed.
  virtual mlir::FailureOr<DenseValue> decode(const ComponentValue &part) = 0;

  virtual DenseValue constant(const HostTensor &tensor) = 0;
  /// Numeric conversion by the rules of `HostTensor::setDouble`.
  virtual DenseValue cast(const DenseValue &x, mlir::Type elementType) = 0;
  virtual DenseValue reshape(const DenseValue &x,
                             llvm::ArrayRef<int64_t> shape) = 0;
  /// Axis i of the result is axis `permutation[i]` of `x`.
  virtual DenseValue transpose(const DenseValue &x,
                               llvm::ArrayRef<int64_t> permutation) = 0;
  /// `size` elements along `axis` from `begin`.
  virtual DenseValue slice(const DenseValue &x, int64_t axis, int64_t begin,
                           int64_t size) = 0;
  virtual DenseValue concat(llvm::ArrayRef<DenseValue> parts, int64_t axis) = 0;
  /// Elementwise; ranks and element types are equal, dimensions of size 1
  /// stretch. Bit operations and shifts on integers; Equal and Less give i1.
  /// Dynamic shapes allowed where nothing stretches.
  virtual DenseValue binary(TensorBinary op, const DenseValue &a,
                            const DenseValue &b) = 0;
  /// `condition ? a : b` elementwise, stretching likewise.
  virtual DenseValue select(const DenseValue &condition, const DenseValue &a,
                            const DenseValue &b) = 0;
  /// `result[o..., i..., r...] = x[o..., indices[i...], r...]`; an index out
  /// of range reads the nearest element. `x` is not empty along `axis` unless
  /// `indices` is empty. Other dimensions of `x` may be dynamic.
  virtual DenseValue gather(const DenseValue &x, const DenseValue &indices,
                            int64_t axis) = 0;
  /// A 1-D tensor of `size` zeros with `values[k]` stored at `indices[k]`, or
  /// added with `accumulate`; both 1-D. Indices out of range are dropped.
  virtual DenseValue scatter(const DenseValue &indices,
                             const DenseValue &values, int64_t size,
                             bool accumulate) = 0;
  /// Sums of the elements before each one of a 1-D integer tensor.
  virtual DenseValue exclusiveSum(const DenseValue &x) = 0;
  /// `result[i...] = x[i / group...]`, of shape `shape`; kDynamic in `group` is
  /// the whole dimension. Dynamic shapes allowed.
  virtual DenseValue expandGroups(const DenseValue &x,
                                  llvm::ArrayRef<int64_t> group,
                                  const DenseValue &like) = 0;
  /// Sum of products of `a` and `b` over the labels that `result` lacks, in
  /// row-major order of those labels, sorted by first appearance in `a`, then
  /// `b`. One label per axis, none repeated within an operand. Labels of
  /// `result` in any order.
  virtual DenseValue contract(const DenseValue &a,
                              llvm::ArrayRef<unsigned> aLabels,
                              const DenseValue &b,
                              llvm::ArrayRef<unsigned> bLabels,
                              llvm::ArrayRef<unsigned> resultLabels) = 0;
  /// The block Walsh-Hadamard transform of `rotated`. Other dimensions of `x`
  /// may be dynamic.
  virtual DenseValue hadamard(const DenseValue &x, int64_t axis,
                              int64_t block) = 0;
  /// 0, 1, ... of i32 or i64.
  virtual DenseValue iota(int64_t size, mlir::Type elementType) = 0;

  // Composed of the above.

  /// A tensor of one number, of static shape.
  DenseValue splat(double number, llvm::ArrayRef<int64_t> shape,
                   mlir::Type elementType);
  /// A number with as many axes of size 1 as `rank`.
  DenseValue scalar(double number, int64_t rank, mlir::Type elementType);
  /// The tensor of shape `shape` made of blocks: `x` has shape
  /// `grid + block`, where `grid = ceil(shape / block)`; what hangs over is cut
  /// off.
  DenseValue assembleBlocks(const DenseValue &x, llvm::ArrayRef<int64_t> block,
                            llvm::ArrayRef<int64_t> shape);
  DenseValue add(const DenseValue &a, const DenseValue &b) {
    return binary(TensorBinary::Add, a, b);
  }
  DenseValue sub(const DenseValue &a, const DenseValue &b) {
    return binary(TensorBinary::Sub, a, b);
  }
  DenseValue mul(const DenseValue &a, const DenseValue &b) {
    return binary(TensorBinary::Mul, a, b);
  }
  mlir::Type getI32() const;
  mlir::Type getI64() const;
  mlir::Type getF32() const;

private:
  mlir::MLIRContext *context;
};

} // namespace compress

#endif // COMPRESS_DIALECT_COMPRESS_IR_TENSORBUILDER_H
