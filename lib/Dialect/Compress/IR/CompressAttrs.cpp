//===- CompressAttrs.cpp - Parsing and printing of encodings ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "compress/Dialect/Compress/IR/Encoding.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

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

#define GET_ATTRDEF_CLASSES
#include "compress/Dialect/Compress/IR/CompressAttrs.cpp.inc"

void CompressDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "compress/Dialect/Compress/IR/CompressAttrs.cpp.inc"
      >();
}

ParseResult compress::parseEncoding(AsmParser &parser,
                                    EncodingAttrInterface &encoding) {
  SMLoc loc = parser.getCurrentLocation();
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
  return success();
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
