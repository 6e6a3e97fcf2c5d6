//===- Report.cpp - Reports as text and JSON --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "compress/Pipelines/Report.h"
#include "compress/Support/Format.h"
#include "compress/Support/TextTable.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include <cmath>

using namespace compress;
using llvm::StringRef;
namespace json = llvm::json;

double Report::getRatio() const {
  return bytesBefore ? double(bytesAfter) / bytesBefore : 1;
}

double Report::getSeconds() const {
  double sum = 0;
  for (const auto &[stage, seconds] : stages)
    sum += seconds;
  return sum;
}

double Report::getBits() const {
  double bits = 0, elements = 0;
  for (const SiteResult &site : sites) {
    double count = 1;
    for (int64_t dim : site.shape)
      count *= dim;
    bits += 8.0 * site.bytesAfter;
    elements += count;
  }
  return elements ? bits / elements : 0;
}

static std::string formatNumber(const char *format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string compress::formatError(double error) {
  return error == 0 ? "0" : formatNumber("%.2e", error);
}

std::vector<std::string> compress::summarizeExcluded(const Report &report) {
  llvm::MapVector<StringRef, std::pair<unsigned, uint64_t>> reasons;
  for (const ExcludedSite &site : report.excluded) {
    auto &[count, bytes] = reasons[site.reason];
    ++count;
    bytes += site.bytes;
  }
  std::vector<std::string> lines;
  for (const auto &[reason, sum] : reasons)
    lines.push_back(std::to_string(sum.first) +
                    (sum.first == 1 ? " weight, " : " weights, ") +
                    formatBytes(sum.second) + ": " + reason.str());
  return lines;
}

std::string compress::describeSamples(const Report &report) {
  int64_t count = report.evaluation->samples;
  std::string text = std::to_string(count) +
                     (count == 1 ? " sample of " : " samples of ") +
                     report.evaluationFile;
  if (!report.heldOut.empty()) {
    text += ", held out from calibration:";
    constexpr size_t most = 12;
    for (int64_t index : llvm::ArrayRef(report.heldOut).take_front(most))
      text += " " + std::to_string(index);
    if (report.heldOut.size() > most)
      text += " ...";
  } else if (report.calibrationSamples && report.judgesCalibration) {
    text += ", which calibration has seen (give --eval or --holdout)";
  }
  return text;
}

std::vector<ComparisonRow> compress::getComparison(const Report &report) {
  std::vector<ComparisonRow> rows;
  if (report.bytesBefore)
    rows.push_back({"weights", formatBytes(report.bytesBefore),
                    formatBytes(report.bytesAfter),
                    formatPercent(report.getRatio()) + " of float"});
  if (const auto &e = report.evaluation) {
    // Without comparison there is no float score.
    auto add = [&](StringRef what, double (Score::*get)() const, double unit,
                   const char *format, auto change) {
      if (!e->model)
        return;
      double after = (e->model.value().*get)() * unit;
      ComparisonRow row{what.str(), "-", formatNumber(format, after), ""};
      if (e->reference) {
        double before = (e->reference.value().*get)() * unit;
        row.before = formatNumber(format, before);
        row.change = change(before, after);
      }
      rows.push_back(std::move(row));
    };
    add(e->isPerToken ? "token accuracy" : "accuracy", &Score::getAccuracy, 100,
        "%.2f %%", [](double before, double after) {
          return formatNumber("%+.2f points", after - before);
        });
    if (e->isPerToken)
      add("perplexity", &Score::getPerplexity, 1, "%.4f",
          [](double before, double after) {
            return formatNumber("%+.2f %%", (after / before - 1) * 100);
          });
    if (const auto &quality = e->quality) {
      const char *format = quality->format.c_str();
      ComparisonRow row{quality->measure, "",
                        formatNumber(format, quality->model),
                        "drop " + formatNumber("%.4g", quality->drop)};
      if (quality->reference)
        row.before = formatNumber(format, *quality->reference);
      rows.push_back(std::move(row));
    }
    for (const OutputError &output : e->outputs)
      rows.push_back({"output '" + output.name + "'", "",
                      "error " + formatError(output.relative),
                      "cosine " + formatNumber("%.6f", output.cosine)});
  }
  if (report.predictedSeconds) {
    auto [before, after] = *report.predictedSeconds;
    rows.push_back(
        {"sites, predicted", formatDuration(before), formatDuration(after),
         formatNumber("%.2f times as fast", after > 0 ? before / after : 1)});
  }
  if (report.workBefore && report.workAfter) {
    auto add = [&](StringRef what, double SiteWork::*get, StringRef unit) {
      double before = (*report.workBefore).*get,
             after = (*report.workAfter).*get;
      rows.push_back(
          {what.str(), formatScaled(before, unit), formatScaled(after, unit),
           before > 0 ? formatPercent(after / before) + " of float" : ""});
    };
    add("operations", &SiteWork::flops, "FLOPs");
    add("bit operations", &SiteWork::bops, "BOPs");
    add("energy (model)", &SiteWork::joules, "J");
  }
  if (report.memoryAfter) {
    ComparisonRow row{"memory of a run", "-", formatBytes(*report.memoryAfter),
                      ""};
    if (report.memoryBefore) {
      row.before = formatBytes(*report.memoryBefore);
      row.change = formatPercent(double(*report.memoryAfter) /
                                 double(*report.memoryBefore)) +
                   " of float";
    }
    rows.push_back(std::move(row));
  }
  for (const Report::ShapeLatency &shape : report.shapeLatencies) {
    ComparisonRow row{"latency at " + shape.shape + ", weight " +
                          formatNumber("%.3g", shape.weight),
                      "-", "-", ""};
    if (shape.before)
      row.before = formatDuration(shape.before->median);
    if (shape.after)
      row.after = formatDuration(shape.after->median);
    if (shape.before && shape.after)
      row.change = formatNumber("%.2f times as fast",
                                shape.before->median / shape.after->median);
    rows.push_back(std::move(row));
  }
  if (report.latencyBefore || report.latencyAfter) {
    auto text = [](const std::optional<Latency> &latency) {
      return latency ? formatDuration(latency->median) : std::string("-");
    };
    ComparisonRow row{"latency", text(report.latencyBefore),
                      text(report.latencyAfter), ""};
    if (report.latencyBefore && report.latencyAfter)
      row.change =
          formatNumber("%.2f times as fast", report.latencyBefore->median /
                                                 report.latencyAfter->median);
    rows.push_back(std::move(row));
  }
  return rows;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static StringRef shortOp(StringRef op) {
  return op.rsplit('.').second.empty() ? op : op.rsplit('.').second;
}

/// The frontier and its baselines.
static void printPoints(const Report &report, llvm::raw_ostream &os) {
  using Align = TextTable::Align;
  if (report.points.empty())
    return;
  std::vector<TextTable::Column> columns = {{"search"},
                                            {"limit", Align::Right},
                                            {"bytes", Align::Right},
                                            {"predicted", Align::Right},
                                            {"output error", Align::Right},
                                            {"drop", Align::Right},
                                            {"latency", Align::Right}};
  for (const std::string &name : getPointCosts(report))
    columns.push_back({name, Align::Right});
  columns.push_back({"levels"});
  TextTable table(columns);
  for (const PointRow &row : getPointRows(report)) {
    const SearchPoint &point = *row.point;
    std::string error = row.error ? formatError(*row.error) : "-";
    if (row.error && row.count > 1)
      error += " +-" + formatNumber("%.0e", row.spread);
    std::vector<std::string> cells = {
        (point.isChosen ? "* " : "  ") +
            (point.isRandom() ? "random, mean of " + std::to_string(row.count)
                              : point.search),
        formatLimit(point),
        formatBytes(row.bytes),
        formatError(row.predicted),
        error,
        row.drop ? formatNumber("%.2f %%", *row.drop * 100) : "-",
        point.seconds ? formatDuration(*point.seconds) : "-"};
    llvm::append_range(cells, row.costs);
    cells.push_back(row.count > 1 ? "" : point.levels);
    table.addRow(cells);
  }
  os << "\n";
  table.print(os);
  os << "*: the plan that was compiled; predicted: root of the summed errors "
        "of its sites";
  if (auto correlation = getRankCorrelation(report.points))
    os << ", rank correlation with the output error "
       << formatNumber("%.2f", *correlation);
  os << "\n\n";
}

void Report::print(llvm::raw_ostream &os) const {
  using Align = TextTable::Align;
  os << model << ": " << choice << ", target " << target << "\n\n";
  if (!sites.empty()) {
    TextTable table({{"site"},
                     {"op"},
                     {"shape"},
                     {"level"},
                     {"bits", Align::Right},
                     {"before", Align::Right},
                     {"after", Align::Right},
                     {"error", Align::Right},
                     {workAfter ? "operations" : "", Align::Right}});
    uint64_t before = 0, after = 0;
    for (const SiteResult &site : sites) {
      table.addRow({site.name, shortOp(site.op).str(), formatShape(site.shape),
                    site.level, formatNumber("%.2f", site.bits),
                    formatBytes(site.bytesBefore), formatBytes(site.bytesAfter),
                    formatError(site.error.relative),
                    site.flops ? formatScaled(*site.flops, "FLOPs") : ""});
      before += site.bytesBefore;
      after += site.bytesAfter;
    }
    table.addRule();
    table.addRow({std::to_string(sites.size()) +
                      (sites.size() == 1 ? " site" : " sites"),
                  "", "", "", formatNumber("%.2f", getBits()),
                  formatBytes(before), formatBytes(after), "",
                  workAfter ? formatScaled(workAfter->flops, "FLOPs") : ""});
    table.print(os);
  } else {
    os << "The model has no weights that could be compressed.\n";
  }
  for (const std::string &line : summarizeExcluded(*this))
    os << "left alone: " << line << "\n";
  if (explains)
    for (const SiteResult &site : sites)
      if (!site.reason.empty())
        os << "why " << site.name << " is " << site.level << ": " << site.reason
           << "\n";

  os << "\n";
  TextTable totals({{""},
                    {"float", Align::Right},
                    {"compressed", Align::Right},
                    {"", Align::Right}});
  for (const ComparisonRow &row : getComparison(*this))
    totals.addRow({row.what, row.before, row.after, row.change});
  if (!totals.empty())
    totals.print(os);
  if (evaluation && evaluation->samples)
    os << "quality measured on " << describeSamples(*this) << "\n";
  if (latencyAfter)
    os << "latency: median, inputs " << latencyInputs << ", "
       << (threads ? std::to_string(threads) : std::string("all"))
       << (threads == 1 ? " thread"
           : threads    ? " threads"
                        : " cores")
       << "\n";
  printPoints(*this, os);
  for (const std::string &note : notes)
    os << "note: " << note << "\n";

  os << "\nSpent " << formatDuration(getSeconds()) << ":";
  for (auto [i, stage] : llvm::enumerate(stages))
    os << (i ? ", " : " ") << stage.first << " "
       << formatDuration(stage.second);
  os << "\n";
  if (artifacts.empty())
    return;
  os << "Artifacts in " << outputDirectory << ":\n";
  TextTable files({{"file"}, {"size", Align::Right}});
  for (const auto &[name, bytes] : artifacts)
    files.addRow({name, formatBytes(bytes)});
  files.print(os, 2);
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

/// JSON has no infinities.
static json::Value number(double value) {
  if (std::isfinite(value))
    return value;
  return std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
}

static int64_t integer(uint64_t value) { return static_cast<int64_t>(value); }

static void writeSite(json::OStream &json, const SiteResult &site) {
  json.object([&] {
    json.attribute("name", json::fixUTF8(site.name));
    json.attribute("op", json::fixUTF8(site.op));
    json.attribute("node", json::fixUTF8(site.node));
    json.attributeArray("shape", [&] {
      for (int64_t dim : site.shape)
        json.value(dim);
    });
    json.attribute("level", site.level);
    json.attribute("bits_per_weight", number(site.bits));
    json.attribute("bytes_before", integer(site.bytesBefore));
    json.attribute("bytes_after", integer(site.bytesAfter));
    json.attribute("error", number(site.error.relative));
    if (site.seconds)
      json.attribute("seconds", number(*site.seconds));
    if (site.predictedSeconds)
      json.attribute("predicted_seconds", number(*site.predictedSeconds));
    if (site.flops)
      json.attribute("flops", number(*site.flops));
    if (site.bops)
      json.attribute("bops", number(*site.bops));
    if (site.joules)
      json.attribute("joules", number(*site.joules));
    if (!site.reason.empty())
      json.attribute("reason", json::fixUTF8(site.reason));
  });
}

static void writeScore(json::OStream &json, StringRef key, const Score &score,
                       bool isPerToken) {
  json.attributeObject(key, [&] {
    json.attribute("labels", score.labels);
    json.attribute("correct", score.correct);
    json.attribute("accuracy", number(score.getAccuracy()));
    if (isPerToken)
      json.attribute("perplexity", number(score.getPerplexity()));
  });
}

static void writeEvaluation(json::OStream &json, const Report &report) {
  const Evaluation &evaluation = *report.evaluation;
  json.attribute("file", json::fixUTF8(report.evaluationFile));
  json.attribute("samples", evaluation.samples);
  if (!report.heldOut.empty())
    json.attributeArray("held_out", [&] {
      for (int64_t index : report.heldOut)
        json.value(index);
    });
  if (report.judgesCalibration)
    json.attribute("seen_by_calibration", true);
  if (const auto &quality = evaluation.quality)
    json.attributeObject("measure", [&] {
      json.attribute("name", quality->measure);
      if (quality->reference)
        json.attribute("float", number(*quality->reference));
      json.attribute("compressed", number(quality->model));
      json.attribute("drop", number(quality->drop));
      json.attributeObject("details", [&] {
        for (const auto &[name, value] : quality->details)
          json.attribute(name, number(value));
      });
    });
  if (evaluation.model) {
    json.attribute("task", evaluation.isPerToken ? "tokens" : "classification");
    json.attribute("output", json::fixUTF8(evaluation.labelledOutput));
    writeScore(json, "compressed", *evaluation.model, evaluation.isPerToken);
    if (evaluation.reference) {
      writeScore(json, "float", *evaluation.reference, evaluation.isPerToken);
      json.attribute("drop", number(evaluation.getDrop()));
    }
  }
  json.attributeArray("outputs", [&] {
    for (const OutputError &output : evaluation.outputs)
      json.object([&] {
        json.attribute("name", json::fixUTF8(output.name));
        json.attribute("relative_error", number(output.relative));
        json.attribute("cosine", number(output.cosine));
        json.attribute("max_abs_error", number(output.maxAbsolute));
      });
  });
}

static void writeLatency(json::OStream &json, StringRef key,
                         const std::optional<Latency> &latency) {
  if (!latency)
    return;
  json.attributeObject(key, [&] {
    json.attribute("median", number(latency->median * 1e3));
    json.attribute("min", number(latency->min * 1e3));
    json.attribute("runs", latency->runs);
  });
}

static void writeWork(json::OStream &json, StringRef key,
                      const SiteWork &work) {
  json.attributeObject(key, [&] {
    json.attribute("flops", number(work.flops));
    json.attribute("bops", number(work.bops));
    json.attribute("joules", number(work.joules));
  });
}

static void writePoints(json::OStream &json, const Report &report) {
  if (auto correlation = getRankCorrelation(report.points))
    json.attribute("rank_correlation", number(*correlation));
  json.attributeArray("points", [&] {
    for (const SearchPoint &point : report.points)
      json.object([&] {
        json.attribute("search", point.search);
        json.attribute("chosen", point.isChosen);
        json.attribute("limit_bytes", integer(point.limitBytes));
        if (point.limitSeconds)
          json.attribute("limit_ms", number(*point.limitSeconds * 1e3));
        if (!point.planFile.empty())
          json.attribute("plan", point.planFile);
        json.attribute("bytes", integer(point.bytes));
        json.attribute("levels", json::fixUTF8(point.levels));
        json.attribute("predicted_error", number(point.predictedError));
        json.attributeObject("costs", [&] {
          for (const auto &[name, total] : point.costs)
            json.attribute(name, number(total));
        });
        if (auto error = point.getOutputError())
          json.attribute("output_error", number(*error));
        if (point.evaluation &&
            (point.evaluation->model || point.evaluation->quality))
          json.attribute("drop", number(point.evaluation->getDrop()));
        if (point.seconds)
          json.attribute("latency_ms", number(*point.seconds * 1e3));
      });
  });
}

void Report::writeJSON(llvm::raw_ostream &os) const {
  json::OStream json(os, 1);
  json.object([&] {
    json.attribute("model", json::fixUTF8(model));
    json.attribute("choice", json::fixUTF8(choice));
    json.attribute("target", target);
    json.attribute("profile", profile);
    json.attribute("threads", threads);
    json.attribute("seed", integer(seed));
    if (calibrationSamples)
      json.attributeObject("calibration", [&] {
        json.attribute("file", json::fixUTF8(calibrationFile));
        json.attribute("samples", calibrationSamples);
      });
    json.attributeArray("sites", [&] {
      for (const SiteResult &site : sites)
        writeSite(json, site);
    });
    json.attributeArray("excluded", [&] {
      for (const ExcludedSite &site : excluded)
        json.object([&] {
          json.attribute("name", json::fixUTF8(site.name));
          json.attribute("op", json::fixUTF8(site.opName));
          json.attribute("reason", json::fixUTF8(site.reason));
          json.attribute("bytes", integer(site.bytes));
        });
    });
    json.attributeObject("totals", [&] {
      json.attribute("bytes_before", integer(bytesBefore));
      json.attribute("bytes_after", integer(bytesAfter));
      json.attribute("ratio", number(getRatio()));
      json.attribute("bits_per_weight", number(getBits()));
      if (latencyBefore || latencyAfter)
        json.attributeObject("latency_ms", [&] {
          writeLatency(json, "float", latencyBefore);
          writeLatency(json, "compressed", latencyAfter);
          json.attribute("inputs", json::fixUTF8(latencyInputs));
          if (!shapeLatencies.empty())
            json.attributeArray("shapes", [&] {
              for (const ShapeLatency &shape : shapeLatencies)
                json.object([&] {
                  json.attribute("shape", json::fixUTF8(shape.shape));
                  json.attribute("weight", number(shape.weight));
                  writeLatency(json, "float", shape.before);
                  writeLatency(json, "compressed", shape.after);
                });
            });
        });
      if (workBefore && workAfter)
        json.attributeObject("work", [&] {
          writeWork(json, "float", *workBefore);
          writeWork(json, "compressed", *workAfter);
        });
      if (memoryAfter)
        json.attributeObject("memory_bytes", [&] {
          if (memoryBefore)
            json.attribute("float", integer(*memoryBefore));
          json.attribute("compressed", integer(*memoryAfter));
        });
      if (evaluation)
        json.attributeObject("quality", [&] { writeEvaluation(json, *this); });
      json.attribute("seconds", number(getSeconds()));
    });
    if (!points.empty())
      json.attributeObject("search", [&] { writePoints(json, *this); });
    json.attributeObject("stages", [&] {
      for (const auto &[stage, seconds] : stages)
        json.attribute(stage, number(seconds));
    });
    json.attributeObject("artifacts", [&] {
      for (const auto &[name, bytes] : artifacts)
        json.attribute(name, integer(bytes));
    });
    json.attributeArray("notes", [&] {
      for (const std::string &note : notes)
        json.value(json::fixUTF8(note));
    });
  });
  os << "\n";
}
