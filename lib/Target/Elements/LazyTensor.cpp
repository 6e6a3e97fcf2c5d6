//===- LazyTensor.cpp - Decodes element by element --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LazyTensor.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "compress/Dialect/Compress/IR/StretchedShape.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

/// The bits of an element are counted in 32 bits.
static constexpr int64_t kMaxBits = int64_t(1) << 32;

LazyTensorBuilder::LazyTensorBuilder(ElementKernel &k)
    : TensorBuilder(k.b.getContext()), k(k) {}

LogicalResult LazyTensorBuilder::emitFailure(const Twine &message) {
  if (reason.empty())
    reason = message.str();
  return failure();
}

DenseValue LazyTensorBuilder::wrap(ArrayRef<int64_t> shape, Type elementType,
                                   Element element) {
  DenseValue result;
  result.shape.assign(shape.begin(), shape.end());
  result.elementType = elementType;
  result.value = names.addArgument(elementType, k.loc);
  elements[result.value] = std::move(element);
  return result;
}

Value LazyTensorBuilder::at(const DenseValue &x, ValueRange position) {
  // A copy: evaluation may add elements.
  Element element = elements.lookup(x.value);
  return element(position);
}

Value LazyTensorBuilder::stretched(const DenseValue &x, ValueRange position) {
  SmallVector<Value> where(position);
  for (auto [i, size] : llvm::enumerate(x.shape))
    if (size == 1)
      where[i] = indexOf(0);
  return at(x, where);
}

DenseValue LazyTensorBuilder::refuse(const char *what, ArrayRef<int64_t> shape,
                                     Type elementType) {
  (void)emitFailure(Twine("its decode ") + what +
                    ", which needs the whole tensor");
  return wrap(shape, elementType, [this](ValueRange) { return k.i32(0); });
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

FailureOr<std::function<Value(Value)>>
LazyTensorBuilder::getNumber(Type storage) {
  using Convert = std::function<Value(Value)>;
  Type f32 = k.b.getF32Type();
  if (auto integer = dyn_cast<IntegerType>(storage)) {
    unsigned width = integer.getWidth();
    if (width == 1 && integer.isSignless())
      return Convert([this](Value bits) {
        return k.compare(arith::CmpIPredicate::ne, bits, k.i32(0));
      });
    if (width > 32)
      return emitFailure("it stores integers of more than 32 bits");
    if (integer.isUnsigned() || width == 32) {
      if (integer.isUnsigned() && width == 32)
        return emitFailure("it stores unsigned integers of 32 bits");
      return Convert([](Value bits) { return bits; });
    }
    return Convert([this, width](Value bits) {
      return k.shiftRightSigned(k.shiftLeft(bits, 32 - width), 32 - width);
    });
  }
  if (storage.isF32())
    return Convert([this, f32](Value bits) { return k.bitcast(bits, f32); });
  if (storage.isBF16())
    return Convert([this, f32](Value bits) {
      return k.bitcast(k.shiftLeft(bits, 16), f32);
    });
  if (storage.isF16())
    return Convert([this](Value bits) { return k.fromHalf(bits); });
  auto real = dyn_cast<FloatType>(storage);
  if (real && real.getWidth() <= 8) {
    int64_t count = int64_t(1) << real.getWidth();
    HostTensor codes = HostTensor::allocate({count}, real);
    for (int64_t i = 0; i < count; ++i)
      codes.setBits(i, i);
    std::string name;
    llvm::raw_string_ostream(name) << "values_of_" << storage;
    unsigned table = k.addConstant(
        HostTensor::fromFloats({count}, f32, codes.toFloats()), name);
    return Convert([this, table, f32](Value bits) {
      return k.bitcast(k.loadWord(table, k.toIndex(bits)), f32);
    });
  }
  std::string text;
  llvm::raw_string_ostream(text) << "it stores " << storage;
  return emitFailure(text);
}

FailureOr<Element> LazyTensorBuilder::readBuffer(unsigned buffer, Value tensor,
                                                 ArrayRef<int64_t> shape,
                                                 Type storage,
                                                 unsigned storedWidth) {
  auto number = getNumber(storage);
  if (failed(number))
    return failure();
  if (!ShapedType::isDynamicShape(shape) &&
      countElements(shape) * storedWidth >= kMaxBits)
    return emitFailure("it is larger than 512 MiB");
  SmallVector<Value> extents;
  SmallVector<int64_t> sizes(shape);
  for (auto [axis, size] : llvm::enumerate(shape))
    extents.push_back(ShapedType::isDynamic(size) ? k.size(tensor, axis)
                                                  : Value());
  return Element([=, convert = *number](ValueRange position) {
    SmallVector<Value> strides(extents);
    for (auto [stride, size] : llvm::zip_equal(strides, sizes))
      if (!stride)
        stride = indexOf(size);
    Value linear = k.linearize(position, strides);
    return convert(k.loadBits(buffer, linear, storedWidth));
  });
}

SmallVector<ComponentValue>
LazyTensorBuilder::getParts(const ComponentValue &whole) {
  auto type = mlir::cast<CompressedTensorType>(whole.component.type);
  if (!whole.value)
    return splitLeaves(type, whole.leaves);
  SmallVector<ComponentValue> parts;
  auto unpack = UnpackOp::create(k.host, k.loc, whole.value);
  SmallVector<Component> components = type.getEncoding().getComponents(type);
  for (auto [component, value] :
       llvm::zip_equal(components, unpack.getResults())) {
    ComponentValue part;
    part.component = component;
    part.value = value;
    parts.push_back(part);
  }
  return parts;
}

/// An operand as if it were a component of something.
static ComponentValue asComponent(Value operand) {
  auto type = mlir::cast<CompressedTensorType>(operand.getType());
  ComponentValue whole;
  whole.component.type = type;
  whole.component.name = "operand";
  whole.component.encoding = type.getEncoding();
  whole.component.elementType = type.getElementType();
  if (auto constant = operand.getDefiningOp<ConstantOp>())
    whole.leaves = constant.getLeaves();
  else
    whole.value = operand;
  return whole;
}

std::string LazyTensorBuilder::getName(StringRef component) const {
  return site.empty() ? component.str() : site + "." + component.str();
}

/// The name that the importer gave to a weight; empty if there is none.
static std::string getSite(Value operand) {
  auto constant = operand.getDefiningOp<ConstantOp>();
  auto site = constant ? constant->getAttrOfType<StringAttr>("compress.site")
                       : StringAttr();
  return site ? site.str() : "";
}

SmallVector<ComponentValue> LazyTensorBuilder::getParts(Value operand) {
  site = getSite(operand);
  return getParts(asComponent(operand));
}

FailureOr<Element> LazyTensorBuilder::readPart(const ComponentValue &part) {
  auto value = decode(part);
  if (failed(value) || !reason.empty())
    return failure();
  return elements.lookup(value->value);
}

FailureOr<DenseValue> LazyTensorBuilder::decode(const ComponentValue &part) {
  const Component &component = part.component;
  if (auto nested = dyn_cast<CompressedTensorType>(component.type)) {
    // Inflated here, the model would store what is inside.
    if (isa<CodedAttr>(nested.getEncoding()))
      return emitFailure("its streams are restored bit by bit");
    SmallVector<ComponentValue> parts = getParts(part);
    auto value = compress::describeDecode(*this, nested, parts);
    if (failed(value))
      return failure();
    return cast(*value, component.elementType);
  }
  auto type = mlir::cast<RankedTensorType>(component.type);
  Type storage = mlir::cast<DenseAttr>(component.encoding).getStorageType();
  unsigned width = storage.getIntOrFloatBitWidth();
  unsigned buffer, stored = width;
  if (part.value) {
    buffer = k.addInput(part.value);
    // In memory, small elements take a byte each.
    stored = std::max<unsigned>(8, llvm::PowerOf2Ceil(width));
  } else {
    buffer = k.addConstant(part.leaves[0], getName(component.name));
  }
  auto element =
      readBuffer(buffer, part.value, type.getShape(), storage, stored);
  if (failed(element))
    return failure();
  Type number = isa<FloatType>(storage)        ? Type(k.b.getF32Type())
                : storage.isSignlessInteger(1) ? Type(k.b.getI1Type())
                                               : Type(k.b.getI32Type());
  DenseValue raw = wrap(type.getShape(), number, *element);
  return cast(raw, component.elementType);
}

FailureOr<Element> LazyTensorBuilder::read(Value operand) {
  if (auto type = dyn_cast<CompressedTensorType>(operand.getType())) {
    if (!type.getElementType().isF32())
      return emitFailure("its elements are not f32");
    site = getSite(operand);
    return readPart(asComponent(operand));
  }
  auto type = mlir::cast<RankedTensorType>(operand.getType());
  Type elementType = type.getElementType();
  if (auto fill = operand.getDefiningOp<linalg::FillOp>()) {
    FloatAttr constant;
    if (elementType.isF32() &&
        matchPattern(fill.value(), m_Constant(&constant)))
      return Element([this, value = constant.getValueAsDouble()](ValueRange) {
        return k.f32(value);
      });
  }
  // Padding is where a position lies outside.
  if (auto pad = operand.getDefiningOp<tensor::PadOp>()) {
    Value with = pad.getConstantPaddingValue();
    FloatAttr constant;
    if (with && matchPattern(with, m_Constant(&constant)) &&
        elementType.isF32() &&
        !ShapedType::isDynamicShape(pad.getStaticLow())) {
      auto inner = read(pad.getSource());
      if (failed(inner))
        return failure();
      SmallVector<int64_t> low(pad.getStaticLow());
      Value source = pad.getSource();
      SmallVector<Value> dynamic(low.size());
      auto sourceType = mlir::cast<RankedTensorType>(source.getType());
      for (auto [axis, size] : llvm::enumerate(sourceType.getShape()))
        if (ShapedType::isDynamic(size))
          dynamic[axis] = k.size(source, axis);
      double value = constant.getValueAsDouble();
      return Element([=, element = *inner](ValueRange position) {
        // Below the first element is far above the last one, unsigned.
        Value inside;
        SmallVector<Value> where;
        for (auto [axis, at] : llvm::enumerate(position)) {
          int64_t size = sourceType.getDimSize(axis);
          Value extent = dynamic[axis] ? dynamic[axis] : indexOf(size);
          Value shifted = k.add(at, -low[axis]);
          where.push_back(shifted);
          Value fits = k.compare(arith::CmpIPredicate::ult, shifted, extent);
          inside = inside
                       ? Value(arith::AndIOp::create(k.b, k.loc, inside, fits))
                       : fits;
        }
        if (!inside)
          return element(where);
        // Reads of what is outside go to the first element.
        for (Value &at : where)
          at = k.select(inside, at, indexOf(0));
        return k.select(inside, element(where), k.f32(value));
      });
    }
  }
  if (elementType.isF64() || !elementType.isIntOrFloat())
    return emitFailure("its elements are neither f32 nor small integers");
  unsigned stored = std::max<unsigned>(
      8, llvm::PowerOf2Ceil(elementType.getIntOrFloatBitWidth()));
  Type storage = elementType;
  unsigned buffer = k.addInput(operand);
  return readBuffer(buffer, operand, type.getShape(), storage, stored);
}

//===----------------------------------------------------------------------===//
// Pointwise steps
//===----------------------------------------------------------------------===//

DenseValue LazyTensorBuilder::constant(const HostTensor &tensor) {
  Type type = tensor.getElementType();
  bool isFloat = isa<FloatType>(type);
  if (type.isF64() || tensor.getNumElements() == 0)
    return refuse(type.isF64() ? "computes in f64" : "reads nothing",
                  tensor.getShape(), type);
  bool isSplat = true;
  for (int64_t i = 1, e = tensor.getNumElements(); i < e && isSplat; ++i)
    isSplat = tensor.getBits(i) == tensor.getBits(0);
  if (isSplat) {
    double value = tensor.getDouble(0);
    bool isTruth = type.isInteger(1);
    return wrap(tensor.getShape(), type, [=](ValueRange) -> Value {
      if (isFloat)
        return k.f32(value);
      if (isTruth)
        return arith::ConstantOp::create(k.b, k.loc,
                                         k.b.getBoolAttr(value != 0));
      return k.i32(int64_t(value));
    });
  }
  HostTensor words =
      tensor.convert(isFloat ? Type(k.b.getF32Type()) : Type(k.b.getI32Type()));
  unsigned buffer = k.addConstant(words, "table");
  auto element = readBuffer(buffer, Value(), tensor.getShape(),
                            words.getElementType(), 32);
  DenseValue raw = wrap(tensor.getShape(), words.getElementType(), *element);
  return cast(raw, type);
}

DenseValue LazyTensorBuilder::cast(const DenseValue &x, Type to) {
  Type from = x.elementType;
  if (from == to)
    return x;
  auto isInteger = [](Type type) {
    return type.isInteger(32) || type.isInteger(64);
  };
  // Indices have 32 bits here, so i64 is i32.
  if ((from.isInteger(1) || isInteger(from)) && isInteger(to))
    return wrap(x.shape, to,
                [=](ValueRange position) { return k.toI32(at(x, position)); });
  if ((from.isInteger(1) || isInteger(from)) && to.isF32())
    return wrap(x.shape, to, [=](ValueRange position) -> Value {
      return arith::SIToFPOp::create(k.b, k.loc, k.b.getF32Type(),
                                     k.toI32(at(x, position)));
    });
  // What is narrower than f32 is an f32 of fewer values.
  if (isa<FloatType>(from) && to.isF32() && from.getIntOrFloatBitWidth() < 32)
    return wrap(x.shape, to,
                [=](ValueRange position) { return at(x, position); });
  std::string text;
  llvm::raw_string_ostream(text)
      << "its decode converts " << from << " to " << to;
  (void)emitFailure(text);
  return wrap(x.shape, to, [this](ValueRange) { return k.i32(0); });
}

DenseValue LazyTensorBuilder::reshape(const DenseValue &x,
                                      ArrayRef<int64_t> shape) {
  if (ArrayRef(x.shape) == shape)
    return x;
  SmallVector<int64_t> to(shape);
  return wrap(shape, x.elementType, [=](ValueRange position) {
    SmallVector<Value> extents, old;
    for (int64_t size : to)
      extents.push_back(indexOf(size));
    for (int64_t size : x.shape)
      old.push_back(indexOf(size));
    return at(x, k.delinearize(k.linearize(position, extents), old));
  });
}

DenseValue LazyTensorBuilder::transpose(const DenseValue &x,
                                        ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> shape, order(permutation);
  for (int64_t axis : permutation)
    shape.push_back(x.shape[axis]);
  return wrap(shape, x.elementType, [=](ValueRange position) {
    SmallVector<Value> where(position.size());
    for (auto [i, axis] : llvm::enumerate(order))
      where[axis] = position[i];
    return at(x, where);
  });
}

DenseValue LazyTensorBuilder::slice(const DenseValue &x, int64_t axis,
                                    int64_t begin, int64_t size) {
  SmallVector<int64_t> shape(x.shape);
  shape[axis] = size;
  return wrap(shape, x.elementType, [=](ValueRange position) {
    SmallVector<Value> where(position);
    where[axis] = k.add(where[axis], begin);
    return at(x, where);
  });
}

DenseValue LazyTensorBuilder::concat(ArrayRef<DenseValue> parts, int64_t axis) {
  SmallVector<int64_t> shape(parts[0].shape);
  shape[axis] = 0;
  SmallVector<DenseValue> used;
  for (const DenseValue &part : parts) {
    shape[axis] += part.shape[axis];
    if (part.shape[axis] > 0)
      used.push_back(part);
  }
  if (used.empty())
    return parts[0];
  return wrap(shape, parts[0].elementType, [=](ValueRange position) {
    Value result;
    int64_t begin = 0;
    for (const DenseValue &part : used) {
      // Clamped, so that the parts not meant read something, too.
      SmallVector<Value> where(position);
      Value shifted = k.add(position[axis], -begin);
      Value isInside = k.compare(arith::CmpIPredicate::ult, shifted,
                                 indexOf(part.shape[axis]));
      where[axis] = k.select(isInside, shifted, indexOf(0));
      Value value = at(part, where);
      result = result ? k.select(isInside, value, result) : value;
      begin += part.shape[axis];
    }
    return result;
  });
}

DenseValue LazyTensorBuilder::binary(TensorBinary op, const DenseValue &a,
                                     const DenseValue &other) {
  bool isFloat = isa<FloatType>(a.elementType);
  bool compares = op == TensorBinary::Equal || op == TensorBinary::Less;
  Type result = compares ? Type(k.b.getI1Type()) : a.elementType;
  SmallVector<int64_t> shape = getStretchedShape(a.shape, other.shape);
  bool isWide = a.elementType.isInteger(64);
  if (isa<FloatType>(a.elementType) && !a.elementType.isF32()) {
    (void)emitFailure("its decode computes in a type that is not f32");
    return wrap(shape, result, [this](ValueRange) { return k.i32(0); });
  }
  if (isWide && op != TensorBinary::Add && op != TensorBinary::Sub &&
      op != TensorBinary::Mul && !compares) {
    (void)emitFailure("its decode computes in 64 bits");
    return wrap(shape, result, [this](ValueRange) { return k.i32(0); });
  }
  return wrap(shape, result, [=](ValueRange position) -> Value {
    Value x = stretched(a, position), y = stretched(other, position);
    OpBuilder &b = k.b;
    Location loc = k.loc;
    switch (op) {
    case TensorBinary::Add:
      return isFloat ? Value(arith::AddFOp::create(b, loc, x, y)) : k.add(x, y);
    case TensorBinary::Sub:
      return isFloat ? Value(arith::SubFOp::create(b, loc, x, y)) : k.sub(x, y);
    case TensorBinary::Mul:
      return isFloat ? Value(arith::MulFOp::create(b, loc, x, y)) : k.mul(x, y);
    case TensorBinary::And:
      return arith::AndIOp::create(b, loc, x, y);
    case TensorBinary::Or:
      return arith::OrIOp::create(b, loc, x, y);
    case TensorBinary::Xor:
      return arith::XOrIOp::create(b, loc, x, y);
    case TensorBinary::Shl:
      return arith::ShLIOp::create(b, loc, x, y);
    case TensorBinary::ShrU:
      return arith::ShRUIOp::create(b, loc, x, y);
    case TensorBinary::Equal:
      return isFloat ? Value(arith::CmpFOp::create(
                           b, loc, arith::CmpFPredicate::OEQ, x, y))
                     : k.compare(arith::CmpIPredicate::eq, x, y);
    case TensorBinary::Less:
      return isFloat ? Value(arith::CmpFOp::create(
                           b, loc, arith::CmpFPredicate::OLT, x, y))
                     : k.compare(arith::CmpIPredicate::slt, x, y);
    }
    llvm_unreachable("unknown operation");
  });
}

DenseValue LazyTensorBuilder::select(const DenseValue &condition,
                                     const DenseValue &a,
                                     const DenseValue &other) {
  SmallVector<int64_t> shape = getStretchedShape(
      condition.shape, getStretchedShape(a.shape, other.shape));
  return wrap(shape, a.elementType, [=](ValueRange position) {
    return k.select(stretched(condition, position), stretched(a, position),
                    stretched(other, position));
  });
}

DenseValue LazyTensorBuilder::gather(const DenseValue &x,
                                     const DenseValue &indices, int64_t axis) {
  SmallVector<int64_t> shape(ArrayRef(x.shape).take_front(axis));
  llvm::append_range(shape, indices.shape);
  llvm::append_range(shape, ArrayRef(x.shape).drop_front(axis + 1));
  int64_t extent = x.shape[axis];
  unsigned count = indices.getRank();
  return wrap(shape, x.elementType, [=](ValueRange position) {
    Value found = at(indices, position.slice(axis, count));
    found = arith::MaxSIOp::create(k.b, k.loc, found, k.i32(0));
    found = arith::MinSIOp::create(k.b, k.loc, found, k.i32(extent - 1));
    SmallVector<Value> where(position.take_front(axis));
    where.push_back(k.toIndex(found));
    llvm::append_range(where, position.drop_front(axis + count));
    return at(x, where);
  });
}

DenseValue LazyTensorBuilder::expandGroups(const DenseValue &x,
                                           ArrayRef<int64_t> group,
                                           const DenseValue &like) {
  SmallVector<int64_t> sizes(group);
  return wrap(like.shape, x.elementType, [=](ValueRange position) {
    SmallVector<Value> where;
    for (auto [at, size] : llvm::zip_equal(position, sizes))
      where.push_back(ShapedType::isDynamic(size) ? indexOf(0)
                                                  : k.div(at, size));
    return at(x, where);
  });
}

DenseValue LazyTensorBuilder::iota(int64_t size, Type elementType) {
  return wrap({size}, elementType,
              [this](ValueRange position) { return k.toI32(position[0]); });
}

//===----------------------------------------------------------------------===//
// Steps that need the whole
//===----------------------------------------------------------------------===//

DenseValue LazyTensorBuilder::scatter(const DenseValue &, const DenseValue &x,
                                      int64_t size, bool) {
  return refuse("scatters values", {size}, x.elementType);
}

DenseValue LazyTensorBuilder::exclusiveSum(const DenseValue &x) {
  return refuse("counts what is stored before", x.shape, x.elementType);
}

DenseValue LazyTensorBuilder::contract(const DenseValue &a,
                                       ArrayRef<unsigned> aLabels,
                                       const DenseValue &b,
                                       ArrayRef<unsigned> bLabels,
                                       ArrayRef<unsigned> resultLabels) {
  SmallVector<int64_t> shape;
  for (unsigned label : resultLabels) {
    const auto *it = llvm::find(aLabels, label);
    shape.push_back(
        it != aLabels.end()
            ? a.shape[it - aLabels.begin()]
            : b.shape[llvm::find(bLabels, label) - bLabels.begin()]);
  }
  return refuse("multiplies factors", shape, a.elementType);
}

DenseValue LazyTensorBuilder::hadamard(const DenseValue &x, int64_t, int64_t) {
  return refuse("is a Hadamard transform", x.shape, x.elementType);
}
