//===- ReportSearch.cpp - What a search found, for reports ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Pipelines/Report.h"
#include "compress/Support/Format.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace compress;

std::optional<double> SearchPoint::getOutputError() const {
  if (!evaluation || evaluation->outputs.empty())
    return std::nullopt;
  double worst = 0;
  for (const OutputError &output : evaluation->outputs)
    worst = std::isnan(output.relative) ? INFINITY
                                        : std::max(worst, output.relative);
  return worst;
}

/// Ranks from 0; equal values share the mean of theirs.
static std::vector<double> getRanks(llvm::ArrayRef<double> values) {
  std::vector<double> ranks;
  for (double value : values) {
    double smaller = 0, equal = -1;
    for (double other : values) {
      smaller += other < value;
      equal += other == value;
    }
    ranks.push_back(smaller + equal / 2);
  }
  return ranks;
}

std::optional<double>
compress::getRankCorrelation(llvm::ArrayRef<SearchPoint> points) {
  std::vector<double> predicted, measured;
  for (const SearchPoint &point : points)
    if (auto error = point.getOutputError()) {
      predicted.push_back(point.predictedError);
      measured.push_back(*error);
    }
  if (predicted.size() < 3)
    return std::nullopt;
  std::vector<double> x = getRanks(predicted), y = getRanks(measured);
  double mean = (double(x.size()) - 1) / 2, xy = 0, xx = 0, yy = 0;
  for (auto [a, b] : llvm::zip_equal(x, y)) {
    xy += (a - mean) * (b - mean);
    xx += (a - mean) * (a - mean);
    yy += (b - mean) * (b - mean);
  }
  if (xx == 0 || yy == 0)
    return std::nullopt;
  return xy / std::sqrt(xx * yy);
}

std::string compress::formatLimit(const SearchPoint &point) {
  return point.limitBytes     ? formatBytes(point.limitBytes)
         : point.limitSeconds ? formatDuration(*point.limitSeconds)
                              : "";
}

std::vector<std::string> compress::getPointCosts(const Report &report) {
  std::vector<std::string> names;
  if (!report.points.empty())
    for (const auto &[name, total] : report.points.front().costs)
      if (name == "flops" || name == "bops" || name == "joules")
        names.push_back(name);
  return names;
}

static std::string formatCost(llvm::StringRef name, double value) {
  return formatScaled(value, name == "flops"  ? "FLOPs"
                             : name == "bops" ? "BOPs"
                                              : "J");
}

std::vector<PointRow> compress::getPointRows(const Report &report) {
  std::vector<PointRow> rows;
  for (size_t i = 0; i < report.points.size(); ++i) {
    const SearchPoint &point = report.points[i];
    PointRow row{&point,
                 1,
                 point.getOutputError(),
                 0,
                 point.predictedError,
                 point.bytes,
                 std::nullopt,
                 {}};
    auto first = i;
    if (point.evaluation &&
        (point.evaluation->model || point.evaluation->quality))
      row.drop = point.evaluation->getDrop();
    // The seeds of one random baseline are one row.
    if (point.isRandom()) {
      size_t end = i;
      while (end < report.points.size() && report.points[end].isRandom())
        ++end;
      row.count = end - i;
      double sum = 0, drops = 0, least = INFINITY, most = 0, predicted = 0,
             bytes = 0;
      for (const SearchPoint &seed :
           llvm::ArrayRef(report.points).slice(i, row.count)) {
        double error = seed.getOutputError().value_or(NAN);
        sum += error;
        predicted += seed.predictedError;
        bytes += double(seed.bytes);
        least = std::min(least, error);
        most = std::max(most, error);
        if (seed.evaluation &&
            (seed.evaluation->model || seed.evaluation->quality))
          drops += seed.evaluation->getDrop();
      }
      if (row.error) {
        row.error = sum / double(row.count);
        row.spread = (most - least) / 2;
      }
      if (row.drop)
        row.drop = drops / double(row.count);
      row.predicted = predicted / double(row.count);
      row.bytes = uint64_t(bytes / double(row.count));
      i = end - 1;
    }
    for (const std::string &name : getPointCosts(report)) {
      double sum = 0;
      for (const SearchPoint &each :
           llvm::ArrayRef(report.points).slice(first, row.count))
        for (const auto &[cost, total] : each.costs)
          if (cost == name)
            sum += total;
      row.costs.push_back(formatCost(name, sum / row.count));
    }
    rows.push_back(row);
  }
  return rows;
}
