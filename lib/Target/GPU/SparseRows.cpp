//===- SparseRows.cpp - Two of four weights, packed -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SparseRows.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Target/Contraction.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace compress;
using namespace compress::device;

/// As kernels round: to nearest even, special values cut off.
static uint32_t roundToUpper(float x) {
  auto bits = llvm::bit_cast<uint32_t>(x);
  if ((bits & 0x7f800000) != 0x7f800000)
    bits += 0x7fff + (bits >> 16 & 1);
  return bits & 0xffff0000;
}

std::optional<SparseRows> SparseRows::match(ContractOp op, DeviceKernel &k,
                                            int64_t multiple) {
  auto shape = matchMatmul(op);
  if (!shape || shape->k.size() != 1 || !shape->batch.empty())
    return std::nullopt;
  for (unsigned number = 0; number < 2; ++number) {
    Value operand = number ? op.getRhs() : op.getLhs();
    auto constant = operand.getDefiningOp<ConstantOp>();
    auto type = dyn_cast<CompressedTensorType>(operand.getType());
    auto sparse =
        type ? dyn_cast<SparseAttr>(type.getEncoding()) : SparseAttr();
    if (!constant || !sparse || type.getRank() != 2 ||
        sparse.getPattern() != SparsePattern::NM || sparse.getN() != 2 ||
        sparse.getM() != 4 || !isa<DenseAttr>(sparse.getOf()) ||
        !type.getElementType().isF32())
      continue;
    auto dim = cast<AffineDimExpr>(op.getMap(number).getResult(0));
    int64_t axis = dim.getPosition() == shape->k[0] ? 0 : 1;
    if (sparse.getAxis(2) != axis)
      continue;
    auto dense = decodeTensor({type, constant.getLeaves()});
    if (!dense) {
      llvm::consumeError(dense.takeError());
      continue;
    }
    std::vector<float> values = dense->toFloats();
    int64_t depth = type.getShape()[axis], rows = type.getShape()[1 - axis];
    int64_t padded = llvm::alignTo(depth, multiple);
    Type storage = cast<DenseAttr>(sparse.getOf()).getStorageType();
    unsigned terms =
        storage.isBF16() || storage.getIntOrFloatBitWidth() <= 8 ? 1 : 2;
    SparseRows result;
    result.number = number;
    result.valuesPerRow = padded / 4;
    result.positionsPerRow = padded / 32;
    Type i32 = k.b.getI32Type();
    SmallVector<HostTensor> packed;
    for (unsigned term = 0; term < terms; ++term)
      packed.push_back(HostTensor::allocate({rows, padded / 4}, i32));
    HostTensor positions = HostTensor::allocate({rows, padded / 32}, i32);
    auto wordsOf = [](HostTensor &tensor) {
      return reinterpret_cast<uint32_t *>(tensor.getMutableBytes().data());
    };
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t four = 0; four < padded / 4; ++four) {
        // What is not zero, and what else is needed for two.
        SmallVector<unsigned> kept;
        float block[4] = {};
        for (unsigned i = 0; i < 4 && 4 * four + i < depth; ++i) {
          int64_t at = 4 * four + i;
          block[i] = values[axis ? row * depth + at : at * rows + row];
          if (block[i] != 0)
            kept.push_back(i);
        }
        for (unsigned i = 0; i < 4 && kept.size() < 2; ++i)
          if (!llvm::is_contained(kept, i))
            kept.push_back(i);
        if (kept.size() > 2)
          return std::nullopt;
        llvm::sort(kept);
        for (unsigned i = 0; i < 2; ++i) {
          float rest = block[kept[i]];
          for (unsigned term = 0; term < terms; ++term) {
            uint32_t upper = roundToUpper(rest);
            wordsOf(packed[term])[row * (padded / 4) + four] |=
                i ? upper : upper >> 16;
            bool isSpecial = (upper & 0x7f800000) == 0x7f800000;
            rest = isSpecial ? 0 : rest - llvm::bit_cast<float>(upper);
          }
        }
        wordsOf(positions)[row * (padded / 32) + four / 8] |=
            (kept[0] | kept[1] << 2) << (4 * (four % 8));
      }
    for (HostTensor &term : packed)
      result.values.push_back(k.addConstant(term, "values"));
    result.positions = k.addConstant(positions, "positions");
    return result;
  }
  return std::nullopt;
}
