//===- QuantizedPacking.cpp - Weights in the layout of kernels --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "QuantizedPacking.h"
#include "KernelWeightOnly.h"
#include "MatrixProduct.h"
#include "WeightDecoder.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "compress/Dialect/Compress/IR/Minifloat.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

std::optional<int64_t> WeightMatrix::getBlock() const {
  int64_t size = getK(), block = 1;
  while (block < size && kGroups[block] == kGroups[0])
    ++block;
  for (int64_t k = 0; k < size; ++k) {
    bool isFirst = k % block == 0;
    if (k && isFirst == (kGroups[k] == kGroups[k - 1]))
      return std::nullopt;
  }
  return block;
}

/// Sets the offsets of `weight`, a tensor of this shape whose groups are those
/// of a `quant` or `scaled` encoding; without groups, all is one.
static bool setOffsets(WeightMatrix &weight, ArrayRef<int64_t> shape,
                       ArrayRef<int64_t> group, ArrayRef<int64_t> grid,
                       AffineMap map, ArrayRef<unsigned> n,
                       ArrayRef<unsigned> k, ArrayRef<int64_t> extents) {
  // Per loop, what each index adds to the offsets of codes and groups.
  SmallVector<SmallVector<int64_t>> codeOf(extents.size()),
      groupOf(extents.size());
  int64_t codeStride = 1, groupStride = 1;
  for (int64_t axis = int64_t(shape.size()) - 1; axis >= 0; --axis) {
    auto dim = dyn_cast<AffineDimExpr>(map.getResult(axis));
    if (!dim || !codeOf[dim.getPosition()].empty())
      return false;
    int64_t block = group.empty() ? ShapedType::kDynamic : group[axis];
    if (ShapedType::isDynamic(block))
      block = std::max<int64_t>(1, shape[axis]);
    for (int64_t i = 0; i < shape[axis]; ++i) {
      codeOf[dim.getPosition()].push_back(i * codeStride);
      groupOf[dim.getPosition()].push_back(i / block * groupStride);
    }
    codeStride *= shape[axis];
    groupStride *= group.empty() ? 1 : grid[axis];
  }
  auto enumerate = [&](ArrayRef<unsigned> loops,
                       ArrayRef<SmallVector<int64_t>> offsets) {
    SmallVector<SmallVector<int64_t>> chosen;
    for (unsigned loop : loops)
      chosen.push_back(offsets[loop]);
    return enumerateOffsets(chosen);
  };
  if (n.size() + k.size() != shape.size())
    return false;
  weight.nCodes = enumerate(n, codeOf);
  weight.kCodes = enumerate(k, codeOf);
  weight.nGroups = enumerate(n, groupOf);
  weight.kGroups = enumerate(k, groupOf);
  return !weight.nCodes.empty() && !weight.kCodes.empty();
}

static Type getStorage(EncodingAttrInterface dense) {
  return cast<DenseAttr>(dense).getStorageType();
}

std::optional<WeightMatrix>
compress::cpu::getWeightMatrix(ConstantOp op, AffineMap map,
                               ArrayRef<unsigned> n, ArrayRef<unsigned> k,
                               ArrayRef<int64_t> extents) {
  // Leaves of large constants need not be looked at for another encoding.
  if (!isa<QuantAttr>(op.getType().getEncoding()))
    return std::nullopt;
  return getWeightMatrix(EncodedTensor{op.getType(), op.getLeaves()}, map, n, k,
                         extents);
}

std::optional<WeightMatrix>
compress::cpu::getWeightMatrix(const EncodedTensor &tensor, AffineMap map,
                               ArrayRef<unsigned> n, ArrayRef<unsigned> k,
                               ArrayRef<int64_t> extents) {
  CompressedTensorType type = tensor.type;
  auto encoding = dyn_cast<QuantAttr>(type.getEncoding());
  if (!encoding || !isa<DenseAttr>(encoding.getScale()) ||
      (encoding.getZero() && !isa<DenseAttr>(encoding.getZero())))
    return std::nullopt;
  ArrayRef<HostTensor> leaves = tensor.leaves;
  WeightMatrix weight;
  weight.encoding = encoding;
  weight.codes = leaves[0].bitcast(encoding.getCodeType());
  weight.scales = leaves[1].bitcast(getStorage(encoding.getScale()));
  if (encoding.getZero())
    weight.zeros = leaves[2].bitcast(getStorage(encoding.getZero()));
  if (!setOffsets(weight, type.getShape(), encoding.getGroup(),
                  encoding.getGroupGrid(type.getShape()), map, n, k, extents))
    return std::nullopt;
  return weight;
}

std::optional<WeightMatrix>
compress::cpu::getTableMatrix(ConstantOp op, AffineMap map,
                              ArrayRef<unsigned> n, ArrayRef<unsigned> k,
                              ArrayRef<int64_t> extents) {
  CompressedTensorType type = op.getType();
  ArrayRef<int64_t> shape = type.getShape();
  MLIRContext *context = op.getContext();
  SmallVector<HostTensor> leaves = op.getLeaves();
  WeightMatrix weight;
  SmallVector<int64_t> group, grid;
  if (auto scaled = dyn_cast<ScaledAttr>(type.getEncoding())) {
    if (!isa<DenseAttr>(scaled.getScale()))
      return std::nullopt;
    group.assign(scaled.getGroup().begin(), scaled.getGroup().end());
    grid = getGroupGrid(shape, group);
    weight.scales = leaves.back().bitcast(getStorage(scaled.getScale()));
    SmallVector<ComponentValue> parts = splitLeaves(type, leaves);
    auto inner = dyn_cast<CompressedTensorType>(parts[0].component.type);
    if (!inner)
      return std::nullopt;
    type = inner;
    leaves = parts[0].leaves;
  } else {
    float one = 1;
    weight.scales = HostTensor::fromFloats({1}, Float32Type::get(context), one);
  }
  auto codebook = dyn_cast<CodebookAttr>(type.getEncoding());
  if (!codebook || codebook.getVectorSize() != 1 || codebook.getStages() != 1 ||
      codebook.getIndexWidth() > 8 ||
      llvm::any_of(codebook.getGroupGrid(shape),
                   [](int64_t count) { return count != 1; }))
    return std::nullopt;
  SmallVector<ComponentValue> parts = splitLeaves(type, leaves);
  auto table = decodeComponent(parts[1]);
  if (!table) {
    llvm::consumeError(table.takeError());
    return std::nullopt;
  }
  weight.table = table->toFloats();
  weight.codes = parts[0].leaves[0].bitcast(IntegerType::get(
      context, codebook.getIndexWidth(), IntegerType::Unsigned));
  if (!setOffsets(weight, shape, group, grid, map, n, k, extents))
    return std::nullopt;
  return weight;
}

HostTensor compress::cpu::packDotWeights(const WeightMatrix &weight,
                                         const KernelISA &isa,
                                         const DotAxis &axis) {
  Panels panels(isa, weight.getN());
  int64_t steps = axis.getSteps();
  auto result =
      HostTensor::allocate({axis.getPaddedExtent() * panels.getPaddedColumns()},
                           IntegerType::get(weight.encoding.getContext(), 8));
  int8_t *out = result.getMutableData<int8_t>().data();
  for (int64_t p = 0; p < panels.getCount(); ++p) {
    int64_t first = p * panels.getFullColumns();
    int64_t width = p < panels.numFull ? panels.getFullColumns()
                                       : panels.tailVectors * panels.lanes;
    int64_t tileColumns = axis.tileSteps > 1 ? panels.lanes : width;
    for (int64_t run = 0; run < axis.getNumRuns(); ++run)
      for (int64_t tile = 0; tile < steps; tile += axis.tileSteps)
        for (int64_t vector = 0; vector < width; vector += tileColumns)
          for (int64_t step = tile;
               step < std::min(tile + axis.tileSteps, steps); ++step)
            for (int64_t column = vector; column < vector + tileColumns;
                 ++column)
              for (int64_t byte = 0; byte < 4; ++byte, ++out) {
                int64_t n = first + column, within = step * 4 + byte;
                if (n < weight.getN() && within < axis.run &&
                    run * axis.run + within < weight.getK())
                  *out = int8_t(weight.getCode(n, run * axis.run + within));
              }
  }
  return result;
}

HostTensor compress::cpu::packDepthwiseWeights(const WeightMatrix &weight,
                                               const KernelISA &isa) {
  // One vector of channels at a time, so padding is to whole vectors.
  int64_t columns = Panels(isa, weight.getN()).getPaddedColumns();
  auto result =
      HostTensor::allocate({weight.getK() * columns},
                           IntegerType::get(weight.encoding.getContext(), 8));
  auto codes = result.getMutableData<int8_t>();
  for (int64_t k = 0; k < weight.getK(); ++k)
    for (int64_t n = 0; n < weight.getN(); ++n)
      codes[k * columns + n] = int8_t(weight.getCode(n, k));
  return result;
}

HostTensor compress::cpu::packColumnSums(const WeightMatrix &weight,
                                         const KernelISA &isa) {
  auto result =
      HostTensor::allocate({Panels(isa, weight.getN()).getPaddedColumns()},
                           IntegerType::get(weight.encoding.getContext(), 32));
  auto sums = result.getMutableData<int32_t>();
  for (int64_t n = 0; n < weight.getN(); ++n) {
    int64_t sum = 0;
    for (int64_t k = 0; k < weight.getK(); ++k)
      sum += weight.getCode(n, k);
    sums[n] = int32_t(sum);
  }
  return result;
}

HostTensor compress::cpu::packColumnScales(const WeightMatrix &weight,
                                           const KernelISA &isa) {
  auto result =
      HostTensor::allocate({Panels(isa, weight.getN()).getPaddedColumns()},
                           Float32Type::get(weight.encoding.getContext()));
  auto scales = result.getMutableData<float>();
  for (int64_t n = 0; n < weight.getN(); ++n)
    scales[n] = weight.scales.getDouble(weight.getGroup(n, 0));
  return result;
}
