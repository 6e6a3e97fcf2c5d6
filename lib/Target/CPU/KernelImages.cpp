//===- KernelImages.cpp - Images in kernels ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelImages.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

Value compress::cpu::flatten(KernelBuilder &k, Value memref) {
  int64_t rank = cast<MemRefType>(memref.getType()).getRank();
  if (rank == 1)
    return memref;
  ReassociationIndices all = llvm::to_vector<2>(llvm::seq<int64_t>(0, rank));
  return memref::CollapseShapeOp::create(k.b, k.loc, memref,
                                         ArrayRef<ReassociationIndices>{all});
}

MemRefType compress::cpu::getPlacedType(MemRefType type) {
  SmallVector<int64_t> strides(type.getRank(), ShapedType::kDynamic);
  strides.back() = 1;
  return MemRefType::get(
      type.getShape(), type.getElementType(),
      StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, strides));
}

PlacedImages::PlacedImages(KernelBuilder &k, Value memref) {
  auto metadata = memref::ExtractStridedMetadataOp::create(k.b, k.loc, memref);
  offset = metadata.getOffset();
  ValueRange all = metadata.getStrides();
  strides = llvm::to_vector<3>(all.drop_back());
  if (strides.size() == 2)
    strides.insert(strides.begin() + 1, k.index(0));
  // No access is checked against this extent.
  Value extent = k.index(int64_t(1) << 40);
  auto type =
      MemRefType::get({ShapedType::kDynamic},
                      cast<MemRefType>(memref.getType()).getElementType(),
                      StridedLayoutAttr::get(k.b.getContext(), 0, {1}));
  flat = memref::ReinterpretCastOp::create(
      k.b, k.loc, type, metadata.getBaseBuffer(),
      /*offset=*/OpFoldResult(k.b.getIndexAttr(0)),
      ArrayRef<OpFoldResult>{extent},
      ArrayRef<OpFoldResult>{k.b.getIndexAttr(1)});
}
