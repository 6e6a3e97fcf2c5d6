//===- BitPatterns.cpp - Claims of products of a few bits -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelBits.h"
#include "KernelCosts.h"
#include "QuantizedClaims.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

namespace {
/// Weights and activations of at most two bits, a scale per output and per row
/// (or one for all rows).
struct BitMatmul : public OpRewritePattern<ContractOp> {
  BitMatmul(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/3), isa(selectKernelISA(options)),
        countsWords(isa.countsWords && options.hasFeature(isa.countsWords)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    if (!matchNarrowActivation(op.getLhs(), kMostBitPlanes) &&
        !matchNarrowActivation(op.getRhs(), kMostBitPlanes))
      return rewriter.notifyMatchFailure(op,
                                         "no activation of one or two bits");
    auto product = matchMatrixProduct(op, /*takesTables=*/true);
    if (!product)
      return rewriter.notifyMatchFailure(op, "no matrix weight");
    auto activation =
        matchNarrowActivation(product->activation, kMostBitPlanes);
    if (!activation)
      return rewriter.notifyMatchFailure(op,
                                         "no activation of one or two bits");
    if (!product->weight.encoding) {
      auto integers = getIntegerMatrix(product->weight);
      if (!integers)
        return rewriter.notifyMatchFailure(op,
                                           "a table of other than integers");
      product->weight = std::move(*integers);
    }
    const WeightMatrix &weight = product->weight;
    int64_t n = weight.getN(), k = weight.getK();
    if (weight.encoding.isFloatCode() ||
        weight.encoding.getCodeWidth() > kMostBitPlanes)
      return rewriter.notifyMatchFailure(op, "no weight of one or two bits");
    if (weight.getBlock() != k || k > kMaxDotLength)
      return rewriter.notifyMatchFailure(op, "no scale for each whole output");
    auto groups = matchActivationGroups(*activation, product->m.size());
    if (!groups || groups->group != k)
      return rewriter.notifyMatchFailure(op, "groups are not rows");
    // Pairs of planes take longer than bytes where reading the weight is not
    // what counts; how many of them, the figures say.
    int64_t rows = 1;
    for (unsigned loop : product->m)
      rows *= getLoopExtents(op)[loop];
    bool isDynamic = llvm::any_of(product->m, [&](unsigned loop) {
      return ShapedType::isDynamic(getLoopExtents(op)[loop]);
    });
    unsigned pairs =
        activation->encoding.getCodeWidth() * weight.encoding.getCodeWidth();
    double bytes = double(product->constant.getType().getStorageBits()) / 8;
    if (!isDynamic && !activation->range.floatZero &&
        !areBitsFaster(isa, double(rows), double(n), double(k), pairs, bytes))
      return rewriter.notifyMatchFailure(op, "bytes are faster");
    auto operands = packBits(weight, isa);
    if (!operands)
      return rewriter.notifyMatchFailure(
          op, "zero points of the weight are not multiples of one half");
    if (grows(product->constant, operands->getByteSize()))
      return rewriter.notifyMatchFailure(op, "the weight would grow");

    bool perTensor = !groups->perRow;
    auto module = op->getParentOfType<ModuleOp>();
    Emitter e{rewriter, op.getLoc()};
    Value x = e.asMatrix(activation->source, product->m.size());
    OpFoldResult numRows = e.size(x, 0);
    const CodeRange &range = activation->range;
    SmallVector<Value> codes =
        e.quantize(generateQuantizeRows(module, {&isa, k, !perTensor, range,
                                                 activation->statics}),
                   x, *activation,
                   e.scaled(numRows, isa.getRowBytes(k), isa.getRowSlack(k)),
                   perTensor ? e.constantSize(1) : numRows,
                   perTensor && !activation->statics);
    PackBits pack{&isa, k, activation->encoding.getCodeWidth()};
    Type i32 = rewriter.getI32Type();
    SmallVector<Value> ins =
        e.kernel(generatePackBits(module, pack), codes[0],
                 {e.empty(e.scaled(numRows, pack.getRowWords(), 0), i32),
                  e.empty(numRows, i32)});
    ins.append({codes[1], codes[2]});

    Value bias;
    BitGEMM gemm{&isa,
                 n,
                 k,
                 pack.planes,
                 weight.encoding.getCodeWidth(),
                 !perTensor,
                 range.floatZero,
                 countsWords,
                 matchInit(op, product->getChannelAxis(), bias)};
    std::string site = getPackedName(product->constant);
    ins.push_back(e.constant(operands->planes, site));
    ins.push_back(e.constant(operands->zeros, site + ".zeros"));
    ins.push_back(e.constant(operands->sums, site + ".sums"));
    ins.push_back(e.constant(operands->scales, site + ".scales"));
    if (bias)
      ins.push_back(bias);
    Value out =
        gemm.init == InitKind::Accumulate
            ? e.asMatrix(op.getInit(), product->m.size())
            : e.empty({numRows, e.constantSize(n)}, rewriter.getF32Type());
    Value result = e.kernel(generateBitGEMM(module, gemm), ins, out)[0];
    rewriter.replaceOp(op,
                       e.fromMatrix(result, product->m.size(), op.getInit()));
    return success();
  }

  const KernelISA &isa;
  bool countsWords;
};
} // namespace

void compress::cpu::populateBitPatterns(RewritePatternSet &patterns,
                                        const TargetOptions &options) {
  patterns.add<BitMatmul>(patterns.getContext(), options);
}
