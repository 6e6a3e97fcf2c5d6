//===- BlockPacking.cpp - Weights that stay compressed ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Layouts of weights that kernels widen while they compute.
//
//===----------------------------------------------------------------------===//

#include "KernelBlockDot.h"
#include "KernelWeightOnly.h"
#include "WeightDecoder.h"
#include "compress/Dialect/Compress/IR/Minifloat.h"
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

int64_t BlockOperands::getByteSize() const {
  int64_t bytes = codes.getBytes().size() + scales.getBytes().size();
  for (const HostTensor *part : {&zeros, &table})
    if (*part)
      bytes += part->getBytes().size();
  return bytes;
}

//===----------------------------------------------------------------------===//
// Scales and zero points
//===----------------------------------------------------------------------===//

/// Where column `n` of padded columns lies.
static std::tuple<int64_t, int64_t> getPanelOf(const Panels &panels,
                                               int64_t n) {
  int64_t panel = n / panels.getFullColumns();
  return {panel * panels.getFullColumns(),
          panel < panels.numFull ? panels.getFullColumns()
                                 : int64_t(panels.tailVectors) * panels.lanes};
}

/// One value per block and column, [panel, block, column].
static HostTensor packGrid(
    const WeightMatrix &weight, const Panels &panels, int64_t block, Type type,
    llvm::function_ref<void(HostTensor &, int64_t to, int64_t group)> copy) {
  int64_t blocks = llvm::divideCeil(weight.getK(), block);
  auto result =
      HostTensor::allocate({blocks * panels.getPaddedColumns()}, type);
  for (int64_t n = 0; n < weight.getN(); ++n) {
    auto [first, width] = getPanelOf(panels, n);
    for (int64_t i = 0; i < blocks; ++i)
      copy(result, first * blocks + i * width + n - first,
           weight.getGroup(n, i * block));
  }
  return result;
}

/// Scales in the type that kernels load (see WeightOnlyGEMM::scaleType);
/// nothing where f32 cannot hold them, also after a multiplication by `factor`.
static std::optional<HostTensor> packScales(const WeightMatrix &weight,
                                            const KernelISA &isa, int64_t block,
                                            float factor) {
  Type stored = weight.scales.getElementType();
  if (stored.isF64())
    return std::nullopt;
  for (int64_t i = 0, e = weight.scales.getNumElements(); i < e; ++i) {
    // Nothing may overflow or lose bits on the way to f32.
    double scale = weight.scales.getDouble(i), wide = scale * factor;
    if (!std::isfinite(float(scale)) || !std::isfinite(float(wide)) ||
        (factor != 1 && double(float(wide)) != wide))
      return std::nullopt;
  }
  // Scales keep their type where it is cheap to convert.
  bool asBits = isa_and_present<Float8E8M0FNUType>(stored) || stored.isBF16();
  MLIRContext *context = stored.getContext();
  Type type = Float32Type::get(context);
  if (asBits)
    type = IntegerType::get(context, stored.getIntOrFloatBitWidth());
  else if (stored.isF16() && isa.hasF16C)
    type = stored;
  return packGrid(weight, Panels(isa, weight.getN()), block, type,
                  [&](HostTensor &to, int64_t at, int64_t group) {
                    if (asBits)
                      to.setBits(at, weight.scales.getBits(group));
                    else
                      to.setDouble(at, weight.scales.getDouble(group));
                  });
}

/// The type that holds all zero points plus `shift`, which f32 must hold.
static Type chooseZeroType(const WeightMatrix &weight, int64_t shift) {
  MLIRContext *context = weight.encoding.getContext();
  double lo = 0, hi = 0;
  bool isInteger = true;
  for (int64_t i = 0, e = weight.zeros.getNumElements(); i < e; ++i) {
    double zero = weight.zeros.getDouble(i);
    if (double(float(zero)) != zero)
      return {};
    isInteger &= zero == std::nearbyint(zero);
    lo = std::min(lo, zero + shift);
    hi = std::max(hi, zero + shift);
  }
  if (isInteger && lo >= 0 && hi <= 255)
    return IntegerType::get(context, 8, IntegerType::Unsigned);
  if (isInteger && lo >= -128 && hi <= 127)
    return IntegerType::get(context, 8);
  return Float32Type::get(context);
}

static HostTensor packZeros(const WeightMatrix &weight, const KernelISA &isa,
                            int64_t block, Type type, int64_t shift) {
  HostTensor zeros =
      packGrid(weight, Panels(isa, weight.getN()), block, type,
               [&](HostTensor &to, int64_t at, int64_t group) {
                 to.setDouble(at, weight.zeros.getDouble(group) + shift);
               });
  return type.isF32() ? zeros
                      : zeros.bitcast(IntegerType::get(type.getContext(), 8));
}

//===----------------------------------------------------------------------===//
// Products in f32
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
                           IntegerType::get(layout.codeType.getContext(), 8));
  auto *bytes =
      reinterpret_cast<uint8_t *>(result.getMutableData<int8_t>().data());
  for (int64_t n = 0; n < weight.getN(); ++n) {
    auto [first, width] = getPanelOf(panels, n);
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

std::optional<BlockOperands>
compress::cpu::packWeightOnly(const WeightMatrix &weight,
                              WeightOnlyGEMM &gemm) {
  const KernelISA &isa = *gemm.isa;
  gemm.hasTable = !weight.table.empty();
  gemm.codeType = weight.codes.getElementType();
  if (gemm.codeType.getIntOrFloatBitWidth() > 8)
    return std::nullopt;
  CodeLayout layout(gemm.codeType);
  std::optional<int64_t> block = weight.getBlock();
  // A unit of codes must not need two scales.
  if (!block || (*block != weight.getK() && *block % layout.unit) ||
      (*block > 256 && *block != weight.getK() && *block % 256 && *block > 512))
    return std::nullopt;
  gemm.block = *block;
  float factor = 1;
  if (layout.isFloat() && !usesTable(layout, isa)) {
    auto type = cast<FloatType>(gemm.codeType);
    if (!checkPlacement(weight, type))
      return std::nullopt;
    factor = FloatPlacement(type, isa).factor;
  }
  auto scales = packScales(weight, isa, *block, factor);
  if (!scales)
    return std::nullopt;
  gemm.scaleType = scales->getElementType();
  BlockOperands result;
  result.scales = std::move(*scales);
  gemm.zeroType = {};
  if (weight.zeros) {
    gemm.zeroType = chooseZeroType(weight, 0);
    if (!gemm.zeroType)
      return std::nullopt;
    result.zeros = packZeros(weight, isa, *block, gemm.zeroType, 0);
  }
  if (gemm.hasTable) {
    result.table = HostTensor::allocate(
        {gemm.getTableSize()}, Float32Type::get(gemm.codeType.getContext()));
    auto entries = result.table.getMutableData<float>();
    for (size_t i = 0, period = size_t(1) << layout.width; i < entries.size();
         ++i)
      if (i % period < weight.table.size())
        entries[i] = weight.table[i % period];
  }
  result.codes = packCodes(weight, Panels(isa, weight.getN()), layout);
  return result;
}

//===----------------------------------------------------------------------===//
// Integer products
//===----------------------------------------------------------------------===//

/// k per integer sum that stays in registers, where scales do not say.
static constexpr int64_t kLongBlock = 512;
/// No integer sum is over more k: a widened block must fit the stack.
static constexpr int64_t kLongestBlock = 2048;

/// Sets the block sizes, if the groups of both sides go together.
static bool chooseBlocks(const WeightMatrix &weight, BlockDotGEMM &gemm) {
  std::optional<int64_t> weightBlock = weight.getBlock();
  if (!weightBlock)
    return false;
  gemm.weightBlock = std::min(*weightBlock, gemm.k);
  gemm.activationGroup = std::min(gemm.activationGroup, gemm.k);
  gemm.block = std::min(gemm.weightBlock, gemm.activationGroup);
  if (gemm.block > kLongBlock &&
      (gemm.block == gemm.k || gemm.block % kLongBlock == 0))
    gemm.block = kLongBlock;
  auto fits = [&](int64_t group) {
    return group == gemm.k || group % gemm.block == 0;
  };
  return gemm.block <= kLongestBlock && fits(gemm.weightBlock) &&
         fits(gemm.activationGroup);
}

/// The words of a unit of pairs; nothing when more than two of four codes are
/// not zero.
static std::optional<HostTensor> packPairs(const WeightMatrix &weight,
                                           const BlockDotGEMM &gemm) {
  Panels panels(*gemm.isa, gemm.n);
  CodePlanes planes = gemm.getPlanes();
  int64_t block = std::min(gemm.block, gemm.k);
  int64_t units = planes.getUnits(block);
  auto result =
      HostTensor::allocate({panels.getPaddedColumns() * gemm.getColumnBytes()},
                           IntegerType::get(weight.encoding.getContext(), 8));
  auto *bytes =
      reinterpret_cast<uint8_t *>(result.getMutableData<int8_t>().data());
  for (int64_t n = 0; n < gemm.n; ++n) {
    int64_t first, width;
    std::tie(first, width) = getPanelOf(panels, n);
    uint8_t *base = bytes + first * gemm.getColumnBytes();
    for (int64_t begin = 0; begin < gemm.k; begin += block) {
      int64_t end = std::min(begin + block, gemm.k);
      for (int64_t k = begin; k < end; k += 4) {
        int64_t step = (k - begin) / 4;
        int64_t unit = begin / block * units + step / planes.steps;
        step %= planes.steps;
        auto byteAt = [&](int64_t word, int64_t byte) -> uint8_t & {
          word += unit * planes.words;
          return base[(word * width + n - first) * 4 + byte];
        };
        // The second of two places is at least one.
        int64_t places[] = {0, 0}, count = 0;
        uint8_t values[] = {0, 0};
        for (int64_t j = 0; j < std::min<int64_t>(4, end - k); ++j) {
          int64_t code = weight.getCode(n, k + j);
          if (!code)
            continue;
          if (count == 2)
            return std::nullopt;
          places[count] = j - count;
          values[count++] = uint8_t(code);
        }
        if (gemm.isa->expandBytes) {
          // Always two bits of the mask, in order.
          int64_t mask = 0;
          for (int64_t i = 0; i < count; ++i)
            mask |= int64_t(1) << (places[i] + i);
          int64_t filler = mask == 8 ? 1 : mask ? 8 : 3;
          if (count < 2)
            mask |= filler;
          if (filler == 1)
            std::swap(values[0], values[1]);
          int64_t lanes = gemm.isa->getLanes(), lane = (n - first) % lanes;
          // From the first column of the vector on.
          auto vectorByte = [&](int64_t word, int64_t byte) -> uint8_t & {
            return byteAt(word, byte - 4 * lane);
          };
          for (int64_t i = 0; i < 2; ++i)
            vectorByte(step / 2, step % 2 * 32 + 2 * lane + i) = values[i];
          vectorByte(4, 8 * step + lane / 2) |= uint8_t(mask << (lane % 2 * 4));
          continue;
        }
        for (int64_t i = 0; i < 2; ++i)
          byteAt(step / 2, step % 2 * 2 + i) = values[i];
        byteAt(4, step / 2) |=
            uint8_t((places[0] | places[1] << 2) << (step % 2 * 4));
      }
    }
  }
  return result;
}

static HostTensor packPlanes(const WeightMatrix &weight,
                             const BlockDotGEMM &gemm) {
  Panels panels(*gemm.isa, gemm.n);
  CodePlanes planes = gemm.getPlanes();
  int64_t block = std::min(gemm.block, gemm.k);
  int64_t units = planes.getUnits(block),
          unitExtent = int64_t(planes.steps) * 4;
  auto result =
      HostTensor::allocate({panels.getPaddedColumns() * gemm.getColumnBytes()},
                           IntegerType::get(weight.encoding.getContext(), 8));
  auto *bytes =
      reinterpret_cast<uint8_t *>(result.getMutableData<int8_t>().data());
  for (int64_t n = 0; n < gemm.n; ++n) {
    auto [first, width] = getPanelOf(panels, n);
    uint8_t *base = bytes + first * gemm.getColumnBytes();
    for (int64_t k = 0; k < gemm.k; ++k) {
      // Modulo 2^8, so that signed stored codes come out right.
      unsigned code = unsigned(weight.getCode(n, k) + gemm.offset) &
                      ((1u << gemm.width) - 1);
      int64_t unit = k / block * units + k % block / unitExtent;
      unsigned step = k % block % unitExtent / 4, byte = k % block % 4;
      for (const CodePlanes::Plane &plane : planes.planes) {
        unsigned bit = step * plane.width;
        int64_t word = unit * planes.words + plane.firstWord + bit / 8;
        unsigned part = code >> plane.lowBit & ((1u << plane.width) - 1);
        base[(word * width + n - first) * 4 + byte] |= part << (bit % 8);
      }
    }
  }
  return result;
}

/// Whether f32 holds the sums of products with a zero point for all.
static bool isZeroExact(const BlockDotGEMM &gemm) {
  double most = std::fabs(gemm.zero) + double(1 << gemm.width);
  return gemm.zero * 2 == std::nearbyint(gemm.zero * 2) &&
         most * 2 * 255 * std::min(gemm.block, gemm.k) < 0x1p24;
}

/// The multiples that the entries of a table are of their least magnitude, or
/// nothing. Sets `step` to that.
static std::optional<SmallVector<int64_t>> getMultiples(ArrayRef<float> table,
                                                        double &step) {
  step = 0;
  for (float entry : table)
    if (double magnitude = std::fabs(double(entry));
        magnitude && (!step || magnitude < step))
      step = magnitude;
  SmallVector<int64_t> result;
  for (float entry : table) {
    double multiple = step ? entry / step : 0;
    if (!(std::fabs(multiple) < 256) || multiple != std::nearbyint(multiple) ||
        multiple * step != entry)
      return std::nullopt;
    result.push_back(int64_t(multiple));
  }
  return result;
}

std::optional<WeightMatrix>
compress::cpu::getIntegerMatrix(const WeightMatrix &weight) {
  double step;
  auto codes = getMultiples(weight.table, step);
  if (!codes || !step)
    return std::nullopt;
  unsigned width = weight.codes.getBitWidth();
  int64_t lo = *llvm::min_element(*codes), hi = *llvm::max_element(*codes);
  // Codes of no more bits: the multiples, or how far they are above the least,
  // perhaps in larger steps.
  WeightMatrix result = weight;
  bool isSigned = width > 1 && lo >= -(int64_t(1) << (width - 1)) &&
                  hi < int64_t(1) << (width - 1);
  if (!isSigned) {
    int64_t stride = 0;
    for (int64_t code : *codes)
      stride = std::gcd(stride, code - lo);
    if (!stride || (hi - lo) / stride >= int64_t(1) << width)
      return std::nullopt;
    for (int64_t &code : *codes)
      code = (code - lo) / stride;
    step *= double(stride);
    result.zero = -double(lo) / double(stride);
  }
  result.table.clear();
  MLIRContext *context = weight.scales.getElementType().getContext();
  Type codeType = IntegerType::get(
      context, width, isSigned ? IntegerType::Signless : IntegerType::Unsigned);
  Type scaleType = weight.scales.getElementType();
  result.encoding = QuantAttr::get(context, codeType, {},
                                   DenseAttr::get(context, scaleType), {});
  result.codes = HostTensor::allocate(weight.codes.getShape(), codeType);
  for (int64_t i = 0, e = result.codes.getNumElements(); i < e; ++i) {
    uint64_t entry = weight.codes.getBits(i);
    if (entry >= codes->size())
      return std::nullopt;
    result.codes.setBits(i, uint64_t((*codes)[entry]) &
                                ((uint64_t(1) << width) - 1));
  }
  if (step != 1) {
    result.scales = HostTensor::allocate(weight.scales.getShape(), scaleType);
    for (int64_t i = 0, e = result.scales.getNumElements(); i < e; ++i) {
      double scale = weight.scales.getDouble(i) * step;
      result.scales.setDouble(i, scale);
      if (result.scales.getDouble(i) != scale)
        return std::nullopt;
    }
  }
  return result;
}

std::optional<BlockOperands>
compress::cpu::packBlockDot(const WeightMatrix &weight, BlockDotGEMM &gemm) {
  QuantAttr encoding = weight.encoding;
  gemm.n = weight.getN();
  gemm.k = weight.getK();
  if (encoding.isFloatCode() || encoding.getCodeWidth() > 8 ||
      !chooseBlocks(weight, gemm))
    return std::nullopt;
  gemm.width = encoding.getCodeWidth();
  // One factor of a dot product is unsigned. Stored codes are, or fit both
  // ways, except where 8 bits must be signed.
  bool storesSigned = gemm.activationUnsigned && gemm.width == 8;
  gemm.offset = (encoding.isSignedCode() ? int64_t(1) << (gemm.width - 1) : 0) -
                (storesSigned ? 128 : 0);
  auto scales = packScales(weight, *gemm.isa, gemm.weightBlock, 1);
  if (!scales)
    return std::nullopt;
  gemm.scaleType = scales->getElementType();
  BlockOperands result;
  result.scales = std::move(*scales);
  gemm.zeroType = {};
  if (weight.zeros) {
    gemm.zeroType = chooseZeroType(weight, gemm.offset);
    if (!gemm.zeroType || gemm.zeroType.isF32())
      return std::nullopt;
    result.zeros = packZeros(weight, *gemm.isa, gemm.weightBlock, gemm.zeroType,
                             gemm.offset);
  }
  gemm.zero = weight.zero;
  if (gemm.zero) {
    gemm.zero += gemm.offset;
    if (weight.zeros || !isZeroExact(gemm))
      return std::nullopt;
  }
  if (!gemm.inPairs) {
    result.codes = packPlanes(weight, gemm);
    return result;
  }
  if (gemm.width != 8)
    return std::nullopt;
  // What is added to widened codes is also added to padding.
  if (gemm.offset && (gemm.k % 4 || gemm.block % 4))
    return std::nullopt;
  auto pairs = packPairs(weight, gemm);
  if (!pairs)
    return std::nullopt;
  result.codes = std::move(*pairs);
  return result;
}
