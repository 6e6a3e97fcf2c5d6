//===- CompressToONNX.cpp - convert-compress-to-onnx ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Conversion/CompressToONNX/CompressToONNX.h"
#include "GraphBuilder.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "compress/Dialect/ONNX/IR/ONNXUtils.h"
#include "compress/Dialect/ONNX/Transforms/Node.h"
#include "compress/Dialect/ONNX/Transforms/UpgradeOpset/UpgradeOpset.h"
#include "mlir/IR/Matchers.h"

namespace compress {
#define GEN_PASS_DEF_CONVERTCOMPRESSTOONNX
#include "compress/Conversion/CompressToONNX/CompressToONNX.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

//===----------------------------------------------------------------------===//
// Constants and names
//===----------------------------------------------------------------------===//

/// The leaves of a value that is known: a compressed constant, one packed from
/// constants or re-encoded, or a dense constant of any dialect. `type` becomes
/// the compressed type with all sizes known. `reason` says what is wrong with a
/// value that would be known.
static FailureOr<SmallVector<HostTensor>>
getLeaves(Value value, CompressedTensorType &type, std::string &reason) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return failure();
  if (auto constant = dyn_cast<ConstantOp>(op)) {
    SmallVector<HostTensor> leaves;
    for (Attribute component : constant.getComponents()) {
      auto leaf = HostTensor::fromAttr(cast<ElementsAttr>(component));
      if (!leaf) {
        reason = llvm::toString(leaf.takeError());
        return failure();
      }
      leaves.push_back(*leaf);
    }
    return leaves;
  }
  if (auto pack = dyn_cast<PackOp>(op)) {
    SmallVector<HostTensor> leaves;
    for (Value component : pack.getComponents()) {
      CompressedTensorType unused;
      auto inner = getLeaves(component, unused, reason);
      if (failed(inner))
        return failure();
      llvm::append_range(leaves, *inner);
    }
    return leaves;
  }
  if (auto again = dyn_cast<CastOp>(op)) {
    CompressedTensorType from = again.getSource().getType();
    auto leaves = getLeaves(again.getSource(), from, reason);
    if (failed(leaves))
      return failure();
    auto result = castTensor({from, *leaves}, again.getType());
    if (!result) {
      reason = llvm::toString(result.takeError());
      return failure();
    }
    type = result->type;
    return std::move(result->leaves);
  }
  auto elements =
      dyn_cast_or_null<ElementsAttr>(onnx::getConstantElements(value));
  if (!elements && !matchPattern(value, m_Constant(&elements)))
    return failure();
  auto tensor = HostTensor::fromAttr(elements);
  if (!tensor) {
    llvm::consumeError(tensor.takeError());
    return failure();
  }
  return SmallVector<HostTensor>{*tensor};
}

/// The name of a value in ONNX, for names derived from it.
static std::string getValueName(Value value, StringRef byDefault) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
    if (function)
      if (auto name = function.getArgAttrOfType<StringAttr>(
              argument.getArgNumber(), "onnx.name"))
        return name.str();
    return byDefault.str();
  }
  auto result = cast<OpResult>(value);
  Operation *op = result.getOwner();
  if (auto initializer = dyn_cast<onnx::InitializerOp>(op))
    return initializer.getName().str();
  if (auto outputs = op->getAttrOfType<ArrayAttr>("onnx.outputs"))
    if (result.getResultNumber() < outputs.size())
      if (auto name = dyn_cast<StringAttr>(outputs[result.getResultNumber()]))
        if (!name.empty())
          return name.str();
  return byDefault.str();
}

/// The site of a constant or, in hand-written IR, the node that uses it.
static std::string getConstantName(Operation *op, DecodeOp decode) {
  if (auto site = op->getAttrOfType<StringAttr>(metadata::site))
    if (!site.empty())
      return site.str();
  for (Operation *user : decode->getUsers())
    if (auto name = user->getAttrOfType<StringAttr>("onnx.node_name"))
      if (!name.empty())
        return name.str() + "_weight";
  return "weight";
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct ConvertCompressToONNXPass
    : compress::impl::ConvertCompressToONNXBase<ConvertCompressToONNXPass> {
  using ConvertCompressToONNXBase::ConvertCompressToONNXBase;

  void runOnOperation() override;

private:
  LogicalResult convert(func::FuncOp function, const Profile &target,
                        int64_t &needed);
  FailureOr<Value> write(GraphBuilder &g, DecodeOp decode);
  LogicalResult verifyResult(func::FuncOp function);
};
} // namespace

FailureOr<Value> ConvertCompressToONNXPass::write(GraphBuilder &g,
                                                  DecodeOp decode) {
  Value source = decode.getSource();
  Operation *op = source.getDefiningOp();
  CompressedTensorType type = decode.getSource().getType();
  if (!op) {
    decode.emitOpError("cannot be written as ONNX: ")
        << type << " enters the graph from outside";
    return failure();
  }
  FailureOr<Value> result = failure();
  CompressedTensorType exchanged = type;
  std::string reason;
  if (auto encode = dyn_cast<EncodeOp>(op)) {
    SmallVector<HostTensor> parameters;
    for (Value parameter : encode.getParameters()) {
      CompressedTensorType unused;
      auto leaves = getLeaves(parameter, unused, reason);
      if (failed(leaves)) {
        encode.emitOpError("cannot be written as ONNX: its parameters are not "
                           "constant");
        return failure();
      }
      llvm::append_range(parameters, *leaves);
    }
    g.begin(op, getValueName(encode.getSource(), "activation"));
    result = writeRoundTrip(g, encode.getSource(), type, parameters);
    ++numActivations;
  } else {
    auto leaves = getLeaves(source, type, reason);
    if (failed(leaves)) {
      InFlightDiagnostic error =
          decode.emitOpError("cannot be written as ONNX: ");
      if (reason.empty())
        error << "'" << op->getName() << "' gives " << type
              << ", which is neither a constant nor the result of "
                 "compress.encode";
      else
        error << reason;
      return failure();
    }
    // Packed or re-encoded ones were not verified.
    llvm::Error error = verifyPayload(type, *leaves);
    if (!error) {
      auto form = getExchangeForm({type, std::move(*leaves)});
      if (form) {
        exchanged = form->type;
        g.begin(op, getConstantName(op, decode));
        result = writeConstant(g, exchanged, form->leaves);
        if (succeeded(result)) {
          g.eraseUnused(*result);
          result = attachUnusedLeaves(g, *result, form->leaves);
        }
      }
      error = form.takeError();
    }
    if (error) {
      decode.emitOpError("cannot be written as ONNX: ")
          << llvm::toString(std::move(error));
      return failure();
    }
    ++numWeights;
  }
  if (failed(result))
    return failure();
  numSubgraphs += !g.finish(*result, type, exchanged, op);
  return *result;
}

/// Names what is left of other dialects.
LogicalResult ConvertCompressToONNXPass::verifyResult(func::FuncOp function) {
  WalkResult walk = function.walk([&](Operation *op) {
    if (op == function || isa<func::ReturnOp>(op) ||
        isa_and_nonnull<onnx::ONNXDialect>(op->getDialect()))
      return WalkResult::advance();
    op->emitOpError("cannot be written as ONNX");
    return WalkResult::interrupt();
  });
  return failure(walk.wasInterrupted());
}

LogicalResult ConvertCompressToONNXPass::convert(func::FuncOp function,
                                                 const Profile &target,
                                                 int64_t &needed) {
  SmallVector<DecodeOp> decodes;
  bool hasOthers = false;
  function.walk([&](Operation *op) {
    if (auto decode = dyn_cast<DecodeOp>(op))
      decodes.push_back(decode);
    hasOthers |= op->hasTrait<OpTrait::ConstantLike>();
  });
  if (decodes.empty() && !hasOthers)
    return success();

  GraphBuilder g(function, target);
  // Decodes of one value share its nodes.
  llvm::MapVector<Value, Value> written;
  SmallVector<Operation *> dead;
  for (DecodeOp decode : decodes) {
    Value &value = written[decode.getSource()];
    if (!value) {
      auto result = write(g, decode);
      if (failed(result))
        return failure();
      value = *result;
    }
    Operation *source = decode.getSource().getDefiningOp();
    decode.getResult().replaceAllUsesWith(value);
    decode.erase();
    dead.push_back(source);
  }
  g.eraseUnusedConstants();
  needed = std::max(needed, decodes.empty() ? 0 : g.getRequiredOpset());
  // Sources, and what they were made of.
  llvm::SmallPtrSet<Operation *, 16> erased;
  while (!dead.empty()) {
    Operation *op = dead.pop_back_val();
    if (erased.contains(op) || !op->use_empty() ||
        isa<onnx::ONNXDialect>(op->getDialect()))
      continue;
    for (Value operand : op->getOperands())
      if (Operation *def = operand.getDefiningOp())
        dead.push_back(def);
    erased.insert(op);
    op->erase();
  }

  // Constants of other dialects that ONNX operators use.
  SmallVector<Operation *> constants;
  function.walk([&](Operation *op) {
    if (op->hasTrait<OpTrait::ConstantLike>() &&
        !isa<onnx::ONNXDialect>(op->getDialect()))
      constants.push_back(op);
  });
  for (Operation *op : constants) {
    ElementsAttr elements;
    if (!op->use_empty()) {
      if (!matchPattern(op, m_Constant(&elements)))
        continue;
      auto tensor = onnx::getConstant(elements);
      if (failed(tensor))
        continue;
      g.begin(op, "constant");
      op->getResult(0).replaceAllUsesWith(g.initializer(*tensor, ""));
    }
    op->erase();
  }
  return verifyResult(function);
}

void ConvertCompressToONNXPass::runOnOperation() {
  ModuleOp module = getOperation();
  std::optional<Profile> target = Profile::get(profile);
  if (!target) {
    module.emitError("unknown profile '")
        << profile << "'; there are 'onnxruntime' and 'standard'";
    return signalPassFailure();
  }
  int64_t wanted = 0;
  if (opset != "auto" &&
      (StringRef(opset).getAsInteger(10, wanted) || wanted < 1 ||
       wanted > onnx::getNewestOpsetVersion())) {
    module.emitError("option 'opset' must be 'auto' or a version from 1 to ")
        << onnx::getNewestOpsetVersion() << ", found '" << opset << "'";
    return signalPassFailure();
  }

  int64_t needed = 0;
  SmallVector<func::FuncOp> functions(module.getOps<func::FuncOp>());
  for (func::FuncOp function : functions)
    if (!function.isExternal() && failed(convert(function, *target, needed)))
      return signalPassFailure();

  if (wanted && wanted < needed) {
    module.emitError("the compressed tensors need ONNX opset ")
        << needed << ", but option 'opset' asks for " << wanted;
    return signalPassFailure();
  }
  // Hand-written IR may not say; its ops are then in their newest form.
  if (!module->hasAttr("onnx.opset_imports")) {
    Builder b(&getContext());
    module->setAttr(
        "onnx.opset_imports",
        b.getArrayAttr(b.getDictionaryAttr(
            {b.getNamedAttr("domain", b.getStringAttr("")),
             b.getNamedAttr("version", b.getI64IntegerAttr(
                                           onnx::getOpsetVersion(module)))})));
    module->setAttr("onnx.ir_version", b.getI64IntegerAttr(onnx::getIRVersion(
                                           onnx::getNewestOpsetVersion())));
  }
  if (failed(onnx::upgradeOpset(module, std::max(wanted, needed))))
    return signalPassFailure();
}
