//===- TypeMapping.cpp - sparse_tensor and sparse types ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Conversion/SparseTensorToCompress/TypeMapping.h"
#include "compress/Dialect/Compress/IR/Grouping.h"
#include "mlir/Dialect/SparseTensor/IR/SparseTensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace compress;
using sparse_tensor::LevelFormat;
using sparse_tensor::LevelType;
using sparse_tensor::SparseTensorEncodingAttr;

/// An error whose message is streamed from `parts`.
template <typename... Ts> static llvm::Error makeError(const Ts &...parts) {
  std::string message;
  llvm::raw_string_ostream stream(message);
  (stream << ... << parts);
  return llvm::createStringError(Twine(message));
}

static llvm::Error verifyDivides(ArrayRef<int64_t> shape,
                                 ArrayRef<int64_t> block) {
  for (auto [axis, size] : llvm::enumerate(block))
    if (shape[axis] % size != 0)
      return makeError("blocks of ", size, " do not divide axis ", axis,
                       " of size ", shape[axis]);
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// sparse_tensor to compress
//===----------------------------------------------------------------------===//

namespace {
/// A level expression: a dimension, divided by `block` or the remainder of it.
struct LevelExpr {
  unsigned dim;
  int64_t block = 1;
  bool isRemainder = false;
};

/// A storage scheme as a pattern of `sparse`.
struct Scheme {
  SparsePattern pattern;
  SmallVector<int64_t> arguments;
};
} // namespace

static std::optional<LevelExpr> readLevelExpr(AffineExpr expr) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return LevelExpr{dim.getPosition()};
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary || (expr.getKind() != AffineExprKind::FloorDiv &&
                  expr.getKind() != AffineExprKind::Mod))
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(binary.getLHS());
  auto block = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (!dim || !block || block.getValue() < 1)
    return std::nullopt;
  return LevelExpr{dim.getPosition(), block.getValue(),
                   expr.getKind() == AffineExprKind::Mod};
}

/// Recognizes the schemes that have a pattern; the first levels must be the
/// dimensions in order, and remainders follow in order.
static std::optional<Scheme> readScheme(SparseTensorEncodingAttr encoding,
                                        int64_t rank) {
  SmallVector<LevelExpr> levels;
  for (AffineExpr expr : encoding.getDimToLvl().getResults()) {
    auto level = readLevelExpr(expr);
    if (!level)
      return std::nullopt;
    levels.push_back(*level);
  }
  ArrayRef<LevelType> types = encoding.getLvlTypes();
  if (int64_t(levels.size()) < rank || rank == 0)
    return std::nullopt;
  SmallVector<int64_t> block;
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (levels[axis].dim != axis || levels[axis].isRemainder)
      return std::nullopt;
    block.push_back(levels[axis].block);
  }
  int64_t next = rank;
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (block[axis] == 1)
      continue;
    if (next == int64_t(levels.size()) || levels[next].dim != axis ||
        !levels[next].isRemainder || levels[next].block != block[axis])
      return std::nullopt;
    ++next;
  }
  if (next != int64_t(levels.size()))
    return std::nullopt;

  LevelType dense(LevelFormat::Dense), compressed(LevelFormat::Compressed);
  auto areDense = [&](ArrayRef<LevelType> some) {
    return llvm::all_of(some, [&](LevelType type) { return type == dense; });
  };
  ArrayRef<LevelType> outer = types.take_front(rank);
  ArrayRef<LevelType> inner = types.drop_front(rank);
  if (areDense(outer.drop_back()) && outer.back() == compressed &&
      areDense(inner)) {
    if (!inner.empty())
      return Scheme{SparsePattern::Block, block};
    // Widths other than ours become i32.
    unsigned width = encoding.getCrdWidth();
    return Scheme{SparsePattern::CSR, {width == 8 || width == 16 ? width : 32}};
  }
  if (inner.empty() && outer.front() == compressed &&
      areDense(outer.drop_front()))
    return Scheme{SparsePattern::Channels, {0}};
  if (areDense(outer) && inner.size() == 1 && levels.back().dim == rank - 1 &&
      inner[0].isa<LevelFormat::NOutOfM>() &&
      int64_t(inner[0].getM()) == block.back())
    return Scheme{SparsePattern::NM,
                  {int64_t(inner[0].getN()), int64_t(inner[0].getM()), -1}};
  return std::nullopt;
}

static bool isZero(Attribute attr) {
  if (auto number = dyn_cast<FloatAttr>(attr))
    return number.getValue().isZero();
  if (auto number = dyn_cast<IntegerAttr>(attr))
    return number.getValue().isZero();
  return false;
}

llvm::Expected<CompressedTensorType>
compress::mapSparseTensorToCompress(RankedTensorType type, int64_t nnz) {
  SparseTensorEncodingAttr encoding =
      sparse_tensor::getSparseTensorEncoding(type);
  if (!encoding)
    return makeError(type, " has no sparse_tensor encoding");
  if (!type.hasStaticShape())
    return makeError("the shape must be static, found ", type.getShape().size(),
                     " dimensions of which some are dynamic");
  Type element = type.getElementType();
  if (!element.isF16() && !element.isBF16() && !element.isF32() &&
      !element.isF64() &&
      !(element.isSignlessInteger() && element.getIntOrFloatBitWidth() <= 64))
    return makeError("the element type must be f16, bf16, f32, f64 or an "
                     "integer of at most 64 bits, found ",
                     element);
  if (encoding.getExplicitVal())
    return makeError("a compressed tensor has no explicit value");
  if (encoding.getImplicitVal() && !isZero(encoding.getImplicitVal()))
    return makeError("a compressed tensor has no implicit value but 0");
  if (encoding.isSlice())
    return makeError("a slice of a sparse tensor cannot be compressed");
  int64_t count = 1;
  for (int64_t dim : type.getShape())
    if (llvm::MulOverflow(count, dim, count))
      return makeError("the number of elements does not fit 64 bits");
  auto scheme = readScheme(encoding, type.getRank());
  if (!scheme)
    return makeError(
        "its levels have no sparse pattern; those of CSR (csr), BSR (block), "
        "structured[n, m] (nm) and compressed rows (channels<0>) do, each "
        "ordered and unique");

  ArrayRef<int64_t> shape = type.getShape();
  int64_t last = shape.back();
  switch (scheme->pattern) {
  case SparsePattern::CSR:
    if (last > 0 && !llvm::isUIntN(scheme->arguments[0], last - 1))
      return makeError("coordinates of ", scheme->arguments[0],
                       " bits cannot index a last dimension of size ", last);
    break;
  case SparsePattern::Block:
    if (llvm::Error error = verifyDivides(shape, scheme->arguments))
      return std::move(error);
    break;
  case SparsePattern::NM: {
    int64_t n = scheme->arguments[0], m = scheme->arguments[1];
    if (n < 1 || n >= m || m > 32)
      return makeError("nm<n:m> needs 1 <= n < m <= 32, found ", n, ":", m);
    if (last % m != 0)
      return makeError("blocks of ", m, " do not divide axis ",
                       type.getRank() - 1, " of size ", last);
    nnz = 0;
    break;
  }
  case SparsePattern::Channels:
    if (shape[0] > INT32_MAX)
      return makeError("channels are numbered in i32, which cannot index an "
                       "axis of size ",
                       shape[0]);
    break;
  case SparsePattern::Bitmask:
    break;
  }
  // The number comes from buffers.
  int64_t most = scheme->pattern == SparsePattern::Channels ? shape[0] : count;
  if (scheme->pattern == SparsePattern::Block)
    most /= countElements(scheme->arguments);
  if (scheme->pattern == SparsePattern::CSR)
    most = std::min<int64_t>(most, INT32_MAX);
  if (!ShapedType::isDynamic(nnz) && nnz > most)
    return makeError("it stores ", nnz, " values, blocks or rows of at most ",
                     most);
  MLIRContext *context = type.getContext();
  auto attr = SparseAttr::get(
      context, scheme->pattern, scheme->arguments, nnz,
      cast<EncodingAttrInterface>(Attribute(DenseAttr::get(context, element))));
  return CompressedTensorType::get(
      context, shape, element, cast<EncodingAttrInterface>(Attribute(attr)));
}

//===----------------------------------------------------------------------===//
// compress to sparse_tensor
//===----------------------------------------------------------------------===//

llvm::Expected<RankedTensorType>
compress::mapCompressToSparseTensor(CompressedTensorType type) {
  auto attr = dyn_cast<SparseAttr>(type.getEncoding());
  if (!attr)
    return makeError("sparse_tensor has no equivalent of the encoding '",
                     type.getEncoding().getAbstractAttribute().getName(), "'");
  Type element = type.getElementType();
  auto of = dyn_cast<DenseAttr>(attr.getOf());
  if (!of || of.getStorageType() != element)
    return makeError("its values are encoded themselves; cast to 'of = ",
                     element, "' first");
  MLIRContext *context = type.getContext();
  ArrayRef<int64_t> shape = type.getShape();
  int64_t rank = type.getRank();
  LevelType dense(LevelFormat::Dense), compressed(LevelFormat::Compressed);
  SmallVector<LevelType> levels(rank, dense);
  SmallVector<AffineExpr> exprs;
  for (int64_t axis = 0; axis < rank; ++axis)
    exprs.push_back(getAffineDimExpr(axis, context));
  unsigned positionWidth = 32, coordinateWidth = 32;
  switch (attr.getPattern()) {
  case SparsePattern::Bitmask:
    return makeError("sparse_tensor has no equivalent of 'bitmask'; cast to "
                     "'csr' first");
  case SparsePattern::CSR:
    levels.back() = compressed;
    coordinateWidth = attr.getArguments()[0];
    break;
  case SparsePattern::Block:
    if (llvm::Error error = verifyDivides(shape, attr.getArguments()))
      return std::move(error);
    levels.back() = compressed;
    for (auto [axis, size] : llvm::enumerate(attr.getArguments())) {
      if (size == 1)
        continue;
      exprs.push_back(exprs[axis] % size);
      exprs[axis] = exprs[axis].floorDiv(size);
      levels.push_back(dense);
    }
    break;
  case SparsePattern::NM: {
    int64_t n = attr.getN(), m = attr.getM();
    if (attr.getAxis(rank) != rank - 1)
      return makeError("sparse_tensor stores n:m blocks along the last axis "
                       "only, found axis ",
                       attr.getAxis(rank));
    if (shape.back() % m != 0)
      return makeError("blocks of ", m, " do not divide axis ", rank - 1,
                       " of size ", shape.back());
    exprs.push_back(exprs.back() % m);
    exprs[rank - 1] = exprs[rank - 1].floorDiv(m);
    levels.push_back(*sparse_tensor::buildLevelType(LevelFormat::NOutOfM,
                                                    /*ordered=*/true,
                                                    /*unique=*/true, n, m));
    positionWidth = 0;
    coordinateWidth = 8;
    break;
  }
  case SparsePattern::Channels:
    if (attr.getAxis(rank) != 0)
      return makeError("sparse_tensor has no equivalent of 'channels' of an "
                       "axis other than 0; cast to 'csr' first");
    levels.front() = compressed;
    break;
  }
  auto encoding = SparseTensorEncodingAttr::get(
      context, levels, AffineMap::get(rank, 0, exprs, context), AffineMap(),
      positionWidth, coordinateWidth);
  return RankedTensorType::get(shape, element, encoding);
}
