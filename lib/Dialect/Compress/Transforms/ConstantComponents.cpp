//===- ConstantComponents.cpp - Components of constants ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/Transforms/ConstantComponents.h"
#include "compress/Dialect/Compress/IR/EncodingIR.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace compress;

/// A leaf of sub-byte width is kept as packed bytes; this emits the tensor of
/// its elements, each cut out of the one to three bytes that hold it.
static Value unpackLeaf(OpBuilder &builder, Location loc,
                        const HostTensor &leaf, RankedTensorType type,
                        StringRef name) {
  MLIRContext *context = builder.getContext();
  unsigned width = leaf.getBitWidth();
  int64_t numBytes = leaf.getBytes().size();
  // The same bytes under another type, without a copy. They belong to the
  // attribute, or to the leaf where that had to be packed.
  HostTensor bytes =
      HostTensor::borrow({numBytes}, builder.getI8Type(), leaf.getBytes(),
                         std::make_shared<HostTensor>(leaf));
  Value packed =
      arith::ConstantOp::create(builder, loc, bytes.toResource(name));
  unsigned rank = type.getRank();
  auto codeType = builder.getIntegerType(width);
  Value init = tensor::EmptyOp::create(builder, loc, type.getShape(), codeType);
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  AffineExpr flat = getAffineConstantExpr(0, context);
  int64_t stride = 1;
  for (int64_t d = int64_t(rank) - 1; d >= 0; --d) {
    flat = flat + getAffineDimExpr(d, context) * stride;
    stride *= type.getDimSize(d);
  }
  // Aligned widths never straddle a byte.
  unsigned reads = 8 % width == 0 ? 1 : (width + 7 + 7) / 8;
  auto generic = linalg::GenericOp::create(
      builder, loc, init.getType(), ValueRange(), init,
      builder.getMultiDimIdentityMap(rank), iterators,
      [&](OpBuilder &b, Location loc, ValueRange) {
        SmallVector<OpFoldResult> position;
        for (unsigned d = 0; d < rank; ++d)
          position.push_back(linalg::IndexOp::create(b, loc, d).getResult());
        auto at = [&](AffineExpr expr) -> Value {
          return affine::AffineApplyOp::create(
              b, loc, AffineMap::get(rank, 0, expr, context),
              llvm::map_to_vector(
                  position, [](OpFoldResult r) { return cast<Value>(r); }));
        };
        AffineExpr bit = flat * int64_t(width);
        Type i32 = b.getI32Type();
        Value word = nullptr;
        Value first = at(bit.floorDiv(8));
        Value last = arith::ConstantIndexOp::create(b, loc, numBytes - 1);
        for (unsigned i = 0; i < reads; ++i) {
          Value index = first;
          if (i > 0) {
            index = arith::AddIOp::create(
                b, loc, first, arith::ConstantIndexOp::create(b, loc, i));
            // Past the end lie bits that no element needs.
            index = arith::MinUIOp::create(b, loc, index, last);
          }
          Value byte = tensor::ExtractOp::create(b, loc, packed, index);
          byte = arith::ExtUIOp::create(b, loc, i32, byte);
          if (i == 0) {
            word = byte;
            continue;
          }
          Value shift =
              arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(8 * i));
          byte = arith::ShLIOp::create(b, loc, byte, shift);
          word = arith::OrIOp::create(b, loc, word, byte);
        }
        Value shift = arith::IndexCastUIOp::create(b, loc, i32, at(bit % 8));
        word = arith::ShRUIOp::create(b, loc, word, shift);
        Value code = arith::TruncIOp::create(b, loc, codeType, word);
        linalg::YieldOp::create(b, loc, code);
      });
  Value codes = generic.getResult(0);
  if (isa<IntegerType>(type.getElementType()))
    return codes;
  return buildElementwise(builder, loc, type.getElementType(), codes,
                          [&](OpBuilder &b, Location loc, ValueRange in) {
                            return arith::BitcastOp::create(
                                b, loc, type.getElementType(), in[0]);
                          });
}

/// Materializes one component from its leaves, consuming them.
static Value materialize(OpBuilder &builder, Location loc, Type type,
                         ArrayAttr attrs, ArrayRef<HostTensor> leaves,
                         unsigned &next) {
  if (auto nested = dyn_cast<CompressedTensorType>(type)) {
    SmallVector<Attribute> own;
    for (unsigned i = 0, e = nested.getLeafTypes().size(); i < e; ++i)
      own.push_back(attrs[next++]);
    return ConstantOp::create(builder, loc, nested, builder.getArrayAttr(own));
  }
  unsigned index = next++;
  auto leafType = cast<RankedTensorType>(type);
  if (leaves[index].getBitWidth() % 8 == 0)
    return arith::ConstantOp::create(builder, loc,
                                     cast<TypedAttr>(attrs[index]));
  std::string name = "packed";
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attrs[index]))
    name = resource.getRawHandle().getKey().str() + ".packed";
  return unpackLeaf(builder, loc, leaves[index], leafType, name);
}

SmallVector<Value> compress::materializeComponents(OpBuilder &builder,
                                                   ConstantOp op) {
  SmallVector<HostTensor> leaves = op.getLeaves();
  SmallVector<Value> components;
  unsigned next = 0;
  for (const Component &component : op.getType().getComponents())
    components.push_back(materialize(builder, op.getLoc(), component.type,
                                     op.getComponents(), leaves, next));
  return components;
}
