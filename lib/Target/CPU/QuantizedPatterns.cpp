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

#include "KernelBlockDot.h"
#include "KernelWeightOnly.h"
#include "MatrixProduct.h"
#include "QuantizedClaims.h"
#include "SparsePacking.h"
#include "compress/Target/CPU/CPUTarget.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

namespace {
struct IntegerMatmul : public OpRewritePattern<ContractOp> {
  IntegerMatmul(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/3),
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
    auto groups = matchActivationGroups(*activation, product->m.size());
    if (!groups || groups->group != product->weight.getK())
      return rewriter.notifyMatchFailure(op, "groups are not rows");
    bool perTensor = !groups->perRow;

    const WeightMatrix &weight = product->weight;
    int64_t n = weight.getN(), k = weight.getK();
    auto module = op->getParentOfType<ModuleOp>();
    Emitter e{rewriter, op.getLoc()};
    Value x = e.asMatrix(activation->source, product->m.size());
    OpFoldResult rows = e.size(x, 0);
    std::string name = generateQuantizeRows(
        module, {&isa, k, !perTensor, activation->range, activation->statics});
    SmallVector<Value> ins =
        e.quantize(name, x, *activation,
                   e.scaled(rows, isa.getRowBytes(k), isa.getRowSlack(k)),
                   perTensor ? e.constantSize(1) : rows,
                   perTensor && !activation->statics);

    Value bias;
    InitKind init = matchInit(op, product->getChannelAxis(), bias);
    DotAxis axis = getDotAxis(isa, k);
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

  const KernelISA &isa;
};

struct BlockIntegerMatmul : public OpRewritePattern<ContractOp> {
  BlockIntegerMatmul(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/2),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto match = [](Value value) {
      auto activation = matchActivation(value);
      return activation ? activation : matchNarrowActivation(value, 7);
    };
    if (!match(op.getLhs()) && !match(op.getRhs()))
      return rewriter.notifyMatchFailure(op, "no activation of 8 bits");
    auto product = matchMatrixProduct(op, /*takesTables=*/true,
                                      /*takesPattern=*/true);
    if (!product)
      return rewriter.notifyMatchFailure(op, "no matrix weight");
    auto activation = match(product->activation);
    if (!activation || activation->range.floatZero)
      return rewriter.notifyMatchFailure(op, "no activation of 8 bits");
    if (!product->weight.encoding) {
      auto integers = getIntegerMatrix(product->weight);
      if (!integers)
        return rewriter.notifyMatchFailure(op,
                                           "a table of other than integers");
      product->weight = std::move(*integers);
    }
    auto groups = matchActivationGroups(*activation, product->m.size());
    if (!groups)
      return rewriter.notifyMatchFailure(op, "groups are not parts of rows");
    // Codes go into the dot product as they are.
    CodeRange range = activation->range;
    range.shift = 0;
    BlockDotGEMM gemm;
    gemm.isa = &isa;
    gemm.inPairs = product->hasPattern;
    gemm.perRow = groups->perRow;
    gemm.activationGroup = groups->group;
    gemm.activationUnsigned = !activation->encoding.isSignedCode();
    gemm.activationHasZero = range.hasZero;
    auto weight = packBlockDot(product->weight, gemm);
    if (!weight)
      return rewriter.notifyMatchFailure(op, "no kernel for the encoding");
    if (grows(product->constant, weight->getByteSize()))
      return rewriter.notifyMatchFailure(op, "the weight would grow");

    auto module = op->getParentOfType<ModuleOp>();
    Emitter e{rewriter, op.getLoc()};
    Value x = e.asMatrix(activation->source, product->m.size());
    OpFoldResult rows = e.size(x, 0);
    gemm.rows = getConstantIntValue(rows).value_or(ShapedType::kDynamic);
    QuantizeRows quantize{&isa, gemm.k, gemm.perRow, range,
                          activation->statics};
    if (gemm.activationGroup < gemm.k)
      quantize.group = gemm.activationGroup;
    quantize.sumBlock = gemm.block;
    int64_t numGroups = llvm::divideCeil(gemm.k, gemm.activationGroup);
    SmallVector<Value> ins = e.quantize(
        generateQuantizeRows(module, quantize), x, *activation,
        e.scaled(rows, isa.getRowBytes(gemm.k), isa.getRowSlack(gemm.k)),
        gemm.perRow ? e.scaled(rows, numGroups, isa.getSlackRows() * numGroups)
                    : e.constantSize(1),
        !gemm.perRow && !activation->statics,
        e.scaled(rows, gemm.getBlocks(),
                 isa.getSlackRows() * gemm.getBlocks()));

    std::string site = getPackedName(product->constant);
    ins.push_back(e.constant(weight->codes, site));
    ins.push_back(e.constant(weight->scales, site + ".scales"));
    if (weight->zeros)
      ins.push_back(e.constant(weight->zeros, site + ".zeros"));
    Value bias;
    gemm.init = matchInit(op, product->getChannelAxis(), bias);
    if (bias)
      ins.push_back(bias);
    Value out =
        gemm.init == InitKind::Accumulate
            ? e.asMatrix(op.getInit(), product->m.size())
            : e.empty({rows, e.constantSize(gemm.n)}, rewriter.getF32Type());
    Value result = e.kernel(generateBlockDotGEMM(module, gemm), ins, out)[0];
    rewriter.replaceOp(op,
                       e.fromMatrix(result, product->m.size(), op.getInit()));
    return success();
  }

  const KernelISA &isa;
};

struct WeightOnlyMatmul : public OpRewritePattern<ContractOp> {
  WeightOnlyMatmul(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/1),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto product = matchMatrixProduct(op, /*takesTables=*/true);
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
    if (grows(product->constant, operands->getByteSize()))
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
    if (operands->table)
      ins.push_back(e.constant(operands->table, site + ".table"));
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
  patterns.add<IntegerMatmul, BlockIntegerMatmul, WeightOnlyMatmul>(
      patterns.getContext(), options);
  populateBitPatterns(patterns, options);
  populateQuantizedConvPatterns(patterns, options);
  populateCodeConvPatterns(patterns, options);
}
