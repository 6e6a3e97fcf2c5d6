//===- CompositeLevels.cpp - Levels that combine encodings ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Terms joined by `+`. The first says how the weight is stored; the next say
// what its values, its factors or what is left over are stored as:
//
//   2:4+int8, sparse-50%+int4-g32, lowrank-0.25+int8, int4-g32+outliers-1%,
//   int4-g32+lowrank-r8, int4-g32+huffman
//
//===----------------------------------------------------------------------===//

#include "LevelFamilies.h"
#include "mlir/AsmParser/AsmParser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Regex.h"
#include <cmath>

using namespace mlir;
using namespace compress;

using ParsedEncoding = llvm::Expected<std::optional<LevelEncoding>>;
using WeightEncoding = decltype(LevelEncoding::weight);

static llvm::Error bad(StringRef name, const Twine &what) {
  return llvm::createStringError("level '" + name + "': " + what);
}

static std::optional<double> toDouble(StringRef text) {
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

/// Plain values; in 16 bits with `half`.
static LevelEncoding plainEncoding(bool half = false) {
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

/// A level of one term, with an encoding for the weight; one that also encodes
/// activations only if `allowActivation`.
static llvm::Expected<LevelEncoding> parseTerm(StringRef level, StringRef term,
                                               bool allowActivation = false) {
  if (term.contains('+'))
    return bad(level, "'" + term + "' is not a single term");
  for (const LevelFamily &family : getLevelFamilies()) {
    auto encoding = family.parse(term);
    if (!encoding)
      return encoding.takeError();
    if (*encoding) {
      if ((*encoding)->activation && !allowActivation)
        return bad(level, "'" + term +
                              "' also encodes activations, which only a level "
                              "of its own can");
      if (!(*encoding)->weight)
        return plainEncoding();
      return std::move(**encoding);
    }
  }
  return bad(level, "unknown term '" + term + "'");
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

/// `2:4`, `sparse-50%`, `block16-25%` (along the inputs), `block16x1-25%`.
static ParsedEncoding parseSparse(StringRef level, StringRef term,
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
      return bad(level, "N:M needs 1 <= N < M <= 32");
    encoding.weight = [=](RankedTensorType type, const WeightOperand &role)
        -> llvm::Expected<EncodingAttrInterface> {
      return makeSparse(type, role, SparsePattern::NM,
                        {n, m, getInnerAxis(type, role)}, 0, values);
    };
    return encoding;
  }
  if (!share.match(term, &match))
    return std::nullopt;
  auto percent = toDouble(match[5]);
  if (!percent || !(*percent > 0 && *percent < 100))
    return bad(level, "the share of zeros is above 0 and below 100 %");
  double kept = 1 - *percent / 100;
  // Along the outputs and the inputs; the first one may be left out.
  int64_t outputs = 1, block = 0;
  if (!match[2].empty()) {
    if (match[2].getAsInteger(10, block) || block < 1 || block > 4096)
      return bad(level, "a block has 2 to 4096 elements");
    if (!match[4].empty()) {
      outputs = block;
      if (match[4].getAsInteger(10, block) || block < 1)
        return bad(level, "a block has 2 to 4096 elements");
    }
    if (block > 4096 || outputs * block < 2 || outputs * block > 4096)
      return bad(level, "a block has 2 to 4096 elements");
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

/// `rows-50%`, `rows-50%-g32`: the rows of the weight that half of the inputs
/// meet are stored, by themselves or by structures of 32 neighbours (heads).
static ParsedEncoding parseRows(StringRef level, StringRef term,
                                const WeightEncoding &values) {
  static const llvm::Regex regex("^rows-([0-9.]+)%(-g([0-9]+))?$");
  SmallVector<StringRef> match;
  if (!regex.match(term, &match))
    return std::nullopt;
  auto percent = toDouble(match[1]);
  if (!percent || !(*percent > 0 && *percent < 100))
    return bad(level, "the share of removed inputs is above 0 and below 100 %");
  int64_t size = 1;
  if (!match[3].empty() &&
      (match[3].getAsInteger(10, size) || size < 1 || size > 1000000))
    return bad(level, "a structure has 1 to 1000000 inputs");
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

/// `lowrank-0.25` (of the full rank), `lowrank-r8`: outputs x rank, rank x
/// inputs, all axes of a convolution but the first kind together.
static ParsedEncoding parseLowRank(StringRef level, StringRef term,
                                   const WeightEncoding &factors) {
  static const llvm::Regex regex("^lowrank-(r([0-9]+)|([0-9.]+))$");
  SmallVector<StringRef> match;
  if (!regex.match(term, &match))
    return std::nullopt;
  int64_t rank = 0;
  double share = 0;
  if (!match[2].empty()) {
    if (match[2].getAsInteger(10, rank) || rank < 1 || rank > 1000000)
      return bad(level, "the rank is at least 1");
  } else {
    auto number = toDouble(match[3]);
    if (!number || !(*number > 0 && *number <= 1))
      return bad(level, "the share of the full rank is above 0 and at most 1");
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

/// `kmeans4`, `kmeans4-row`, `nf4-g64`, `fp4-table-g64`, `ternary`, `binary`.
static ParsedEncoding parseTable(StringRef name) {
  static const llvm::Regex kmeans("^kmeans([0-9]+)(-row)?$");
  static const llvm::Regex fixed(
      "^(nf4|binary|ternary|pow2-([0-9]))(-g([0-9]+))?"
      "(-dynamic(-ag([0-9]+)|-a([12]))?)?$");
  SmallVector<StringRef> match;
  LevelEncoding encoding;
  if (kmeans.match(name, &match)) {
    int64_t bits = 0;
    if (match[1].getAsInteger(10, bits) || bits < 1 || bits > 8)
      return bad(name, "indices have 1 to 8 bits");
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
      return bad(name, "indices have 2 to 8 bits");
    kind = GeneratedKind::Pow2;
    size = int64_t(1) << bits;
  }
  auto parseSize = [](StringRef digits, int64_t &to) {
    return digits.empty() ||
           (!digits.getAsInteger(10, to) && to >= 2 && to <= 999999999);
  };
  if (!parseSize(match[4], group) || !parseSize(match[7], activationGroup))
    return bad(name, "a group has 2 to 999999999 elements");
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

/// `huffman`, `rans`, `zstd`: lossless, over what comes before.
static std::optional<Coder> parseCoder(StringRef term) {
  return symbolizeCoder(term);
}

static LevelEncoding makeCoded(Coder coder, LevelEncoding inner) {
  LevelEncoding encoding;
  encoding.defaultMethod = "fit";
  encoding.weight =
      [=](RankedTensorType type,
          const WeightOperand &role) -> llvm::Expected<EncodingAttrInterface> {
    auto of = inner.weight(type, role);
    if (!of)
      return of.takeError();
    MLIRContext *context = type.getContext();
    auto probe = makeCompressedType(type, *of);
    if (!probe)
      return probe.takeError();
    SmallVector<int64_t> bytes(probe->getLeafTypes().size(),
                               ShapedType::kDynamic);
    return CodedAttr::get(context, coder, /*block=*/4096, bytes, *of);
  };
  return encoding;
}

static LevelEncoding makeSum(LevelEncoding first, LevelEncoding second) {
  LevelEncoding encoding;
  encoding.defaultMethod = "fit";
  encoding.weight =
      [=](RankedTensorType type,
          const WeightOperand &role) -> llvm::Expected<EncodingAttrInterface> {
    auto a = first.weight(type, role);
    if (!a)
      return a.takeError();
    auto b = second.weight(type, role);
    if (!b)
      return b.takeError();
    return SumAttr::get(type.getContext(), {*a, *b});
  };
  return encoding;
}

/// The largest magnitudes by themselves, in 16 bits: what they leave has a
/// smaller range (LLM.int8(), SpQR).
static LevelEncoding makeOutliers(double share) {
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

//===----------------------------------------------------------------------===//
// Terms
//===----------------------------------------------------------------------===//

static ParsedEncoding parseComposite(StringRef name) {
  SmallVector<StringRef> terms;
  name.split(terms, '+');
  StringRef first = terms[0];
  // What the first term nests.
  LevelEncoding values = plainEncoding();
  size_t next = 1;
  static const llvm::Regex nests(
      "^([0-9]+:[0-9]+|(sparse|csr|rows|block[0-9x]+)-.*|"
      "lowrank-.*)$");
  bool isNesting = nests.match(first);
  if (isNesting && terms.size() > 1 && !parseCoder(terms[1])) {
    // Codes of sparse values are multiplied with codes of the activation.
    auto inner = parseTerm(name, terms[1],
                           /*allowActivation=*/!first.starts_with("lowrank"));
    if (!inner)
      return inner.takeError();
    values = std::move(*inner);
    next = 2;
  }
  LevelEncoding level;
  if (isNesting) {
    auto sparse = first.starts_with("rows-")
                      ? parseRows(name, first, values.weight)
                      : parseSparse(name, first, values.weight);
    if (!sparse)
      return sparse.takeError();
    if (*sparse) {
      level = std::move(**sparse);
      level.activation = values.activation;
      level.staticActivation = values.staticActivation;
    } else {
      auto factored = parseLowRank(name, first, values.weight);
      if (!factored)
        return factored.takeError();
      if (!*factored)
        return bad(name, "cannot read '" + first + "'");
      level = std::move(**factored);
    }
  } else if (auto coder = parseCoder(first)) {
    level = makeCoded(*coder, plainEncoding());
  } else if (terms.size() > 1) {
    auto inner = parseTerm(name, first);
    if (!inner)
      return inner.takeError();
    level = std::move(*inner);
  } else {
    return std::nullopt;
  }
  if (level.activation && next < terms.size())
    return bad(name, "'" + terms[1] +
                         "' also encodes activations, and nothing can follow "
                         "such a term");
  // What is added, and how it is all packed.
  for (; next < terms.size(); ++next) {
    StringRef term = terms[next];
    if (auto coder = parseCoder(term)) {
      if (next + 1 != terms.size())
        return bad(name, "'" + term + "' comes last");
      level = makeCoded(*coder, std::move(level));
      continue;
    }
    static const llvm::Regex outliers("^outliers-([0-9.]+)%$");
    SmallVector<StringRef> match;
    if (outliers.match(term, &match)) {
      auto percent = toDouble(match[1]);
      if (!percent || !(*percent > 0 && *percent < 50))
        return bad(name, "the share of outliers is above 0 and below 50 %");
      level = makeSum(makeOutliers(*percent / 100), std::move(level));
      continue;
    }
    auto factored =
        parseLowRank(name, term, plainEncoding(/*half=*/true).weight);
    if (!factored)
      return factored.takeError();
    if (*factored) {
      level = makeSum(std::move(level), std::move(**factored));
      continue;
    }
    auto other = parseTerm(name, term);
    if (!other)
      return other.takeError();
    level = makeSum(std::move(level), std::move(*other));
  }
  return level;
}

/// `<sum<[...]>>`: any encoding that fits the weight, as in the IR.
static ParsedEncoding parseSpelledOut(StringRef name) {
  if (!name.consume_front("<") || !name.consume_back(">"))
    return std::nullopt;
  LevelEncoding encoding;
  encoding.defaultMethod = "fit";
  encoding.weight =
      [text = name.str()](
          RankedTensorType type,
          const WeightOperand &) -> llvm::Expected<EncodingAttrInterface> {
    std::string spelled;
    llvm::raw_string_ostream os(spelled);
    os << "!compress.tensor<";
    for (int64_t dim : type.getShape())
      os << dim << 'x';
    os << type.getElementType() << ", " << text << ">";
    CompressedTensorType parsed;
    std::string reason = captureErrors(type.getContext(), [&] {
      parsed = dyn_cast_or_null<CompressedTensorType>(
          parseType(spelled, type.getContext()));
    });
    if (!parsed)
      return llvm::createStringError("cannot store the weight as '" + text +
                                     "'" +
                                     (reason.empty() ? "" : ": " + reason));
    return parsed.getEncoding();
  };
  return encoding;
}

std::vector<LevelFamily> compress::getCompositeLevelFamilies() {
  return {
      {"nf4|binary|ternary|pow2-B[-gG][-dynamic[-agA|-a1|-a2]]",
       "a fixed table (NormalFloat, {-1, 1}, {-1, 0, 1}, powers of two with "
       "B-bit indices) and one f32 scale per output channel or one f16 scale "
       "per G; -dynamic as for intN, -a1 and -a2: activations of so many bits",
       {"nf4-g64", "binary-g32", "ternary", "ternary-g32-dynamic-ag32",
        "binary-dynamic-a1", "pow2-4-g32"},
       parseTable},
      {"kmeansB[-row]",
       "a table of 2^B values from k-means, one for the weight or for each "
       "output channel",
       {"kmeans4", "kmeans3-row"},
       parseTable},
      {"<ENCODING>",
       "an encoding of the compress dialect, as it is written in a type",
       {"<int8<axis = 0>>"},
       parseSpelledOut},
      {"N:M|sparse-P%|csr-P%|blockB-P%|blockOxI-P%[+VALUES]",
       "N of every M values stored, or all but P percent (a bit mask, rows of "
       "column numbers, blocks of B inputs, of O outputs by I inputs); VALUES "
       "is a level for those kept",
       {"2:4", "2:4+int8", "sparse-50%", "sparse-75%+int4-g32", "csr-90%",
        "block16-50%", "block16x1-80%+int8-dynamic"},
       parseComposite},
      {"rows-P%[-gG][+VALUES]",
       "P percent of the inputs removed, one by one or by structures of G "
       "neighbours (heads); what computes only these shrinks too",
       {"rows-50%", "rows-25%-g4", "rows-50%+int8"},
       parseComposite},
      {"lowrank-S|lowrank-rR[+FACTORS]",
       "two factors of a share S of the full rank, or of rank R; FACTORS is a "
       "level for both",
       {"lowrank-0.25", "lowrank-r8+int8"},
       parseComposite},
      {"LEVEL+outliers-P%, LEVEL+lowrank-...",
       "the P percent largest values apart in f16, or two factors in f16 for "
       "what a level leaves over",
       {"int4-g32+outliers-1%", "int4-g32+lowrank-r4"},
       parseComposite},
      {"[LEVEL+]huffman|rans|zstd",
       "lossless entropy coding of a level, or of the weight as it is",
       {"rans", "int4-g32+huffman"},
       parseComposite},
  };
}
