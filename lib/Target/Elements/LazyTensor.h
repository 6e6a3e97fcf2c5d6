//===- LazyTensor.h - Decodes element by element ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Another reading of how encodings describe their decode: a tensor is a
// function from a position to code that computes the element there. What an
// encoding says once for all of its forms thus runs inside of kernels, without
// a word about single encodings here. Steps that need the whole tensor (sums
// of what comes before, contractions, Hadamard transforms) have no such form.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_TARGET_ELEMENTS_LAZYTENSOR_H
#define COMPRESS_LIB_TARGET_ELEMENTS_LAZYTENSOR_H

#include "ElementKernel.h"
#include "compress/Dialect/Compress/IR/Encoding.h"

namespace compress::device {

/// Emits the element at a position (indices): f32, i32 or i1.
using Element = std::function<Value(ValueRange position)>;

class LazyTensorBuilder : public TensorBuilder {
public:
  explicit LazyTensorBuilder(ElementKernel &k);

  /// The elements of an operand: a constant or run-time tensor, in any encoding
  /// or dense, seen through padding with a constant.
  mlir::FailureOr<Element> read(Value operand);
  /// The components of an operand of any encoding, and the elements of one.
  llvm::SmallVector<ComponentValue> getParts(Value operand);
  llvm::SmallVector<ComponentValue> getParts(const ComponentValue &whole);
  mlir::FailureOr<Element> readPart(const ComponentValue &part);
  /// The name of a component of the constant that was read last.
  std::string getName(llvm::StringRef component) const;
  /// Why `read` failed.
  std::string reason;

  mlir::LogicalResult emitFailure(const llvm::Twine &message) override;
  mlir::FailureOr<DenseValue> decode(const ComponentValue &part) override;
  DenseValue constant(const HostTensor &tensor) override;
  DenseValue cast(const DenseValue &x, Type elementType) override;
  DenseValue reshape(const DenseValue &x,
                     llvm::ArrayRef<int64_t> shape) override;
  DenseValue transpose(const DenseValue &x,
                       llvm::ArrayRef<int64_t> permutation) override;
  DenseValue slice(const DenseValue &x, int64_t axis, int64_t begin,
                   int64_t size) override;
  DenseValue concat(llvm::ArrayRef<DenseValue> parts, int64_t axis) override;
  DenseValue binary(TensorBinary op, const DenseValue &a,
                    const DenseValue &b) override;
  DenseValue select(const DenseValue &condition, const DenseValue &a,
                    const DenseValue &b) override;
  DenseValue gather(const DenseValue &x, const DenseValue &indices,
                    int64_t axis) override;
  DenseValue scatter(const DenseValue &indices, const DenseValue &values,
                     int64_t size, bool accumulate) override;
  DenseValue exclusiveSum(const DenseValue &x) override;
  DenseValue expandGroups(const DenseValue &x, llvm::ArrayRef<int64_t> group,
                          const DenseValue &like) override;
  DenseValue contract(const DenseValue &a, llvm::ArrayRef<unsigned> aLabels,
                      const DenseValue &b, llvm::ArrayRef<unsigned> bLabels,
                      llvm::ArrayRef<unsigned> resultLabels) override;
  DenseValue hadamard(const DenseValue &x, int64_t axis,
                      int64_t block) override;
  DenseValue iota(int64_t size, Type elementType) override;

private:
  DenseValue wrap(llvm::ArrayRef<int64_t> shape, Type elementType,
                  Element element);
  Value at(const DenseValue &x, ValueRange position);
  /// As `at`, where axes of size 1 stretch.
  Value stretched(const DenseValue &x, ValueRange position);
  /// What cannot be computed element by element, whatever its contents.
  DenseValue refuse(const char *what, llvm::ArrayRef<int64_t> shape,
                    Type elementType);
  /// Elements of a buffer whose sizes are those of `shape`, and of `tensor`
  /// where that is dynamic.
  mlir::FailureOr<Element> readBuffer(unsigned buffer, Value tensor,
                                      llvm::ArrayRef<int64_t> shape,
                                      Type storage, unsigned storedWidth);
  /// Turns the bits of a stored number into an f32, i32 or i1.
  mlir::FailureOr<std::function<Value(Value)>> getNumber(Type storage);
  Value indexOf(int64_t value) { return k.index(value); }

  ElementKernel &k;
  /// Where the constant being read is in the model.
  std::string site;
  /// Stand for tensors that never exist, by which their elements are found.
  mlir::Block names;
  llvm::DenseMap<Value, Element> elements;
};

} // namespace compress::device

#endif // COMPRESS_LIB_TARGET_ELEMENTS_LAZYTENSOR_H
