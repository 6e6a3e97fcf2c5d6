//===- Compare.h - Outputs against a reference ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//===----------------------------------------------------------------------===//
#ifndef COMPRESS_TOOLS_COMPRESS_RUN_COMPARE_H
#define COMPRESS_TOOLS_COMPRESS_RUN_COMPARE_H

#include "compress/Support/Npz.h"

#include "llvm/Support/Error.h"

#include <string>

namespace compress {

/// How far an output is from its reference.
struct Comparison {
  std::string name;
  int64_t elements = 0;
  /// Elements beyond |value - reference| <= atol + rtol * |reference|, NaN
  /// against a number included (NaN against NaN is equal).
  int64_t beyond = 0;
  double maxAbs = 0;  ///< Largest |value - reference|.
  double maxRel = 0;  ///< Largest |value - reference| / largest |reference|.
  int64_t worst = -1; ///< Flat index of the element furthest out of tolerance.
  double worstValue = 0, worstReference = 0;
};

/// Fails when shapes differ. Element types may differ: values are compared.
llvm::Expected<Comparison> compare(llvm::StringRef name, const NpyArray &value,
                                   const NpyArray &reference, double rtol,
                                   double atol);

} // namespace compress

#endif // COMPRESS_TOOLS_COMPRESS_RUN_COMPARE_H
