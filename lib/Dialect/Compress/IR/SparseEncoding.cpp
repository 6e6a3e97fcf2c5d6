//===- SparseEncoding.cpp - The sparse encoding -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constraints, components, legal payloads and the decode.
// SparseEncodingHost.cpp fills the components, SparseEncodingIR.cpp has the
// rules of gather and contract.
//
//===----------------------------------------------------------------------===//

#include "SparseEncoding.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

LogicalResult SparseAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 SparsePattern pattern,
                                 ArrayRef<int64_t> arguments, int64_t nnz,
                                 EncodingAttrInterface of) {
  if (!of)
    return emitError() << "sparse: the encoding of the values is missing";
  auto expectArguments = [&](size_t count) -> LogicalResult {
    if (arguments.size() == count)
      return success();
    return emitError() << "sparse: the pattern takes " << count
                       << " arguments, found " << arguments.size();
  };
  switch (pattern) {
  case SparsePattern::Bitmask:
    if (failed(expectArguments(0)))
      return failure();
    break;
  case SparsePattern::CSR:
    if (failed(expectArguments(1)))
      return failure();
    if (arguments[0] != 8 && arguments[0] != 16 && arguments[0] != 32)
      return emitError() << "sparse: csr columns are i8, i16 or i32, found i"
                         << arguments[0];
    break;
  case SparsePattern::NM:
    if (failed(expectArguments(3)))
      return failure();
    if (arguments[0] < 1 || arguments[0] >= arguments[1] || arguments[1] > 32)
      return emitError() << "sparse: nm<n:m> needs 1 <= n < m <= 32, found "
                         << arguments[0] << ":" << arguments[1];
    if (arguments[2] < -1)
      return emitError() << "sparse: axis must not be negative, found "
                         << arguments[2];
    if (nnz != 0)
      return emitError() << "sparse: nm has no nnz";
    return success();
  case SparsePattern::Block:
    if (arguments.empty())
      return emitError() << "sparse: a block needs at least one dimension";
    for (int64_t size : arguments)
      if (size < 1)
        return emitError() << "sparse: a block size is at least 1, found "
                           << size;
    break;
  case SparsePattern::Channels:
    if (failed(expectArguments(1)))
      return failure();
    if (arguments[0] < 0)
      return emitError() << "sparse: axis must not be negative, found "
                         << arguments[0];
    break;
  }
  if (nnz < 0 && !ShapedType::isDynamic(nnz))
    return emitError() << "sparse: nnz must not be negative, found " << nnz;
  return success();
}

/// Bounds the number of stored values, blocks or channels.
static LogicalResult verifyCount(function_ref<InFlightDiagnostic()> emitError,
                                 SparseAttr attr, StringRef what,
                                 int64_t count) {
  if (ShapedType::isDynamic(attr.getNnz()) || attr.getNnz() <= count)
    return success();
  return emitError() << "sparse: nnz is " << attr.getNnz()
                     << ", but the tensor has " << count << " " << what;
}

llvm::Error compress::checkEncoding(EncodingAttrInterface encoding,
                                    ArrayRef<int64_t> shape, Type elementType) {
  // A location that only this call knows tells its diagnostics from those of
  // other threads.
  MLIRContext *context = encoding.getContext();
  std::string message;
  Location loc = OpaqueLoc::get(&message, context);
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getLocation() != loc)
      return failure();
    message = diagnostic.str();
    return success();
  });
  if (succeeded(encoding.verifyEncoding([&] { return emitError(loc); }, shape,
                                        elementType)))
    return llvm::Error::success();
  return llvm::createStringError(Twine(message));
}

/// Verifies `of`. While nnz is not known it must take values of unknown number.
static LogicalResult verifyValues(function_ref<InFlightDiagnostic()> emitError,
                                  SparseAttr attr, ArrayRef<int64_t> shape,
                                  Type elementType) {
  if (!attr.hasCount() || !ShapedType::isDynamic(attr.getNnz()))
    return attr.getOf().verifyEncoding(emitError, attr.getValuesShape(shape),
                                       elementType);
  SmallVector<int64_t> unknown = attr.getValuesShape(shape);
  llvm::Error error = checkEncoding(attr.getOf(), unknown, elementType);
  if (!error)
    return success();
  // What is wrong with any number is said plainly.
  std::string reason = llvm::toString(std::move(error));
  std::string reasonOfNone = llvm::toString(checkEncoding(
      attr.getOf(), attr.withNnz(0).getValuesShape(shape), elementType));
  if (reason == reasonOfNone)
    return emitError() << reason;
  return emitError() << "sparse: 'of' does not take values of unknown number ("
                     << reason << "), so nnz cannot be '?'";
}

LogicalResult
SparseAttr::verifyEncoding(function_ref<InFlightDiagnostic()> emitError,
                           ArrayRef<int64_t> shape, Type elementType) const {
  if (failed(verifySize(emitError, shape)))
    return failure();
  int64_t rank = shape.size();
  if (ShapedType::isDynamicShape(shape))
    return emitError() << "sparse: the shape must be static";
  switch (getPattern()) {
  case SparsePattern::Bitmask:
    if (failed(verifyCount(emitError, *this, "elements", countElements(shape))))
      return failure();
    break;
  case SparsePattern::CSR: {
    if (rank == 0)
      return emitError() << "sparse: csr needs a tensor of rank 1 or more";
    if (shape.back() > 0 && !llvm::isUIntN(getArguments()[0], shape.back() - 1))
      return emitError() << "sparse: i" << getArguments()[0]
                         << " cannot index a last dimension of size "
                         << shape.back();
    if (failed(verifyCount(emitError, *this, "elements", countElements(shape))))
      return failure();
    if (!ShapedType::isDynamic(getNnz()) && getNnz() > INT32_MAX)
      return emitError() << "sparse: csr stores at most " << INT32_MAX
                         << " values, found nnz = " << getNnz();
    break;
  }
  case SparsePattern::NM:
    if (getAxis(rank) < 0 || getAxis(rank) >= rank)
      return emitError() << "sparse: axis "
                         << std::max(getAxis(rank), int64_t(0))
                         << " does not exist in a tensor of rank " << rank;
    break;
  case SparsePattern::Block: {
    if (int64_t(getArguments().size()) != rank)
      return emitError() << "sparse: block has " << getArguments().size()
                         << " dimensions for a tensor of rank " << rank;
    SmallVector<int64_t> grid = getGroupGrid(shape, getArguments());
    if (failed(verifyCount(emitError, *this, "blocks", countElements(grid))))
      return failure();
    break;
  }
  case SparsePattern::Channels: {
    if (getAxis(rank) >= rank)
      return emitError() << "sparse: axis " << getAxis(rank)
                         << " does not exist in a tensor of rank " << rank;
    int64_t size = shape[getAxis(rank)];
    if (size > INT32_MAX)
      return emitError() << "sparse: channels are numbered in i32, which "
                            "cannot index an axis of size "
                         << size;
    if (failed(verifyCount(emitError, *this, "channels", size)))
      return failure();
    break;
  }
  }
  return verifyValues(emitError, *this, shape, elementType);
}

//===----------------------------------------------------------------------===//
// Components
//===----------------------------------------------------------------------===//

int64_t SparseAttr::getAxis(int64_t rank) const {
  int64_t axis = getArguments()[getPattern() == SparsePattern::NM ? 2 : 0];
  return axis < 0 ? rank - 1 : axis;
}

SmallVector<int64_t> SparseAttr::getValuesShape(ArrayRef<int64_t> shape) const {
  SmallVector<int64_t> result;
  switch (getPattern()) {
  case SparsePattern::Bitmask:
  case SparsePattern::CSR:
    result.push_back(getNnz());
    break;
  case SparsePattern::NM: {
    result.assign(shape.begin(), shape.end());
    int64_t &size = result[getAxis(shape.size())];
    if (!ShapedType::isDynamic(size))
      size = llvm::divideCeil(size, getM()) * getN();
    break;
  }
  case SparsePattern::Block:
    result.push_back(getNnz());
    llvm::append_range(result, getArguments());
    break;
  case SparsePattern::Channels:
    result.assign(shape.begin(), shape.end());
    result[getAxis(shape.size())] = getNnz();
    break;
  }
  return result;
}

SparseAttr SparseAttr::withNnz(int64_t nnz) const {
  return SparseAttr::get(getContext(), getPattern(), getArguments(), nnz,
                         getOf());
}

SparseAttr SparseAttr::withOf(EncodingAttrInterface of) const {
  return SparseAttr::get(getContext(), getPattern(), getArguments(), getNnz(),
                         of);
}

EncodingAttrInterface SparseAttr::withComponentEncodings(
    ArrayRef<EncodingAttrInterface> encodings) const {
  return withOf(encodings[0]);
}

unsigned SparseAttr::getNumParameters() const {
  return getPattern() == SparsePattern::CSR ? 2 : 1;
}

/// The type in which positions are computed: i32 where it can number all
/// elements.
static Type getPositionType(CompressedTensorType type) {
  bool isSmall = !type.hasStaticShape() || type.getNumElements() <= INT32_MAX;
  return IntegerType::get(type.getContext(), isSmall ? 32 : 64);
}

SmallVector<Component>
SparseAttr::getComponents(CompressedTensorType type) const {
  ArrayRef<int64_t> shape = type.getShape();
  Type position = getPositionType(type);
  auto getUnsigned = [&](unsigned width) {
    return IntegerType::get(getContext(), width, IntegerType::Unsigned);
  };
  Type i1 = IntegerType::get(getContext(), 1);
  Type i32 = IntegerType::get(getContext(), 32);
  SmallVector<int64_t> valuesShape = getValuesShape(shape);
  SmallVector<Component> components{
      makeComponent("values", valuesShape, type.getElementType(), getOf())};
  switch (getPattern()) {
  case SparsePattern::Bitmask:
    components.push_back(makeDenseComponent("mask", shape, i1, i1));
    break;
  case SparsePattern::CSR: {
    int64_t rows = 1;
    for (int64_t dim : shape.drop_back())
      rows = ShapedType::isDynamic(dim) || ShapedType::isDynamic(rows)
                 ? ShapedType::kDynamic
                 : rows * dim;
    if (!ShapedType::isDynamic(rows))
      ++rows;
    components.push_back(makeDenseComponent("columns", getNnz(), position,
                                            getUnsigned(getArguments()[0])));
    components.push_back(
        makeDenseComponent("row_offsets", rows, position, i32));
    break;
  }
  case SparsePattern::NM:
    components.push_back(
        makeDenseComponent("positions", valuesShape, i32,
                           getUnsigned(llvm::Log2_64_Ceil(getM()))));
    break;
  case SparsePattern::Block:
    components.push_back(makeDenseComponent(
        "mask", getGroupGrid(shape, getArguments()), i1, i1));
    break;
  case SparsePattern::Channels:
    components.push_back(makeDenseComponent("kept", getNnz(), i32, i32));
    break;
  }
  return components;
}

//===----------------------------------------------------------------------===//
// Payload
//===----------------------------------------------------------------------===//

static int64_t countOnes(const HostTensor &mask) {
  int64_t count = 0;
  for (int64_t i = 0, e = mask.getNumElements(); i < e; ++i)
    count += mask.getBits(i);
  return count;
}

static llvm::Error verifyMask(SparseAttr attr, const HostTensor &mask) {
  int64_t count = countOnes(mask);
  if (count == attr.getNnz())
    return llvm::Error::success();
  return llvm::createStringError("sparse: mask has " + Twine(count) +
                                 " ones, but nnz is " + Twine(attr.getNnz()));
}

static llvm::Error verifyCSR(SparseAttr attr, CompressedTensorType type,
                             const HostTensor &columns,
                             const HostTensor &offsets) {
  // Negative offsets are very large here.
  uint64_t nnz = attr.getNnz(), width = type.getShape().back();
  int64_t rows = offsets.getNumElements() - 1;
  if (offsets.getBits(0) != 0)
    return llvm::createStringError("sparse: row_offsets must start at 0");
  for (int64_t row = 0; row < rows; ++row)
    if (offsets.getBits(row) > offsets.getBits(row + 1))
      return llvm::createStringError("sparse: row_offsets must not decrease, "
                                     "but do after row " +
                                     Twine(row));
  if (offsets.getBits(rows) != nnz)
    return llvm::createStringError(
        "sparse: row_offsets must end at nnz = " + Twine(nnz) + ", found " +
        Twine(offsets.getBits(rows)));
  for (int64_t row = 0; row < rows; ++row) {
    uint64_t begin = offsets.getBits(row), end = offsets.getBits(row + 1);
    for (uint64_t k = begin; k < end; ++k) {
      uint64_t column = columns.getBits(k);
      if (column >= width)
        return llvm::createStringError(
            "sparse: column " + Twine(column) + " of entry " + Twine(k) +
            " is not below the last dimension, " + Twine(width));
      if (k > begin && column <= columns.getBits(k - 1))
        return llvm::createStringError(
            "sparse: columns must increase within a row, found " +
            Twine(columns.getBits(k - 1)) + ", then " + Twine(column) +
            " in row " + Twine(row));
    }
  }
  return llvm::Error::success();
}

static llvm::Error verifyNM(SparseAttr attr, CompressedTensorType type,
                            const HostTensor &positions) {
  uint64_t n = attr.getN(), m = attr.getM();
  int64_t inner = countElements(
      type.getShape().drop_front(attr.getAxis(type.getRank()) + 1));
  for (int64_t i = 0, e = positions.getNumElements(); i < e; ++i) {
    uint64_t position = positions.getBits(i);
    if (position >= m)
      return llvm::createStringError("sparse: position " + Twine(position) +
                                     " of entry " + Twine(i) +
                                     " is not below m = " + Twine(m));
    // Number within the block.
    if (i / inner % n == 0)
      continue;
    uint64_t before = positions.getBits(i - inner);
    if (position <= before)
      return llvm::createStringError(
          "sparse: positions must increase within a block, found " +
          Twine(before) + ", then " + Twine(position) + " at entry " +
          Twine(i));
  }
  return llvm::Error::success();
}

static llvm::Error verifyKept(SparseAttr attr, CompressedTensorType type,
                              const HostTensor &kept) {
  uint64_t size = type.getDimSize(attr.getAxis(type.getRank()));
  for (int64_t i = 0, e = kept.getNumElements(); i < e; ++i) {
    uint64_t channel = kept.getBits(i);
    if (channel >= size)
      return llvm::createStringError(
          "sparse: kept channel " + Twine(int32_t(channel)) +
          " is not in the axis of size " + Twine(size));
    if (i > 0 && channel <= kept.getBits(i - 1))
      return llvm::createStringError(
          "sparse: kept channels must increase, found " +
          Twine(kept.getBits(i - 1)) + ", then " + Twine(channel));
  }
  return llvm::Error::success();
}

llvm::Error SparseAttr::verifyPayload(CompressedTensorType type,
                                      ArrayRef<HostTensor> leaves) const {
  ArrayRef<HostTensor> positions = leaves.take_back(getNumParameters());
  switch (getPattern()) {
  case SparsePattern::Bitmask:
  case SparsePattern::Block:
    return verifyMask(*this, positions[0]);
  case SparsePattern::CSR:
    return verifyCSR(*this, type, positions[0], positions[1]);
  case SparsePattern::NM:
    return verifyNM(*this, type, positions[0]);
  case SparsePattern::Channels:
    return verifyKept(*this, type, positions[0]);
  }
  llvm_unreachable("unknown pattern");
}

EncodingAttrInterface SparseAttr::refine(CompressedTensorType type,
                                         ArrayRef<HostTensor> leaves) const {
  SparseAttr refined = *this;
  if (hasCount() && ShapedType::isDynamic(getNnz())) {
    bool isMask = getPattern() == SparsePattern::Bitmask ||
                  getPattern() == SparsePattern::Block;
    const HostTensor &positions = leaves[leaves.size() - getNumParameters()];
    refined =
        withNnz(isMask ? countOnes(positions) : positions.getNumElements());
  }
  // Nested sizes are found in a tensor of the known shape.
  return refineComponents(
      refined,
      CompressedTensorType::get(getContext(), type.getShape(),
                                type.getElementType(), refined),
      leaves);
}

//===----------------------------------------------------------------------===//
// Decode
//===----------------------------------------------------------------------===//

/// Where `mask` (1-D) is set, the next of the entries of `values` along axis 0,
/// else 0.
static DenseValue describeMasked(TensorBuilder &b, const DenseValue &mask,
                                 const DenseValue &values, Type position) {
  DenseValue at = b.exclusiveSum(b.cast(mask, position));
  DenseValue found = b.gather(values, at, 0);
  SmallVector<int64_t> flags(found.getRank(), 1);
  flags[0] = mask.shape[0];
  return b.select(b.reshape(mask, flags), found,
                  b.scalar(0, found.getRank(), found.elementType));
}

static DenseValue describeCSR(TensorBuilder &b, ArrayRef<int64_t> shape,
                              const DenseValue &values,
                              const DenseValue &columns,
                              const DenseValue &offsets) {
  Type position = columns.elementType;
  int64_t size = countElements(shape), nnz = values.shape[0];
  int64_t rows = offsets.shape[0] - 1;
  DenseValue at = columns;
  if (rows > 1) {
    // The row of an entry is the number of later rows that have begun.
    DenseValue begins = b.slice(offsets, 0, 1, rows - 1);
    DenseValue begun = b.scatter(begins, b.splat(1, rows - 1, position), nnz,
                                 /*accumulate=*/true);
    DenseValue row = b.add(b.exclusiveSum(begun), begun);
    at = b.add(b.mul(row, b.scalar(shape.back(), 1, position)), columns);
  }
  return b.reshape(b.scatter(at, values, size, /*accumulate=*/false), shape);
}

static DenseValue describeNM(TensorBuilder &b, SparseAttr attr,
                             ArrayRef<int64_t> shape, const DenseValue &values,
                             const DenseValue &positions) {
  int64_t axis = attr.getAxis(shape.size());
  int64_t n = attr.getN(), m = attr.getM();
  int64_t outer = countElements(shape.take_front(axis));
  int64_t inner = countElements(shape.drop_front(axis + 1));
  int64_t blocks = llvm::divideCeil(shape[axis], m);
  DenseValue stored = b.reshape(values, {outer, blocks, n, inner});
  DenseValue where = b.reshape(positions, {outer, blocks, n, inner});
  DenseValue places = b.reshape(b.iota(m, positions.elementType), {1, 1, m, 1});
  DenseValue result = b.scalar(0, 4, values.elementType);
  for (int64_t k = 0; k < n; ++k)
    result =
        b.select(b.binary(TensorBinary::Equal, b.slice(where, 2, k, 1), places),
                 b.slice(stored, 2, k, 1), result);
  result = b.reshape(result, {outer, blocks * m, inner});
  if (blocks * m != shape[axis])
    result = b.slice(result, 1, 0, shape[axis]);
  return b.reshape(result, shape);
}

static DenseValue describeChannels(TensorBuilder &b, int64_t axis, int64_t size,
                                   const DenseValue &values,
                                   const DenseValue &kept) {
  // For each channel one more than its number among the kept ones, or 0.
  Type position = kept.elementType;
  DenseValue one = b.scalar(1, 1, position);
  DenseValue numbers = b.add(b.iota(kept.shape[0], position), one);
  DenseValue number = b.scatter(kept, numbers, size, /*accumulate=*/false);
  DenseValue isKept =
      b.binary(TensorBinary::Less, b.scalar(0, 1, position), number);
  DenseValue found = b.gather(values, b.sub(number, one), axis);
  SmallVector<int64_t> flags(values.getRank(), 1);
  flags[axis] = size;
  return b.select(b.reshape(isKept, flags), found,
                  b.scalar(0, values.getRank(), values.elementType));
}

FailureOr<DenseValue>
SparseAttr::describeDecode(TensorBuilder &b, CompressedTensorType type,
                           ArrayRef<ComponentValue> parts) const {
  ArrayRef<int64_t> shape = type.getShape();
  if (hasCount() && ShapedType::isDynamic(getNnz()))
    return b.emitFailure("sparse: nnz must be known to decode");
  int64_t size = countElements(shape);
  if (size == 0 || (hasCount() && getNnz() == 0))
    return b.splat(0, shape, type.getElementType());
  auto values = b.decode(parts[0]);
  auto positions = b.decode(parts[1]);
  if (failed(values) || failed(positions))
    return failure();
  switch (getPattern()) {
  case SparsePattern::Bitmask: {
    DenseValue mask = b.reshape(*positions, size);
    return b.reshape(describeMasked(b, mask, *values, getPositionType(type)),
                     shape);
  }
  case SparsePattern::CSR: {
    auto offsets = b.decode(parts[2]);
    if (failed(offsets))
      return failure();
    return describeCSR(b, shape, *values, *positions, *offsets);
  }
  case SparsePattern::NM:
    return describeNM(b, *this, shape, *values, *positions);
  case SparsePattern::Block: {
    SmallVector<int64_t> joined(positions->shape);
    llvm::append_range(joined, getArguments());
    DenseValue mask = b.reshape(*positions, countElements(positions->shape));
    DenseValue blocks = describeMasked(b, mask, *values, getPositionType(type));
    return b.assembleBlocks(b.reshape(blocks, joined), getArguments(), shape);
  }
  case SparsePattern::Channels: {
    int64_t axis = getAxis(shape.size());
    return describeChannels(b, axis, shape[axis], *values, *positions);
  }
  }
  llvm_unreachable("unknown pattern");
}
