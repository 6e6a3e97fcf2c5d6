//===- Plan.h - A level for each site ---------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A plan is a small YAML file that a person can edit and apply again:
//
//   version: 1
//   model:   digits.onnx
//   sites:
//     - name:  conv1.weight
//       level: int8
//       ...                # what follows is information, and may be left out
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_PLAN_PLAN_H
#define COMPRESS_PLAN_PLAN_H

#include "compress/Plan/Level.h"

namespace compress {

/// One site of a plan. `name` and `level` decide; the rest informs the reader,
/// except that a `shape` must be that of the weight.
struct PlanEntry {
  std::string name;
  /// As written; `Level::parse` accepts it.
  std::string level;
  std::string op, node;
  std::optional<std::vector<int64_t>> shape;
  /// Stored bits per weight, scales and all; bytes before and after.
  std::optional<double> bits;
  std::optional<uint64_t> bytesBefore, bytesAfter;
  /// Relative output error of the layer (`LayerError::relative`).
  std::optional<double> error;
  /// Seconds of the site's operations alone, where a search needed them.
  std::optional<double> seconds;
  /// The same as the target predicts it, without timing anything.
  std::optional<double> predictedSeconds;
  /// Floating-point operations, bit operations and joules of the site's
  /// operations in one run.
  std::optional<double> flops, bops, joules;
  /// Why the search chose the level.
  std::string reason;
  /// Line in the file, for diagnostics; 0 when it does not come from one.
  unsigned line = 0;
};

struct Plan {
  static constexpr unsigned currentVersion = 1;

  unsigned version = currentVersion;
  /// File name of the model, for the reader.
  std::string model;
  std::vector<PlanEntry> sites;
  /// Where it was read from, for diagnostics.
  std::string fileName;

  /// Parses YAML. Errors (`FILE:LINE: reason`): bad syntax, unknown keys, a
  /// missing name or level, an unknown level, a site listed twice.
  static llvm::Expected<Plan> parse(llvm::StringRef text,
                                    llvm::StringRef fileName);
  static llvm::Expected<Plan> load(llvm::StringRef path);
  void print(llvm::raw_ostream &os) const;
  /// Writes a temporary file and renames it.
  llvm::Error save(llvm::StringRef path) const;

  /// The plan that gives every site the same level.
  static Plan uniform(llvm::ArrayRef<Site> sites, const Level &level);
  /// The plan in the `compress.level` attributes of the operations; sites
  /// without one are left out. An error when users of one weight disagree or a
  /// level is unknown.
  static llvm::Expected<Plan> fromAttributes(llvm::ArrayRef<Site> sites);
  /// Sets `compress.level` on every user of the sites in this plan.
  void toAttributes(llvm::ArrayRef<Site> sites) const;

  /// Checks that every entry is a site of this model and has its shape.
  llvm::Error verify(const SiteList &sites) const;
  const PlanEntry *lookup(llvm::StringRef name) const;
};

} // namespace compress

#endif // COMPRESS_PLAN_PLAN_H
