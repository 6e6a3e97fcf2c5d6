//===- HostTensorBuilder.cpp - Decodes evaluated on the host ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The reference: plain loops, one rounding per operation.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "compress/Dialect/Compress/IR/Hadamard.h"
#include "compress/Dialect/Compress/IR/StretchedShape.h"
#include <cstring>

using namespace mlir;
using namespace compress;

namespace {

/// Row-major strides; 0 for dimensions of size 1, so that they stretch.
SmallVector<int64_t> getStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 0);
  int64_t stride = 1;
  for (int64_t axis = int64_t(shape.size()) - 1; axis >= 0; --axis) {
    strides[axis] = shape[axis] == 1 ? 0 : stride;
    stride *= shape[axis];
  }
  return strides;
}

/// Calls `visit(i)` for each element of `shape` in row-major order while
/// `offsets` follow the strides of several operands.
template <size_t N, typename Visit>
void walk(ArrayRef<int64_t> shape,
          const std::array<SmallVector<int64_t>, N> &strides, Visit visit) {
  int64_t count = countElements(shape);
  SmallVector<int64_t> position(shape.size(), 0);
  std::array<int64_t, N> offsets{};
  for (int64_t i = 0; i < count; ++i) {
    visit(i, offsets);
    for (int64_t axis = int64_t(shape.size()) - 1; axis >= 0; --axis) {
      for (size_t k = 0; k < N; ++k)
        offsets[k] += strides[k][axis];
      if (++position[axis] < shape[axis])
        break;
      for (size_t k = 0; k < N; ++k)
        offsets[k] -= strides[k][axis] * shape[axis];
      position[axis] = 0;
    }
  }
}

/// Calls `visit` with a value of the C++ type of the elements.
template <typename Visit> void dispatchFloat(Type type, Visit visit) {
  if (type.isF64())
    visit(double());
  else
    visit(float());
}

class HostTensorBuilder : public TensorBuilder {
public:
  using TensorBuilder::TensorBuilder;

  std::string error;

  LogicalResult emitFailure(const Twine &message) override {
    error = message.str();
    return failure();
  }

  FailureOr<DenseValue> decode(const ComponentValue &part) override {
    auto tensor = decodeComponent(part);
    if (!tensor) {
      error = llvm::toString(tensor.takeError());
      return failure();
    }
    return wrap(*tensor);
  }

  DenseValue constant(const HostTensor &tensor) override {
    return wrap(tensor);
  }

  DenseValue cast(const DenseValue &x, Type elementType) override {
    if (x.elementType == elementType)
      return x;
    return wrap(x.host.convert(elementType));
  }

  DenseValue reshape(const DenseValue &x, ArrayRef<int64_t> shape) override {
    return wrap(x.host.reshape(shape));
  }

  DenseValue transpose(const DenseValue &x,
                       ArrayRef<int64_t> permutation) override {
    SmallVector<int64_t> shape, strides, from = getStrides(x.shape);
    for (int64_t axis : permutation) {
      shape.push_back(x.shape[axis]);
      strides.push_back(from[axis]);
    }
    return moved(x, shape, strides, 0);
  }

  DenseValue slice(const DenseValue &x, int64_t axis, int64_t begin,
                   int64_t size) override {
    SmallVector<int64_t> shape(x.shape);
    shape[axis] = size;
    SmallVector<int64_t> strides = getStrides(x.shape);
    return moved(x, shape, strides, begin * strides[axis]);
  }

  DenseValue concat(ArrayRef<DenseValue> parts, int64_t axis) override {
    SmallVector<int64_t> shape(parts[0].shape);
    shape[axis] = 0;
    for (const DenseValue &part : parts)
      shape[axis] += part.shape[axis];
    HostTensor out = HostTensor::allocate(shape, parts[0].elementType);
    int64_t outer = countElements(ArrayRef(shape).take_front(axis));
    int64_t inner = countElements(ArrayRef(shape).drop_front(axis + 1));
    int64_t to = 0;
    for (int64_t o = 0; o < outer; ++o)
      for (const DenseValue &part : parts)
        for (int64_t i = 0, run = part.shape[axis] * inner; i < run; ++i)
          out.setBits(to++, part.host.getBits(o * run + i));
    return wrap(out);
  }

  DenseValue binary(TensorBinary op, const DenseValue &a,
                    const DenseValue &b) override {
    SmallVector<int64_t> shape = getStretchedShape(a.shape, b.shape);
    std::array<SmallVector<int64_t>, 2> strides{getStrides(a.shape),
                                                getStrides(b.shape)};
    bool compares = op == TensorBinary::Equal || op == TensorBinary::Less;
    Type resultType =
        compares ? Type(IntegerType::get(getContext(), 1)) : a.elementType;
    HostTensor out = HostTensor::allocate(shape, resultType);
    if (isa<FloatType>(a.elementType)) {
      dispatchFloat(a.elementType, [&](auto zero) {
        using T = decltype(zero);
        auto x = a.host.getData<T>(), y = b.host.getData<T>();
        walk<2>(shape, strides, [&](int64_t i, auto &at) {
          T u = x[at[0]], v = y[at[1]];
          switch (op) {
          case TensorBinary::Add:
            out.getMutableData<T>()[i] = u + v;
            break;
          case TensorBinary::Sub:
            out.getMutableData<T>()[i] = u - v;
            break;
          case TensorBinary::Mul:
            out.getMutableData<T>()[i] = u * v;
            break;
          case TensorBinary::Equal:
            out.setBits(i, u == v);
            break;
          case TensorBinary::Less:
            out.setBits(i, u < v);
            break;
          default:
            llvm_unreachable("bit operation on floats");
          }
        });
      });
      return wrap(out);
    }
    unsigned width = a.host.getBitWidth();
    uint64_t mask = llvm::maskTrailingOnes<uint64_t>(width);
    walk<2>(shape, strides, [&](int64_t i, auto &at) {
      uint64_t u = a.host.getBits(at[0]), v = b.host.getBits(at[1]);
      auto compute = [&]() -> uint64_t {
        switch (op) {
        case TensorBinary::Add:
          return u + v;
        case TensorBinary::Sub:
          return u - v;
        case TensorBinary::Mul:
          return u * v;
        case TensorBinary::And:
          return u & v;
        case TensorBinary::Or:
          return u | v;
        case TensorBinary::Xor:
          return u ^ v;
        case TensorBinary::Shl:
          return v < width ? u << v : 0;
        case TensorBinary::ShrU:
          return v < width ? u >> v : 0;
        case TensorBinary::Equal:
          return u == v;
        case TensorBinary::Less:
          return llvm::SignExtend64(u, width) < llvm::SignExtend64(v, width);
        }
        llvm_unreachable("unknown operation");
      };
      out.setBits(i, compute() & (compares ? 1 : mask));
    });
    return wrap(out);
  }

  DenseValue select(const DenseValue &condition, const DenseValue &a,
                    const DenseValue &b) override {
    SmallVector<int64_t> shape =
        getStretchedShape(condition.shape, getStretchedShape(a.shape, b.shape));
    std::array<SmallVector<int64_t>, 3> strides{
        getStrides(condition.shape), getStrides(a.shape), getStrides(b.shape)};
    HostTensor out = HostTensor::allocate(shape, a.elementType);
    walk<3>(shape, strides, [&](int64_t i, auto &at) {
      out.setBits(i, condition.host.getBits(at[0]) ? a.host.getBits(at[1])
                                                   : b.host.getBits(at[2]));
    });
    return wrap(out);
  }

  DenseValue gather(const DenseValue &x, const DenseValue &indices,
                    int64_t axis) override {
    ArrayRef<int64_t> from = x.shape;
    SmallVector<int64_t> shape(from.take_front(axis));
    llvm::append_range(shape, indices.shape);
    llvm::append_range(shape, from.drop_front(axis + 1));
    HostTensor out = HostTensor::allocate(shape, x.elementType);
    int64_t outer = countElements(from.take_front(axis));
    int64_t inner = countElements(from.drop_front(axis + 1));
    int64_t extent = from[axis], count = indices.host.getNumElements();
    int64_t to = 0;
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t k = 0; k < count; ++k) {
        int64_t index =
            std::min(std::max<int64_t>(indices.host.getInt(k), 0), extent - 1);
        int64_t first = (o * extent + index) * inner;
        for (int64_t i = 0; i < inner; ++i)
          out.setBits(to++, x.host.getBits(first + i));
      }
    return wrap(out);
  }

  DenseValue scatter(const DenseValue &indices, const DenseValue &values,
                     int64_t size, bool accumulate) override {
    HostTensor out = HostTensor::allocate({size}, values.elementType);
    for (int64_t k = 0, e = indices.host.getNumElements(); k < e; ++k) {
      int64_t index = indices.host.getInt(k);
      if (index < 0 || index >= size)
        continue;
      if (!accumulate)
        out.setBits(index, values.host.getBits(k));
      else if (isa<FloatType>(values.elementType))
        out.setDouble(index, out.getDouble(index) + values.host.getDouble(k));
      else
        out.setBits(index,
                    (out.getBits(index) + values.host.getBits(k)) &
                        llvm::maskTrailingOnes<uint64_t>(out.getBitWidth()));
    }
    return wrap(out);
  }

  DenseValue exclusiveSum(const DenseValue &x) override {
    HostTensor out = HostTensor::allocate(x.shape, x.elementType);
    uint64_t sum = 0;
    uint64_t mask = llvm::maskTrailingOnes<uint64_t>(out.getBitWidth());
    for (int64_t i = 0, e = out.getNumElements(); i < e; ++i) {
      out.setBits(i, sum & mask);
      sum += x.host.getBits(i);
    }
    return wrap(out);
  }

  DenseValue expandGroups(const DenseValue &x, ArrayRef<int64_t> group,
                          const DenseValue &like) override {
    HostTensor out = HostTensor::allocate(like.shape, x.elementType);
    GroupIndexer groups(like.shape, group, x.shape);
    for (int64_t i = 0, e = out.getNumElements(); i < e; ++i)
      out.setBits(i, x.host.getBits(groups.next()));
    return wrap(out);
  }

  DenseValue contract(const DenseValue &a, ArrayRef<unsigned> aLabels,
                      const DenseValue &b, ArrayRef<unsigned> bLabels,
                      ArrayRef<unsigned> resultLabels) override {
    // The loops: the labels of the result, then those summed over.
    SmallVector<unsigned> loops(resultLabels), inner;
    for (ArrayRef<unsigned> labels : {aLabels, bLabels})
      for (unsigned label : labels)
        if (!llvm::is_contained(resultLabels, label) &&
            !llvm::is_contained(inner, label))
          inner.push_back(label);
    auto extentOf = [&](unsigned label) {
      const auto *it = llvm::find(aLabels, label);
      if (it != aLabels.end())
        return a.shape[it - aLabels.begin()];
      return b.shape[llvm::find(bLabels, label) - bLabels.begin()];
    };
    auto stridesOf = [](ArrayRef<int64_t> shape, ArrayRef<unsigned> labels,
                        ArrayRef<unsigned> of) {
      SmallVector<int64_t> own = getStrides(shape), strides;
      for (unsigned label : of) {
        const auto *it = llvm::find(labels, label);
        strides.push_back(it == labels.end() ? 0 : own[it - labels.begin()]);
      }
      return strides;
    };
    SmallVector<int64_t> shape, innerShape;
    for (unsigned label : loops)
      shape.push_back(extentOf(label));
    for (unsigned label : inner)
      innerShape.push_back(extentOf(label));
    HostTensor out = HostTensor::allocate(shape, a.elementType);
    std::array<SmallVector<int64_t>, 2> outerStrides{
        stridesOf(a.shape, aLabels, loops), stridesOf(b.shape, bLabels, loops)};
    std::array<SmallVector<int64_t>, 2> innerStrides{
        stridesOf(a.shape, aLabels, inner), stridesOf(b.shape, bLabels, inner)};
    dispatchFloat(a.elementType, [&](auto zero) {
      using T = decltype(zero);
      const T *x = a.host.getData<T>().data(), *y = b.host.getData<T>().data();
      auto result = out.getMutableData<T>();
      walk<2>(shape, outerStrides, [&](int64_t i, auto &at) {
        T sum = 0;
        const T *u = x + at[0], *v = y + at[1];
        if (inner.size() == 1) {
          for (int64_t k = 0; k < innerShape[0]; ++k)
            sum += u[k * innerStrides[0][0]] * v[k * innerStrides[1][0]];
        } else {
          walk<2>(innerShape, innerStrides,
                  [&](int64_t, auto &in) { sum += u[in[0]] * v[in[1]]; });
        }
        result[i] = sum;
      });
    });
    return wrap(out);
  }

  DenseValue hadamard(const DenseValue &x, int64_t axis,
                      int64_t block) override {
    HostTensor out = HostTensor::allocate(x.shape, x.elementType);
    llvm::copy(x.host.getBytes(), out.getMutableBytes().begin());
    int64_t outer = countElements(ArrayRef(x.shape).take_front(axis));
    int64_t inner = countElements(ArrayRef(x.shape).drop_front(axis + 1));
    dispatchFloat(x.elementType, [&](auto zero) {
      using T = decltype(zero);
      T *data = out.getMutableData<T>().data();
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t i = 0; i < inner; ++i)
          applyHadamard(data + o * x.shape[axis] * inner + i, x.shape[axis],
                        inner, block);
    });
    return wrap(out);
  }

  DenseValue iota(int64_t size, Type elementType) override {
    HostTensor out = HostTensor::allocate({size}, elementType);
    for (int64_t i = 0; i < size; ++i)
      out.setBits(i, i);
    return wrap(out);
  }

private:
  static DenseValue wrap(HostTensor tensor) {
    DenseValue value;
    value.shape.assign(tensor.getShape().begin(), tensor.getShape().end());
    value.elementType = tensor.getElementType();
    value.host = std::move(tensor);
    return value;
  }

  /// Elements of `x` in another order.
  static DenseValue moved(const DenseValue &x, ArrayRef<int64_t> shape,
                          ArrayRef<int64_t> strides, int64_t begin) {
    HostTensor out = HostTensor::allocate(shape, x.elementType);
    std::array<SmallVector<int64_t>, 1> from{SmallVector<int64_t>(strides)};
    walk<1>(shape, from, [&](int64_t i, auto &at) {
      out.setBits(i, x.host.getBits(begin + at[0]));
    });
    return wrap(out);
  }
};

} // namespace

llvm::Expected<HostTensor>
compress::decodeHostByDescription(CompressedTensorType type,
                                  ArrayRef<HostTensor> leaves) {
  HostTensorBuilder builder(type.getContext());
  auto value = describeDecode(builder, type, splitLeaves(type, leaves));
  if (failed(value))
    return llvm::createStringError(Twine(builder.error));
  return value->host;
}
