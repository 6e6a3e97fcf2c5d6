//===- CodebookPatterns.cpp - Claims of vector codebooks --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products with constant weights that are sums of entries of codebooks, blocks
// of consecutive inputs of one output. Tables of scalars are claimed in
// QuantizedPatterns.cpp.
//
//===----------------------------------------------------------------------===//

#include "KernelCodebook.h"
#include "MatrixProduct.h"
#include "QuantizedClaims.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "compress/Target/CPU/CPUTarget.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/TypeUtilities.h"
#include <cmath>

using namespace mlir;
using namespace compress;
using namespace compress::cpu;

/// What decides where rows are not known.
static constexpr int64_t kTypicalRows = 16;
/// Entries that a cache holds beside what else is read may be many for a small
/// weight.
static constexpr int64_t kMostEntryBytes = 256 * 1024;

namespace {
/// A constant as the sum over stages of entry `index(n, block, stage)`.
struct CodebookMatrix {
  int64_t n, k, size, vec, stages;
  HostTensor indices;
  /// [stage, entry, vec]
  std::vector<float> entries;
  /// Index (n, block, stage) is element nOffsets[n] + kOffsets[block] +
  /// stage * stageStride.
  SmallVector<int64_t> nOffsets, kOffsets;
  int64_t stageStride;

  uint64_t getIndex(int64_t output, int64_t block, int64_t stage) const {
    return indices.getBits(nOffsets[output] + kOffsets[block] +
                           stage * stageStride);
  }
};
} // namespace

static std::optional<CodebookMatrix>
getCodebookMatrix(ConstantOp op, const MatrixAxes &axes,
                  ArrayRef<int64_t> extents) {
  CompressedTensorType type = op.getType();
  auto codebook = dyn_cast<CodebookAttr>(type.getEncoding());
  ArrayRef<int64_t> shape = type.getShape();
  if (!codebook || !type.getElementType().isF32() ||
      (codebook.getVectorSize() == 1 && codebook.getStages() == 1) ||
      codebook.getVectorSize() > kMostVector ||
      llvm::any_of(codebook.getGroupGrid(shape),
                   [](int64_t count) { return count != 1; }))
    return std::nullopt;
  SmallVector<int64_t> vec = codebook.getVectorShape(shape.size());
  SmallVector<int64_t> grid = codebook.getIndexGrid(shape);
  // Per loop, what each index (of the last k: each block) adds.
  SmallVector<SmallVector<int64_t>> offsets(extents.size());
  int64_t stride = 1;
  for (int64_t axis = int64_t(shape.size()) - 1; axis >= 0; --axis) {
    auto dim = dyn_cast<AffineDimExpr>(axes.weightMap.getResult(axis));
    if (!dim || !offsets[dim.getPosition()].empty())
      return std::nullopt;
    unsigned loop = dim.getPosition();
    // Blocks are inputs that follow each other, and only the last may hang
    // over.
    if (vec[axis] > 1 && (loop != axes.k.back() ||
                          (axes.k.size() > 1 && shape[axis] % vec[axis])))
      return std::nullopt;
    for (int64_t i = 0; i < grid[axis]; ++i)
      offsets[loop].push_back(i * stride);
    stride *= grid[axis];
  }
  auto enumerate = [&](ArrayRef<unsigned> loops) {
    SmallVector<SmallVector<int64_t>> chosen;
    for (unsigned loop : loops)
      chosen.push_back(offsets[loop]);
    return enumerateOffsets(chosen);
  };
  CodebookMatrix result;
  result.nOffsets = enumerate(axes.n);
  result.kOffsets = enumerate(axes.k);
  result.stageStride = stride;
  result.n = result.nOffsets.size();
  result.k = 1;
  for (unsigned loop : axes.k)
    result.k *= extents[loop];
  if (result.n == 0 || result.k == 0)
    return std::nullopt;
  result.size = codebook.getSize();
  result.vec = codebook.getVectorSize();
  result.stages = codebook.getStages();
  SmallVector<HostTensor> leaves = op.getLeaves();
  SmallVector<ComponentValue> parts = splitLeaves(type, leaves);
  result.indices = parts[0].leaves[0].bitcast(IntegerType::get(
      op.getContext(), codebook.getIndexWidth(), IntegerType::Unsigned));
  auto tables = decodeComponent(parts[1]);
  if (!tables) {
    llvm::consumeError(tables.takeError());
    return std::nullopt;
  }
  result.entries = tables->toFloats();
  return result;
}

static HostTensor packIndices(const CodebookMatrix &weight,
                              const CodebookLayout &layout,
                              MLIRContext *context) {
  bool isWide = layout.width == 16;
  auto result =
      HostTensor::allocate({layout.getBytes() / (isWide ? 2 : 1)},
                           IntegerType::get(context, isWide ? 16 : 8));
  char *bytes = result.getMutableBytes().data();
  int64_t blocks = weight.kOffsets.size();
  for (int64_t group = 0; group < layout.getNumGroups(); ++group)
    for (int64_t n = 0; n < weight.n; ++n) {
      char *out =
          bytes + (group * layout.getPaddedN() + n) * layout.getGroupBytes();
      for (int64_t b = 0; b < layout.groupBlocks; ++b) {
        int64_t block = group * layout.groupBlocks + b;
        if (block >= blocks)
          break;
        for (int64_t s = 0; s < layout.stages; ++s) {
          uint64_t index = weight.getIndex(n, block, s);
          int64_t number = b * layout.stages + s;
          if (layout.width == 4) {
            out[number / 2] |= char(index << (number % 2 * 4));
          } else if (!isWide) {
            out[number] = char(index);
          } else {
            uint16_t word = uint16_t(index);
            std::memcpy(out + number * 2, &word, 2);
          }
        }
      }
    }
  return result;
}

/// As the kernel's way wants them; padding is zero.
static HostTensor packEntries(const CodebookMatrix &weight,
                              const CodebookLayout &layout, bool isLookup,
                              MLIRContext *context) {
  int64_t size = isLookup ? layout.getPaddedSize() : layout.size;
  auto result = HostTensor::allocate({layout.stages * layout.vec * size},
                                     Float32Type::get(context));
  auto out = result.getMutableData<float>();
  for (int64_t s = 0; s < layout.stages; ++s)
    for (int64_t e = 0; e < layout.size; ++e)
      for (int64_t j = 0; j < layout.vec; ++j)
        out[isLookup ? (s * layout.vec + j) * size + e
                     : (s * size + e) * layout.vec + j] =
            weight.entries[(s * layout.size + e) * layout.vec + j];
  return result;
}

namespace {
struct CodebookMatmul : public OpRewritePattern<ContractOp> {
  CodebookMatmul(MLIRContext *context, const TargetOptions &options)
      : OpRewritePattern(context, /*benefit=*/1),
        isa(selectKernelISA(options)) {}

  LogicalResult matchAndRewrite(ContractOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<MatrixAxes> axes;
    std::optional<CodebookMatrix> weight;
    ConstantOp constant;
    for (bool weightFirst : {false, true}) {
      axes = matchMatrixAxes(op, weightFirst);
      constant = axes ? axes->weight.getDefiningOp<ConstantOp>() : nullptr;
      if (constant)
        weight = getCodebookMatrix(constant, *axes, getLoopExtents(op));
      if (weight)
        break;
    }
    if (!weight)
      return rewriter.notifyMatchFailure(op, "no codebook of blocks of inputs");
    if (!getElementTypeOrSelf(axes->activation.getType()).isF32())
      return rewriter.notifyMatchFailure(op, "the activation is not f32");
    for (float entry : weight->entries)
      if (!std::isfinite(entry))
        return rewriter.notifyMatchFailure(op, "an entry is not finite");
    CodebookLayout layout(weight->n, weight->k, weight->size, weight->vec,
                          weight->stages);
    // Widths are rounded up to 4, 8 or 16 bits, at most to twice as much.
    if (grows(constant, layout.getBytes() / 2))
      return rewriter.notifyMatchFailure(op, "the indices would grow");
    // Generated entries are stored nowhere else.
    int64_t entries = weight->entries.size();
    if (entries * 4 > kMostEntryBytes && entries > weight->n * weight->k / 2)
      return rewriter.notifyMatchFailure(op, "more entries than weights");

    auto module = op->getParentOfType<ModuleOp>();
    cpu::Emitter e{rewriter, op.getLoc()};
    // An encoded activation is rounded as the reference does.
    Value x = axes->activation;
    if (isa_and_present<CompressedTensorType>(x.getType()))
      x = DecodeOp::create(rewriter, op.getLoc(), x);
    int64_t leading = axes->m.size();
    x = e.asMatrix(x, leading);
    OpFoldResult rows = e.size(x, 0);
    int64_t count = getConstantIntValue(rows).value_or(ShapedType::kDynamic);
    double typical = ShapedType::isDynamic(count) ? kTypicalRows : count;
    bool isLookup = layout.size <= kMostLookedUp &&
                    isFaster(isa, getCodebookWork(isa, layout, true, typical),
                             getCodebookWork(isa, layout, false, typical));
    CodebookGEMM gemm{&isa, layout, count, InitKind::Zero, isLookup};
    std::string site = getPackedName(constant);
    MLIRContext *context = op.getContext();
    SmallVector<Value> ins{
        x, e.constant(packIndices(*weight, layout, context), site),
        e.constant(packEntries(*weight, layout, isLookup, context),
                   site + ".entries")};
    Value bias;
    std::optional<unsigned> channels;
    if (axes->n.size() == 1)
      channels = axes->m.size();
    gemm.init = matchInit(op, channels, bias);
    if (bias)
      ins.push_back(bias);
    Value out =
        gemm.init == InitKind::Accumulate
            ? e.asMatrix(op.getInit(), leading)
            : e.empty({rows, e.constantSize(layout.n)}, rewriter.getF32Type());
    Value result = e.kernel(generateCodebookGEMM(module, gemm), ins, out)[0];
    rewriter.replaceOp(op, e.fromMatrix(result, leading, op.getInit()));
    return success();
  }

  const KernelISA &isa;
};
} // namespace

void compress::populateCPUCodebookPatterns(RewritePatternSet &patterns,
                                           const TargetOptions &options) {
  patterns.add<CodebookMatmul>(patterns.getContext(), options);
}
