//===- TextTable.h - Aligned columns ----------------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_SUPPORT_TEXTTABLE_H
#define COMPRESS_SUPPORT_TEXTTABLE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

#include <string>
#include <vector>

namespace compress {

/// A table for a terminal: a header line, a rule, rows. UTF-8 text is measured
/// in columns, not bytes. Rows with fewer cells than columns are filled up.
class TextTable {
public:
  enum class Align { Left, Right };
  struct Column {
    std::string title;
    Align align = Align::Left;
  };

  explicit TextTable(std::vector<Column> columns)
      : columns(std::move(columns)) {}

  void addRow(std::vector<std::string> cells);
  /// A rule across the table, for example above totals.
  void addRule();
  void print(llvm::raw_ostream &os, unsigned indent = 0) const;
  bool empty() const { return rows.empty(); }

private:
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows; // an empty one is a rule
};

} // namespace compress

#endif // COMPRESS_SUPPORT_TEXTTABLE_H
