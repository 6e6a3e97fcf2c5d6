//===- CostModel.cpp - The time that contractions take ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which kernels run a contraction, by the types of its operands alone: the
// structure of an encoding is walked as claims and rules would, and what its
// kernels take is added up. Where two kernels compete the faster one counts,
// as it does when they are chosen.
//
//===----------------------------------------------------------------------===//

#include "CostModel.h"
#include "KernelBits.h"
#include "KernelCodebook.h"
#include "KernelCosts.h"
#include "KernelWeightOnly.h"
#include "compress/Dialect/Compress/IR/ChannelBlocks.h"
#include "compress/Target/Contraction.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

namespace {
class Estimator {
public:
  Estimator(const KernelISA &table, int threads, CodedWeights coded)
      : table(table), threads(threads), coded(coded) {}

  double estimate(Type weight, ProductShape shape) const;

private:
  double run(KernelKind kind, ProductShape shape, double bytes,
             double entries) const {
    return estimateSeconds(
        table, {kind, shape.m, shape.n, shape.k, bytes, entries}, threads);
  }
  /// The faster of two ways.
  double runEither(KernelKind few, KernelKind many, ProductShape shape,
                   double bytes, double entries) const {
    return std::min(run(few, shape, bytes, entries),
                    run(many, shape, bytes, entries));
  }
  /// Codes on the right only, in blocks of `block`.
  double runWeightOnly(QuantAttr encoding, ProductShape shape, double block,
                       double bytes) const;
  /// Codes in blocks, or pairs of them.
  double runBlocks(BlockCodes codes, ProductShape shape, double bytes) const {
    KernelWork work{KernelKind::BlockDotFew, shape.m, shape.n, shape.k, bytes,
                    shape.n * shape.k};
    return estimateBlocks(table, codes, work, threads);
  }
  double runDots(ProductShape shape) const {
    return estimateDots(table, shape.m, shape.n, shape.k, threads);
  }
  /// Codes on both sides; those of the weight have `width` bits.
  double runCodes(ProductShape shape, unsigned width, ArrayRef<int64_t> group,
                  double bytes) const;
  double estimateDense(ProductShape shape, double bits,
                       bool isHalf = false) const {
    KernelKind kind = !shape.hasWindow
                          ? isHalf ? KernelKind::Half : KernelKind::Float
                      : shape.isDepthwise ? KernelKind::ConvDepthwise
                                          : KernelKind::ConvFloat;
    double entries = shape.n * shape.k;
    return run(kind, shape, entries * bits / 8, entries);
  }
  double estimateDecoded(ProductShape shape) const {
    return estimateDense(shape, 32);
  }
  double estimateQuant(CompressedTensorType type, ProductShape shape) const;
  double estimateTable(CompressedTensorType type, unsigned width,
                       ArrayRef<int64_t> group, ProductShape shape) const;
  double estimateCodebook(CodebookAttr encoding, ProductShape shape) const;
  double estimateSparse(CompressedTensorType type, ProductShape shape) const;
  double estimateChannels(CompressedTensorType type, ProductShape shape) const;
  double estimateFactored(CompressedTensorType type, ProductShape shape) const;

  const KernelISA &table;
  int threads;
  CodedWeights coded;
};
} // namespace

static double getBytes(CompressedTensorType type) {
  return double(type.getStorageBits()) / 8;
}

/// Whether no output has more than one group.
static bool hasWholeOutputs(ArrayRef<int64_t> group) {
  return llvm::none_of(group, [](int64_t size) {
    return !ShapedType::isDynamic(size) && size != 1;
  });
}
/// The same, or groups are so long that this hardly matters.
static bool hasLongGroups(ArrayRef<int64_t> group) {
  return llvm::none_of(group, [](int64_t size) {
    return !ShapedType::isDynamic(size) && size != 1 && size < kLeastLong;
  });
}

/// Codes of whole outputs with nothing but a scale.
static bool hasScalePerOutput(QuantAttr encoding) {
  return encoding.isSignedCode() && !encoding.getZero() &&
         hasWholeOutputs(encoding.getGroup());
}

double Estimator::runCodes(ProductShape shape, unsigned width,
                           ArrayRef<int64_t> group, double bytes) const {
  double blocks =
      runBlocks(hasLongGroups(group) ? BlockCodes::Long : BlockCodes::Short,
                shape, bytes);
  if (!hasWholeOutputs(group) || shape.codeBits > kMostBitPlanes ||
      width > kMostBitPlanes)
    return blocks;
  double bits = estimateBits(table, shape.m, shape.n, shape.k,
                             shape.codeBits * width, bytes, threads);
  // Of one bit are two values without a zero point among them.
  return shape.codeBits == 1 ? bits : std::min(bits, blocks);
}

double Estimator::runWeightOnly(QuantAttr encoding, ProductShape shape,
                                double block, double bytes) const {
  WeightOnlyGEMM gemm{};
  gemm.isa = &table;
  gemm.n = int64_t(shape.n);
  gemm.k = int64_t(shape.k);
  gemm.block = std::max<int64_t>(1, int64_t(block));
  gemm.codeType = encoding.getCodeType();
  // Whichever type they get when they are packed.
  if (encoding.getZero())
    gemm.zeroType = gemm.codeType;
  auto [few, many] = getWeightOnlyWork(gemm, shape.m, bytes);
  return std::min(estimateSeconds(table, few, threads),
                  estimateSeconds(table, many, threads));
}

double Estimator::estimateQuant(CompressedTensorType type,
                                ProductShape shape) const {
  auto encoding = cast<QuantAttr>(type.getEncoding());
  double bytes = getBytes(type), entries = shape.n * shape.k;
  if (encoding.getCodeWidth() > 8)
    return estimateDecoded(shape);
  bool isInteger = !encoding.isFloatCode();
  if (shape.hasWindow) {
    // Filters of fewer bits get 8.
    if (shape.codes && isInteger && hasScalePerOutput(encoding) &&
        !shape.isDepthwise)
      return run(KernelKind::ConvDot, shape, bytes, entries);
    return estimateDecoded(shape);
  }
  if (shape.codes && isInteger) {
    if (shape.codeBits == 8 && encoding.getCodeWidth() == 8 &&
        hasScalePerOutput(encoding))
      return runDots(shape);
    return runCodes(shape, encoding.getCodeWidth(), encoding.getGroup(), bytes);
  }
  double block = shape.k;
  for (int64_t size : encoding.getGroup())
    if (!ShapedType::isDynamic(size) && size != 1)
      block = std::min(block, double(size));
  return runWeightOnly(encoding, shape, block, bytes);
}

double Estimator::estimateTable(CompressedTensorType type, unsigned width,
                                ArrayRef<int64_t> group,
                                ProductShape shape) const {
  double bytes = getBytes(type), entries = shape.n * shape.k;
  // Tables of few evenly spaced values are multiplied as integers.
  if (shape.codes && width <= 2)
    return runCodes(shape, width, group, bytes);
  auto [few, many] = getTableKinds(width);
  return runEither(few, many, shape, bytes, entries);
}

/// Blocks are taken to lie along the inputs.
double Estimator::estimateCodebook(CodebookAttr encoding,
                                   ProductShape shape) const {
  int64_t vec = encoding.getVectorSize();
  if (shape.hasWindow || vec > kMostVector ||
      (vec == 1 && encoding.getStages() == 1) || !encoding.getGroup().empty())
    return estimateDecoded(shape);
  CodebookLayout layout(int64_t(shape.n), int64_t(shape.k), encoding.getSize(),
                        vec, encoding.getStages());
  double seconds = estimateSeconds(
      table, getCodebookWork(table, layout, /*isLookup=*/false, shape.m),
      threads);
  if (layout.size > kMostLookedUp)
    return seconds;
  return std::min(seconds,
                  estimateSeconds(table,
                                  getCodebookWork(table, layout,
                                                  /*isLookup=*/true, shape.m),
                                  threads));
}

double Estimator::estimateSparse(CompressedTensorType type,
                                 ProductShape shape) const {
  auto encoding = cast<SparseAttr>(type.getEncoding());
  if (hasChannelsOfCodes(type))
    return estimateChannels(type, shape);
  if (shape.hasWindow && (shape.isDepthwise || shape.codes))
    return estimateDecoded(shape);
  double entries = 1, bytes = getBytes(type);
  for (int64_t extent : encoding.getValuesShape(type.getShape())) {
    if (ShapedType::isDynamic(extent))
      return estimateDecoded(shape);
    entries *= double(extent);
  }
  // Convolutions walk through the same slices as products of many rows.
  if (shape.hasWindow)
    return std::min(estimateDecoded(shape),
                    run(KernelKind::SparseMany, shape, bytes, entries));
  auto quant = dyn_cast<QuantAttr>(encoding.getOf());
  if (shape.codes && quant && !quant.isFloatCode() &&
      quant.getCodeWidth() == 8) {
    // Where they take longer, codes are expanded when the model is loaded.
    double expanded = runDots(shape);
    // Of 2:4 and the like all codes are multiplied.
    if (encoding.getPattern() == SparsePattern::NM)
      return std::min(expanded, runBlocks(BlockCodes::Pairs, shape, bytes));
    // Blocks across the last axis, which is that of outputs as a rule.
    if (encoding.getPattern() == SparsePattern::Block &&
        encoding.getArguments().back() >= 16)
      return std::min(expanded,
                      run(KernelKind::SparseGroups, shape, bytes, entries));
    return std::min(expanded,
                    run(KernelKind::SparseDot, shape, bytes, entries));
  }
  return std::min(estimateDecoded(shape),
                  runEither(KernelKind::SparseFew, KernelKind::SparseMany,
                            shape, bytes, entries));
}

/// Channels of codes: those of the activation are gathered and scaled, and
/// multiplied with plain codes. Fewer outputs are as much less work as fewer
/// inputs.
double Estimator::estimateChannels(CompressedTensorType type,
                                   ProductShape shape) const {
  auto sparse = cast<SparseAttr>(type.getEncoding());
  auto scaled = dyn_cast<ScaledAttr>(sparse.getOf());
  auto quant = cast<QuantAttr>(scaled ? scaled.getOf() : sparse.getOf());
  int64_t axis = getChannelBlockAxis(type).value_or(
      sparse.getArguments().empty() ? 0 : sparse.getArguments()[0]);
  if (ShapedType::isDynamic(sparse.getNnz()) || type.getDimSize(axis) <= 0)
    return estimateDecoded(shape);
  shape.k *= double(sparse.getNnz()) / double(type.getDimSize(axis));
  shape.codes = false;
  double width = quant.getCodeWidth();
  double seconds = run(KernelKind::Rotate, {shape.m, 0, shape.k}, 0, 0);
  if (shape.hasWindow || width > 8)
    return seconds + estimateDecoded(shape);
  return seconds +
         runWeightOnly(quant, shape, shape.k, shape.n * shape.k * width / 8);
}

double Estimator::estimateFactored(CompressedTensorType type,
                                   ProductShape shape) const {
  SmallVector<Component> factors = type.getComponents();
  double seconds = 0;
  if (factors.size() == 2 && type.getRank() == 2 && !shape.hasWindow) {
    // Rows go through one factor and what comes out of it through the other.
    for (const Component &factor : factors) {
      auto extents = cast<ShapedType>(factor.type).getShape();
      if (extents.size() != 2)
        return estimateDecoded(shape);
      ProductShape part = shape;
      part.n = double(extents[0]);
      part.k = double(extents[1]);
      part.codes = false;
      seconds += estimate(factor.type, part);
    }
  } else {
    double entries = 0;
    for (const Component &factor : factors)
      entries += double(cast<ShapedType>(factor.type).getNumElements());
    seconds = run(shape.hasWindow ? KernelKind::ConvFloat : KernelKind::Float,
                  shape, entries * 4, entries);
  }
  return std::min(seconds, estimateDecoded(shape));
}

double Estimator::estimate(Type weight, ProductShape shape) const {
  auto type = dyn_cast<CompressedTensorType>(weight);
  if (!type)
    return estimateDense(
        shape,
        cast<ShapedType>(weight).getElementType().getIntOrFloatBitWidth());
  EncodingAttrInterface encoding = type.getEncoding();
  if (auto dense = dyn_cast<DenseAttr>(encoding)) {
    Type stored = dense.getStorageType();
    bool isShort = stored.getIntOrFloatBitWidth() == 16 && !shape.hasWindow;
    return estimateDense(shape, isShort ? 16 : 32, isShort && stored.isF16());
  }
  if (isa<QuantAttr>(encoding))
    return estimateQuant(type, shape);
  if (isa<SparseAttr>(encoding))
    return estimateSparse(type, shape);
  if (auto attr = dyn_cast<CodedAttr>(encoding)) {
    CompressedTensorType inner = attr.getInnerType(type);
    double seconds = estimate(inner, shape);
    // By default they are inflated in a run only where that costs little.
    if (coded == CodedWeights::Block && isa<QuantAttr>(attr.getOf()) &&
        attr.getCoder() != Coder::Zstd && !shape.hasWindow && !shape.codes)
      seconds +=
          run(KernelKind::Inflate, {1, 0, 0}, getBytes(type), getBytes(inner));
    return seconds;
  }
  if (isa<FactoredAttr>(encoding))
    return estimateFactored(type, shape);
  if (isa<SumAttr>(encoding)) {
    shape.codes = false;
    double seconds = 0;
    for (const Component &term : type.getComponents())
      seconds += estimate(term.type, shape);
    return seconds;
  }
  auto getTableWidth = [](Attribute inner) -> std::optional<unsigned> {
    auto codebook = dyn_cast<CodebookAttr>(inner);
    if (!codebook || codebook.getVectorSize() != 1 ||
        codebook.getStages() != 1 || codebook.getIndexWidth() > 8 ||
        !codebook.getGroup().empty())
      return std::nullopt;
    return codebook.getIndexWidth();
  };
  if (auto codebook = dyn_cast<CodebookAttr>(encoding)) {
    auto width = getTableWidth(encoding);
    return width && !shape.hasWindow ? estimateTable(type, *width, {}, shape)
                                     : estimateCodebook(codebook, shape);
  }
  bool isWrapped = isa<ScaledAttr, PermutedAttr, RotatedAttr>(encoding);
  if (!isWrapped || shape.hasWindow)
    return estimateDecoded(shape);
  Component inner = type.getComponents()[0];
  if (auto scaled = dyn_cast<ScaledAttr>(encoding))
    if (auto width = getTableWidth(inner.encoding))
      return estimateTable(type, *width, scaled.getGroup(), shape);
  if (!isa<PermutedAttr>(encoding))
    shape.codes = false;
  return run(KernelKind::Rotate, shape, 0, 0) + estimate(inner.type, shape);
}

double compress::cpu::estimateProduct(const KernelISA &isa, Type weight,
                                      ProductShape shape, int threads,
                                      CodedWeights coded) {
  return Estimator(isa, threads, coded).estimate(weight, shape);
}

/// Whether a value is stored, rather than computed when the model runs.
static bool isStored(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return isa<CompressedTensorType>(value.getType());
  return isa<ConstantOp, arith::ConstantOp, PackOp>(op);
}

std::optional<double> compress::cpu::estimateContract(const KernelISA &isa,
                                                      ContractOp op,
                                                      int threads,
                                                      CodedWeights coded) {
  std::optional<MatmulShape> matmul = matchMatmul(op);
  std::optional<ConvShape> conv = matmul ? std::nullopt : matchConv(op);
  if (!matmul && !conv)
    return std::nullopt;
  SmallVector<int64_t> extents = getLoopExtents(op);
  if (llvm::any_of(extents, ShapedType::isDynamic))
    return std::nullopt;
  auto getProduct = [&](ArrayRef<unsigned> loops) {
    double product = 1;
    for (unsigned loop : loops)
      product *= double(extents[loop]);
    return product;
  };
  auto getExtent = [&](int loop) {
    return loop < 0 ? 1.0 : double(extents[loop]);
  };
  bool weightFirst = isStored(op.getLhs()) && !isStored(op.getRhs());
  Value weight = weightFirst ? op.getLhs() : op.getRhs();
  Value activation = weightFirst ? op.getRhs() : op.getLhs();
  ProductShape shape;
  double times = 1;
  if (matmul) {
    shape.m = getProduct(weightFirst ? matmul->n : matmul->m);
    shape.n = getProduct(weightFirst ? matmul->m : matmul->n);
    shape.k = getProduct(matmul->k);
    times = getProduct(matmul->batch);
  } else {
    double groups = getExtent(conv->group);
    shape.m = getExtent(conv->n) * getProduct(conv->out);
    shape.n = groups * getExtent(conv->f);
    shape.k = getExtent(conv->c) * getProduct(conv->kernel);
    shape.hasWindow = true;
    shape.isDepthwise = groups > 1 && getExtent(conv->c) == 1;
  }
  if (auto type = dyn_cast<CompressedTensorType>(activation.getType()))
    if (auto quant = dyn_cast<QuantAttr>(type.getEncoding()))
      if (!quant.isFloatCode() && quant.getCodeWidth() <= 8) {
        shape.codes = true;
        shape.codeBits = quant.getCodeWidth();
      }
  // Static ones of fewer bits get 8.
  auto encode = activation.getDefiningOp<EncodeOp>();
  if (shape.codes && shape.codeBits > 1 && encode &&
      !encode.getParameters().empty())
    shape.codeBits = 8;
  return times * estimateProduct(isa, weight.getType(), shape, threads, coded);
}
