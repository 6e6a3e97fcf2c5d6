//===- ExternalizeWeights.cpp - Constants to the weight file ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/HostTensor.h"
#include "compress/Target/Host/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/SHA256.h"
#include <map>

namespace compress {
#define GEN_PASS_DEF_COMPRESSEXTERNALIZEWEIGHTS
#include "compress/Target/Host/Passes.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

/// Offsets are multiples of a cache line, so that every vector load is aligned.
static constexpr int64_t kAlignment = 64;

namespace {
struct ExternalizeWeights
    : public compress::impl::CompressExternalizeWeightsBase<
          ExternalizeWeights> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    Builder b(&getContext());
    if (failed(readStored(module)))
      return signalPassFailure();
    auto bytesType = MemRefType::get({ShapedType::kDynamic},
                                     IntegerType::get(&getContext(), 8));
    for (auto function : module.getOps<func::FuncOp>()) {
      if (function.isExternal() || function->hasAttr(kGeneratedAttr))
        continue;
      SmallVector<arith::ConstantOp> constants, empty;
      function.walk([&](arith::ConstantOp op) {
        auto type = dyn_cast<RankedTensorType>(op.getType());
        if (!type || !isa<ElementsAttr>(op.getValue()))
          return;
        if (type.getNumElements() == 0) {
          empty.push_back(op);
          return;
        }
        if (auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
            dense && dense.isSplat())
          return;
        unsigned width = HostTensor::getWidth(type.getElementType());
        // Booleans and sub-byte elements have no byte layout to map.
        if (width == 0 || width % 8 != 0)
          return;
        if (type.getNumElements() * (width / 8) >= minBytes)
          constants.push_back(op);
      });
      // The export to LLVM IR cannot write empty resources.
      for (arith::ConstantOp op : empty) {
        OpBuilder builder(op);
        auto type = cast<RankedTensorType>(op.getType());
        op.replaceAllUsesWith(tensor::EmptyOp::create(builder, op.getLoc(),
                                                      type.getShape(),
                                                      type.getElementType())
                                  .getResult());
        op.erase();
      }
      Value base;
      if (!constants.empty() || function.getName() == kMainFunction ||
          function.getName() == kPrepareFunction) {
        auto attrs = b.getDictionaryAttr(
            b.getNamedAttr(kArgumentRoleAttr, b.getStringAttr("weights")));
        if (failed(function.insertArgument(0, bytesType, attrs,
                                           function.getLoc())))
          return signalPassFailure();
        base = function.getArgument(0);
      }
      for (arith::ConstantOp op : constants)
        if (failed(externalize(op, base)))
          return signalPassFailure();
    }
    module->setAttr(kWeightsAttr, b.getArrayAttr(entries));
    module->setAttr(kWeightsSizeAttr, b.getI64IntegerAttr(size));
  }

  /// What the file holds already, for another variant of this module.
  LogicalResult readStored(ModuleOp module) {
    auto stored = module->getAttrOfType<ArrayAttr>(kWeightsAttr);
    if (!stored)
      return success();
    for (Attribute attr : stored) {
      auto entry = cast<DictionaryAttr>(attr);
      auto host = HostTensor::fromAttr(entry.getAs<ElementsAttr>("value"));
      if (!host)
        return module.emitError(llvm::toString(host.takeError()));
      int64_t offset = entry.getAs<IntegerAttr>("offset").getInt();
      ArrayRef<char> bytes = host->getBytes();
      places.try_emplace(getKey(bytes), offset);
      entries.push_back(entry);
      size = offset + llvm::alignTo(bytes.size(), kAlignment);
    }
    return success();
  }

  using Key = std::pair<std::array<uint8_t, 32>, size_t>;
  static Key getKey(ArrayRef<char> bytes) {
    ArrayRef<uint8_t> raw(reinterpret_cast<const uint8_t *>(bytes.data()),
                          bytes.size());
    return {llvm::SHA256::hash(raw), bytes.size()};
  }

  LogicalResult externalize(arith::ConstantOp op, Value base) {
    auto attr = cast<ElementsAttr>(op.getValue());
    auto host = HostTensor::fromAttr(attr);
    if (!host)
      return op.emitError(llvm::toString(host.takeError()));
    auto type = cast<RankedTensorType>(op.getType());
    int64_t offset = place(attr, *host);
    OpBuilder builder(op);
    Location loc = op.getLoc();
    Value shift = arith::ConstantIndexOp::create(builder, loc, offset);
    auto viewType = MemRefType::get(type.getShape(), type.getElementType());
    Value view = memref::ViewOp::create(builder, loc, viewType, base, shift,
                                        ValueRange());
    Value tensor = bufferization::ToTensorOp::create(
        builder, loc, type, view, /*restrict=*/true, /*writable=*/false);
    op.replaceAllUsesWith(tensor);
    op.erase();
    return success();
  }

  int64_t place(ElementsAttr attr, const HostTensor &host) {
    ArrayRef<char> bytes = host.getBytes();
    auto [it, isNew] = places.try_emplace(getKey(bytes), size);
    if (!isNew) {
      ++numShared;
      return it->second;
    }
    Builder b(&getContext());
    std::string name = "constant" + std::to_string(entries.size());
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr))
      name = resource.getRawHandle().getKey().str();
    entries.push_back(b.getDictionaryAttr(
        {b.getNamedAttr("name", b.getStringAttr(name)),
         b.getNamedAttr("offset", b.getI64IntegerAttr(size)),
         b.getNamedAttr("value", attr)}));
    int64_t offset = size;
    size += llvm::alignTo(bytes.size(), kAlignment);
    ++numWeights;
    return offset;
  }

  int64_t size = 0;
  SmallVector<Attribute> entries;
  std::map<Key, int64_t> places;
};
} // namespace
