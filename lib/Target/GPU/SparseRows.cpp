//===- SparseRows.cpp - Two of four weights, packed -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SparseRows.h"
#include "WarpProduct.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Target/Contraction.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;
using MatrixElement = MatrixInstruction::Element;

/// As kernels round: to nearest even, special values cut off.
static uint32_t roundToUpper(float x) {
  auto bits = llvm::bit_cast<uint32_t>(x);
  if ((bits & 0x7f800000) != 0x7f800000)
    bits += 0x7fff + (bits >> 16 & 1);
  return bits & 0xffff0000;
}

/// The bits of an f32 that f16 has.
static uint32_t toHalf(float x) {
  llvm::APFloat value(x);
  bool loses;
  value.convert(llvm::APFloat::IEEEhalf(), llvm::APFloat::rmNearestTiesToEven,
                &loses);
  return value.bitcastToAPInt().getZExtValue();
}

std::optional<unsigned> SparseRows::find(ContractOp op, MatrixElement element) {
  auto shape = matchMatmul(op);
  if (!shape || shape->k.size() != 1 || !shape->batch.empty())
    return std::nullopt;
  for (unsigned number = 0; number < 2; ++number) {
    auto type = dyn_cast<CompressedTensorType>(
        (number ? op.getRhs() : op.getLhs()).getType());
    auto sparse =
        type ? dyn_cast<SparseAttr>(type.getEncoding()) : SparseAttr();
    if (!sparse || type.getRank() != 2 ||
        sparse.getPattern() != SparsePattern::NM || sparse.getN() != 2 ||
        sparse.getM() != 4 || !type.getElementType().isF32())
      continue;
    auto dim = cast<AffineDimExpr>(op.getMap(number).getResult(0));
    int64_t axis = dim.getPosition() == shape->k[0] ? 0 : 1;
    if (sparse.getAxis(2) != axis)
      continue;
    if (element != MatrixElement::I8) {
      if (isa<DenseAttr>(sparse.getOf()))
        return number;
      continue;
    }
    auto quant = dyn_cast<QuantAttr>(sparse.getOf());
    if (!quant || quant.isFloatCode() || quant.getCodeWidth() != 8 ||
        !quant.isSignedCode() || quant.getZero())
      continue;
    int64_t group = quant.getGroup()[axis];
    if (ShapedType::isDynamic(group) ||
        group >= 2 * int64_t(llvm::divideCeil(type.getShape()[axis], 4)))
      return number;
  }
  return std::nullopt;
}

namespace {
/// The stored elements of one four, by their places in it.
struct Four {
  SmallVector<unsigned, 4> kept;
  /// What each place holds: the bits of a float, or a code.
  uint32_t values[4] = {};
};
} // namespace

std::optional<SparseRows> SparseRows::match(ContractOp op, DeviceKernel &k,
                                            MatrixElement element,
                                            int64_t multiple) {
  std::optional<unsigned> number = find(op, element);
  if (!number)
    return std::nullopt;
  Value operand = *number ? op.getRhs() : op.getLhs();
  auto constant = operand.getDefiningOp<ConstantOp>();
  if (!constant)
    return std::nullopt;
  auto type = cast<CompressedTensorType>(operand.getType());
  auto sparse = cast<SparseAttr>(type.getEncoding());
  int64_t axis = sparse.getAxis(2);
  int64_t depth = type.getShape()[axis], rows = type.getShape()[1 - axis];
  int64_t padded = llvm::alignTo(depth, multiple);

  // Reads one four of a row.
  std::function<Four(int64_t row, int64_t four)> read;
  std::vector<float> values;
  HostTensor codes, places;
  if (element == MatrixElement::I8) {
    auto parts = splitLeaves(type, constant.getLeaves());
    codes = parts[0].leaves[0];
    places = parts[1].leaves[0];
    int64_t stored = codes.getShape()[axis];
    read = [=](int64_t row, int64_t number) {
      Four four;
      for (int64_t i = 2 * number; i < std::min(2 * number + 2, stored); ++i) {
        int64_t at = axis ? row * stored + i : i * rows + row;
        auto place = unsigned(places.getBits(at)) & 3;
        four.kept.push_back(place);
        four.values[place] = codes.getBits(at) & 0xff;
      }
      return four;
    };
  } else {
    auto dense = decodeTensor({type, constant.getLeaves()});
    if (!dense) {
      llvm::consumeError(dense.takeError());
      return std::nullopt;
    }
    values = dense->toFloats();
    read = [&](int64_t row, int64_t number) {
      Four four;
      for (unsigned i = 0; i < 4 && 4 * number + i < depth; ++i) {
        int64_t at = 4 * number + i;
        float x = values[axis ? row * depth + at : at * rows + row];
        four.values[i] = llvm::bit_cast<uint32_t>(x);
        if (x != 0)
          four.kept.push_back(i);
      }
      return four;
    };
  }

  unsigned terms =
      element == MatrixElement::I8 ? 1 : *countTerms(type, element);
  bool isByte = element == MatrixElement::I8;
  // Stored values of a word are of so many fours.
  int64_t foursPerWord = isByte ? 2 : 1;
  int64_t wordsPerRow = padded / 4 / foursPerWord;
  SparseRows result;
  result.number = *number;
  result.valuesPerRow = wordsPerRow;
  result.positionsPerRow = padded / 32;
  Type i32 = k.b.getI32Type();
  SmallVector<HostTensor> packed;
  for (unsigned term = 0; term < terms; ++term)
    packed.push_back(HostTensor::allocate({rows, wordsPerRow}, i32));
  HostTensor positions = HostTensor::allocate({rows, padded / 32}, i32);
  auto wordsOf = [](HostTensor &tensor) {
    return reinterpret_cast<uint32_t *>(tensor.getMutableBytes().data());
  };
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t number = 0; number < padded / 4; ++number) {
      Four four = read(row, number);
      // What else is needed for two.
      for (unsigned i = 0; i < 4 && four.kept.size() < 2; ++i)
        if (!llvm::is_contained(four.kept, i))
          four.kept.push_back(i);
      if (four.kept.size() > 2)
        return std::nullopt;
      llvm::sort(four.kept);
      int64_t word = row * wordsPerRow + number / foursPerWord;
      for (unsigned i = 0; i < 2; ++i) {
        uint32_t bits = four.values[four.kept[i]];
        if (isByte) {
          wordsOf(packed[0])[word] |= bits << (16 * (number % 2) + 8 * i);
          continue;
        }
        auto rest = llvm::bit_cast<float>(bits);
        if (element == MatrixElement::F16) {
          wordsOf(packed[0])[word] |= toHalf(rest) << (16 * i);
          continue;
        }
        for (unsigned term = 0; term < terms; ++term) {
          uint32_t upper = roundToUpper(rest);
          wordsOf(packed[term])[word] |= i ? upper : upper >> 16;
          bool isSpecial = (upper & 0x7f800000) == 0x7f800000;
          rest = isSpecial ? 0 : rest - llvm::bit_cast<float>(upper);
        }
      }
      wordsOf(positions)[row * (padded / 32) + number / 8] |=
          (four.kept[0] | four.kept[1] << 2) << (4 * (number % 8));
    }
  for (HostTensor &term : packed)
    result.values.push_back(k.addConstant(term, "values"));
  result.positions = k.addConstant(positions, "positions");
  return result;
}
