//===- Observe.h - Watching activations while a model runs ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_CALIBRATION_OBSERVE_H
#define COMPRESS_CALIBRATION_OBSERVE_H

#include "compress/Calibration/Statistics.h"
#include "compress/Runtime/Model.h"
#include "compress/Site/Site.h"

namespace compress {

/// Inserts a `compress.observe` before the activation operand of every use of
/// the sites, and returns empty statistics with one collector for each
/// `compress.observe`, whose id is the collector's. Uses that read the same
/// activation along the same axis share both. The statistics are keyed by site
/// name, so that they serve a copy of the function that was not instrumented.
Statistics insertObservers(llvm::ArrayRef<Site> sites, uint64_t seed = 0);

/// Feeds statistics from the callback that `compress.observe` becomes.
class ObserverSink {
public:
  explicit ObserverSink(Statistics &statistics) : statistics(statistics) {}

  /// `data` is the first element; strides are in elements. Element types: f32,
  /// f64, f16, bf16. Keeps the first error and ignores what follows it, since
  /// generated code cannot handle errors.
  void observe(int64_t id, CompressDType dtype, llvm::ArrayRef<int64_t> shape,
               llvm::ArrayRef<int64_t> strides, const void *data);

  /// The first error, which names the activation: an unknown id, an
  /// unsupported element type, values that are not finite.
  llvm::Error takeError();

private:
  Statistics &statistics;
  std::string firstError;
};

} // namespace compress

#endif // COMPRESS_CALIBRATION_OBSERVE_H
