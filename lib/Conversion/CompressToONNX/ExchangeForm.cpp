//===- ExchangeForm.cpp - What ONNX carries in place of a tensor ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GraphBuilder.h"
#include "compress/Dialect/Compress/IR/Encoding.h"

using namespace mlir;
using namespace compress;

llvm::Expected<EncodedTensor>
compress::getExchangeForm(const EncodedTensor &tensor) {
  auto form = tensor.type.getEncoding().getExchangeForm(tensor);
  if (!form)
    return form.takeError();
  SmallVector<EncodingAttrInterface> encodings;
  SmallVector<HostTensor> leaves;
  for (const ComponentValue &part : splitLeaves(form->type, form->leaves)) {
    if (!isa<CompressedTensorType>(part.component.type)) {
      encodings.push_back(cast<EncodingAttrInterface>(part.component.encoding));
      llvm::append_range(leaves, part.leaves);
      continue;
    }
    auto inner = getExchangeForm(getEncodedTensor(part));
    if (!inner)
      return inner.takeError();
    encodings.push_back(inner->type.getEncoding());
    llvm::append_range(leaves, inner->leaves);
  }
  CompressedTensorType type = form->type;
  type = CompressedTensorType::get(
      type.getContext(), type.getShape(), type.getElementType(),
      type.getEncoding().withComponentEncodings(encodings));
  return EncodedTensor{type, std::move(leaves)};
}

Value compress::attachUnusedLeaves(GraphBuilder &g, Value value,
                                   ArrayRef<HostTensor> leaves) {
  auto type = cast<RankedTensorType>(value.getType());
  for (auto [i, leaf] : llvm::enumerate(leaves)) {
    int64_t count = leaf.getNumElements();
    if (count == 0 || g.hasLeaf(i))
      continue;
    // Where(true, value, first element of the leaf). Slice takes no 4-bit
    // types, and Where no bf16.
    Type element = type.getElementType();
    Type wide = element.isBF16() ? g.f32() : element;
    Value stored = writeNumbers(g, leaf.reshape(count), leaf.getElementType(),
                                i, "unused");
    stored = g.cast(stored, wide);
    if (count > 1)
      stored = g.cutTo(stored, 1);
    stored = g.reshape(stored, SmallVector<int64_t>(type.getRank(), 1));
    HostTensor flag = HostTensor::allocate({}, g.boolean());
    flag.setBits(0, 1);
    value = g.where(g.constant(flag), g.cast(value, wide), stored);
    value = g.cast(value, element);
  }
  return value;
}
