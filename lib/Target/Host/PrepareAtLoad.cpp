//===- PrepareAtLoad.cpp - Decode constants once ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"

namespace compress {
#define GEN_PASS_DEF_COMPRESSPREPAREATLOAD
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

namespace {
struct PrepareAtLoad
    : public compress::impl::CompressPrepareAtLoadBase<PrepareAtLoad> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>(kMainFunction);
    if (!main || main.isExternal())
      return;
    SmallVector<DecodeOp> decodes;
    main.walk([&](DecodeOp op) {
      if (op.getSource().getDefiningOp<ConstantOp>())
        decodes.push_back(op);
    });
    if (decodes.empty())
      return;
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    SmallVector<Type> types;
    SmallVector<int64_t> elementBytes;
    for (DecodeOp op : decodes) {
      types.push_back(op.getType());
      elementBytes.push_back(
          op.getType().getElementType().getIntOrFloatBitWidth() / 8);
    }
    module->setAttr(kPreparedBytesAttr,
                    builder.getDenseI64ArrayAttr(elementBytes));
    auto prepare =
        func::FuncOp::create(builder, module.getLoc(), kPrepareFunction,
                             builder.getFunctionType({}, types));
    prepare.setPrivate();
    builder.setInsertionPointToStart(prepare.addEntryBlock());
    SmallVector<Value> results;
    for (DecodeOp op : decodes) {
      Operation *constant =
          builder.clone(*op.getSource().getDefiningOp<ConstantOp>());
      results.push_back(
          DecodeOp::create(builder, op.getLoc(), constant->getResult(0)));
    }
    func::ReturnOp::create(builder, module.getLoc(), results);
    for (DecodeOp op : decodes) {
      unsigned index = main.getNumArguments();
      auto attrs = builder.getDictionaryAttr(
          {builder.getNamedAttr(kArgumentRoleAttr,
                                builder.getStringAttr("prepared")),
           builder.getNamedAttr("bufferization.writable",
                                builder.getBoolAttr(false))});
      if (failed(main.insertArgument(index, op.getType(), attrs, op.getLoc())))
        return signalPassFailure();
      op.replaceAllUsesWith(main.getArgument(index));
      Operation *constant = op.getSource().getDefiningOp();
      op.erase();
      if (constant->use_empty())
        constant->erase();
      ++numPrepared;
    }
  }
};
} // namespace
