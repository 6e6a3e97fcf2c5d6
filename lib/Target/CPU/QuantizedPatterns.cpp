//===- QuantizedPatterns.cpp - Claims of matrix products ---------*- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which quantized matrix products generated kernels run. What is not matched
// here goes the reference way.
//
//===----------------------------------------------------------------------===//

#include "KernelWeightOnly.h"
#include "MatrixProduct.h"
#include "QuantizedClaims.h"
#include "compress/Target/CPU/CPUTarget.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

namespace {
/// A matrix product with constant weights on one side, seen as
/// `out[m.., n..] += x[m.., k..] * w[n, k]`.
struct MatrixProduct {
  Value activation;
  ConstantOp constant;
  SmallVector<unsigned> m, n, k;
  WeightMatrix weight;

  /// The axis of the result that runs over all of n.
  std::optional<unsigned> getChannelAxis() const {
    return n.size() == 1 ? std::optional<unsigned>(m.size()) : std::nullopt;
  }
};

std::optional<MatrixProduct> matchMatrixProduct(ContractOp op) {
  for (bool weightFirst : {false, true}) {
    auto axes = matchMatrixAxes(op, weightFirst);
    if (!axes)
      continue;
    MatrixProduct result{
        axes->activation, axes->weight.getDefiningOp<ConstantOp>(),
        axes->m,          axes->n,
        axes->k,          {}};
    if (!result.constant || !result.constant.getType().getElementType().isF32())
      continue;
    auto matrix = getWeightMatrix(result.constant, axes->weightMap, result.n,
                                  result.k, getLoopExtents(op));
    if (!matrix)
      continue;
    result.weight = std::move(*matrix);
    return result;
  }
  return std::nullopt;
}

struct IntegerMatmul : public OpRewritePattern<ContractOp> {
  IntegerMatmul(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/2),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto product = matchMatrixProduct(op);
    if (!product || !isChannelInt8(product->weight) ||
        product->weight.getK() > kMaxDotLength ||
        grows(product->constant,
              Panels(isa, product->weight.getN()).getPaddedColumns() *
                  (llvm::alignTo(product->weight.getK(), 4) + 8)))
      return rewriter.notifyMatchFailure(op, "no 8-bit matrix weight");
    auto activation = matchActivation(product->activation);
    if (!activation)
      return rewriter.notifyMatchFailure(op, "no 8-bit activation");
    bool perTensor = isPerTensor(*activation);
    if (!perTensor && !isPerRow(*activation, product->m.size()))
      return rewriter.notifyMatchFailure(op, "groups are not rows");

    const WeightMatrix &weight = product->weight;
    int64_t n = weight.getN(), k = weight.getK();
    auto module = op->getParentOfType<ModuleOp>();
    Emitter e{rewriter, op.getLoc()};
    Value x = e.asMatrix(activation->source, product->m.size());
    OpFoldResult rows = e.size(x, 0);
    std::string name = generateQuantizeRows(
        module, {&isa, k, !perTensor, activation->range, activation->statics});
    SmallVector<Value> ins = e.quantize(
        name, x, *activation, e.scaled(rows, llvm::alignTo(k, 4), kSlackBytes),
        perTensor ? e.constantSize(1) : rows,
        perTensor && !activation->statics);

    Value bias;
    InitKind init = matchInit(op, product->getChannelAxis(), bias);
    DotAxis axis;
    axis.run = k;
    std::string site = getPackedName(product->constant);
    ins.push_back(e.constant(packDotWeights(weight, isa, axis), site));
    ins.push_back(e.constant(packColumnSums(weight, isa), site + ".sums"));
    ins.push_back(e.constant(packColumnScales(weight, isa), site + ".scales"));
    if (bias)
      ins.push_back(bias);
    Value out = init == InitKind::Accumulate
                    ? e.asMatrix(op.getInit(), product->m.size())
                    : e.empty({rows, e.constantSize(n)}, rewriter.getF32Type());
    name = generateDotGEMM(module, {&isa, n, k, !perTensor, init});
    Value result = e.kernel(name, ins, out)[0];
    rewriter.replaceOp(op,
                       e.fromMatrix(result, product->m.size(), op.getInit()));
    return success();
  }

  static bool isPerRow(const Activation &activation, unsigned numRowAxes) {
    auto shape = cast<ShapedType>(activation.source.getType()).getShape();
    for (auto [axis, group] : llvm::enumerate(activation.encoding.getGroup()))
      if (axis < numRowAxes ? group != 1 && shape[axis] != 1
                            : !isWhole(group, shape[axis]))
        return false;
    return true;
  }

  const KernelISA &isa;
};

struct WeightOnlyMatmul : public OpRewritePattern<ContractOp> {
  WeightOnlyMatmul(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/1),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto product = matchMatrixProduct(op);
    if (!product ||
        !getElementTypeOrSelf(product->activation.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "no matrix weight");
    const WeightMatrix &weight = product->weight;
    WeightOnlyGEMM gemm;
    gemm.isa = &isa;
    gemm.n = weight.getN();
    gemm.k = weight.getK();
    auto operands = packWeightOnly(weight, gemm);
    if (!operands)
      return rewriter.notifyMatchFailure(op, "no kernel for the encoding");
    int64_t bytes =
        operands->codes.getBytes().size() + operands->scales.getBytes().size();
    if (operands->zeros)
      bytes += operands->zeros.getBytes().size();
    if (grows(product->constant, bytes))
      return rewriter.notifyMatchFailure(op, "the weight would grow");

    auto module = op->getParentOfType<ModuleOp>();
    Emitter e{rewriter, op.getLoc()};
    // An encoded activation is rounded as the reference does.
    Value x = product->activation;
    if (isa_and_present<CompressedTensorType>(x.getType()))
      x = DecodeOp::create(rewriter, op.getLoc(), x);
    x = e.asMatrix(x, product->m.size());
    OpFoldResult rows = e.size(x, 0);
    gemm.rows = getConstantIntValue(rows).value_or(ShapedType::kDynamic);
    std::string site = getPackedName(product->constant);
    SmallVector<Value> ins{x, e.constant(operands->codes, site),
                           e.constant(operands->scales, site + ".scales")};
    if (operands->zeros)
      ins.push_back(e.constant(operands->zeros, site + ".zeros"));
    Value bias;
    gemm.init = matchInit(op, product->getChannelAxis(), bias);
    if (bias)
      ins.push_back(bias);
    Value out =
        gemm.init == InitKind::Accumulate
            ? e.asMatrix(op.getInit(), product->m.size())
            : e.empty({rows, e.constantSize(gemm.n)}, rewriter.getF32Type());
    Value result = e.kernel(generateWeightOnlyGEMM(module, gemm), ins, out)[0];
    rewriter.replaceOp(op,
                       e.fromMatrix(result, product->m.size(), op.getInit()));
    return success();
  }

  const KernelISA &isa;
};
} // namespace

void compress::populateCPUQuantizedPatterns(RewritePatternSet &patterns,
                                            const TargetOptions &options) {
  patterns.add<IntegerMatmul, WeightOnlyMatmul>(patterns.getContext(), options);
  populateQuantizedConvPatterns(patterns, options);
}
