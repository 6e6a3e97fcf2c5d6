//===- SparsePacking.cpp - Sparse weights in the layout of kernels --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SparsePacking.h"
#include "compress/Dialect/Compress/IR/ChannelBlocks.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/IR/AffineExpr.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

//===----------------------------------------------------------------------===//
// The matrix
//===----------------------------------------------------------------------===//

/// Takes over the codes of `quant` values when every output has one scale.
static void useCodes(SparseMatrix &matrix, QuantAttr quant,
                     ArrayRef<int64_t> shape, ArrayRef<HostTensor> leaves) {
  auto scale = dyn_cast<DenseAttr>(quant.getScale());
  if (quant.isFloatCode() || !quant.isSignedCode() ||
      quant.getCodeWidth() > 8 || quant.getZero() || !scale)
    return;
  // The group of each stored value.
  HostTensor scales = leaves[1].bitcast(scale.getStorageType());
  SmallVector<int64_t> grid = quant.getGroupGrid(shape);
  auto getGroup = [&](int64_t slot) {
    int64_t group = 0, stride = 1;
    for (int64_t axis = int64_t(shape.size()) - 1; axis >= 0; --axis) {
      int64_t block = quant.getGroup()[axis];
      int64_t at = slot % shape[axis];
      slot /= shape[axis];
      group += (ShapedType::isDynamic(block) ? 0 : at / block) * stride;
      stride *= grid[axis];
    }
    return group;
  };
  std::vector<float> outputScales(matrix.n, 0.0f);
  for (int64_t n = 0; n < matrix.n; ++n)
    for (int64_t e = matrix.offsets[n]; e < matrix.offsets[n + 1]; ++e) {
      double value = scales.getDouble(getGroup(matrix.slots[e]));
      if (e == matrix.offsets[n])
        outputScales[n] = float(value);
      if (double(outputScales[n]) != value)
        return;
    }
  HostTensor codes = leaves[0].bitcast(quant.getCodeType());
  matrix.storedType = IntegerType::get(quant.getContext(), 8);
  matrix.stored = codes.convert(matrix.storedType);
  matrix.scales = std::move(outputScales);
}

std::optional<SparseMatrix>
compress::cpu::getSparseMatrix(ConstantOp op, AffineMap map,
                               ArrayRef<unsigned> n, ArrayRef<unsigned> k,
                               ArrayRef<int64_t> extents) {
  CompressedTensorType type = op.getType();
  auto encoding = dyn_cast<SparseAttr>(type.getEncoding());
  if (!encoding || !type.getElementType().isF32() ||
      n.size() + k.size() != size_t(type.getRank()))
    return std::nullopt;
  // A rule gathers the channels, and other patterns read the codes.
  if (hasChannelsOfCodes(type))
    return std::nullopt;

  // What a step along each axis adds to n and to k.
  SmallVector<int64_t> nStride(extents.size(), 0), kStride(extents.size(), 0);
  SparseMatrix result;
  result.encoding = encoding;
  auto setStrides = [&](ArrayRef<unsigned> loops, MutableArrayRef<int64_t> to) {
    int64_t stride = 1;
    for (unsigned loop : llvm::reverse(loops)) {
      to[loop] = stride;
      stride *= extents[loop];
    }
    return stride;
  };
  result.n = setStrides(n, nStride);
  result.k = setStrides(k, kStride);
  if (result.n <= 0 || result.k <= 0 || result.k > (int64_t(1) << 24) ||
      result.n > (int64_t(1) << 30))
    return std::nullopt;

  SmallVector<HostTensor> leaves = op.getLeaves();
  SmallVector<ComponentValue> parts = splitLeaves(type, leaves);
  auto values = decodeComponent(parts[0]);
  if (!values) {
    llvm::consumeError(values.takeError());
    return std::nullopt;
  }
  result.values = *values;
  if (!result.values.getElementType().isF32())
    result.values = result.values.convert(Float32Type::get(op.getContext()));

  SmallVector<HostTensor> positions;
  for (const ComponentValue &part : llvm::drop_begin(parts))
    positions.push_back(part.leaves[0]);
  ArrayRef<int64_t> shape = type.getShape();
  SmallVector<unsigned> loops;
  for (AffineExpr expr : map.getResults())
    loops.push_back(cast<AffineDimExpr>(expr).getPosition());
  struct Entry {
    int32_t n, k, slot;
  };
  std::vector<Entry> entries;
  result.offsets.assign(result.n + 1, 0);
  forEachStored(type, positions, [&](int64_t element, int64_t slot) {
    int64_t atN = 0, atK = 0;
    for (int64_t axis = int64_t(shape.size()) - 1; axis >= 0; --axis) {
      int64_t at = element % shape[axis];
      element /= shape[axis];
      atN += at * nStride[loops[axis]];
      atK += at * kStride[loops[axis]];
    }
    entries.push_back({int32_t(atN), int32_t(atK), int32_t(slot)});
    ++result.offsets[atN + 1];
  });
  if (entries.empty() ||
      entries.size() > size_t(std::numeric_limits<int32_t>::max()))
    return std::nullopt;
  // Increasing k within each output: by k first, then into outputs.
  llvm::sort(entries, [](const Entry &a, const Entry &b) {
    return std::pair(a.k, a.slot) < std::pair(b.k, b.slot);
  });
  for (int64_t i = 0; i < result.n; ++i)
    result.offsets[i + 1] += result.offsets[i];
  std::vector<int64_t> next(result.offsets.begin(), result.offsets.end() - 1);
  result.inputs.resize(entries.size());
  result.slots.resize(entries.size());
  for (const Entry &entry : entries) {
    int64_t at = next[entry.n]++;
    result.inputs[at] = entry.k;
    result.slots[at] = entry.slot;
  }

  result.stored = result.values;
  result.storedType = result.values.getElementType();
  if (auto dense = dyn_cast<DenseAttr>(encoding.getOf())) {
    Type storage = dense.getStorageType();
    if (storage.isF16() || storage.isBF16()) {
      result.stored = parts[0].leaves[0];
      result.storedType = storage;
    }
  } else if (auto quant = dyn_cast<QuantAttr>(encoding.getOf())) {
    useCodes(result, quant, encoding.getValuesShape(shape), parts[0].leaves);
  }
  return result;
}

WeightMatrix compress::cpu::getAllCodes(const SparseMatrix &matrix) {
  MLIRContext *context = matrix.storedType.getContext();
  Type f32 = Float32Type::get(context);
  WeightMatrix result;
  result.encoding =
      QuantAttr::get(context, matrix.storedType, {},
                     DenseAttr::get(context, f32), EncodingAttrInterface());
  result.codes = HostTensor::allocate({matrix.n, matrix.k}, matrix.storedType);
  result.scales = HostTensor::allocate({matrix.n}, f32);
  llvm::copy(matrix.scales, result.scales.getMutableData<float>().begin());
  auto to = result.codes.getMutableData<int8_t>();
  auto from = matrix.stored.getData<int8_t>();
  for (int64_t i = 0; i < matrix.n; ++i) {
    result.nCodes.push_back(i * matrix.k);
    result.nGroups.push_back(i);
    for (int64_t e = matrix.offsets[i]; e < matrix.offsets[i + 1]; ++e)
      to[i * matrix.k + matrix.inputs[e]] = from[matrix.slots[e]];
  }
  for (int64_t j = 0; j < matrix.k; ++j) {
    result.kCodes.push_back(j);
    result.kGroups.push_back(0);
  }
  return result;
}

std::optional<WeightMatrix>
compress::cpu::getCodesOfPattern(ConstantOp op, AffineMap map,
                                 ArrayRef<unsigned> n, ArrayRef<unsigned> k,
                                 ArrayRef<int64_t> extents) {
  auto encoding = dyn_cast<SparseAttr>(op.getType().getEncoding());
  if (!encoding || encoding.getPattern() != SparsePattern::NM)
    return std::nullopt;
  auto matrix = getSparseMatrix(op, map, n, k, extents);
  if (!matrix || !matrix->storedType.isInteger(8))
    return std::nullopt;
  return getAllCodes(*matrix);
}

SparseMatrix compress::cpu::packWords(const SparseMatrix &weight,
                                      int64_t words) {
  int64_t unit = 4 * words;
  SparseMatrix result;
  result.encoding = weight.encoding;
  result.n = weight.n;
  result.k = llvm::divideCeil(weight.k, unit);
  result.scales = weight.scales;
  result.words = words;
  result.offsets.push_back(0);
  for (int64_t n = 0; n < weight.n; ++n) {
    for (int64_t e = weight.offsets[n]; e < weight.offsets[n + 1]; ++e) {
      int32_t k = weight.inputs[e] / unit;
      if (int64_t(result.inputs.size()) == result.offsets.back() ||
          result.inputs.back() != k) {
        result.slots.push_back(int32_t(result.inputs.size()));
        result.inputs.push_back(k);
      }
    }
    result.offsets.push_back(result.inputs.size());
  }
  result.storedType = weight.storedType;
  result.stored = HostTensor::allocate({int64_t(result.inputs.size()) * unit},
                                       weight.storedType);
  auto to = result.stored.getMutableData<int8_t>();
  auto from = weight.stored.getData<int8_t>();
  for (int64_t n = 0; n < weight.n; ++n) {
    int64_t at = result.offsets[n];
    for (int64_t e = weight.offsets[n]; e < weight.offsets[n + 1]; ++e) {
      while (result.inputs[at] != weight.inputs[e] / unit)
        ++at;
      to[at * unit + weight.inputs[e] % unit] = from[weight.slots[e]];
    }
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Slices
//===----------------------------------------------------------------------===//

/// Entries that an output should have in a block: with fewer, fetching and
/// storing its sum costs more than the products.
static constexpr double kMinEntries = 6;

int64_t PackedSlices::getByteSize() const {
  int64_t bytes = 0;
  for (const HostTensor *part :
       {&values, &indices, &outputs, &steps, &slices, &scales})
    if (*part)
      bytes += part->getBytes().size();
  return bytes;
}

PackedSlices compress::cpu::packSlices(const SparseMatrix &weight,
                                       const KernelISA &isa,
                                       int64_t blockInputs,
                                       int64_t rangeOutputs) {
  MLIRContext *context = weight.encoding.getContext();
  Type i16 = IntegerType::get(context, 16), i32 = IntegerType::get(context, 32);
  PackedSlices result;
  SliceLayout &layout = result.layout;
  layout.n = weight.n;
  layout.k = weight.k;
  layout.height = isa.getLanes();
  layout.range =
      std::min({kMaxRange, layout.getPaddedN(),
                int64_t(llvm::alignTo(rangeOutputs, layout.height))});
  layout.words = weight.words;
  int64_t words = std::max<int64_t>(1, layout.words);
  layout.block = blockInputs;
  while (layout.block < weight.k && layout.block < 32768 &&
         weight.getDensity() * double(layout.block * words) < kMinEntries)
    layout.block *= 2;
  layout.block = std::min(layout.block, weight.k);
  layout.indexWidth = layout.block <= 256 ? 8 : 16;
  layout.hasScales = !weight.scales.empty();
  layout.valueType = weight.storedType.isBF16() ? i16 : weight.storedType;

  // The order of outputs in every block, and with it the sizes.
  std::vector<int32_t> steps{0}, slices{0};
  std::vector<uint16_t> outputs;
  struct Run {
    int64_t begin, end;
  };
  // Of each lane of each slice.
  std::vector<Run> runs;
  std::vector<int64_t> next(weight.offsets.begin(), weight.offsets.end() - 1);
  layout.maxSteps = 0;
  int64_t total = 0;
  for (int64_t first = 0; first < weight.n; first += layout.range) {
    int64_t width = std::min(layout.range, layout.getPaddedN() - first);
    for (int64_t b = 0; b < layout.getBlocks(); ++b) {
      int64_t endK = (b + 1) * layout.block;
      std::vector<Run> found(width);
      std::vector<uint16_t> order(width);
      for (int64_t i = 0; i < width; ++i) {
        order[i] = uint16_t(i);
        int64_t n = first + i;
        if (n >= weight.n)
          continue;
        int64_t begin = next[n], end = begin;
        while (end < weight.offsets[n + 1] && weight.inputs[end] < endK)
          ++end;
        found[i] = {begin, end};
        next[n] = end;
      }
      auto countOf = [&](uint16_t i) { return found[i].end - found[i].begin; };
      llvm::sort(order, [&](uint16_t x, uint16_t y) {
        return std::pair(-countOf(x), x) < std::pair(-countOf(y), y);
      });
      for (int64_t i = 0; i < width && countOf(order[i]); i += layout.height) {
        for (int64_t lane = 0; lane < layout.height; ++lane) {
          outputs.push_back(order[i + lane]);
          runs.push_back(found[order[i + lane]]);
        }
        int64_t count = countOf(order[i]);
        layout.maxSteps = std::max(layout.maxSteps, count);
        total += count;
        steps.push_back(int32_t(total));
      }
      slices.push_back(int32_t(steps.size()) - 1);
    }
  }

  auto fill = [&](Type type, auto &from) {
    auto to = HostTensor::allocate({int64_t(from.size())}, type);
    std::memcpy(to.getMutableBytes().data(), from.data(), to.getBytes().size());
    return to;
  };
  result.steps = fill(i32, steps);
  result.slices = fill(i32, slices);
  result.outputs = fill(i16, outputs);
  // Parts of an entry are apart by the others of the slice.
  int64_t partBytes = layout.words ? 4 : weight.stored.getBitWidth() / 8;
  int64_t valueBytes = words * partBytes;
  result.values = HostTensor::allocate(
      {total * layout.height * (layout.words ? valueBytes : 1)},
      layout.valueType);
  result.indices = HostTensor::allocate(
      {total * layout.height}, IntegerType::get(context, layout.indexWidth));
  const char *from = weight.stored.getBytes().data();
  char *to = result.values.getMutableBytes().data();
  for (size_t slice = 0; slice + 1 < steps.size(); ++slice)
    for (int64_t lane = 0; lane < layout.height; ++lane) {
      Run run = runs[slice * layout.height + lane];
      int64_t step = steps[slice];
      for (int64_t e = run.begin; e < run.end; ++e, ++step) {
        for (int64_t part = 0; part < words; ++part)
          std::memcpy(to + ((step * words + part) * layout.height + lane) *
                               partBytes,
                      from + weight.slots[e] * valueBytes + part * partBytes,
                      partBytes);
        result.indices.setBits(step * layout.height + lane,
                               weight.inputs[e] % layout.block);
      }
    }
  if (layout.hasScales) {
    result.scales =
        HostTensor::allocate({layout.getPaddedN()}, Float32Type::get(context));
    llvm::copy(weight.scales, result.scales.getMutableData<float>().begin());
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Groups
//===----------------------------------------------------------------------===//

int64_t PackedGroups::getByteSize() const {
  return values.getBytes().size() + indices.getBytes().size() +
         tiles.getBytes().size();
}

PackedGroups compress::cpu::packGroups(const SparseMatrix &weight) {
  MLIRContext *context = weight.encoding.getContext();
  PackedGroups result;
  result.n = weight.n;
  result.k = weight.k;
  // The inputs of each group, in order.
  int64_t groups = llvm::divideCeil(weight.n, kGroupOutputs);
  std::vector<std::vector<int32_t>> inputs(groups);
  std::vector<int32_t> tiles{0};
  for (int64_t g = 0; g < groups; ++g) {
    int64_t first = g * kGroupOutputs;
    int64_t last = std::min(weight.n, first + kGroupOutputs);
    inputs[g].assign(weight.inputs.begin() + weight.offsets[first],
                     weight.inputs.begin() + weight.offsets[last]);
    llvm::sort(inputs[g]);
    inputs[g].erase(llvm::unique(inputs[g]), inputs[g].end());
    tiles.push_back(
        tiles.back() +
        int32_t(llvm::divideCeil(int64_t(inputs[g].size()), kGroupInputs)));
  }
  result.tiles =
      HostTensor::allocate({groups + 1}, IntegerType::get(context, 32));
  llvm::copy(tiles, result.tiles.getMutableData<int32_t>().begin());
  result.values =
      HostTensor::allocate({tiles.back() * kGroupOutputs * kGroupInputs},
                           IntegerType::get(context, 8));
  result.indices = HostTensor::allocate({(tiles.back() + 1) * kGroupInputs},
                                        IntegerType::get(context, 16));
  auto to = result.values.getMutableData<int8_t>();
  auto from = weight.stored.getData<int8_t>();
  for (int64_t g = 0; g < groups; ++g) {
    for (auto [i, input] : llvm::enumerate(inputs[g]))
      result.indices.setBits(tiles[g] * kGroupInputs + i, uint64_t(input));
    for (int64_t row = 0; row < kGroupOutputs; ++row) {
      int64_t n = g * kGroupOutputs + row, i = 0;
      if (n >= weight.n)
        break;
      for (int64_t e = weight.offsets[n]; e < weight.offsets[n + 1]; ++e) {
        while (inputs[g][i] != weight.inputs[e])
          ++i;
        int64_t tile = tiles[g] + i / kGroupInputs;
        to[(tile * kGroupOutputs + row) * kGroupInputs + i % kGroupInputs] =
            from[weight.slots[e]];
      }
    }
  }
  return result;
}
