//===- CompressAttrs.cpp - Parsing and printing of encodings ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace compress;

/// `[1, 32, *]`; `*` stands for the whole dimension.
static ParseResult parseGroup(AsmParser &parser, SmallVector<int64_t> &group) {
  return parser.parseCommaSeparatedList(
      AsmParser::Delimiter::Square, [&]() -> ParseResult {
        if (succeeded(parser.parseOptionalStar())) {
          group.push_back(ShapedType::kDynamic);
          return success();
        }
        return parser.parseInteger(group.emplace_back());
      });
}

static void printGroup(AsmPrinter &printer, ArrayRef<int64_t> group) {
  printer << '[';
  llvm::interleaveComma(group, printer, [&](int64_t size) {
    if (ShapedType::isDynamic(size))
      printer << '*';
    else
      printer << size;
  });
  printer << ']';
}

/// `12`, or `?` for a number that is not known yet.
static ParseResult parseCount(AsmParser &parser, int64_t &count) {
  if (succeeded(parser.parseOptionalQuestion())) {
    count = ShapedType::kDynamic;
    return success();
  }
  return parser.parseInteger(count);
}

static void printCount(AsmPrinter &printer, int64_t count) {
  if (ShapedType::isDynamic(count))
    printer << '?';
  else
    printer << count;
}

static ParseResult parseCounts(AsmParser &parser,
                               SmallVector<int64_t> &counts) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&] {
    return parseCount(parser, counts.emplace_back());
  });
}

static void printCounts(AsmPrinter &printer, ArrayRef<int64_t> counts) {
  printer << '[';
  llvm::interleaveComma(counts, printer,
                        [&](int64_t count) { printCount(printer, count); });
  printer << ']';
}

static ParseResult parseEncodingList(AsmParser &parser,
                                     SmallVector<EncodingAttrInterface> &list) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&] {
    return parseEncoding(parser, list.emplace_back());
  });
}

static void printEncodingList(AsmPrinter &printer,
                              ArrayRef<EncodingAttrInterface> list) {
  printer << '[';
  llvm::interleaveComma(list, printer, [&](EncodingAttrInterface encoding) {
    printEncoding(printer, encoding);
  });
  printer << ']';
}

/// `{r = 8, a = 4}`.
static ParseResult parseNamedSizes(AsmParser &parser, DictionaryAttr &sizes) {
  Builder builder(parser.getContext());
  NamedAttrList list;
  SMLoc loc = parser.getCurrentLocation();
  auto parseEntry = [&]() -> ParseResult {
    std::string name;
    int64_t size;
    if (parser.parseKeywordOrString(&name) || parser.parseEqual() ||
        parser.parseInteger(size))
      return failure();
    list.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(size)));
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Braces, parseEntry))
    return failure();
  if (auto duplicate = list.findDuplicate())
    return parser.emitError(loc)
           << "size '" << duplicate->getName().getValue() << "' is given twice";
  sizes = list.getDictionary(parser.getContext());
  return success();
}

static void printNamedSizes(AsmPrinter &printer, DictionaryAttr sizes) {
  printer << '{';
  llvm::interleaveComma(sizes, printer, [&](NamedAttribute entry) {
    printer.printKeywordOrString(entry.getName());
    printer << " = " << cast<IntegerAttr>(entry.getValue()).getInt();
  });
  printer << '}';
}

// Declarative formats cannot tell optional groups apart that all begin with a
// comma, so these are parsed by hand.

/// `, vec = [1, 8], stages = 2, group = [1, *]`, each optional.
static ParseResult parseCodebookOptions(AsmParser &parser,
                                        SmallVector<int64_t> &vec,
                                        int64_t &stages,
                                        SmallVector<int64_t> &group) {
  stages = 1;
  bool hasVec = false, hasStages = false, hasGroup = false;
  while (succeeded(parser.parseOptionalComma())) {
    SMLoc loc = parser.getCurrentLocation();
    StringRef keyword;
    if (parser.parseKeyword(&keyword) || parser.parseEqual())
      return failure();
    bool *isGiven = llvm::StringSwitch<bool *>(keyword)
                        .Case("vec", &hasVec)
                        .Case("stages", &hasStages)
                        .Case("group", &hasGroup)
                        .Default(nullptr);
    if (!isGiven)
      return parser.emitError(loc)
             << "expected vec, stages or group, found '" << keyword << "'";
    if (std::exchange(*isGiven, true))
      return parser.emitError(loc) << "'" << keyword << "' is given twice";
    if (keyword == "stages"
            ? parser.parseInteger(stages)
            : parseGroup(parser, keyword == "vec" ? vec : group))
      return failure();
  }
  return success();
}

static void printCodebookOptions(AsmPrinter &printer, ArrayRef<int64_t> vec,
                                 int64_t stages, ArrayRef<int64_t> group) {
  if (!vec.empty()) {
    printer << ", vec = ";
    printGroup(printer, vec);
  }
  if (stages != 1)
    printer << ", stages = " << stages;
  if (!group.empty()) {
    printer << ", group = ";
    printGroup(printer, group);
  }
}

/// `, seed = 7, param = 0.5 : f32`, each optional.
static ParseResult parseGeneratedOptions(AsmParser &parser, uint32_t &seed,
                                         FloatAttr &param) {
  seed = 0;
  bool hasSeed = false;
  while (succeeded(parser.parseOptionalComma())) {
    SMLoc loc = parser.getCurrentLocation();
    StringRef keyword;
    if (parser.parseKeyword(&keyword) || parser.parseEqual())
      return failure();
    if (keyword != "seed" && keyword != "param")
      return parser.emitError(loc)
             << "expected seed or param, found '" << keyword << "'";
    if (keyword == "seed" ? hasSeed : bool(param))
      return parser.emitError(loc) << "'" << keyword << "' is given twice";
    if (keyword == "param") {
      if (parser.parseAttribute(param))
        return failure();
      continue;
    }
    hasSeed = true;
    if (parser.parseInteger(seed))
      return failure();
  }
  return success();
}

static void printGeneratedOptions(AsmPrinter &printer, uint32_t seed,
                                  FloatAttr param) {
  if (seed != 0)
    printer << ", seed = " << seed;
  if (param)
    printer << ", param = " << param;
}

/// `bitmask, nnz = 12`, `csr<i16>, nnz = 12`, `nm<2:4>`, `nm<2:4, axis = 0>`,
/// `block<4x16>, nnz = 3`, `channels<0>, nnz = 48`.
static ParseResult parseSparsePattern(AsmParser &parser, SparsePattern &pattern,
                                      SmallVector<int64_t> &arguments,
                                      int64_t &nnz) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef keyword;
  if (parser.parseKeyword(&keyword))
    return failure();
  nnz = 0;
  if (keyword == "bitmask") {
    pattern = SparsePattern::Bitmask;
  } else if (keyword == "csr") {
    pattern = SparsePattern::CSR;
    IntegerType index;
    if (parser.parseLess() || parser.parseType(index) || parser.parseGreater())
      return failure();
    arguments.push_back(index.getWidth());
  } else if (keyword == "nm") {
    pattern = SparsePattern::NM;
    int64_t n, m, axis = -1;
    if (parser.parseLess() || parser.parseInteger(n) || parser.parseColon() ||
        parser.parseInteger(m))
      return failure();
    if (succeeded(parser.parseOptionalComma()))
      if (parser.parseKeyword("axis") || parser.parseEqual() ||
          parser.parseInteger(axis))
        return failure();
    arguments.assign({n, m, axis});
    return parser.parseGreater();
  } else if (keyword == "block") {
    pattern = SparsePattern::Block;
    if (parser.parseLess() ||
        parser.parseDimensionList(arguments, /*allowDynamic=*/false,
                                  /*withTrailingX=*/false) ||
        parser.parseGreater())
      return failure();
  } else if (keyword == "channels") {
    pattern = SparsePattern::Channels;
    if (parser.parseLess() || parser.parseInteger(arguments.emplace_back()) ||
        parser.parseGreater())
      return failure();
  } else {
    return parser.emitError(loc)
           << "unknown sparse pattern '" << keyword
           << "'; known are bitmask, csr, nm, block, channels";
  }
  return failure(parser.parseComma() || parser.parseKeyword("nnz") ||
                 parser.parseEqual() || parseCount(parser, nnz));
}

static void printSparsePattern(AsmPrinter &printer, SparsePattern pattern,
                               ArrayRef<int64_t> arguments, int64_t nnz) {
  switch (pattern) {
  case SparsePattern::Bitmask:
    printer << "bitmask";
    break;
  case SparsePattern::CSR:
    printer << "csr<i" << arguments[0] << '>';
    break;
  case SparsePattern::NM:
    printer << "nm<" << arguments[0] << ':' << arguments[1];
    if (arguments[2] >= 0)
      printer << ", axis = " << arguments[2];
    printer << '>';
    return;
  case SparsePattern::Block:
    printer << "block<";
    printer.printDimensionList(arguments);
    printer << '>';
    break;
  case SparsePattern::Channels:
    printer << "channels<" << arguments[0] << '>';
    break;
  }
  printer << ", nnz = ";
  printCount(printer, nnz);
}

#include "compress/Dialect/Compress/IR/CompressEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "compress/Dialect/Compress/IR/CompressAttrs.cpp.inc"

void CompressDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "compress/Dialect/Compress/IR/CompressAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Limits on input
//===----------------------------------------------------------------------===//

// Text of a few kilobytes can say types that exhaust the stack (nesting) or
// memory (aliases used twice at each level). No real type comes near these.
static constexpr unsigned maxDepth = 32;
static constexpr uint64_t maxEncodings = 4096;

namespace {
/// What an encoding holds, itself included and counted once per mention.
struct Extent {
  unsigned depth = 1;
  uint64_t count = 1;
};
} // namespace

static Extent measure(EncodingAttrInterface encoding,
                      llvm::SmallDenseMap<Attribute, Extent> &known) {
  auto [it, isNew] = known.try_emplace(encoding);
  if (!isNew)
    return it->second;
  Extent extent;
  encoding.walkImmediateSubElements(
      [&](Attribute attr) {
        auto nested = dyn_cast_or_null<EncodingAttrInterface>(attr);
        if (!nested)
          return;
        Extent inner = measure(nested, known);
        extent.depth = std::max(extent.depth, inner.depth + 1);
        extent.count = std::min(extent.count + inner.count, maxEncodings + 1);
      },
      [](Type) {});
  return known[encoding] = extent;
}

static LogicalResult checkExtent(AsmParser &parser, SMLoc loc,
                                 EncodingAttrInterface encoding) {
  llvm::SmallDenseMap<Attribute, Extent> known;
  Extent extent = measure(encoding, known);
  if (extent.depth > maxDepth)
    return parser.emitError(loc)
           << "encodings nest deeper than " << maxDepth << " levels";
  if (extent.count > maxEncodings)
    return parser.emitError(loc)
           << "a type consists of more than " << maxEncodings << " encodings";
  return success();
}

/// How many calls of `parseEncoding` this thread is in. Nested text comes
/// through the parser of the whole file, which has no place for a count.
static thread_local unsigned parseDepth = 0;

ParseResult compress::parseEncoding(AsmParser &parser,
                                    EncodingAttrInterface &encoding) {
  SMLoc loc = parser.getCurrentLocation();
  llvm::SaveAndRestore<unsigned> depth(parseDepth, parseDepth + 1);
  if (parseDepth > maxDepth)
    return parser.emitError(loc)
           << "encodings nest deeper than " << maxDepth << " levels";
  // A type stands for plain storage of that type.
  Type storage;
  OptionalParseResult typeResult = parser.parseOptionalType(storage);
  if (typeResult.has_value()) {
    if (failed(*typeResult))
      return failure();
    encoding = DenseAttr::getChecked([&] { return parser.emitError(loc); },
                                     parser.getContext(), storage);
    return success(static_cast<bool>(encoding));
  }
  Attribute attr;
  if (*loc.getPointer() == '#') {
    if (failed(parser.parseAttribute(attr)))
      return failure();
  } else {
    // An encoding of this dialect may drop its prefix.
    StringRef mnemonic;
    OptionalParseResult own =
        generatedAttributeParser(parser, &mnemonic, Type(), attr);
    if (!own.has_value())
      return parser.emitError(loc) << "unknown encoding '" << mnemonic << "'";
    if (failed(*own))
      return failure();
  }
  encoding = dyn_cast_or_null<EncodingAttrInterface>(attr);
  if (!encoding)
    return parser.emitError(loc) << "expected an encoding, found " << attr;
  return checkExtent(parser, loc, encoding);
}

void compress::printEncoding(AsmPrinter &printer,
                             EncodingAttrInterface encoding) {
  if (auto dense = dyn_cast<DenseAttr>(encoding)) {
    printer << dense.getStorageType();
    return;
  }
  if (isa<CompressDialect>(encoding.getDialect()) &&
      succeeded(generatedAttributePrinter(encoding, printer)))
    return;
  printer.printAttribute(encoding);
}
