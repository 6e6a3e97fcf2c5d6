//===- SimplifyEncodings.cpp - The laws of the algebra ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/Compress/Transforms/Passes.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSSIMPLIFYENCODINGS
#include "compress/Dialect/Compress/Transforms/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

namespace {
struct SimplifyEncodings
    : public compress::impl::CompressSimplifyEncodingsBase<SimplifyEncodings> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<ConstantOp> constants;
    getOperation()->walk([&](ConstantOp op) { constants.push_back(op); });
    for (ConstantOp op : constants) {
      if (!acceptsAnyEncoding(op.getResult()))
        continue;
      EncodedTensor tensor{op.getType(), op.getLeaves()};
      EncodedTensor simpler = simplifyTensor(tensor, allowRounding);
      if (simpler.type == tensor.type)
        continue;
      if (remarks)
        op.emitRemark("stored as ") << simpler.type << " instead";
      OpBuilder builder(op);
      auto replacement = ConstantOp::create(builder, op.getLoc(), simpler.type,
                                            simpler.leaves);
      replacement->setDiscardableAttrs(op->getDiscardableAttrDictionary());
      op.getResult().replaceAllUsesWith(replacement.getResult());
      op.erase();
      ++numSimplified;
    }
  }
};
} // namespace
