//===- LevelDatabase.h - Encoded weights, kept on disk ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COMPRESS_PLAN_LEVELDATABASE_H
#define COMPRESS_PLAN_LEVELDATABASE_H

#include "compress/Plan/Apply.h"
#include "compress/Support/ContentCache.h"
#include <memory>

namespace compress {

/// What a table says about a level at a site.
struct LevelSummary {
  CompressedTensorType type;
  /// Stored bytes, metadata included.
  uint64_t bytes = 0;
  LayerError error;
  /// Relative output error that rounding the activation adds; 0 for levels that
  /// leave it alone.
  double activationError = 0;
};

/// Encodes sites, or finds what an earlier run encoded. An entry depends on
/// the weight's bytes and axes, the level with its options, the statistics of
/// the site and this program, and on nothing else: models and runs share it.
class LevelDatabase {
public:
  /// `cache` null: nothing is kept.
  explicit LevelDatabase(const Statistics *statistics = nullptr,
                         ContentCache *cache = nullptr);

  /// Holds the encoded weight in memory no longer than it needs to.
  llvm::Expected<LevelSummary> getSummary(const Site &site,
                                          const Level &level) const;
  /// As `encodeSite`.
  llvm::Expected<EncodedSite> encode(const Site &site,
                                     const Level &level) const;
  /// What the site is stored as; known without encoding it again.
  llvm::Expected<CompressedTensorType> getType(const Site &site,
                                               const Level &level) const;
  /// What `ContentCache` finds the entry by.
  std::string getKey(const Site &site, const Level &level) const;

  /// What this program is: another build may encode otherwise.
  static const std::string &getProgramHash();

  const Statistics *getStatistics() const { return statistics; }
  ContentCache *getCache() const { return cache; }

private:
  void remember(const Site &site, const Level &level,
                CompressedTensorType type) const;

  const Statistics *statistics;
  ContentCache *cache;
  /// What was found out in this run. Copies share it.
  struct Memory;
  std::shared_ptr<Memory> memory;
};

/// The relative output error that rounding the site's activations as `level`
/// does would add: the mean square rounding error of each channel, weighted by
/// the weights that it meets. From the rows that calibration sampled; normally
/// distributed ones without calibration. 0 for levels that leave activations
/// alone. Errors: a level that needs statistics which are not there.
llvm::Expected<double> measureActivationError(const Site &site,
                                              const Level &level,
                                              const Statistics *statistics);

} // namespace compress

#endif // COMPRESS_PLAN_LEVELDATABASE_H
