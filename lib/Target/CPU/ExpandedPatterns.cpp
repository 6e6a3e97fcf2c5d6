//===- ExpandedPatterns.cpp - Sparse codes multiplied as dense --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products of 8-bit codes with sparse ones that would take longer by what is
// stored than by all codes, as with many rows on tile registers. The library
// holds what is stored; zeros are put back once, when a model is loaded.
//
//===----------------------------------------------------------------------===//

#include "KernelCosts.h"
#include "KernelExpand.h"
#include "MatrixProduct.h"
#include "SparseClaims.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Predictions are not that good: what is stored is used unless all codes are
/// that much faster.
static constexpr double kLeastGain = 1.05;
/// Weights of fewer entries stay as they are: little is at stake.
static constexpr int64_t kFewestEntries = 1 << 16;

namespace {
struct ExpandedMatmul : public OpRewritePattern<ContractOp> {
  ExpandedMatmul(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/4),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    FailureOr<SparseCodeProduct> matched = matchSparseCodeProduct(op, rewriter);
    if (failed(matched))
      return failure();
    const SparseProduct *product = &matched->product;
    const Activation *activation = &matched->activation;
    bool perTensor = matched->perTensor;
    if (isCalibrating() || !isFasterExpanded(op, *product))
      return rewriter.notifyMatchFailure(op, "what is stored is faster");
    int64_t n = product->weight.n, k = product->weight.k;
    DotAxis axis = getDotAxis(isa, k);
    WeightMatrix weight = getAllCodes(product->weight);
    HostTensor codes = packDotWeights(weight, isa, axis);
    ExpandedUnits packed = packUnits(codes);
    HostTensor sums = packColumnSums(weight, isa);
    HostTensor scales = packColumnScales(weight, isa);
    if (grows(product->constant,
              packed.getByteSize() +
                  int64_t(sums.getBytes().size() + scales.getBytes().size())))
      return rewriter.notifyMatchFailure(op, "the weight would grow");

    auto module = op->getParentOfType<ModuleOp>();
    cpu::Emitter e{rewriter, op.getLoc()};
    Value x = e.asMatrix(activation->source, product->m.size());
    OpFoldResult rows = e.size(x, 0);
    SmallVector<Value> ins = e.quantize(
        generateQuantizeRows(module, {&isa, k, !perTensor, activation->range,
                                      activation->statics}),
        x, *activation, e.scaled(rows, isa.getRowBytes(k), isa.getRowSlack(k)),
        perTensor ? e.constantSize(1) : rows,
        perTensor && !activation->statics);
    std::string site = getPackedName(product->constant);
    Value expanded = e.kernel(
        generateExpand(module, packed),
        {e.constant(packed.values, site),
         e.constant(packed.mask, site + ".mask"),
         e.constant(packed.starts, site + ".starts")},
        e.empty({e.constantSize(packed.bytes)}, rewriter.getI8Type()))[0];
    ins.push_back(expanded);
    ins.push_back(e.constant(sums, site + ".sums"));
    ins.push_back(e.constant(scales, site + ".scales"));
    Value bias;
    InitKind init = matchInit(op, product->getChannelAxis(), bias);
    if (bias)
      ins.push_back(bias);
    Value out = init == InitKind::Accumulate
                    ? e.asMatrix(op.getInit(), product->m.size())
                    : e.empty({rows, e.constantSize(n)}, rewriter.getF32Type());
    std::string name = generateDotGEMM(module, {&isa, n, k, !perTensor, init});
    Value result = e.kernel(name, ins, out)[0];
    rewriter.replaceOp(op,
                       e.fromMatrix(result, product->m.size(), op.getInit()));
    return success();
  }

  bool isFasterExpanded(ContractOp op, const SparseProduct &product) const {
    const SparseMatrix &weight = product.weight;
    if (weight.n * weight.k < kFewestEntries)
      return false;
    double rows = getUsualRows(op, product);
    ConstantOp constant = product.constant;
    double bytes = double(constant.getType().getStorageBits()) / 8;
    double expanded = kLeastGain * estimateDots(isa, rows, weight.n, weight.k);
    KernelWork work{KernelKind::SparseDot, rows,  double(weight.n),
                    double(weight.k),      bytes, 0};
    if (weight.encoding.getPattern() == SparsePattern::NM) {
      work.entries = work.n * work.k;
      return expanded < estimateBlocks(isa, BlockCodes::Pairs, work);
    }
    work.entries = double(weight.getNumEntries());
    double slices = estimateSeconds(isa, work);
    work.kind = KernelKind::SparseGroups;
    double groups = estimateSeconds(isa, work);
    if (expanded >= std::max(slices, groups))
      return false;
    return expanded < (packInGroups(product) ? groups : slices);
  }

  const KernelISA &isa;
};
} // namespace

void compress::cpu::populateExpandedPatterns(RewritePatternSet &patterns,
                                             const TargetOptions &options) {
  patterns.add<ExpandedMatmul>(patterns.getContext(), options);
}
