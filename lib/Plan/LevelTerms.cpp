//===- LevelTerms.cpp - The terms of level names ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LevelTerms.h"
#include "LevelFamilies.h"
#include "llvm/Support/Regex.h"
#include <cmath>

using namespace mlir;
using namespace compress;

llvm::Error compress::badLevel(StringRef name, const Twine &what) {
  return llvm::createStringError("level '" + name + "': " + what);
}

std::optional<double> compress::parseNumber(StringRef text) {
  double value;
  if (text.empty() || text.size() > 12 || text.getAsDouble(value))
    return std::nullopt;
  return value;
}

/// The axis that groups and n:m blocks run along: the first that is summed
/// over, else the last.
static int64_t getInnerAxis(RankedTensorType type, const WeightOperand &role) {
  return role.reductionAxes.empty() ? type.getRank() - 1
                                    : role.reductionAxes[0];
}

LevelEncoding compress::plainEncoding(bool half) {
  LevelEncoding level;
  level.defaultMethod = "fit";
  level.weight =
      [=](RankedTensorType type,
          const WeightOperand &) -> llvm::Expected<EncodingAttrInterface> {
    MLIRContext *context = type.getContext();
    return DenseAttr::get(context, half ? Type(Float16Type::get(context))
                                        : type.getElementType());
  };
  return level;
}

//===----------------------------------------------------------------------===//
// Sparse
//===----------------------------------------------------------------------===//

/// How many of `count` to keep; at least one of any.
static int64_t getShare(double share, int64_t count) {
  return std::clamp<int64_t>(std::llround(share * double(count)),
                             std::min<int64_t>(count, 1), count);
}

/// Bits of a column number.
static int64_t getColumnWidth(int64_t columns) {
  return columns <= 256 ? 8 : columns <= 65536 ? 16 : 32;
}

static llvm::Expected<EncodingAttrInterface>
makeSparse(RankedTensorType type, const WeightOperand &role,
           SparsePattern pattern, ArrayRef<int64_t> arguments, int64_t nnz,
           const WeightEncoding &values) {
  MLIRContext *context = type.getContext();
  EncodingAttrInterface plain = DenseAttr::get(context, type.getElementType());
  auto sparse = SparseAttr::get(context, pattern, arguments, nnz, plain);
  SmallVector<int64_t> shape = sparse.getValuesShape(type.getShape());
  // Values in a row have no axes of their own.
  WeightOperand valueRole = role;
  if (shape.size() != type.getShape().size()) {
    valueRole.outputAxes.clear();
    valueRole.reductionAxes.assign({int64_t(shape.size()) - 1});
  }
  auto of =
      values(RankedTensorType::get(shape, type.getElementType()), valueRole);
  if (!of)
    return of.takeError();
  return sparse.withOf(*of);
}

ParsedEncoding compress::parseSparse(StringRef level, StringRef term,
                                     const WeightEncoding &values) {
  static const llvm::Regex nm("^([0-9]+):([0-9]+)$");
  static const llvm::Regex share(
      "^(sparse|csr|block([0-9]+)(x([0-9]+))?)-([0-9.]+)%$");
  SmallVector<StringRef> match;
  LevelEncoding encoding;
  encoding.defaultMethod = "magnitude";
  if (nm.match(term, &match)) {
    int64_t n = 0, m = 0;
    if (match[1].getAsInteger(10, n) || match[2].getAsInteger(10, m) || n < 1 ||
        n >= m || m > 32)
      return badLevel(level, "N:M needs 1 <= N < M <= 32");
    encoding.weight = [=](RankedTensorType type, const WeightOperand &role)
        -> llvm::Expected<EncodingAttrInterface> {
      return makeSparse(type, role, SparsePattern::NM,
                        {n, m, getInnerAxis(type, role)}, 0, values);
    };
    return encoding;
  }
  if (!share.match(term, &match))
    return std::nullopt;
  auto percent = parseNumber(match[5]);
  if (!percent || !(*percent > 0 && *percent < 100))
    return badLevel(level, "the share of zeros is above 0 and below 100 %");
  double kept = 1 - *percent / 100;
  // Along the outputs and the inputs; the first one may be left out.
  int64_t outputs = 1, block = 0;
  if (!match[2].empty()) {
    if (match[2].getAsInteger(10, block) || block < 1 || block > 4096)
      return badLevel(level, "a block has 2 to 4096 elements");
    if (!match[4].empty()) {
      outputs = block;
      if (match[4].getAsInteger(10, block) || block < 1)
        return badLevel(level, "a block has 2 to 4096 elements");
    }
    if (block > 4096 || outputs * block < 2 || outputs * block > 4096)
      return badLevel(level, "a block has 2 to 4096 elements");
  }
  bool isCSR = match[1] == "csr";
  encoding.weight =
      [=](RankedTensorType type,
          const WeightOperand &role) -> llvm::Expected<EncodingAttrInterface> {
    if (isCSR && type.getRank() != 2)
      return llvm::createStringError("csr needs a matrix");
    if (block) {
      SmallVector<int64_t> shape(type.getRank(), 1);
      shape[getInnerAxis(type, role)] = block;
      if (outputs > 1) {
        if (role.outputAxes.empty())
          return llvm::createStringError("there is no axis of outputs");
        shape[role.outputAxes[0]] = outputs;
      }
      int64_t blocks = 1;
      for (auto [dim, size] : llvm::zip_equal(type.getShape(), shape))
        blocks *= llvm::divideCeil(dim, size);
      return makeSparse(type, role, SparsePattern::Block, shape,
                        getShare(kept, blocks), values);
    }
    int64_t nnz = getShare(kept, type.getNumElements());
    if (!isCSR)
      return makeSparse(type, role, SparsePattern::Bitmask, {}, nnz, values);
    return makeSparse(type, role, SparsePattern::CSR,
                      getColumnWidth(type.getDimSize(1)), nnz, values);
  };
  return encoding;
}

ParsedEncoding compress::parseRows(StringRef level, StringRef term,
                                   const WeightEncoding &values) {
  static const llvm::Regex regex("^rows-([0-9.]+)%(-g([0-9]+))?$");
  SmallVector<StringRef> match;
  if (!regex.match(term, &match))
    return std::nullopt;
  auto percent = parseNumber(match[1]);
  if (!percent || !(*percent > 0 && *percent < 100))
    return badLevel(level,
                    "the share of removed inputs is above 0 and below 100 %");
  int64_t size = 1;
  if (!match[3].empty() &&
      (match[3].getAsInteger(10, size) || size < 1 || size > 1000000))
    return badLevel(level, "a structure has 1 to 1000000 inputs");
  LevelEncoding encoding;
  encoding.defaultMethod = "obs";
  encoding.defaultOptions["structure"] = std::to_string(size);
  encoding.removesInputs = true;
  encoding.weight =
      [=, kept = 1 - *percent / 100](
          RankedTensorType type,
          const WeightOperand &role) -> llvm::Expected<EncodingAttrInterface> {
    if (role.activation < 0 || role.reductionAxes.empty())
      return llvm::createStringError("only products have inputs to remove");
    int64_t axis = role.reductionAxes[0], inputs = type.getDimSize(axis);
    if (inputs % size != 0)
      return llvm::createStringError(
          "%lld inputs are no whole structures of %lld", (long long)inputs,
          (long long)size);
    int64_t left = getShare(kept, inputs / size);
    if (left == inputs / size)
      return llvm::createStringError("of %lld inputs none can be removed",
                                     (long long)inputs);
    return makeSparse(type, role, SparsePattern::Channels, {axis}, left * size,
                      values);
  };
  return encoding;
}

//===----------------------------------------------------------------------===//
// Factors, tables and codes
//===----------------------------------------------------------------------===//

ParsedEncoding compress::parseLowRank(StringRef level, StringRef term,
                                      const WeightEncoding &factors) {
  static const llvm::Regex regex("^lowrank-(r([0-9]+)|([0-9.]+))$");
  SmallVector<StringRef> match;
  if (!regex.match(term, &match))
    return std::nullopt;
  int64_t rank = 0;
  double share = 0;
  if (!match[2].empty()) {
    if (match[2].getAsInteger(10, rank) || rank < 1 || rank > 1000000)
      return badLevel(level, "the rank is at least 1");
  } else {
    auto number = parseNumber(match[3]);
    if (!number || !(*number > 0 && *number <= 1))
      return badLevel(level,
                      "the share of the full rank is above 0 and at most 1");
    share = *number;
  }
  LevelEncoding encoding;
  encoding.defaultMethod = "svd";
  encoding.weight =
      [=](RankedTensorType type,
          const WeightOperand &role) -> llvm::Expected<EncodingAttrInterface> {
    if (type.getRank() < 2)
      return llvm::createStringError("a low rank needs at least a matrix");
    MLIRContext *context = type.getContext();
    // Names a, b, c, ... for axes; the outputs go to one factor. Which factor
    // comes first follows the first axis, so that a matrix is `a b = a r, r b`.
    auto isOutput = [&](int64_t axis) {
      return role.outputAxes.empty()
                 ? axis == 0
                 : llvm::is_contained(role.outputAxes, axis);
    };
    SmallVector<int64_t> firstShape, secondShape;
    std::string all, first, second;
    int64_t rows = 1, columns = 1;
    for (int64_t axis = 0; axis < type.getRank(); ++axis) {
      std::string name = "i" + std::to_string(axis);
      bool inFirst = isOutput(axis) == isOutput(0);
      all += (axis ? " " : "") + name;
      (inFirst ? first : second) += (inFirst ? name + " " : " " + name);
      (inFirst ? firstShape : secondShape).push_back(type.getDimSize(axis));
      (inFirst ? rows : columns) *= type.getDimSize(axis);
    }
    if (secondShape.empty())
      return llvm::createStringError("all axes are outputs");
    int64_t full = std::min(rows, columns);
    int64_t r = rank ? std::min(rank, full) : getShare(share, full);
    firstShape.push_back(r);
    secondShape.insert(secondShape.begin(), r);
    // Each factor is a matrix with its rank axis summed over or given out.
    WeightOperand firstRole, secondRole;
    int64_t firstRank = firstShape.size(), secondRank = secondShape.size();
    SmallVector<int64_t> firstAxes, secondAxes;
    for (int64_t axis = 0; axis + 1 < firstRank; ++axis)
      firstAxes.push_back(axis);
    for (int64_t axis = 1; axis < secondRank; ++axis)
      secondAxes.push_back(axis);
    if (isOutput(0)) {
      firstRole.outputAxes = firstAxes;
      firstRole.reductionAxes = {firstRank - 1};
      secondRole.outputAxes = {0};
      secondRole.reductionAxes = secondAxes;
    } else {
      firstRole.outputAxes = {firstRank - 1};
      firstRole.reductionAxes = firstAxes;
      secondRole.outputAxes = secondAxes;
      secondRole.reductionAxes = {0};
    }
    Type element = type.getElementType();
    auto left = factors(RankedTensorType::get(firstShape, element), firstRole);
    if (!left)
      return left.takeError();
    auto right =
        factors(RankedTensorType::get(secondShape, element), secondRole);
    if (!right)
      return right.takeError();
    Builder builder(context);
    return FactoredAttr::get(
        context, builder.getStringAttr(all + " = " + first + "r, r" + second),
        builder.getDictionaryAttr(
            builder.getNamedAttr("r", builder.getI64IntegerAttr(r))),
        DictionaryAttr(), {*left, *right});
  };
  return encoding;
}

ParsedEncoding compress::parseTable(StringRef name) {
  static const llvm::Regex kmeans("^kmeans([0-9]+)(-row)?$");
  static const llvm::Regex fixed(
      "^(nf4|binary|ternary|pow2-([0-9]))(-g([0-9]+))?"
      "(-dynamic(-ag([0-9]+)|-a([12]))?)?$");
  SmallVector<StringRef> match;
  LevelEncoding encoding;
  if (kmeans.match(name, &match)) {
    int64_t bits = 0;
    if (match[1].getAsInteger(10, bits) || bits < 1 || bits > 8)
      return badLevel(name, "indices have 1 to 8 bits");
    bool perRow = !match[2].empty();
    encoding.defaultMethod = "kmeans";
    encoding.weight = [=](RankedTensorType type, const WeightOperand &role)
        -> llvm::Expected<EncodingAttrInterface> {
      MLIRContext *context = type.getContext();
      SmallVector<int64_t> group;
      if (perRow)
        group = getChannelGroup(type.getShape(), role);
      return CodebookAttr::get(
          context, int64_t(1) << bits,
          DenseAttr::get(context, Float16Type::get(context)),
          /*vec=*/{}, /*stages=*/1, group);
    };
    return encoding;
  }
  if (!fixed.match(name, &match))
    return std::nullopt;
  int64_t size = 16, group = 0, activationGroup = 0;
  GeneratedKind kind = GeneratedKind::NF4;
  if (match[1] == "binary") {
    kind = GeneratedKind::Linear;
    size = 2;
  } else if (match[1] == "ternary") {
    kind = GeneratedKind::Ternary;
    size = 3;
  } else if (match[1].starts_with("pow2")) {
    int64_t bits = 0;
    if (match[2].getAsInteger(10, bits) || bits < 2 || bits > 8)
      return badLevel(name, "indices have 2 to 8 bits");
    kind = GeneratedKind::Pow2;
    size = int64_t(1) << bits;
  }
  auto parseSize = [](StringRef digits, int64_t &to) {
    return digits.empty() ||
           (!digits.getAsInteger(10, to) && to >= 2 && to <= 999999999);
  };
  if (!parseSize(match[4], group) || !parseSize(match[7], activationGroup))
    return badLevel(name, "a group has 2 to 999999999 elements");
  encoding.defaultMethod = "fit";
  encoding.weight =
      [=](RankedTensorType type,
          const WeightOperand &role) -> llvm::Expected<EncodingAttrInterface> {
    MLIRContext *context = type.getContext();
    Type scale = group ? Type(Float16Type::get(context))
                       : Type(Float32Type::get(context));
    auto table = CodebookAttr::get(
        context, size, GeneratedAttr::get(context, kind, 0, FloatAttr()),
        /*vec=*/{}, /*stages=*/1, /*group=*/{});
    return ScaledAttr::get(context,
                           group ? getBlockGroup(type.getShape(), role, group)
                                 : getChannelGroup(type.getShape(), role),
                           DenseAttr::get(context, scale), table);
  };
  unsigned activationBits = match[8].empty() ? 8 : match[8][0] - '0';
  if (!match[5].empty())
    addActivation(encoding, activationBits, /*dynamic=*/true, activationGroup);
  return encoding;
}

LevelEncoding compress::makeOutliers(double share) {
  LevelEncoding encoding;
  encoding.weight =
      [=](RankedTensorType type,
          const WeightOperand &role) -> llvm::Expected<EncodingAttrInterface> {
    int64_t nnz = getShare(share, type.getNumElements());
    WeightEncoding values = plainEncoding(/*half=*/true).weight;
    // Row offsets pay off on long rows only.
    if (type.getRank() == 2)
      return makeSparse(type, role, SparsePattern::CSR,
                        getColumnWidth(type.getDimSize(1)), nnz, values);
    return makeSparse(type, role, SparsePattern::Bitmask, {}, nnz, values);
  };
  return encoding;
}
