//===- SparsePatterns.cpp - Claims of products with sparse weights --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which products with constant sparse weights generated kernels run. What is
// not matched here goes the way of the contraction rules or is decoded.
//
//===----------------------------------------------------------------------===//

#include "KernelCosts.h"
#include "KernelSparse.h"
#include "MatrixProduct.h"
#include "SparseClaims.h"
#include "compress/Target/CPU/CPUTarget.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// Above this share of stored values a dense product is always faster.
static constexpr double kMaxDensity = 0.6;
/// Weights of fewer entries stay sparse below that: little is at stake.
static constexpr int64_t kMinEntries = 1 << 16;
/// What decides where rows are not known.
static constexpr int64_t kTypicalRows = 16;
/// Above this many rows the lanes of a tile are always used.
static constexpr int64_t kMostFewRows = 16;

std::optional<SparseProduct> compress::cpu::matchSparseProduct(ContractOp op) {
  for (bool weightFirst : {false, true}) {
    std::optional<MatrixAxes> axes = matchMatrixAxes(op, weightFirst);
    auto constant = axes ? axes->weight.getDefiningOp<ConstantOp>() : nullptr;
    if (!constant)
      continue;
    std::optional<SparseMatrix> matrix = getSparseMatrix(
        constant, axes->weightMap, axes->n, axes->k, getLoopExtents(op));
    if (matrix)
      return SparseProduct{axes->activation, constant, axes->m,
                           axes->n,          axes->k,  std::move(*matrix)};
  }
  return std::nullopt;
}

double compress::cpu::getUsualRows(ContractOp op,
                                   const SparseProduct &product) {
  double rows = 1;
  SmallVector<int64_t> extents = getLoopExtents(op);
  for (unsigned loop : product.m) {
    if (ShapedType::isDynamic(extents[loop]))
      return kTypicalRows;
    rows *= double(extents[loop]);
  }
  return rows;
}

bool compress::cpu::isPerRow(const Activation &activation,
                             unsigned numRowAxes) {
  auto shape = cast<ShapedType>(activation.source.getType()).getShape();
  for (auto [axis, group] : llvm::enumerate(activation.encoding.getGroup()))
    if (axis < numRowAxes ? group != 1 && shape[axis] != 1
                          : !isWhole(group, shape[axis]))
      return false;
  return true;
}

FailureOr<SparseCodeProduct>
compress::cpu::matchSparseCodeProduct(ContractOp op,
                                      PatternRewriter &rewriter) {
  auto activation = matchActivation(op.getLhs());
  if (!activation)
    activation = matchActivation(op.getRhs());
  if (!activation)
    return rewriter.notifyMatchFailure(op, "no 8-bit activation");
  auto product = matchSparseProduct(op);
  if (!product || !product->weight.storedType.isInteger(8) ||
      product->weight.k > kMaxDotLength)
    return rewriter.notifyMatchFailure(op, "no sparse 8-bit matrix weight");
  bool perTensor = isPerTensor(*activation);
  if (!perTensor && !isPerRow(*activation, product->m.size()))
    return rewriter.notifyMatchFailure(op, "groups are not rows");
  return SparseCodeProduct{std::move(*product), std::move(*activation),
                           perTensor};
}

std::optional<PackedGroups>
compress::cpu::packInGroups(const SparseProduct &product) {
  if (product.weight.k > 65536 || product.weight.n < kGroupOutputs)
    return std::nullopt;
  PackedGroups packed = packGroups(product.weight);
  int64_t places = packed.values.getNumElements();
  int64_t stored = product.weight.getNumEntries();
  if (places > stored + stored / 4 ||
      double(places) >
          kMaxDensity * double(product.weight.n) * double(product.weight.k) ||
      grows(product.constant, packed.getByteSize()))
    return std::nullopt;
  return packed;
}

bool compress::cpu::isFinite(const SparseMatrix &weight) {
  return llvm::all_of(weight.values.toFloats(),
                      [](float value) { return std::isfinite(value); });
}

void compress::cpu::appendSlices(cpu::Emitter &e, const PackedSlices &packed,
                                 const std::string &site,
                                 SmallVectorImpl<Value> &ins) {
  ins.push_back(e.constant(packed.values, site));
  ins.push_back(e.constant(packed.indices, site + ".indices"));
  ins.push_back(e.constant(packed.outputs, site + ".outputs"));
  ins.push_back(e.constant(packed.steps, site + ".steps"));
  ins.push_back(e.constant(packed.slices, site + ".slices"));
}

namespace {
struct SparseMatmul : public OpRewritePattern<ContractOp> {
  SparseMatmul(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/1),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    auto product = matchSparseProduct(op);
    if (!product)
      return rewriter.notifyMatchFailure(op, "no sparse matrix weight");
    auto activationType = cast<ShapedType>(product->activation.getType());
    if (!activationType.getElementType().isF32())
      return rewriter.notifyMatchFailure(op, "no f32 activation");
    if (!pays(op, *product))
      return rewriter.notifyMatchFailure(op, "too many stored values");
    if (!isFinite(product->weight))
      return rewriter.notifyMatchFailure(op, "a value is not finite");
    PackedSlices packed =
        packSlices(product->weight, isa, getSparseBlockInputs(isa));
    if (!canDecodeSlices(packed.layout))
      return rewriter.notifyMatchFailure(op, "too long an output");
    if (grows(product->constant, packed.getByteSize()))
      return rewriter.notifyMatchFailure(op, "the weight would grow");

    auto module = op->getParentOfType<ModuleOp>();
    cpu::Emitter e{rewriter, op.getLoc()};
    // An encoded activation is rounded as the reference does.
    Value x = product->activation;
    if (isa_and_present<CompressedTensorType>(x.getType()))
      x = DecodeOp::create(rewriter, op.getLoc(), x);
    x = e.asMatrix(x, product->m.size());
    OpFoldResult rows = e.size(x, 0);
    int64_t n = packed.layout.n;
    SparseGEMM gemm{&isa, packed.layout,
                    getConstantIntValue(rows).value_or(ShapedType::kDynamic),
                    InitKind::Zero, /*fewRows=*/0};
    KernelWork work{KernelKind::SparseFew,
                    1,
                    double(n),
                    double(packed.layout.k),
                    double(packed.getByteSize()),
                    double(product->weight.getNumEntries())};
    gemm.fewRows = getMostFewRows(isa, KernelKind::SparseFew,
                                  KernelKind::SparseMany, work, kMostFewRows);
    std::string site = getPackedName(product->constant);
    SmallVector<Value> ins{x};
    appendSlices(e, packed, site, ins);
    if (packed.scales)
      ins.push_back(e.constant(packed.scales, site + ".scales"));
    Value bias;
    gemm.init = matchInit(op, product->getChannelAxis(), bias);
    if (bias)
      ins.push_back(bias);
    SmallVector<Value> outs{
        gemm.init == InitKind::Accumulate
            ? e.asMatrix(op.getInit(), product->m.size())
            : e.empty({rows, e.constantSize(n)}, rewriter.getF32Type())};
    if (gemm.mayBeMany()) {
      // Whole tiles of rows. One tensor: two of equal sizes might be merged.
      int64_t size = gemm.getScratchRow();
      outs.push_back(
          e.empty(e.scaled(rows, size, getSparseTileRows(isa) * size),
                  rewriter.getF32Type()));
    }
    Value result = e.kernel(generateSparseGEMM(module, gemm), ins, outs)[0];
    rewriter.replaceOp(op,
                       e.fromMatrix(result, product->m.size(), op.getInit()));
    return success();
  }

  /// Whether a product with what is stored takes less than one with all
  /// values, which would be decoded when the model is loaded.
  bool pays(ContractOp op, const SparseProduct &product) const {
    const SparseMatrix &weight = product.weight;
    if (weight.getDensity() > kMaxDensity)
      return false;
    if (weight.n * weight.k < kMinEntries)
      return true;
    KernelWork dense = KernelWork::dense(
        KernelKind::Float, getUsualRows(op, product), weight.n, weight.k, 32);
    KernelWork few = dense;
    few.kind = KernelKind::SparseFew;
    few.entries = weight.getNumEntries();
    // Values with numbers of inputs.
    few.bytes = few.entries * 6;
    KernelWork many = few;
    many.kind = KernelKind::SparseMany;
    return std::min(estimateSeconds(isa, few), estimateSeconds(isa, many)) <=
           estimateSeconds(isa, dense);
  }

  const KernelISA &isa;
};

/// Codes on both sides.
struct SparseIntegerMatmul : public OpRewritePattern<ContractOp> {
  SparseIntegerMatmul(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/2),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    FailureOr<SparseCodeProduct> codes = matchSparseCodeProduct(op, rewriter);
    if (failed(codes))
      return failure();
    const SparseProduct *product = &codes->product;
    const Activation *activation = &codes->activation;
    bool perTensor = codes->perTensor;
    std::optional<PackedGroups> groups = packInGroups(*product);
    std::optional<PackedSlices> packed;
    if (!groups)
      packed = pack(*product);
    if (!groups && !packed)
      return rewriter.notifyMatchFailure(op, "stored codes are not in runs");

    int64_t n = product->weight.n, k = product->weight.k;
    auto module = op->getParentOfType<ModuleOp>();
    cpu::Emitter e{rewriter, op.getLoc()};
    Value x = e.asMatrix(activation->source, product->m.size());
    OpFoldResult rows = e.size(x, 0);
    std::string name = generateQuantizeRows(
        module, {&isa, k, !perTensor, activation->range, activation->statics});
    SmallVector<Value> ins =
        e.quantize(name, x, *activation,
                   e.scaled(rows, isa.getRowBytes(k), isa.getRowSlack(k)),
                   perTensor ? e.constantSize(1) : rows,
                   perTensor && !activation->statics);
    std::string site = getPackedName(product->constant);
    int64_t padded;
    if (groups) {
      padded = llvm::alignTo(n, kGroupOutputs);
      ins.push_back(e.constant(groups->values, site));
      ins.push_back(e.constant(groups->indices, site + ".indices"));
      ins.push_back(e.constant(groups->tiles, site + ".tiles"));
    } else {
      padded = packed->layout.getPaddedN();
      appendSlices(e, *packed, site, ins);
    }
    ins.push_back(e.constant(getSums(product->weight, padded), site + ".sums"));
    ins.push_back(
        e.constant(getScales(product->weight, padded), site + ".scales"));
    Value bias;
    InitKind init = matchInit(op, product->getChannelAxis(), bias);
    if (bias)
      ins.push_back(bias);
    Value out = init == InitKind::Accumulate
                    ? e.asMatrix(op.getInit(), product->m.size())
                    : e.empty({rows, e.constantSize(n)}, rewriter.getF32Type());
    // Whole tiles of rows.
    int64_t size = k;
    Type scratchType = rewriter.getI8Type();
    if (groups) {
      name = generateSparseGroupGEMM(
          module,
          {&isa, n, k, getConstantIntValue(rows).value_or(ShapedType::kDynamic),
           !perTensor, init});
    } else {
      SparseDotGEMM gemm{&isa, packed->layout, k, !perTensor, init};
      size = gemm.getScratchRow();
      scratchType = rewriter.getI32Type();
      name = generateSparseDotGEMM(module, gemm);
    }
    Value scratch = e.empty(e.scaled(rows, size, getSparseTileRows(isa) * size),
                            scratchType);
    Value result = e.kernel(name, ins, {out, scratch})[0];
    rewriter.replaceOp(op,
                       e.fromMatrix(result, product->m.size(), op.getInit()));
    return success();
  }

  /// Entries as long as the runs of stored codes allow.
  std::optional<PackedSlices> pack(const SparseProduct &product) const {
    for (int64_t words : {4, 2, 1}) {
      SparseMatrix joined = packWords(product.weight, words);
      if (joined.getDensity() > kMaxDensity)
        continue;
      PackedSlices packed =
          packSlices(joined, isa, getSparseDotBlock(isa, words));
      if (!grows(product.constant, packed.getByteSize()))
        return packed;
    }
    return std::nullopt;
  }

  /// Of the codes of each output.
  static HostTensor getSums(const SparseMatrix &weight, int64_t padded) {
    auto sums = HostTensor::allocate(
        {padded}, IntegerType::get(weight.encoding.getContext(), 32));
    auto to = sums.getMutableData<int32_t>();
    for (int64_t n = 0; n < weight.n; ++n)
      for (int64_t e = weight.offsets[n]; e < weight.offsets[n + 1]; ++e)
        to[n] += int32_t(weight.stored.getInt(weight.slots[e]));
    return sums;
  }
  static HostTensor getScales(const SparseMatrix &weight, int64_t padded) {
    auto scales = HostTensor::allocate(
        {padded}, Float32Type::get(weight.encoding.getContext()));
    llvm::copy(weight.scales, scales.getMutableData<float>().begin());
    return scales;
  }

  const KernelISA &isa;
};
} // namespace

void compress::populateCPUSparsePatterns(RewritePatternSet &patterns,
                                         const TargetOptions &options) {
  patterns.add<SparseIntegerMatmul, SparseMatmul>(patterns.getContext(),
                                                  options);
  populateSparseConvPatterns(patterns, options);
  populateExpandedPatterns(patterns, options);
}
