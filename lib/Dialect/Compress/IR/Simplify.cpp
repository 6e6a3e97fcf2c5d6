//===- Simplify.cpp - The laws of the algebra, applied ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"

using namespace mlir;
using namespace compress;

/// Plain storage of floats as integers or powers of two: encodings refuse it
/// for some of their components or read it in another way, which no simpler
/// type is worth.
static bool isSpecialStorage(EncodingAttrInterface encoding, Type elementType) {
  auto dense = dyn_cast<DenseAttr>(encoding);
  return dense && isa<FloatType>(elementType) &&
         (!isa<FloatType>(dense.getStorageType()) ||
          isa<Float8E8M0FNUType>(dense.getStorageType()));
}

EncodedTensor compress::simplifyTensor(EncodedTensor tensor,
                                       bool allowRounding) {
  // Inside first: what a law needs to see may be hidden by another.
  SmallVector<EncodingAttrInterface> encodings;
  SmallVector<HostTensor> leaves;
  bool changed = false;
  for (const ComponentValue &part : splitLeaves(tensor.type, tensor.leaves)) {
    auto encoding = cast<EncodingAttrInterface>(part.component.encoding);
    if (!isa<CompressedTensorType>(part.component.type)) {
      encodings.push_back(encoding);
      llvm::append_range(leaves, part.leaves);
      continue;
    }
    EncodedTensor nested =
        simplifyTensor(getEncodedTensor(part), allowRounding);
    if (isSpecialStorage(nested.type.getEncoding(), part.component.elementType))
      nested = getEncodedTensor(part);
    changed |= nested.type.getEncoding() != encoding;
    encodings.push_back(nested.type.getEncoding());
    llvm::append_range(leaves, nested.leaves);
  }
  if (changed) {
    tensor.type = CompressedTensorType::get(
        tensor.type.getContext(), tensor.type.getShape(),
        tensor.type.getElementType(),
        tensor.type.getEncoding().withComponentEncodings(encodings));
    tensor.leaves = std::move(leaves);
  }
  auto simpler = tensor.type.getEncoding().simplify(tensor, allowRounding);
  if (failed(simpler))
    return tensor;
  return simplifyTensor(*simpler, allowRounding);
}
