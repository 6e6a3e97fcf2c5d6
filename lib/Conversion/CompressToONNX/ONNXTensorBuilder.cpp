//===- ONNXTensorBuilder.cpp - Decodes as ONNX operators --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What ONNX Runtime 1.31 has no kernel for on its CPU provider decides between
// equivalent forms (tried one by one):
//
// - Where takes neither bool nor bf16, Expand and arithmetic no bf16: these are
//   widened, which loses nothing, and narrowed again.
// - BitShift takes unsigned integers only.
//
// Constants that follow a rule are computed (Expand, Range), so that the file
// does not grow with the tensor.
//
//===----------------------------------------------------------------------===//

#include "GraphBuilder.h"
#include "Grouping.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Hadamard.h"
#include "compress/Dialect/Compress/IR/StretchedShape.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"

using namespace mlir;
using namespace compress;

namespace {

/// Whether integers, followed back through operators that only move them, are
/// constants in [0, end).
bool isInRange(Value value, int64_t end) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<onnx::InitializerOp>(op)) {
      auto tensor = onnx::getConstant(value);
      if (failed(tensor) || !isa<IntegerType>(tensor->getElementType()))
        return false;
      for (int64_t i = 0, e = tensor->getNumElements(); i < e; ++i) {
        int64_t number = tensor->getInt(i);
        if (number < 0 || number >= end)
          return false;
      }
      return true;
    }
    if (!isa<onnx::CastOp, onnx::ReshapeOp, onnx::SliceOp, onnx::TransposeOp>(
            op))
      return false;
    value = op->getOperand(0);
  }
  return false;
}

class ONNXTensorBuilder : public TensorBuilder {
public:
  ONNXTensorBuilder(GraphBuilder &g, CompressedTensorType type,
                    int64_t firstLeaf, StringRef label)
      : TensorBuilder(g.getContext()), g(g), type(type), firstLeaf(firstLeaf),
        label(label) {}

  LogicalResult emitFailure(const Twine &message) override {
    g.emitError() << "cannot write " << type << " as ONNX: " << message;
    return failure();
  }

  FailureOr<DenseValue> decode(const ComponentValue &part) override {
    const Component &component = part.component;
    ArrayRef<int64_t> shape = mlir::cast<ShapedType>(component.type).getShape();
    auto value = writeComponent(
        g, component.type,
        mlir::cast<EncodingAttrInterface>(component.encoding),
        component.elementType, part.leaves, firstLeaf + part.firstLeaf, shape,
        label.empty() ? component.name : label + "_" + component.name);
    if (failed(value))
      return failure();
    return wrap(*value);
  }

  DenseValue constant(const HostTensor &tensor) override {
    int64_t count = tensor.getNumElements();
    uint64_t first = count ? tensor.getBits(0) : 0;
    bool isUniform = count > 16;
    for (int64_t i = 1; i < count && isUniform; ++i)
      isUniform = tensor.getBits(i) == first;
    if (!isUniform)
      return wrap(g.constant(tensor));
    HostTensor one = HostTensor::allocate({}, tensor.getElementType());
    one.setBits(0, first);
    return expand(wrap(g.constant(one)), tensor.getShape());
  }

  DenseValue cast(const DenseValue &x, Type elementType) override {
    if (x.elementType == elementType)
      return x;
    Value value = x.value;
    // Cast to an integer cuts off.
    if (isa<FloatType>(x.elementType) && elementType.isInteger() &&
        !elementType.isInteger(1))
      value = g.unary("Round", widened(x).value);
    return wrap(g.cast(value, elementType));
  }

  DenseValue reshape(const DenseValue &x, ArrayRef<int64_t> shape) override {
    return wrap(g.reshape(x.value, shape));
  }

  DenseValue transpose(const DenseValue &x,
                       ArrayRef<int64_t> permutation) override {
    if (llvm::equal(permutation, llvm::seq<int64_t>(0, x.getRank())))
      return x;
    SmallVector<int64_t> shape;
    for (int64_t axis : permutation)
      shape.push_back(x.shape[axis]);
    return node("Transpose", x.value, shape, x.elementType,
                g.intsAttr("perm", permutation));
  }

  DenseValue slice(const DenseValue &x, int64_t axis, int64_t begin,
                   int64_t size) override {
    if (begin == 0 && size == x.shape[axis])
      return x;
    SmallVector<int64_t> shape(x.shape);
    shape[axis] = size;
    return node("Slice",
                {x.value, g.ints(begin), g.ints(begin + size), g.ints(axis)},
                shape, x.elementType);
  }

  DenseValue concat(ArrayRef<DenseValue> parts, int64_t axis) override {
    if (parts.size() == 1)
      return parts[0];
    SmallVector<int64_t> shape(parts[0].shape);
    SmallVector<Value> values;
    shape[axis] = 0;
    for (const DenseValue &part : parts) {
      shape[axis] += part.shape[axis];
      values.push_back(part.value);
    }
    return node("Concat", values, shape, parts[0].elementType,
                g.intAttr("axis", axis));
  }

  DenseValue binary(TensorBinary op, const DenseValue &a,
                    const DenseValue &b) override {
    bool compares = op == TensorBinary::Equal || op == TensorBinary::Less;
    Type result = compares ? g.boolean() : a.elementType;
    if (a.elementType.isInteger(1))
      return wrap(booleans(op, a.value, b.value));
    if (op == TensorBinary::Shl || op == TensorBinary::ShrU)
      return shift(op, a, b);
    bool isBitwise = op == TensorBinary::And || op == TensorBinary::Or ||
                     op == TensorBinary::Xor;
    if (isBitwise)
      g.require(18);
    Value x = widened(a).value, y = widened(b).value;
    Value value = g.binary(getOperator(op), x, y, compares ? result : Type());
    return wrap(g.cast(value, result));
  }

  DenseValue select(const DenseValue &condition, const DenseValue &a,
                    const DenseValue &b) override {
    Type element = a.elementType;
    Value x = widened(a).value, y = widened(b).value;
    if (element.isInteger(1)) {
      x = g.cast(x, g.i32());
      y = g.cast(y, g.i32());
    }
    return wrap(g.cast(g.where(condition.value, x, y), element));
  }

  DenseValue gather(const DenseValue &x, const DenseValue &indices,
                    int64_t axis) override {
    ArrayRef<int64_t> from = x.shape;
    SmallVector<int64_t> shape(from.take_front(axis));
    llvm::append_range(shape, indices.shape);
    llvm::append_range(shape, from.drop_front(axis + 1));
    Value at = indices.value;
    if (from[axis] > 0 && !isInRange(at, from[axis]))
      at = node("Clip",
                {at, g.scalar(0, indices.elementType),
                 g.scalar(double(from[axis] - 1), indices.elementType)},
                indices.shape, indices.elementType)
               .value;
    return node("Gather", {x.value, at}, shape, x.elementType,
                g.intAttr("axis", axis));
  }

  DenseValue scatter(const DenseValue &indices, const DenseValue &values,
                     int64_t size, bool accumulate) override {
    Type element = values.elementType;
    if (size == 0 || values.shape[0] == 0)
      return splat(0, {size}, element);
    // What is dropped goes to one more element at the end.
    Value at = indices.value;
    bool isInside = isInRange(at, size);
    if (!isInside) {
      Type integer = indices.elementType;
      Value end = g.scalar(double(size), integer);
      Value isNegative =
          g.binary("Less", at, g.scalar(0, integer), g.boolean());
      at = g.binary("Min", g.where(isNegative, end, at), end);
    }
    DenseValue updates = accumulate ? widened(values) : values;
    int64_t total = size + !isInside;
    DenseValue zeros = splat(0, {total}, updates.elementType);
    SmallVector<NamedAttribute> attrs{g.intAttr("axis", 0)};
    if (accumulate) {
      g.require(16);
      attrs.push_back(g.stringAttr("reduction", "add"));
    }
    DenseValue result =
        node("ScatterElements", {zeros.value, at, updates.value}, {total},
             updates.elementType, attrs);
    return cast(slice(result, 0, 0, size), element);
  }

  DenseValue exclusiveSum(const DenseValue &x) override {
    return node("CumSum", {x.value, g.scalar(0, getI64())}, x.shape,
                x.elementType, g.intAttr("exclusive", 1));
  }

  DenseValue expandGroups(const DenseValue &x, ArrayRef<int64_t> group,
                          const DenseValue &like) override {
    if (llvm::is_contained(like.shape, 0))
      return constant(HostTensor::allocate(like.shape, x.elementType));
    std::string reason;
    auto view = GroupView::get(like.shape, group, reason);
    if (failed(view)) // only with dynamic dimensions, which constants lack
      llvm_unreachable("groups of a dynamic shape");
    DenseValue value = reshape(x, view->parameters);
    value = reshape(expand(value, view->view), view->padded);
    for (int64_t axis = 0; axis < like.getRank(); ++axis)
      value = slice(value, axis, 0, like.shape[axis]);
    return value;
  }

  DenseValue contract(const DenseValue &a, ArrayRef<unsigned> aLabels,
                      const DenseValue &b, ArrayRef<unsigned> bLabels,
                      ArrayRef<unsigned> resultLabels) override {
    auto isKept = [&](unsigned label) {
      return llvm::is_contained(resultLabels, label);
    };
    if (llvm::all_of(aLabels, isKept) && llvm::all_of(bLabels, isKept))
      return mul(align(a, aLabels, resultLabels),
                 align(b, bLabels, resultLabels));

    SmallVector<unsigned> letters;
    std::string equation;
    auto spell = [&](ArrayRef<unsigned> labels) {
      for (unsigned label : labels) {
        const auto *it = llvm::find(letters, label);
        size_t letter = it - letters.begin();
        if (it == letters.end())
          letters.push_back(label);
        equation += char(letter < 26 ? 'a' + letter : 'A' + (letter - 26));
      }
    };
    spell(aLabels);
    equation += ",";
    spell(bLabels);
    equation += "->";
    spell(resultLabels);
    if (letters.size() > 52)
      error = "a contraction has more than 52 dimensions";
    SmallVector<int64_t> shape;
    for (unsigned label : resultLabels) {
      const auto *it = llvm::find(aLabels, label);
      shape.push_back(
          it != aLabels.end()
              ? a.shape[it - aLabels.begin()]
              : b.shape[llvm::find(bLabels, label) - bLabels.begin()]);
    }
    return node("Einsum", {a.value, b.value}, shape, a.elementType,
                g.stringAttr("equation", equation));
  }

  DenseValue hadamard(const DenseValue &x, int64_t axis,
                      int64_t block) override {
    // Whole blocks, then the powers of two of what is left.
    SmallVector<DenseValue> pieces;
    int64_t begin = 0;
    for (int64_t size = block; begin < x.shape[axis]; size /= 2) {
      int64_t end = x.shape[axis] & ~(size - 1);
      if (end == begin)
        continue;
      pieces.push_back(
          transformBlocks(slice(x, axis, begin, end - begin), axis, size));
      begin = end;
    }
    return pieces.empty() ? x : concat(pieces, axis);
  }

  DenseValue iota(int64_t size, Type elementType) override {
    if (size <= 32) {
      HostTensor tensor = HostTensor::allocate({size}, elementType);
      for (int64_t i = 0; i < size; ++i)
        tensor.setBits(i, i);
      return wrap(g.constant(tensor));
    }
    return node("Range",
                {g.scalar(0, elementType), g.scalar(double(size), elementType),
                 g.scalar(1, elementType)},
                {size}, elementType);
  }

  /// What could not be emitted; empty when all is well.
  std::string error;

private:
  static DenseValue wrap(Value value) {
    auto type = mlir::cast<RankedTensorType>(value.getType());
    DenseValue result;
    result.shape.assign(type.getShape().begin(), type.getShape().end());
    result.elementType = type.getElementType();
    result.value = value;
    return result;
  }

  DenseValue node(StringRef opType, ValueRange inputs, ArrayRef<int64_t> shape,
                  Type elementType, ArrayRef<NamedAttribute> attrs = {}) {
    return wrap(g.node(opType, inputs,
                       RankedTensorType::get(shape, elementType), attrs));
  }

  DenseValue widened(const DenseValue &x) {
    return x.elementType.isBF16() ? wrap(g.cast(x.value, g.f32())) : x;
  }

  DenseValue expand(const DenseValue &x, ArrayRef<int64_t> shape) {
    if (ArrayRef(x.shape) == shape)
      return x;
    DenseValue wide = widened(x);
    return cast(
        node("Expand", {wide.value, g.ints(shape)}, shape, wide.elementType),
        x.elementType);
  }

  static StringRef getOperator(TensorBinary op) {
    switch (op) {
    case TensorBinary::Add:
      return "Add";
    case TensorBinary::Sub:
      return "Sub";
    case TensorBinary::Mul:
      return "Mul";
    case TensorBinary::And:
      return "BitwiseAnd";
    case TensorBinary::Or:
      return "BitwiseOr";
    case TensorBinary::Xor:
      return "BitwiseXor";
    case TensorBinary::Equal:
      return "Equal";
    case TensorBinary::Less:
      return "Less";
    case TensorBinary::Shl:
    case TensorBinary::ShrU:
      return "BitShift";
    }
    llvm_unreachable("unknown operation");
  }

  /// Integers of one bit.
  Value booleans(TensorBinary op, Value a, Value b) {
    switch (op) {
    case TensorBinary::And:
    case TensorBinary::Mul:
      return g.binary("And", a, b);
    case TensorBinary::Or:
      return g.binary("Or", a, b);
    case TensorBinary::Xor:
    case TensorBinary::Add:
    case TensorBinary::Sub:
      return g.binary("Xor", a, b);
    case TensorBinary::Equal:
      return g.binary("Equal", a, b);
    // Signed: 1 is the smaller of the two, and shifts have no defined amount
    // but 0.
    case TensorBinary::Less:
    case TensorBinary::Shl:
    case TensorBinary::ShrU:
      return g.binary("And", a, g.unary("Not", b));
    }
    llvm_unreachable("unknown operation");
  }

  DenseValue shift(TensorBinary op, const DenseValue &a, const DenseValue &b) {
    unsigned width = a.elementType.getIntOrFloatBitWidth();
    Type bits = IntegerType::get(getContext(), width, IntegerType::Unsigned);
    StringRef direction = op == TensorBinary::Shl ? "LEFT" : "RIGHT";
    Value value =
        node("BitShift", {g.cast(a.value, bits), g.cast(b.value, bits)},
             getStretchedShape(a.shape, b.shape), bits,
             g.stringAttr("direction", direction))
            .value;
    value = g.cast(value, a.elementType);
    if (isInRange(b.value, width))
      return wrap(value);
    // Amounts that are too large (or negative) leave nothing.
    DenseValue zero = scalar(0, a.getRank(), a.elementType);
    DenseValue isLess = binary(TensorBinary::Less, b,
                               scalar(width, b.getRank(), b.elementType));
    DenseValue isPositive =
        binary(TensorBinary::Less, scalar(-1, b.getRank(), b.elementType), b);
    return select(binary(TensorBinary::And, isLess, isPositive), wrap(value),
                  zero);
  }

  /// `x` with its axes in the order of `to`, and axes of size 1 for labels that
  /// it lacks.
  DenseValue align(const DenseValue &x, ArrayRef<unsigned> labels,
                   ArrayRef<unsigned> to) {
    SmallVector<int64_t> permutation, shape;
    for (unsigned label : to) {
      const auto *it = llvm::find(labels, label);
      if (it == labels.end()) {
        shape.push_back(1);
        continue;
      }
      permutation.push_back(it - labels.begin());
      shape.push_back(x.shape[permutation.back()]);
    }
    return reshape(transpose(x, permutation), shape);
  }

  /// The Walsh-Hadamard transform of whole blocks along an axis.
  DenseValue transformBlocks(const DenseValue &x, int64_t axis, int64_t size) {
    if (size == 1)
      return x;
    auto viewShape = [&](int64_t distance) {
      SmallVector<int64_t> shape(ArrayRef(x.shape).take_front(axis));
      llvm::append_values(shape, x.shape[axis] / (2 * distance), int64_t(2),
                          distance);
      llvm::append_range(shape, ArrayRef(x.shape).drop_front(axis + 1));
      return shape;
    };
    DenseValue value = x;
    for (int64_t distance = 1; distance < size; distance *= 2) {
      value = reshape(value, viewShape(distance));
      DenseValue first = slice(value, axis + 1, 0, 1);
      DenseValue second = slice(value, axis + 1, 1, 1);
      value = concat({add(first, second), sub(first, second)}, axis + 1);
    }
    double scale = x.elementType.isF64() ? getHadamardScale<double>(size)
                                         : getHadamardScale<float>(size);
    return mul(reshape(value, x.shape),
               scalar(scale, x.getRank(), x.elementType));
  }

  GraphBuilder &g;
  CompressedTensorType type;
  int64_t firstLeaf;
  std::string label;
};

} // namespace

FailureOr<Value> compress::writeByDescription(GraphBuilder &g,
                                              CompressedTensorType type,
                                              ArrayRef<HostTensor> leaves,
                                              int64_t firstLeaf,
                                              StringRef label) {
  ONNXTensorBuilder tensors(g, type, firstLeaf, label);
  auto result = describeDecode(tensors, type, splitLeaves(type, leaves));
  if (failed(result))
    return failure();
  if (!tensors.error.empty())
    return tensors.emitFailure(tensors.error);
  return result->value;
}
