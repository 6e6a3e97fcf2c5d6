//===- TextTable.cpp - Aligned columns --------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//

#include "compress/Support/TextTable.h"

#include "llvm/Support/Locale.h"

#include <algorithm>

using namespace compress;

static size_t width(llvm::StringRef text) {
  int columns = llvm::sys::locale::columnWidth(text);
  return columns >= 0 ? columns : text.size(); // not UTF-8: count bytes
}

void TextTable::addRow(std::vector<std::string> cells) {
  cells.resize(columns.size());
  rows.push_back(std::move(cells));
}

void TextTable::addRule() { rows.emplace_back(); }

void TextTable::print(llvm::raw_ostream &os, unsigned indent) const {
  std::vector<size_t> widths;
  for (const Column &c : columns)
    widths.push_back(width(c.title));
  for (const auto &row : rows)
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width(row[i]));

  auto rule = [&] {
    os.indent(indent);
    for (size_t i = 0; i < widths.size(); ++i)
      os << (i ? "  " : "") << std::string(widths[i], '-');
    os << '\n';
  };
  auto line = [&](auto cell) {
    std::string text(indent, ' ');
    for (size_t i = 0; i < widths.size(); ++i) {
      llvm::StringRef value = cell(i);
      std::string fill(widths[i] - width(value), ' ');
      if (i)
        text += "  ";
      text += columns[i].align == Align::Right ? fill + value.str()
                                               : value.str() + fill;
    }
    os << llvm::StringRef(text).rtrim(' ') << '\n';
  };
  line([&](size_t i) { return llvm::StringRef(columns[i].title); });
  rule();
  for (const auto &row : rows) {
    if (row.empty())
      rule();
    else
      line([&](size_t i) { return llvm::StringRef(row[i]); });
  }
}
