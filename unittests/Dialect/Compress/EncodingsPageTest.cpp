//===- EncodingsPageTest.cpp - The types in docs/Encodings.md ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every type that the page shows is legal and prints back, and the bits per
// weight that the page says ("// 4.5 bits", "// NAME: 4.5 bits" on the line
// before) are those that the compiler counts, to all digits given.
//
//===----------------------------------------------------------------------===//

#include "compress/Dialect/Compress/IR/Compress.h"
#include "mlir/AsmParser/AsmParser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Regex.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace mlir;
using namespace compress;

namespace {
struct Example {
  std::string comment, type;
};

/// The types in the page's code blocks, and the comment line before each.
std::vector<Example> getExamples(StringRef page) {
  std::vector<Example> examples;
  bool inBlock = false;
  Example next;
  int depth = 0;
  for (StringRef line : llvm::split(page, '\n')) {
    if (line.starts_with("```")) {
      EXPECT_EQ(depth, 0) << "a type does not end before " << line.str();
      inBlock = line == "```mlir";
      next = {};
      continue;
    }
    if (!inBlock || line.trim().empty())
      continue;
    if (depth == 0 && line.consume_front("// ")) {
      next.comment = line.str();
      continue;
    }
    depth += line.count('<') - line.count('>');
    next.type += next.type.empty() ? line.str() : " " + line.trim().str();
    if (depth == 0) {
      examples.push_back(next);
      next = {};
    }
  }
  return examples;
}
} // namespace

TEST(EncodingsPage, SizesAreThoseOfTheCompiler) {
  auto page = llvm::MemoryBuffer::getFile(COMPRESS_ENCODINGS_PAGE);
  ASSERT_TRUE(bool(page)) << COMPRESS_ENCODINGS_PAGE;
  MLIRContext context;
  context.loadDialect<CompressDialect>();
  std::vector<Example> examples = getExamples((*page)->getBuffer());
  EXPECT_GT(examples.size(), 50u);
  llvm::Regex bitsOf("^(.*: )?([0-9]+)(\\.([0-9]+))? bits");
  for (const Example &example : examples) {
    SCOPED_TRACE(example.comment + "\n" + example.type);
    auto type = dyn_cast_or_null<CompressedTensorType>(
        parseType(example.type, &context));
    ASSERT_TRUE(type);
    std::string text;
    llvm::raw_string_ostream(text) << type;
    EXPECT_EQ(parseType(text, &context), type) << text;
    SmallVector<StringRef> match;
    bool isKnown = llvm::all_of(type.getLeafTypes(), [](RankedTensorType leaf) {
      return leaf.hasStaticShape();
    });
    if (!isKnown)
      continue;
    ASSERT_TRUE(bitsOf.match(example.comment, &match));
    double stated = std::stod((match[2] + match[3]).str());
    double unit = std::pow(10.0, -double(match[4].size()));
    EXPECT_LE(std::fabs(type.getBitsPerElement() - stated), unit / 2 + 1e-12)
        << "the compiler counts " << type.getBitsPerElement();
  }
}
