//===- QuantizedPacking.cpp - Weights in the layout of kernels --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "QuantizedPacking.h"
#include "KernelWeightOnly.h"
#include "MatrixProduct.h"
#include "WeightDecoder.h"
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

std::optional<WeightMatrix>
compress::cpu::getWeightMatrix(ConstantOp op, AffineMap map,
                               ArrayRef<unsigned> n, ArrayRef<unsigned> k,
                               ArrayRef<int64_t> extents) {
  CompressedTensorType type = op.getType();
  auto encoding = dyn_cast<QuantAttr>(type.getEncoding());
  if (!encoding || !isa<DenseAttr>(encoding.getScale()) ||
      (encoding.getZero() && !isa<DenseAttr>(encoding.getZero())))
    return std::nullopt;
  auto storage = [](EncodingAttrInterface dense) {
    return cast<DenseAttr>(dense).getStorageType();
  };
  SmallVector<HostTensor> leaves = op.getLeaves();
  WeightMatrix weight;
  weight.encoding = encoding;
  weight.codes = leaves[0].bitcast(encoding.getCodeType());
  weight.scales = leaves[1].bitcast(storage(encoding.getScale()));
  if (encoding.getZero())
    weight.zeros = leaves[2].bitcast(storage(encoding.getZero()));

  // Per loop, what each index adds to the offsets of codes and groups.
  ArrayRef<int64_t> shape = type.getShape();
  SmallVector<int64_t> grid = encoding.getGroupGrid(shape);
  SmallVector<SmallVector<int64_t>> codeOf(extents.size()),
      groupOf(extents.size());
  int64_t codeStride = 1, groupStride = 1;
  for (int64_t axis = int64_t(shape.size()) - 1; axis >= 0; --axis) {
    auto dim = dyn_cast<AffineDimExpr>(map.getResult(axis));
    if (!dim || !codeOf[dim.getPosition()].empty())
      return std::nullopt;
    int64_t block = encoding.getGroup()[axis];
    if (ShapedType::isDynamic(block))
      block = std::max<int64_t>(1, shape[axis]);
    for (int64_t i = 0; i < shape[axis]; ++i) {
      codeOf[dim.getPosition()].push_back(i * codeStride);
      groupOf[dim.getPosition()].push_back(i / block * groupStride);
    }
    codeStride *= shape[axis];
    groupStride *= grid[axis];
  }
  auto enumerate = [&](ArrayRef<unsigned> loops,
                       ArrayRef<SmallVector<int64_t>> offsets) {
    SmallVector<SmallVector<int64_t>> chosen;
    for (unsigned loop : loops)
      chosen.push_back(offsets[loop]);
    return enumerateOffsets(chosen);
  };
  if (n.size() + k.size() != shape.size())
    return std::nullopt;
  weight.nCodes = enumerate(n, codeOf);
  weight.kCodes = enumerate(k, codeOf);
  weight.nGroups = enumerate(n, groupOf);
  weight.kGroups = enumerate(k, groupOf);
  if (weight.nCodes.empty() || weight.kCodes.empty())
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
    for (int64_t run = 0; run < axis.getNumRuns(); ++run)
      for (int64_t step = 0; step < steps; ++step)
        for (int64_t column = 0; column < width; ++column)
          for (int64_t byte = 0; byte < 4; ++byte, ++out) {
            int64_t n = first + column, within = step * 4 + byte;
            if (n < weight.getN() && within < axis.run)
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

//===----------------------------------------------------------------------===//
// Weights that stay compressed
//===----------------------------------------------------------------------===//

/// Whether the arithmetic decoding of float codes gives their values.
static bool checkPlacement(const WeightMatrix &weight, FloatType type) {
  Minifloat format = Minifloat::get(type);
  std::vector<float> table = getMinifloatTable(type);
  std::vector<bool> isRight(table.size());
  for (unsigned code = 0; code < table.size(); ++code) {
    unsigned magnitude = code & ((1u << (format.width - 1)) - 1);
    int exponent = int(magnitude >> format.mantissaBits);
    int mantissa = int(magnitude) & ((1 << format.mantissaBits) - 1);
    if (exponent)
      mantissa += 1 << format.mantissaBits;
    float value =
        std::ldexp(float(mantissa), std::max(exponent, 1) - format.bias -
                                        int(format.mantissaBits));
    value = code == magnitude ? value : -value;
    isRight[code] = std::isfinite(table[code]) && table[code] == value;
  }
  for (int64_t n = 0; n < weight.getN(); ++n)
    for (int64_t k = 0; k < weight.getK(); ++k)
      if (!isRight[weight.getCodeBits(n, k)])
        return false;
  return true;
}

static HostTensor packCodes(const WeightMatrix &weight, const Panels &panels,
                            const CodeLayout &layout) {
  int64_t columns = panels.getPaddedColumns(), size = weight.getK();
  auto result =
      HostTensor::allocate({columns * layout.getColumnBytes(size)},
                           IntegerType::get(weight.encoding.getContext(), 8));
  auto *bytes =
      reinterpret_cast<uint8_t *>(result.getMutableData<int8_t>().data());
  for (int64_t n = 0; n < weight.getN(); ++n) {
    int64_t panel = n / panels.getFullColumns();
    int64_t first = panel * panels.getFullColumns();
    int64_t width = panel < panels.numFull
                        ? panels.getFullColumns()
                        : int64_t(panels.tailVectors) * panels.lanes;
    uint8_t *base = bytes + first * layout.getColumnBytes(size);
    for (int64_t k = 0; k < size; ++k) {
      uint64_t code = weight.getCodeBits(n, k);
      if (layout.isBytes()) {
        base[k * width + n - first] = uint8_t(code);
        continue;
      }
      int64_t unit = k / layout.unit;
      unsigned bit = k % layout.unit * layout.width;
      for (unsigned i = 0; i < layout.width; ++i, ++bit) {
        int64_t word = (unit * layout.words + bit / 32) * width + n - first;
        base[word * 4 + bit % 32 / 8] |= ((code >> i) & 1) << (bit % 8);
      }
    }
  }
  return result;
}

/// One value per block and column, as stored bits.
static HostTensor packGrid(
    const WeightMatrix &weight, const Panels &panels, int64_t block, Type type,
    llvm::function_ref<void(HostTensor &, int64_t to, int64_t group)> copy) {
  int64_t columns = panels.getPaddedColumns();
  int64_t blocks = llvm::divideCeil(weight.getK(), block);
  auto result = HostTensor::allocate({blocks * columns}, type);
  for (int64_t i = 0; i < blocks; ++i)
    for (int64_t n = 0; n < weight.getN(); ++n)
      copy(result, i * columns + n, weight.getGroup(n, i * block));
  return result;
}

std::optional<WeightOnlyOperands>
compress::cpu::packWeightOnly(const WeightMatrix &weight,
                              WeightOnlyGEMM &gemm) {
  QuantAttr encoding = weight.encoding;
  MLIRContext *context = encoding.getContext();
  const KernelISA &isa = *gemm.isa;
  if (encoding.getCodeWidth() > 8)
    return std::nullopt;
  CodeLayout layout(encoding.getCodeType());
  std::optional<int64_t> block = weight.getBlock();
  // A unit of codes must not need two scales.
  if (!block || (*block != weight.getK() && *block % layout.unit) ||
      (*block > 256 && *block != weight.getK() && *block % 256 && *block > 512))
    return std::nullopt;
  gemm.block = *block;
  gemm.codeType = encoding.getCodeType();
  Panels panels(isa, weight.getN());

  // Scales keep their type where it is cheap to convert.
  Type stored = weight.scales.getElementType();
  bool isPower = isa_and_present<Float8E8M0FNUType>(stored);
  float factor = 1;
  if (layout.isFloat() && !usesTable(layout, isa)) {
    auto type = cast<FloatType>(gemm.codeType);
    if (!checkPlacement(weight, type))
      return std::nullopt;
    factor = FloatPlacement(type, isa).factor;
  }
  for (int64_t i = 0, e = weight.scales.getNumElements(); i < e; ++i) {
    // Nothing may overflow or lose bits on the way to f32.
    double scale = weight.scales.getDouble(i), wide = scale * factor;
    if (!std::isfinite(float(scale)) || !std::isfinite(float(wide)) ||
        (factor != 1 && double(float(wide)) != wide))
      return std::nullopt;
  }
  bool asBits = isPower || stored.isBF16();
  if (asBits)
    gemm.scaleType = IntegerType::get(context, stored.getIntOrFloatBitWidth());
  else if (stored.isF16() && isa.hasF16C)
    gemm.scaleType = stored;
  else
    gemm.scaleType = Float32Type::get(context);
  if (stored.isF64())
    return std::nullopt;
  WeightOnlyOperands result;
  result.codes = packCodes(weight, panels, layout);
  result.scales = packGrid(weight, panels, *block, gemm.scaleType,
                           [&](HostTensor &to, int64_t at, int64_t group) {
                             if (asBits)
                               to.setBits(at, weight.scales.getBits(group));
                             else
                               to.setDouble(at, weight.scales.getDouble(group));
                           });
  gemm.zeroType = {};
  if (weight.zeros) {
    double lo = 0, hi = 0;
    bool isInteger = true;
    for (int64_t i = 0, e = weight.zeros.getNumElements(); i < e; ++i) {
      double zero = weight.zeros.getDouble(i);
      if (double(float(zero)) != zero)
        return std::nullopt;
      isInteger &= zero == std::nearbyint(zero);
      lo = std::min(lo, zero);
      hi = std::max(hi, zero);
    }
    if (isInteger && lo >= 0 && hi <= 255)
      gemm.zeroType = IntegerType::get(context, 8, IntegerType::Unsigned);
    else if (isInteger && lo >= -128 && hi <= 127)
      gemm.zeroType = IntegerType::get(context, 8);
    else
      gemm.zeroType = Float32Type::get(context);
    result.zeros = packGrid(weight, panels, *block, gemm.zeroType,
                            [&](HostTensor &to, int64_t at, int64_t group) {
                              to.setDouble(at, weight.zeros.getDouble(group));
                            });
    if (!gemm.zeroType.isF32())
      result.zeros = result.zeros.bitcast(IntegerType::get(context, 8));
  }
  return result;
}
