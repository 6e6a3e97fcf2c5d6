//===- SparseEncodingHost.cpp - Filling sparse tensors ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What to keep, encoding by given positions, lossless changes of the pattern,
// and the laws of the algebra.
//
//===----------------------------------------------------------------------===//

#include "SparseEncoding.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace compress;

/// A tensor seen as [outer, axis, inner].
namespace {
struct AxisView {
  AxisView(ArrayRef<int64_t> shape, int64_t axis)
      : outer(countElements(shape.take_front(axis))), size(shape[axis]),
        inner(countElements(shape.drop_front(axis + 1))) {}
  int64_t outer, size, inner;
};
} // namespace

/// An empty leaf for component number `index` of `type`.
static HostTensor allocateLeaf(CompressedTensorType type, unsigned index) {
  auto leaf = cast<RankedTensorType>(type.getComponents()[index].type);
  return HostTensor::allocate(leaf.getShape(), leaf.getElementType());
}

/// The same tensor with another number of stored values, blocks or channels.
static CompressedTensorType setNnz(CompressedTensorType type, int64_t nnz) {
  return CompressedTensorType::get(
      type.getContext(), type.getShape(), type.getElementType(),
      cast<SparseAttr>(type.getEncoding()).withNnz(nnz));
}

//===----------------------------------------------------------------------===//
// Positions
//===----------------------------------------------------------------------===//

void compress::forEachStored(CompressedTensorType type,
                             ArrayRef<HostTensor> positions,
                             function_ref<void(int64_t, int64_t)> visit) {
  auto attr = cast<SparseAttr>(type.getEncoding());
  ArrayRef<int64_t> shape = type.getShape();
  int64_t rank = shape.size();
  int64_t slot = 0;
  switch (attr.getPattern()) {
  case SparsePattern::Bitmask:
    for (int64_t i = 0, e = positions[0].getNumElements(); i < e; ++i)
      if (positions[0].getBits(i))
        visit(i, slot++);
    return;
  case SparsePattern::CSR:
    for (int64_t row = 0, e = positions[1].getNumElements() - 1; row < e; ++row)
      for (int64_t end = positions[1].getBits(row + 1); slot < end; ++slot)
        visit(row * shape.back() + positions[0].getBits(slot), slot);
    return;
  case SparsePattern::NM: {
    AxisView view(shape, attr.getAxis(rank));
    int64_t blocks = llvm::divideCeil(view.size, attr.getM());
    for (int64_t o = 0; o < view.outer; ++o)
      for (int64_t k = 0; k < blocks * attr.getN(); ++k)
        for (int64_t i = 0; i < view.inner; ++i, ++slot) {
          int64_t at = k / attr.getN() * attr.getM() +
                       int64_t(positions[0].getBits(slot));
          if (at < view.size)
            visit((o * view.size + at) * view.inner + i, slot);
        }
    return;
  }
  case SparsePattern::Block: {
    ArrayRef<int64_t> block = attr.getArguments();
    int64_t blockSize = countElements(block);
    int64_t next = 0;
    for (int64_t i = 0, e = positions[0].getNumElements(); i < e; ++i) {
      if (!positions[0].getBits(i))
        continue;
      for (int64_t k = 0; k < blockSize; ++k) {
        // From the last axis: coordinates in the grid, in the block, both.
        int64_t g = i, in = k, element = 0, stride = 1;
        bool inside = true;
        for (int64_t axis = rank - 1; axis >= 0; --axis) {
          int64_t grid = positions[0].getShape()[axis];
          int64_t at = g % grid * block[axis] + in % block[axis];
          inside &= at < shape[axis];
          element += at * stride;
          stride *= shape[axis];
          g /= grid;
          in /= block[axis];
        }
        if (inside)
          visit(element, next * blockSize + k);
      }
      ++next;
    }
    return;
  }
  case SparsePattern::Channels: {
    AxisView view(shape, attr.getAxis(rank));
    int64_t nnz = positions[0].getNumElements();
    for (int64_t o = 0; o < view.outer; ++o)
      for (int64_t j = 0; j < nnz; ++j)
        for (int64_t i = 0; i < view.inner; ++i, ++slot)
          visit((o * view.size + int64_t(positions[0].getBits(j))) *
                        view.inner +
                    i,
                slot);
    return;
  }
  }
}

/// The positions of `type`, whose nnz is the number of `kept`: the elements,
/// blocks or channels to keep, increasing.
static SmallVector<HostTensor> makePositions(CompressedTensorType type,
                                             ArrayRef<int64_t> kept) {
  auto attr = cast<SparseAttr>(type.getEncoding());
  HostTensor first = allocateLeaf(type, 1);
  switch (attr.getPattern()) {
  case SparsePattern::Bitmask:
  case SparsePattern::Block:
    for (int64_t i : kept)
      first.setBits(i, 1);
    return {first};
  case SparsePattern::CSR: {
    HostTensor offsets = allocateLeaf(type, 2);
    int64_t width = type.getShape().back(), rows = offsets.getNumElements() - 1;
    size_t k = 0;
    for (int64_t row = 0; row < rows; ++row) {
      for (; k < kept.size() && kept[k] / width == row; ++k)
        first.setBits(k, kept[k] % width);
      offsets.setBits(row + 1, k);
    }
    return {first, offsets};
  }
  case SparsePattern::Channels:
    for (auto [k, channel] : llvm::enumerate(kept))
      first.setBits(k, channel);
    return {first};
  case SparsePattern::NM:
    break;
  }
  llvm_unreachable("nm keeps as many of each block");
}

/// The `count` best, increasing; of equals the first.
static std::vector<int64_t> chooseBest(ArrayRef<double> scores, int64_t count) {
  std::vector<int64_t> order(scores.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  if (count < int64_t(order.size()))
    std::nth_element(order.begin(), order.begin() + count, order.end(),
                     [&](int64_t a, int64_t b) {
                       return scores[a] != scores[b] ? scores[a] > scores[b]
                                                     : a < b;
                     });
  order.resize(count);
  llvm::sort(order);
  return order;
}

/// The n best of each block; what hangs over is worse than anything.
static HostTensor chooseNM(CompressedTensorType type, ArrayRef<double> scores) {
  auto attr = cast<SparseAttr>(type.getEncoding());
  AxisView view(type.getShape(), attr.getAxis(type.getRank()));
  int64_t n = attr.getN(), m = attr.getM();
  int64_t blocks = llvm::divideCeil(view.size, m);
  HostTensor positions = allocateLeaf(type, 1);
  std::vector<double> block(m);
  for (int64_t o = 0; o < view.outer; ++o)
    for (int64_t b = 0; b < blocks; ++b)
      for (int64_t i = 0; i < view.inner; ++i) {
        for (int64_t k = 0; k < m; ++k) {
          int64_t at = b * m + k;
          block[k] = at < view.size
                         ? scores[(o * view.size + at) * view.inner + i]
                         : -1.0;
        }
        for (auto [k, place] : llvm::enumerate(chooseBest(block, n)))
          positions.setBits(
              ((o * blocks + b) * n + int64_t(k)) * view.inner + i, place);
      }
  return positions;
}

SmallVector<HostTensor>
SparseAttr::choosePositions(CompressedTensorType type, ArrayRef<double> given,
                            std::optional<double> density) const {
  // NaN ranks with infinity, so that the order is total.
  std::vector<double> scores(given.size());
  for (auto [score, value] : llvm::zip_equal(scores, given))
    score = std::isnan(value) ? HUGE_VAL : std::fabs(value);
  if (getPattern() == SparsePattern::NM)
    return {chooseNM(type, scores)};

  ArrayRef<int64_t> shape = type.getShape();
  llvm::BitVector isNonzero;
  if (getPattern() == SparsePattern::Block ||
      getPattern() == SparsePattern::Channels) {
    SmallVector<int64_t> group(shape.size(), ShapedType::kDynamic);
    if (getPattern() == SparsePattern::Block)
      group.assign(getArguments().begin(), getArguments().end());
    else
      group[getAxis(shape.size())] = 1;
    SmallVector<int64_t> grid = getGroupGrid(shape, group);
    // A channel of no elements is a channel all the same.
    int64_t count = getPattern() == SparsePattern::Block
                        ? countElements(grid)
                        : shape[getAxis(shape.size())];
    std::vector<double> squares(count, 0.0);
    isNonzero.resize(count);
    GroupIndexer groups(shape, group, grid);
    for (double score : scores) {
      int64_t unit = groups.next();
      squares[unit] += score * score;
      if (score != 0)
        isNonzero.set(unit);
    }
    scores = std::move(squares);
  } else {
    isNonzero.resize(scores.size());
    for (size_t i = 0; i < scores.size(); ++i)
      if (scores[i] != 0)
        isNonzero.set(i);
  }

  std::vector<int64_t> kept;
  if (ShapedType::isDynamic(getNnz()) && !density) {
    for (unsigned unit : isNonzero.set_bits())
      kept.push_back(unit);
  } else {
    int64_t count = ShapedType::isDynamic(getNnz())
                        ? std::llround(*density * double(scores.size()))
                        : getNnz();
    kept = chooseBest(scores, std::clamp<int64_t>(count, 0, scores.size()));
  }
  return makePositions(setNnz(type, kept.size()), kept);
}

//===----------------------------------------------------------------------===//
// Encoding
//===----------------------------------------------------------------------===//

/// The type with the number that given positions keep; an error where they do
/// not fit, or where the encoding of the values does not fit the number.
static llvm::Expected<CompressedTensorType>
fixCount(CompressedTensorType type, ArrayRef<HostTensor> positions) {
  auto attr = cast<SparseAttr>(type.getEncoding());
  if (!attr.hasCount() || !ShapedType::isDynamic(attr.getNnz()))
    return type;
  int64_t nnz = 0;
  if (attr.getPattern() == SparsePattern::Bitmask ||
      attr.getPattern() == SparsePattern::Block)
    for (int64_t i = 0, e = positions[0].getNumElements(); i < e; ++i)
      nnz += positions[0].getBits(i) & 1;
  else
    nnz = positions[0].getNumElements();
  if (llvm::Error error = checkEncoding(attr.withNnz(nnz), type.getShape(),
                                        type.getElementType()))
    return llvm::createStringError(
        Twine(nnz) + " are kept: " + llvm::toString(std::move(error)));
  return setNnz(type, nnz);
}

llvm::Expected<SmallVector<HostTensor>>
SparseAttr::encodeHost(CompressedTensorType type, const HostTensor &value,
                       ArrayRef<HostTensor> parameterLeaves) const {
  SmallVector<HostTensor> positions(parameterLeaves);
  if (positions.empty()) {
    std::vector<double> magnitudes(value.getNumElements());
    for (size_t i = 0; i < magnitudes.size(); ++i)
      magnitudes[i] = value.getDouble(i);
    positions = choosePositions(type, magnitudes);
  }
  if (positions.size() != getNumParameters())
    return llvm::createStringError(
        "sparse: expected " + Twine(getNumParameters()) +
        " position components, found " + Twine(positions.size()));
  auto fixed = fixCount(type, positions);
  if (!fixed)
    return fixed.takeError();
  SmallVector<Component> components = fixed->getComponents();
  for (auto [component, leaf] :
       llvm::zip_equal(ArrayRef(components).drop_front(), positions)) {
    auto expected = cast<RankedTensorType>(component.type);
    if (leaf.getShape() != expected.getShape() ||
        leaf.getBitWidth() != HostTensor::getWidth(expected.getElementType())) {
      std::string text;
      llvm::raw_string_ostream(text)
          << "sparse: '" << component.name << "' must be of type " << expected
          << ", found "
          << RankedTensorType::get(leaf.getShape(), leaf.getElementType());
      return llvm::createStringError(Twine(text));
    }
  }
  auto attr = cast<SparseAttr>(fixed->getEncoding());
  if (!parameterLeaves.empty())
    if (llvm::Error error = attr.verifyPayload(*fixed, positions))
      return std::move(error);

  HostTensor values = HostTensor::allocate(attr.getValuesShape(type.getShape()),
                                           value.getElementType());
  forEachStored(*fixed, positions, [&](int64_t element, int64_t slot) {
    values.setBits(slot, value.getBits(element));
  });
  SmallVector<HostTensor> leaves;
  if (llvm::Error error = encodeComponent(components[0], values, leaves))
    return std::move(error);
  llvm::append_range(leaves, positions);
  return leaves;
}

//===----------------------------------------------------------------------===//
// Lossless changes
//===----------------------------------------------------------------------===//

/// Whether `values` are the elements that are kept, in row-major order.
static bool isRowMajor(SparseAttr attr) {
  return attr.getPattern() == SparsePattern::Bitmask ||
         attr.getPattern() == SparsePattern::CSR;
}

FailureOr<EncodedTensor>
SparseAttr::recodeHost(const EncodedTensor &source,
                       CompressedTensorType target) const {
  auto from = dyn_cast<SparseAttr>(source.type.getEncoding());
  auto to = dyn_cast<SparseAttr>(target.getEncoding());
  if (!from || !to || from.getOf() != to.getOf() ||
      source.type.getLogicalType() != target.getLogicalType())
    return failure();
  auto [values, positions] =
      std::pair(ArrayRef(source.leaves).drop_back(from.getNumParameters()),
                ArrayRef(source.leaves).take_back(from.getNumParameters()));
  // Only a size that was not known.
  if (to.getPattern() == from.getPattern() &&
      to.getArguments() == from.getArguments() && to.hasCount() &&
      ShapedType::isDynamic(to.getNnz()))
    return EncodedTensor{source.type, source.leaves};

  bool keepsValues = isRowMajor(from);
  if (!isRowMajor(to) ||
      !(keepsValues || (from.getPattern() == SparsePattern::NM &&
                        isa<DenseAttr>(from.getOf()))))
    return failure();
  std::vector<std::pair<int64_t, int64_t>> stored;
  forEachStored(source.type, positions, [&](int64_t element, int64_t slot) {
    stored.emplace_back(element, slot);
  });
  int64_t nnz = stored.size();
  if (!ShapedType::isDynamic(to.getNnz()) && to.getNnz() != nnz)
    return failure();
  // Along another axis than the last the order changes.
  llvm::sort(stored);
  std::vector<int64_t> kept;
  for (auto [element, slot] : stored)
    kept.push_back(element);
  EncodedTensor result{setNnz(target, nnz), {}};
  if (keepsValues) {
    llvm::append_range(result.leaves, values);
  } else {
    HostTensor moved = allocateLeaf(result.type, 0);
    for (auto [k, entry] : llvm::enumerate(stored))
      moved.setBits(k, values[0].getBits(entry.second));
    result.leaves.push_back(moved);
  }
  llvm::append_range(result.leaves, makePositions(result.type, kept));
  return result;
}

FailureOr<EncodedTensor> SparseAttr::simplify(const EncodedTensor &tensor,
                                              bool) const {
  CompressedTensorType type = tensor.type;
  auto [values, positions] =
      std::pair(ArrayRef(tensor.leaves).drop_back(getNumParameters()),
                ArrayRef(tensor.leaves).take_back(getNumParameters()));
  auto withEncoding = [&](EncodingAttrInterface encoding) {
    return CompressedTensorType::get(getContext(), type.getShape(),
                                     type.getElementType(), encoding);
  };
  // All channels kept: the values are the tensor.
  if (getPattern() == SparsePattern::Channels &&
      getNnz() == type.getDimSize(getAxis(type.getRank())))
    return EncodedTensor{withEncoding(getOf()),
                         SmallVector<HostTensor>(values)};
  if (!isRowMajor(*this))
    return failure();
  // All elements kept, in a storage that has no shape of its own.
  if (isa<DenseAttr>(getOf()) && getNnz() == type.getNumElements())
    return EncodedTensor{withEncoding(getOf()),
                         {values[0].reshape(type.getShape())}};
  // Sparse values of a sparse tensor: the positions of both at once.
  auto nested = dyn_cast<SparseAttr>(getOf());
  if (!nested || !isRowMajor(nested))
    return failure();
  std::vector<int64_t> elements(getNnz()), kept;
  forEachStored(type, positions, [&](int64_t element, int64_t slot) {
    elements[slot] = element;
  });
  auto valuesType =
      cast<CompressedTensorType>(getComponents(type).front().type);
  forEachStored(
      valuesType, values.take_back(nested.getNumParameters()),
      [&](int64_t element, int64_t) { kept.push_back(elements[element]); });
  EncodedTensor result{
      withEncoding(withOf(nested.getOf()).withNnz(nested.getNnz())),
      SmallVector<HostTensor>(values.drop_back(nested.getNumParameters()))};
  llvm::append_range(result.leaves, makePositions(result.type, kept));
  return result;
}
