//===- RateChoice.h - Codes of a step size and their length -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the two ways to choose codes under a price of their bits share, and the
// one with feedback. Private to CompressMethod; see RateDistortion.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_LIB_METHOD_RATECHOICE_H
#define COMPRESS_LIB_METHOD_RATECHOICE_H

#include "compress/Method/Method.h"

namespace compress {

/// Codes of one step size, and what they cost.
struct RateChoice {
  double step = 0;
  std::vector<int> codes;
  /// Of the code alone.
  double bits = 0;
  double error = 0;
  /// What the codes are multiplied by: the best one, which is not the step
  /// where codes near zero are preferred.
  float scale = 0;
};

/// Lengths that a coder with these counts gives to codes, those that did not
/// occur included, and the sum over all that did.
std::pair<std::vector<float>, double> getLengths(llvm::ArrayRef<int64_t> counts,
                                                 double total);

/// The code nearest to `exact`, or a shorter one nearer to zero.
int chooseCode(float exact, int most, float weight, float price,
               llvm::ArrayRef<float> lengths);

/// Codes that make up for each other's errors.
class RateFeedback {
public:
  /// Nothing where the samples do not fit the weight or it is too large.
  static std::optional<RateFeedback> create(const WeightRequest &request);
  RateChoice choose(llvm::ArrayRef<float> values, int most, double step,
                    double price, std::vector<float> lengths) const;

private:
  /// Outputs that are computed from the same inputs, and how errors meet there.
  struct Set {
    /// Of each output the elements, in the order of `factor`.
    std::vector<std::vector<int64_t>> elements;
    /// Lower triangular, by rows.
    std::vector<float> factor;
    int64_t size = 0;

    float get(int64_t i, int64_t j) const { return factor[i * size + j]; }
  };

  std::vector<Set> sets;
  /// The mean of all squared pivots.
  double mean = 0;
};

} // namespace compress

#endif // COMPRESS_LIB_METHOD_RATECHOICE_H
