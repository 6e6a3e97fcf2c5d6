//===- SparseConvPatterns.cpp - Claims of convolutions, sparse filters ----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which convolutions with constant sparse filters the direct sparse kernel
// runs. Others are decoded: with few zeros a dense convolution is faster.
//
//===----------------------------------------------------------------------===//

#include "KernelSparseConv.h"
#include "QuantizedClaims.h"
#include "SparseClaims.h"
#include "compress/Target/Contraction.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Above this share of stored values a dense convolution is faster.
static constexpr double kMaxDensity = 0.4;
/// Fewest pieces of work that filters are divided into where results are few.
static constexpr int64_t kTasks = 8;

namespace {
struct SparseConvolution : public OpRewritePattern<ContractOp> {
  SparseConvolution(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/3),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto constant = op.getRhs().getDefiningOp<ConstantOp>();
    if (!constant || !mlir::isa<SparseAttr>(constant.getType().getEncoding()))
      return rewriter.notifyMatchFailure(op, "no constant sparse filter");
    auto shape = matchConv(op);
    auto isF32 = [](Value v) {
      return getElementTypeOrSelf(v.getType()).isF32();
    };
    if (!shape || !isF32(op.getLhs()) || !isF32(op.getInit()))
      return rewriter.notifyMatchFailure(op, "not an f32 convolution");
    unsigned spatial = shape->out.size();
    if (spatial < 1 || spatial > 2 || shape->n < 0 || shape->f < 0 ||
        shape->c < 0)
      return rewriter.notifyMatchFailure(op, "other than 1 or 2 spatial axes");
    if (shape->group >= 0)
      return rewriter.notifyMatchFailure(op, "grouped");
    SmallVector<int64_t> extents = getLoopExtents(op);
    for (auto [d, extent] : llvm::enumerate(extents))
      if (int(d) != shape->n && (ShapedType::isDynamic(extent) || extent == 0))
        return rewriter.notifyMatchFailure(op, "dynamic or empty shape");

    SmallVector<unsigned> inputs{unsigned(shape->c)};
    llvm::append_range(inputs, shape->kernel);
    auto matrix = getSparseMatrix(constant, op.getMap(1), {unsigned(shape->f)},
                                  inputs, extents);
    if (!matrix)
      return rewriter.notifyMatchFailure(op, "nothing is stored");
    if (matrix->getDensity() > kMaxDensity)
      return rewriter.notifyMatchFailure(op, "too many stored values");
    if (!isFinite(*matrix))
      return rewriter.notifyMatchFailure(op, "a value is not finite");

    Location loc = op.getLoc();
    SparseConv conv = describe(*shape, extents);
    SmallVector<int64_t> low(spatial, 0), high(spatial, 0);
    Value source = peelPad(op.getLhs(), spatial, low, high);
    auto sourceShape = mlir::cast<ShapedType>(source.getType()).getShape();
    for (unsigned i = 0; i < spatial; ++i) {
      conv.sizes[2 - spatial + i] = sourceShape[2 + i];
      conv.padLow[2 - spatial + i] = low[i];
      if (low[i] < 0 || high[i] < 0 ||
          ShapedType::isDynamic(sourceShape[2 + i]))
        return rewriter.notifyMatchFailure(op, "cropped or dynamic image");
    }
    if (conv.getScratchSize() > std::numeric_limits<int32_t>::max())
      return rewriter.notifyMatchFailure(op, "too large an image");
    int64_t tiles =
        llvm::divideCeil(conv.getPositions(), getSparseTileRows(isa));
    PackedSlices packed =
        packSlices(*matrix, isa, getSparseBlockInputs(isa),
                   llvm::divideCeil(matrix->n * tiles, kTasks));
    conv.layout = packed.layout;
    if (!canDecodeSlices(packed.layout))
      return rewriter.notifyMatchFailure(op, "too long a filter");
    if (grows(constant, packed.getByteSize()))
      return rewriter.notifyMatchFailure(op, "the filter would grow");

    cpu::Emitter e{rewriter, loc};
    // An encoded activation is rounded as the reference does.
    if (mlir::isa<CompressedTensorType>(source.getType()))
      source = DecodeOp::create(rewriter, loc, source);
    std::string site = getPackedName(constant);
    SmallVector<Value> ins{asPlanes(e, source)};
    appendSlices(e, packed, site, ins);
    std::vector<int32_t> offsets = conv.getOffsets();
    auto table =
        HostTensor::allocate({int64_t(offsets.size())}, rewriter.getI32Type());
    llvm::copy(offsets, table.getMutableData<int32_t>().begin());
    ins.push_back(e.constant(table, site + ".offsets"));
    if (packed.scales)
      ins.push_back(e.constant(packed.scales, site + ".scales"));
    Value bias;
    conv.init = matchInit(op, /*axis=*/1, bias);
    if (bias)
      ins.push_back(bias);
    OpFoldResult images = e.size(source, 0);
    Value out = conv.init == InitKind::Accumulate
                    ? asPlanes(e, op.getInit())
                    : e.empty({images, e.constantSize(conv.layout.n),
                               e.constantSize(conv.outSizes[0]),
                               e.constantSize(conv.outSizes[1])},
                              rewriter.getF32Type());
    Value scratch = e.empty(e.scaled(images, conv.getScratchSize(), 0),
                            rewriter.getF32Type());
    auto module = op->getParentOfType<ModuleOp>();
    Value result =
        e.kernel(generateSparseConv(module, conv), ins, {out, scratch})[0];
    auto type = mlir::cast<RankedTensorType>(op.getInit().getType());
    if (spatial == 1)
      result = tensor::CollapseShapeOp::create(
          rewriter, loc, result,
          ArrayRef<ReassociationIndices>{{0}, {1}, {2, 3}});
    rewriter.replaceOp(op, e.castTo(result, type));
    return success();
  }

  SparseConv describe(const ConvShape &shape, ArrayRef<int64_t> extents) const {
    SparseConv conv;
    conv.isa = &isa;
    conv.channels = extents[shape.c];
    conv.sizes = conv.outSizes = conv.kernel = conv.strides =
        conv.dilations = {1, 1};
    conv.padLow = {0, 0};
    unsigned spatial = shape.out.size();
    for (unsigned i = 0; i < spatial; ++i) {
      unsigned d = 2 - spatial + i;
      conv.kernel[d] = extents[shape.kernel[i]];
      conv.outSizes[d] = extents[shape.out[i]];
      conv.strides[d] = shape.strides[i];
      conv.dilations[d] = shape.dilations[i];
    }
    return conv;
  }

  /// [n, c, x] as [n, c, 1, x].
  static Value asPlanes(cpu::Emitter &e, Value value) {
    auto type = mlir::cast<RankedTensorType>(value.getType());
    if (type.getRank() == 4)
      return value;
    ArrayRef<int64_t> shape = type.getShape();
    return tensor::ExpandShapeOp::create(
        e.b, e.loc,
        RankedTensorType::get({shape[0], shape[1], 1, shape[2]},
                              type.getElementType()),
        value, ArrayRef<ReassociationIndices>{{0}, {1}, {2, 3}},
        ArrayRef<OpFoldResult>{e.size(value, 0), e.constantSize(shape[1]),
                               e.constantSize(1), e.constantSize(shape[2])});
  }

  const KernelISA &isa;
};
} // namespace

void compress::cpu::populateSparseConvPatterns(RewritePatternSet &patterns,
                                               const TargetOptions &options) {
  patterns.add<SparseConvolution>(patterns.getContext(), options);
}
