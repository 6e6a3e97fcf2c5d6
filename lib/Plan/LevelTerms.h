//===- LevelTerms.h - The terms of level names ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What single terms of a level's name say is stored: sparse values, factors,
// tables, outliers. CompositeLevels.cpp combines them.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_PLAN_LEVELTERMS_H
#define COMPRESS_LIB_PLAN_LEVELTERMS_H

#include "compress/Plan/Level.h"

namespace compress {

/// Nothing where the text is no such term.
using ParsedEncoding = llvm::Expected<std::optional<LevelEncoding>>;
using WeightEncoding = decltype(LevelEncoding::weight);

/// What is wrong with a level.
llvm::Error badLevel(llvm::StringRef name, const llvm::Twine &what);
/// A short number.
std::optional<double> parseNumber(llvm::StringRef text);
/// Plain values; in 16 bits with `half`.
LevelEncoding plainEncoding(bool half = false);
/// `2:4`, `sparse-50%`, `block16-25%` (along the inputs), `block16x1-25%`.
ParsedEncoding parseSparse(llvm::StringRef level, llvm::StringRef term,
                           const WeightEncoding &values);
/// `rows-50%`, `rows-50%-g32`: the rows of the weight that half of the inputs
/// meet are stored, by themselves or by structures of 32 neighbours (heads).
ParsedEncoding parseRows(llvm::StringRef level, llvm::StringRef term,
                         const WeightEncoding &values);
/// `lowrank-0.25` (of the full rank), `lowrank-r8`: outputs x rank, rank x
/// inputs, all axes of a convolution but the first kind together.
ParsedEncoding parseLowRank(llvm::StringRef level, llvm::StringRef term,
                            const WeightEncoding &factors);
/// `kmeans4`, `kmeans4-row`, `nf4-g64`, `fp4-table-g64`, `ternary`, `binary`.
ParsedEncoding parseTable(llvm::StringRef name);
/// The largest magnitudes by themselves, in 16 bits: what they leave has a
/// smaller range (LLM.int8(), SpQR).
LevelEncoding makeOutliers(double share);

} // namespace compress

#endif // COMPRESS_LIB_PLAN_LEVELTERMS_H
