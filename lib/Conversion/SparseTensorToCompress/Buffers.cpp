//===- Buffers.cpp - sparse_tensor and sparse payload -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Conversion/SparseTensorToCompress/TypeMapping.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Grouping.h"

using namespace mlir;
using namespace compress;

/// A 1-D tensor of the same unsigned numbers in `type`; an error names `what`
/// does not fit.
static llvm::Expected<HostTensor>
convertUnsigned(const HostTensor &from, RankedTensorType type, StringRef what) {
  if (from.getNumElements() != type.getNumElements())
    return llvm::createStringError("expected " + Twine(type.getNumElements()) +
                                   " " + what + ", found " +
                                   Twine(from.getNumElements()));
  HostTensor to = HostTensor::allocate(type.getShape(), type.getElementType());
  for (int64_t i = 0, e = from.getNumElements(); i < e; ++i) {
    uint64_t number = from.getBits(i);
    if (!llvm::isUIntN(to.getBitWidth(), number))
      return llvm::createStringError(what + " hold " + Twine(number) +
                                     ", which i" + Twine(to.getBitWidth()) +
                                     " cannot");
    to.setBits(i, number);
  }
  return to;
}

static HostTensor widen(const HostTensor &from, unsigned width,
                        MLIRContext *context) {
  HostTensor to = HostTensor::allocate({from.getNumElements()},
                                       IntegerType::get(context, width));
  for (int64_t i = 0, e = from.getNumElements(); i < e; ++i)
    to.setBits(i, from.getBits(i));
  return to;
}

/// The mask of blocks given by positions and coordinates like those of CSR.
static llvm::Expected<HostTensor> makeMask(const HostTensor &positions,
                                           const HostTensor &coordinates,
                                           RankedTensorType type) {
  int64_t columns = type.getShape().back();
  int64_t rows = countElements(type.getShape().drop_back());
  if (positions.getNumElements() != rows + 1)
    return llvm::createStringError("expected " + Twine(rows + 1) +
                                   " positions, found " +
                                   Twine(positions.getNumElements()));
  uint64_t count = coordinates.getNumElements();
  if (positions.getBits(0) != 0 || positions.getBits(rows) != count)
    return llvm::createStringError("positions must run from 0 to the number "
                                   "of coordinates, " +
                                   Twine(count));
  HostTensor mask =
      HostTensor::allocate(type.getShape(), type.getElementType());
  for (int64_t row = 0; row < rows; ++row) {
    uint64_t begin = positions.getBits(row), end = positions.getBits(row + 1);
    if (begin > end || end > count)
      return llvm::createStringError("positions must not decrease, but do "
                                     "after row of blocks " +
                                     Twine(row));
    for (uint64_t k = begin; k < end; ++k) {
      uint64_t column = coordinates.getBits(k);
      if (column >= uint64_t(columns) ||
          (k > begin && column <= coordinates.getBits(k - 1)))
        return llvm::createStringError(
            "coordinates must increase within a row of blocks and stay below " +
            Twine(columns) + ", found " + Twine(column));
      mask.setBits(row * columns + int64_t(column), 1);
    }
  }
  return mask;
}

llvm::Expected<EncodedTensor>
compress::readSparseBuffers(RankedTensorType type,
                            const SparseBuffers &buffers) {
  // Learn the pattern, then the number of stored values.
  auto unsized = mapSparseTensorToCompress(type);
  if (!unsized)
    return unsized.takeError();
  auto attr = cast<SparseAttr>(unsized->getEncoding());
  bool isNM = attr.getPattern() == SparsePattern::NM;
  if (buffers.levels.size() != (isNM ? 1 : 2))
    return llvm::createStringError("expected " + Twine(isNM ? 1 : 2) +
                                   " level buffers, found " +
                                   Twine(buffers.levels.size()));
  auto mapped =
      mapSparseTensorToCompress(type, buffers.levels.back().getNumElements());
  if (!mapped)
    return mapped.takeError();

  EncodedTensor result{*mapped, {}};
  attr = cast<SparseAttr>(mapped->getEncoding());
  SmallVector<RankedTensorType> leafTypes = mapped->getLeafTypes();
  if (buffers.values.getNumElements() != leafTypes[0].getNumElements())
    return llvm::createStringError(
        "expected " + Twine(leafTypes[0].getNumElements()) + " values, found " +
        Twine(buffers.values.getNumElements()));
  result.leaves.push_back(buffers.values.reshape(leafTypes[0].getShape()));

  auto append = [&](llvm::Expected<HostTensor> leaf) -> llvm::Error {
    if (!leaf)
      return leaf.takeError();
    result.leaves.push_back(*leaf);
    return llvm::Error::success();
  };
  const HostTensor &coordinates = buffers.levels.back();
  const HostTensor &positions = buffers.levels.front();
  switch (attr.getPattern()) {
  case SparsePattern::CSR:
    if (llvm::Error error =
            append(convertUnsigned(coordinates, leafTypes[1], "coordinates")))
      return std::move(error);
    if (llvm::Error error =
            append(convertUnsigned(positions, leafTypes[2], "positions")))
      return std::move(error);
    break;
  case SparsePattern::Block:
    if (llvm::Error error =
            append(makeMask(positions, coordinates, leafTypes[1])))
      return std::move(error);
    break;
  case SparsePattern::NM:
    if (llvm::Error error =
            append(convertUnsigned(coordinates, leafTypes[1], "coordinates")))
      return std::move(error);
    break;
  case SparsePattern::Channels:
    if (positions.getNumElements() != 2 || positions.getBits(0) != 0 ||
        positions.getBits(1) != uint64_t(coordinates.getNumElements()))
      return llvm::createStringError("positions must be 0 and the number of "
                                     "coordinates, " +
                                     Twine(coordinates.getNumElements()));
    if (llvm::Error error =
            append(convertUnsigned(coordinates, leafTypes[1], "coordinates")))
      return std::move(error);
    break;
  case SparsePattern::Bitmask:
    llvm_unreachable("no sparse_tensor type has a bitmask");
  }
  if (llvm::Error error = verifyPayload(result.type, result.leaves))
    return std::move(error);
  return result;
}

SparseBuffers compress::writeSparseBuffers(const EncodedTensor &tensor) {
  auto attr = cast<SparseAttr>(tensor.type.getEncoding());
  MLIRContext *context = tensor.type.getContext();
  const HostTensor &values = tensor.leaves[0];
  const HostTensor &where = tensor.leaves[1];
  SparseBuffers buffers;
  buffers.values = values.reshape({values.getNumElements()});
  Type i32 = IntegerType::get(context, 32);
  switch (attr.getPattern()) {
  case SparsePattern::CSR:
    buffers.levels = {tensor.leaves[2], where};
    break;
  case SparsePattern::NM:
    buffers.levels = {widen(where, 8, context)};
    break;
  case SparsePattern::Channels: {
    HostTensor positions = HostTensor::allocate({2}, i32);
    positions.setBits(1, where.getNumElements());
    buffers.levels = {positions, where};
    break;
  }
  case SparsePattern::Block: {
    int64_t columns = where.getShape().back();
    int64_t rows = countElements(where.getShape().drop_back());
    HostTensor positions = HostTensor::allocate({rows + 1}, i32);
    HostTensor coordinates = HostTensor::allocate({attr.getNnz()}, i32);
    int64_t next = 0;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; ++column)
        if (where.getBits(row * columns + column))
          coordinates.setBits(next++, column);
      positions.setBits(row + 1, next);
    }
    buffers.levels = {positions, coordinates};
    break;
  }
  case SparsePattern::Bitmask:
    llvm_unreachable("no sparse_tensor type has a bitmask");
  }
  return buffers;
}
