//===- FloatPatterns.cpp - Claims of float matrix products ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products of f32 activations with constant weights stored as f32, f16 or bf16
// go to generated kernels, with the weight packed at compile time. Products of
// two activations are the runtime's (DensePatterns.cpp).
//
//===----------------------------------------------------------------------===//

#include "FloatClaims.h"
#include "KernelFloat.h"
#include "MatrixProduct.h"
#include "QuantizedClaims.h"
#include "compress/Target/CPU/CPUTarget.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Packed weights may take this much more than they do as they are, or
/// this many bytes.
static constexpr double kMaxGrowth = 1.25;
static constexpr int64_t kSmallBytes = 64 * 1024;

/// Whether the packed form can stand for `weight` wherever it is used; else
/// both would be stored.
static bool isOnlyMultiplied(Value weight) {
  return llvm::all_of(weight.getUsers(), [&](Operation *user) {
    auto op = dyn_cast<ContractOp>(user);
    if (!op)
      return false;
    return bool(matchMatrixAxes(op, /*weightFirst=*/op.getLhs() == weight));
  });
}

namespace {
struct FloatMatmul : public OpRewritePattern<ContractOp> {
  FloatMatmul(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/2),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<MatrixAxes> axes;
    std::optional<FloatMatrix> weight;
    for (bool weightFirst : {false, true}) {
      axes = matchMatrixAxes(op, weightFirst);
      if (axes)
        weight = getFloatMatrix(*axes, getLoopExtents(op));
      if (weight)
        break;
    }
    if (!weight)
      return rewriter.notifyMatchFailure(op, "no constant float weight");
    if (!getElementTypeOrSelf(axes->activation.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "the activation is not f32");
    FloatGEMM gemm;
    gemm.isa = &isa;
    gemm.n = weight->getN();
    gemm.k = weight->getK();
    gemm.stored = weight->values.getElementType();
    int64_t stored = weight->values.getBytes().size();
    int64_t bytes = getFloatPanels(isa, gemm.n).getPaddedColumns() * gemm.k *
                    weight->values.getBitWidth() / 8;
    if (bytes > kSmallBytes && bytes > kMaxGrowth * stored)
      return rewriter.notifyMatchFailure(op, "the weight would grow");
    if (stored > kSmallBytes && !isOnlyMultiplied(axes->weight))
      return rewriter.notifyMatchFailure(op, "the weight has other uses");

    auto module = op->getParentOfType<ModuleOp>();
    EpilogueMatch match = matchFloatEpilogue(op);
    gemm.epilogue = match.epilogue;
    Value bias, addend = match.addend;
    std::optional<unsigned> channels;
    if (axes->n.size() == 1)
      channels = axes->m.size();
    InitKind init = matchInit(op, channels, bias);
    gemm.epilogue.hasBias = bool(bias);
    if (init == InitKind::Accumulate) {
      // Adding to what nothing else needs takes no memory of its own.
      gemm.accumulate =
          addend || (op.getInit().hasOneUse() && op.getInit().getDefiningOp());
      if (!gemm.accumulate)
        addend = op.getInit();
      gemm.epilogue.hasAddend = bool(addend);
    }

    rewriter.setInsertionPoint(match.last);
    Emitter e{rewriter, op.getLoc()};
    int64_t leading = axes->m.size();
    // An encoded activation is rounded as the reference does.
    Value x = axes->activation;
    if (isa_and_present<CompressedTensorType>(x.getType()))
      x = DecodeOp::create(rewriter, op.getLoc(), x);
    x = e.asMatrix(x, leading);
    OpFoldResult rows = e.size(x, 0);
    gemm.rows = getConstantIntValue(rows).value_or(ShapedType::kDynamic);
    SmallVector<Value> ins{
        x, e.constant(packFloatWeights(isa, weight->values, weight->columns,
                                       weight->rows),
                      getSiteName(axes->weight))};
    if (bias)
      ins.push_back(bias);
    if (addend)
      ins.push_back(e.asMatrix(addend, leading));
    Value out = gemm.accumulate ? e.asMatrix(op.getInit(), leading)
                                : e.empty({rows, e.constantSize(gemm.n)},
                                          rewriter.getF32Type());
    Value result = e.kernel(generateFloatGEMM(module, gemm), ins, out)[0];
    result = e.fromMatrix(result, leading, op.getInit());
    replaceWithEpilogue(rewriter, op, match, result);
    return success();
  }

  static std::string getSiteName(Value weight) {
    if (auto constant = weight.getDefiningOp<ConstantOp>())
      return getPackedName(constant);
    if (auto pack = weight.getDefiningOp<PackOp>())
      weight = pack.getComponents()[0];
    auto constant = weight.getDefiningOp<arith::ConstantOp>();
    if (auto elements =
            dyn_cast<DenseResourceElementsAttr>(constant.getValue()))
      return elements.getRawHandle().getKey().str();
    return "weight";
  }

  const KernelISA &isa;
};
} // namespace

void compress::populateCPUFloatPatterns(RewritePatternSet &patterns,
                                        const TargetOptions &options) {
  patterns.add<FloatMatmul>(patterns.getContext(), options);
}
