//===- ONNXToLinalg.cpp - convert-onnx-to-linalg ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Conversion/ONNXToLinalg/ONNXToLinalg.h"
#include "Lowering.h"
#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/ONNX/IR/ONNXOps.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"

namespace compress {
#define GEN_PASS_DEF_CONVERTONNXTOLINALG
#include "compress/Conversion/ONNXToLinalg/ONNXToLinalg.h.inc"
} // namespace compress

using namespace mlir;
using namespace compress;

bool compress::hasLinalgLowering(StringRef opType) {
  return opType == "Initializer" || opType == "NoValue" ||
         opType == "Constant" || getLowerTable().contains(opType);
}

namespace {
/// Tensors keep their shape; integers become signless.
struct SignlessTypeConverter : TypeConverter {
  SignlessTypeConverter() {
    addConversion([](Type type) { return type; });
    addConversion([](RankedTensorType type) -> Type {
      return RankedTensorType::get(type.getShape(),
                                   toSignless(type.getElementType()),
                                   type.getEncoding());
    });
    auto materialize = [](OpBuilder &b, Type type, ValueRange inputs,
                          Location loc) -> Value {
      return UnrealizedConversionCastOp::create(b, loc, type, inputs)
          .getResult(0);
    };
    addSourceMaterialization(materialize);
    addTargetMaterialization(materialize);
  }
};

/// State of one run of the pass.
struct Report {
  /// Why each operation was refused.
  llvm::DenseMap<Operation *, std::string> reasons;
  int64_t converted = 0;
};

struct ConstantLowering : ConversionPattern {
  ConstantLowering(const TypeConverter &converter, StringRef name,
                   MLIRContext *context, Report &report)
      : ConversionPattern(converter, name, 1, context), report(report) {}

  LogicalResult
  matchAndRewrite(Operation *op, ArrayRef<Value> operands,
                  ConversionPatternRewriter &rewriter) const override {
    ElementsAttr attr = onnx::getConstantElements(op->getResult(0));
    auto type = dyn_cast_or_null<RankedTensorType>(
        getTypeConverter()->convertType(op->getResult(0).getType()));
    if (!attr || !type) {
      report.reasons[op] = "the constant is not a dense tensor of numbers";
      return failure();
    }
    Type elementType = type.getElementType();
    if (!HostTensor::getWidth(elementType)) {
      report.reasons[op] = "constants of this element type cannot be computed "
                           "with";
      return failure();
    }
    auto resource = dyn_cast<DenseResourceElementsAttr>(attr);
    unsigned width = HostTensor::getWidth(elementType);
    if (resource && width % 8 == 0) {
      // The same bytes under the signless type.
      attr = DenseResourceElementsAttr::get(type, resource.getRawHandle());
    } else if (attr.getType() != type || resource) {
      // Booleans and packed types have another layout in dense attributes.
      FailureOr<HostTensor> tensor = onnx::getConstant(attr);
      if (failed(tensor)) {
        report.reasons[op] = "the constant's data is missing or damaged";
        return failure();
      }
      SmallVector<APInt> values;
      for (int64_t i = 0, e = tensor->getNumElements(); i < e; ++i)
        values.emplace_back(width, tensor->getBits(i));
      if (auto floatType = dyn_cast<FloatType>(elementType)) {
        SmallVector<APFloat> floats;
        for (const APInt &value : values)
          floats.emplace_back(floatType.getFloatSemantics(), value);
        attr = DenseElementsAttr::get(type, floats);
      } else {
        attr = DenseElementsAttr::get(type, values);
      }
    }
    auto constant =
        arith::ConstantOp::create(rewriter, op->getLoc(), type, attr);
    rewriter.replaceOp(op, constant);
    ++report.converted;
    return success();
  }

  Report &report;
};

struct NoValueLowering : OpConversionPattern<onnx::NoValueOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(onnx::NoValueOp op, OpAdaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!op->use_empty() && llvm::any_of(op->getUsers(), [](Operation *user) {
          return !isa_and_nonnull<onnx::ONNXDialect>(user->getDialect());
        }))
      return failure();
    // Its users are converted as well and ask the node, not the value.
    rewriter.replaceOpWithNewOp<UnrealizedConversionCastOp>(op, op.getType(),
                                                            ValueRange());
    return success();
  }
};

struct NodeLowering : ConversionPattern {
  NodeLowering(const TypeConverter &converter, StringRef name, LowerFn lower,
               int64_t opset, MLIRContext *context, Report &report)
      : ConversionPattern(converter, ("onnx." + name).str(), 1, context),
        lower(lower), opset(opset), report(report) {}

  LogicalResult
  matchAndRewrite(Operation *op, ArrayRef<Value> operands,
                  ConversionPatternRewriter &rewriter) const override {
    auto isUsable = [](Type type) {
      if (isa<NoneType>(type))
        return true;
      auto ranked = dyn_cast<RankedTensorType>(type);
      return ranked && (isa<IndexType>(ranked.getElementType()) ||
                        HostTensor::getWidth(ranked.getElementType()));
    };
    for (auto types :
         {TypeRange(op->getOperandTypes()), TypeRange(op->getResultTypes())})
      for (Type type : types)
        if (!isUsable(type)) {
          llvm::raw_string_ostream os(report.reasons[op]);
          os << "the type " << type
             << " has no known rank or element type (shape inference found "
                "none)";
          return failure();
        }
    Lowering lowering(onnx::Node(op), operands, *getTypeConverter(), rewriter,
                      opset);
    if (failed(lower(lowering))) {
      report.reasons[op] = lowering.reason;
      return failure();
    }
    ++report.converted;
    return success();
  }

  LowerFn lower;
  int64_t opset;
  Report &report;
};

struct ConvertONNXToLinalgPass
    : compress::impl::ConvertONNXToLinalgBase<ConvertONNXToLinalgPass> {
  using ConvertONNXToLinalgBase::ConvertONNXToLinalgBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    MLIRContext *context = &getContext();
    SignlessTypeConverter converter;
    Report report;
    RewritePatternSet patterns(context);
    int64_t opset = onnx::getOpsetVersion(function);
    for (const auto &entry : getLowerTable())
      patterns.add<NodeLowering>(converter, entry.first(), entry.second, opset,
                                 context, report);
    patterns.add<ConstantLowering>(converter, "onnx.Initializer", context,
                                   report);
    patterns.add<ConstantLowering>(converter, "onnx.Constant", context, report);
    patterns.add<NoValueLowering>(converter, context);
    populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns,
                                                                   converter);
    populateReturnOpTypeConversionPattern(patterns, converter);

    ConversionTarget target(*context);
    target.addLegalDialect<affine::AffineDialect, arith::ArithDialect,
                           linalg::LinalgDialect, math::MathDialect,
                           scf::SCFDialect, tensor::TensorDialect,
                           CompressDialect>();
    target.addLegalOp<UnrealizedConversionCastOp>();
    target.addDynamicallyLegalOp<func::FuncOp>([&](func::FuncOp op) {
      return converter.isSignatureLegal(op.getFunctionType());
    });
    target.addDynamicallyLegalOp<func::ReturnOp>(
        [&](func::ReturnOp op) { return converter.isLegal(op); });
    // Nodes have no stated legality: those that cannot be converted stay, and
    // the first of them is reported below, alone.
    if (failed(applyPartialConversion(function, target, std::move(patterns))))
      return signalPassFailure();
    numConverted += report.converted;

    WalkResult walk = function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (!isa_and_nonnull<onnx::ONNXDialect>(op->getDialect()))
        return WalkResult::advance();
      auto it = report.reasons.find(op);
      emitError(op->getLoc())
          << onnx::Node(op).describe() << ": "
          << (it != report.reasons.end() && !it->second.empty()
                  ? it->second
                  : "there is no lowering for this operator");
      return WalkResult::interrupt();
    });
    if (walk.wasInterrupted())
      return signalPassFailure();
    // What NoValue left behind.
    function.walk([](UnrealizedConversionCastOp op) {
      if (op->use_empty())
        op.erase();
    });
  }
};
} // namespace
