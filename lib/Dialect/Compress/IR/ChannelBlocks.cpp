//===- ChannelBlocks.cpp - Blocks that are channels -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/ChannelBlocks.h"
#include "compress/Dialect/Compress/IR/Encoding.h"

using namespace mlir;
using namespace compress;

std::optional<int64_t>
compress::getChannelBlockAxis(CompressedTensorType type) {
  auto sparse = dyn_cast<SparseAttr>(type.getEncoding());
  if (!sparse || sparse.getPattern() != SparsePattern::Block ||
      ShapedType::isDynamic(sparse.getNnz()) ||
      !type.getElementType().isF32() ||
      llvm::any_of(type.getShape(), ShapedType::isDynamic))
    return std::nullopt;
  auto quant = dyn_cast<QuantAttr>(sparse.getOf());
  if (!quant || !isa<IntegerType>(quant.getCodeType()) || quant.getZero())
    return std::nullopt;
  auto scale = dyn_cast<DenseAttr>(quant.getScale());
  if (!scale || !isa<FloatType>(scale.getStorageType()))
    return std::nullopt;
  std::optional<int64_t> axis;
  for (auto [dim, sizes] : llvm::enumerate(
           llvm::zip_equal(type.getShape(), sparse.getArguments()))) {
    auto [size, block] = sizes;
    if (size == block)
      continue;
    if (block != 1 || axis)
      return std::nullopt;
    axis = dim;
  }
  if (!axis)
    return std::nullopt;
  // A scale for each block.
  SmallVector<int64_t> values = sparse.getValuesShape(type.getShape());
  for (auto [dim, sizes] :
       llvm::enumerate(llvm::zip_equal(values, quant.getGroup()))) {
    auto [size, group] = sizes;
    if (dim == 0 ? group != 1 : !ShapedType::isDynamic(group) && group < size)
      return std::nullopt;
  }
  return axis;
}

EncodedTensor compress::toScaledChannels(CompressedTensorType type,
                                         ArrayRef<HostTensor> leaves) {
  int64_t axis = *getChannelBlockAxis(type), count = 0;
  auto sparse = cast<SparseAttr>(type.getEncoding());
  auto quant = cast<QuantAttr>(sparse.getOf());
  MLIRContext *context = type.getContext();
  const HostTensor &codes = leaves[0], &scales = leaves[1], &mask = leaves[2];
  SmallVector<int64_t> shape(type.getShape());
  int64_t inner = 1, outer = 1;
  for (int64_t dim : ArrayRef(shape).take_front(axis))
    outer *= dim;
  for (int64_t dim : ArrayRef(shape).drop_front(axis + 1))
    inner *= dim;
  shape[axis] = sparse.getNnz();

  // From the block's place to that of its channel.
  HostTensor moved = HostTensor::allocate(shape, codes.getElementType());
  int64_t to = 0;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t j = 0; j < shape[axis]; ++j)
      for (int64_t i = 0; i < inner; ++i)
        moved.setBits(to++, codes.getBits((j * outer + o) * inner + i));
  SmallVector<int64_t> scaleShape(shape.size(), 1);
  scaleShape[axis] = shape[axis];
  HostTensor one = HostTensor::allocate(SmallVector<int64_t>(shape.size(), 1),
                                        Float32Type::get(context));
  one.setDouble(0, 1);
  HostTensor kept =
      HostTensor::allocate({shape[axis]}, IntegerType::get(context, 32));
  for (int64_t i = 0, e = mask.getNumElements(); i < e; ++i)
    if (mask.getBits(i))
      kept.setBits(count++, uint64_t(i));

  SmallVector<int64_t> whole(shape.size(), ShapedType::kDynamic);
  SmallVector<int64_t> perChannel = whole;
  perChannel[axis] = 1;
  auto plain =
      QuantAttr::get(context, quant.getCodeType(), whole,
                     DenseAttr::get(context, Float32Type::get(context)), {});
  auto scaled = ScaledAttr::get(context, perChannel, quant.getScale(), plain);
  auto channels = SparseAttr::get(context, SparsePattern::Channels, {axis},
                                  sparse.getNnz(), scaled);
  return {CompressedTensorType::get(context, type.getShape(),
                                    type.getElementType(), channels),
          {moved, one, scales.reshape(scaleShape), kept}};
}

bool compress::hasChannelsOfCodes(CompressedTensorType type) {
  if (getChannelBlockAxis(type))
    return true;
  auto sparse = dyn_cast<SparseAttr>(type.getEncoding());
  if (!sparse || sparse.getPattern() != SparsePattern::Channels)
    return false;
  auto scaled = dyn_cast<ScaledAttr>(sparse.getOf());
  return scaled && isa<QuantAttr>(scaled.getOf());
}
