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
#include "LevelTerms.h"
#include "mlir/AsmParser/AsmParser.h"
#include "llvm/Support/Regex.h"

using namespace mlir;
using namespace compress;

/// A level of one term, with an encoding for the weight; one that also encodes
/// activations only if `allowActivation`.
static llvm::Expected<LevelEncoding> parseTerm(StringRef level, StringRef term,
                                               bool allowActivation = false) {
  if (term.contains('+'))
    return badLevel(level, "'" + term + "' is not a single term");
  for (const LevelFamily &family : getLevelFamilies()) {
    auto encoding = family.parse(term);
    if (!encoding)
      return encoding.takeError();
    if (*encoding) {
      if ((*encoding)->activation && !allowActivation)
        return badLevel(level,
                        "'" + term +
                            "' also encodes activations, which only a level "
                            "of its own can");
      if (!(*encoding)->weight)
        return plainEncoding();
      return std::move(**encoding);
    }
  }
  return badLevel(level, "unknown term '" + term + "'");
}

//===----------------------------------------------------------------------===//
// Codes and sums
//===----------------------------------------------------------------------===//

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
        return badLevel(name, "cannot read '" + first + "'");
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
    return badLevel(name,
                    "'" + terms[1] +
                        "' also encodes activations, and nothing can follow "
                        "such a term");
  // What is added, and how it is all packed.
  for (; next < terms.size(); ++next) {
    StringRef term = terms[next];
    if (auto coder = parseCoder(term)) {
      if (next + 1 != terms.size())
        return badLevel(name, "'" + term + "' comes last");
      level = makeCoded(*coder, std::move(level));
      continue;
    }
    static const llvm::Regex outliers("^outliers-([0-9.]+)%$");
    SmallVector<StringRef> match;
    if (outliers.match(term, &match)) {
      auto percent = parseNumber(match[1]);
      if (!percent || !(*percent > 0 && *percent < 50))
        return badLevel(name,
                        "the share of outliers is above 0 and below 50 %");
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
