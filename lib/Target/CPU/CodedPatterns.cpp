//===- CodedPatterns.cpp - Claims of entropy-coded weights ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products with constant weights whose codes are entropy coded by `huffman` or
// `rans`: packed for the kernel of what is inside, then coded again panel by
// panel. They are inflated when the model is loaded, or by the kernel, panel by
// panel in each run; the results are the same, bit for bit. What is not matched
// here (`zstd`, floats) is decoded when the model is loaded.
//
//===----------------------------------------------------------------------===//

#include "KernelInflate.h"
#include "KernelWeightOnly.h"
#include "MatrixProduct.h"
#include "QuantizedClaims.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Target/CPU/CPUTarget.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Where nothing else is asked for, weights are inflated in each run if that
/// takes no more than this share of the time of the product.
static constexpr double kCheapShare = 0.1;
/// What decides where rows are not known.
static constexpr int64_t kTypicalRows = 16;

namespace {
struct CodedMatmul : public OpRewritePattern<ContractOp> {
  CodedMatmul(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/1), isa(selectKernelISA(options)),
        when(options.coded) {}

  /// What is inside, where it is quantized.
  static std::optional<WeightMatrix> getInside(ConstantOp constant,
                                               const MatrixAxes &axes,
                                               ArrayRef<int64_t> extents) {
    CompressedTensorType type = constant.getType();
    auto coded = dyn_cast<CodedAttr>(type.getEncoding());
    if (!coded || !mlir::isa<QuantAttr>(coded.getOf()) ||
        coded.getCoder() == Coder::Zstd)
      return std::nullopt;
    CompressedTensorType inner = coded.getInnerType(type);
    if (!isRefined(inner))
      return std::nullopt;
    auto tensor = castTensor(EncodedTensor{type, constant.getLeaves()}, inner);
    if (!tensor) {
      llvm::consumeError(tensor.takeError());
      return std::nullopt;
    }
    return getWeightMatrix(*tensor, axes.weightMap, axes.n, axes.k, extents);
  }

  bool isBlockwise(const WeightOnlyGEMM &gemm,
                   const CodedPanels &layout) const {
    if (when != CodedWeights::Auto)
      return when == CodedWeights::Block;
    double rows =
        ShapedType::isDynamic(gemm.rows) ? kTypicalRows : double(gemm.rows);
    double bits = gemm.codeType.getIntOrFloatBitWidth();
    KernelKind kind = bits == 8 ? KernelKind::BytesMany : KernelKind::CodesMany;
    double product = estimateSeconds(
        isa, KernelWork::dense(kind, rows, gemm.n, gemm.k, bits));
    double inflating = estimateSeconds(isa, getInflateWork(layout));
    // Nothing measured is no reason to spend time in each run.
    return inflating > 0 && inflating <= kCheapShare * product;
  }

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<MatrixAxes> axes;
    std::optional<WeightMatrix> weight;
    ConstantOp constant;
    for (bool weightFirst : {false, true}) {
      axes = matchMatrixAxes(op, weightFirst);
      constant = axes ? axes->weight.getDefiningOp<ConstantOp>() : nullptr;
      if (constant && constant.getType().getElementType().isF32())
        weight = getInside(constant, *axes, getLoopExtents(op));
      if (weight)
        break;
    }
    if (!weight)
      return rewriter.notifyMatchFailure(op, "no entropy-coded integer matrix");
    if (!getElementTypeOrSelf(axes->activation.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "the activation is not f32");
    WeightOnlyGEMM gemm;
    gemm.isa = &isa;
    gemm.n = weight->getN();
    gemm.k = weight->getK();
    auto operands = packWeightOnly(*weight, gemm);
    if (!operands)
      return rewriter.notifyMatchFailure(op, "no kernel for what is inside");
    auto encoding = cast<CodedAttr>(constant.getType().getEncoding());
    CodedPanels layout;
    auto coded =
        codePanels(operands->codes, Panels(isa, gemm.n),
                   CodeLayout(gemm.codeType).getColumnBytes(gemm.k),
                   encoding.getCoder() == Coder::RANS ? EntropyCoder::RANS
                                                      : EntropyCoder::Huffman,
                   layout);
    if (!coded)
      return rewriter.notifyMatchFailure(op, "codes are not smaller coded");
    int64_t codeBytes = operands->codes.getBytes().size();
    if (grows(constant,
              operands->getByteSize() - codeBytes + coded->getByteSize()))
      return rewriter.notifyMatchFailure(op, "the weight would grow");

    auto module = op->getParentOfType<ModuleOp>();
    cpu::Emitter e{rewriter, op.getLoc()};
    // An encoded activation is rounded as the reference does.
    Value x = axes->activation;
    if (mlir::isa_and_present<CompressedTensorType>(x.getType()))
      x = DecodeOp::create(rewriter, op.getLoc(), x);
    int64_t leading = axes->m.size();
    x = e.asMatrix(x, leading);
    OpFoldResult rows = e.size(x, 0);
    gemm.rows = getConstantIntValue(rows).value_or(ShapedType::kDynamic);
    std::string site = getPackedName(constant);
    Value words = e.constant(coded->words, site);
    Value starts = e.constant(coded->starts, site + ".starts");
    // From constants, so that it is done once when the model is loaded.
    Value slots = e.kernel(
        generateSlots(module, layout.coder, coded->runs.getNumElements() / 2),
        e.constant(coded->runs, site + ".runs"),
        e.empty({e.constantSize(getNumSlots())}, rewriter.getI32Type()))[0];
    bool blockwise = isBlockwise(gemm, layout);
    Value codes = words;
    if (blockwise)
      gemm.coded = layout;
    else
      codes = e.kernel(
          generateInflate(module, isa, layout), {words, starts, slots},
          e.empty({e.constantSize(codeBytes)}, rewriter.getI8Type()))[0];
    SmallVector<Value> ins{x, codes,
                           e.constant(operands->scales, site + ".scales")};
    if (operands->zeros)
      ins.push_back(e.constant(operands->zeros, site + ".zeros"));
    Value bias;
    std::optional<unsigned> channels;
    if (axes->n.size() == 1)
      channels = leading;
    gemm.init = matchInit(op, channels, bias);
    if (bias)
      ins.push_back(bias);
    if (blockwise)
      ins.append({starts, slots});
    Value out =
        gemm.init == InitKind::Accumulate
            ? e.asMatrix(op.getInit(), leading)
            : e.empty({rows, e.constantSize(gemm.n)}, rewriter.getF32Type());
    Value result = e.kernel(generateWeightOnlyGEMM(module, gemm), ins, out)[0];
    rewriter.replaceOp(op, e.fromMatrix(result, leading, op.getInit()));
    return success();
  }

  const KernelISA &isa;
  CodedWeights when;
};
} // namespace

void compress::populateCPUCodedPatterns(RewritePatternSet &patterns,
                                        const TargetOptions &options) {
  patterns.add<CodedMatmul>(patterns.getContext(), options);
}
