//===- DeviceCode.cpp - Binaries of kernels in a model ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Target/GPU/Device.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

void compress::defineDeviceCode(ModuleOp module, StringRef kernel,
                                ArrayRef<uint32_t> words) {
  Location loc = module.getLoc();
  OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
  auto count = int64_t(words.size());
  auto type = MemRefType::get({count}, b.getI32Type());
  auto value = DenseElementsAttr::get(
      RankedTensorType::get({count}, b.getI32Type()),
      ArrayRef(reinterpret_cast<const int32_t *>(words.data()), count));
  std::string symbol = (kernel + "_binary").str();
  memref::GlobalOp::create(b, loc, symbol, b.getStringAttr("private"), type,
                           value, /*constant=*/true, b.getI64IntegerAttr(16));
  auto function = module.lookupSymbol<func::FuncOp>((kernel + "_code").str());
  if (!function)
    return;
  function->setAttr(kGeneratedAttr, b.getUnitAttr());
  b.setInsertionPointToStart(function.addEntryBlock());
  Value global = memref::GetGlobalOp::create(b, loc, type, symbol);
  Value address =
      memref::ExtractAlignedPointerAsIndexOp::create(b, loc, global);
  address = arith::IndexCastOp::create(b, loc, b.getI64Type(), address);
  Value bytes =
      arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(4 * count));
  func::ReturnOp::create(b, loc, ValueRange{address, bytes});
}
