//===- ReportHTML.cpp - Reports as a web page -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReportHTML.h"
#include "compress/Support/Format.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

using namespace compress;
using llvm::raw_ostream;
using llvm::StringRef;

static constexpr char styleSheet[] = R"css(
:root { --ink: #1d2530; --soft: #5c6b7a; --line: #dfe5ea; --back: #f5f7f9; --card: #ffffff;
  --before: #b9c4ce; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ee; --soft: #97a5b3; --line: #33404d; --back: #161c23; --card: #1f2832;
    --before: #55636f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 0 0 14px; }
p { margin: 0; }
.soft { color: var(--soft); }
.small { font-size: 13px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 14px;
  margin: 24px 0; }
section, .tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
section { padding: 20px; margin: 0 0 20px; overflow-x: auto; }
.tile { padding: 14px 16px; }
.tile .value { font-size: 24px; font-weight: 650; line-height: 1.3; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { color: var(--soft); font-weight: 600; text-align: left; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.name { white-space: normal; overflow-wrap: anywhere; min-width: 160px; }
.num { text-align: right; font-variant-numeric: tabular-nums; }
tfoot td { font-weight: 600; border-bottom: 0; }
.chip { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 7px; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 20px; margin: 10px 0 0; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--ink); }
svg .soft { fill: var(--soft); }
ul { margin: 0; padding-left: 20px; overflow-wrap: anywhere; }
section > p.small { margin-top: 10px; }
section > p.small + p.small { margin-top: 0; }
)css";

std::string compress::escapeHTML(StringRef text) {
  std::string escaped;
  llvm::raw_string_ostream os(escaped);
  llvm::printHTMLEscaped(llvm::json::fixUTF8(text), os);
  for (char &c : escaped)
    if (static_cast<unsigned char>(c) < 32 && c != '\t' && c != '\n')
      c = '?';
  return escaped;
}

std::string compress::formatHTMLNumber(const char *format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

static std::string escape(StringRef text) { return escapeHTML(text); }

static std::string formatNumber(const char *format, double value) {
  return formatHTMLNumber(format, value);
}

namespace {
/// A color for each level, in order of appearance.
class Palette {
public:
  explicit Palette(const Report &report) {
    static const char *const colors[] = {"#2f7de1", "#e08a2e", "#2fa37c",
                                         "#a45cc9", "#d6486a", "#7a8f2a",
                                         "#2aa0b8", "#8a6a4f"};
    for (const SiteResult &site : report.sites) {
      Level &level = levels[site.level];
      level.bytes += site.bytesAfter;
      ++level.sites;
    }
    unsigned next = 0;
    for (auto &[name, level] : levels)
      // What stays float is grey.
      level.color =
          name == "f32" ? "#7b8794" : colors[next++ % std::size(colors)];
  }
  struct Level {
    std::string color;
    uint64_t bytes = 0;
    unsigned sites = 0;
  };
  StringRef get(StringRef level) const {
    return levels.find(level)->second.color;
  }
  /// Keys live in the report.
  llvm::MapVector<StringRef, Level> levels;
};

class Page {
public:
  Page(const Report &report, raw_ostream &os)
      : report(report), os(os), palette(report) {}
  void write();

private:
  void writeTiles();
  void writeSizeBar();
  void writeComparison();
  void writeChart();
  void writeSites();
  void writeReasons();
  void writeRest();
  void tile(StringRef title, StringRef value, StringRef detail);

  const Report &report;
  raw_ostream &os;
  Palette palette;
};
} // namespace

void Page::tile(StringRef title, StringRef value, StringRef detail) {
  os << "<div class=\"tile\"><p class=\"soft small\">" << escape(title)
     << "</p><p class=\"value\">" << escape(value)
     << "</p><p class=\"soft small\">" << escape(detail) << "</p></div>\n";
}

void Page::writeTiles() {
  os << "<div class=\"tiles\">\n";
  tile("Weights", formatBytes(report.bytesAfter),
       "from " + formatBytes(report.bytesBefore) + ", " +
           formatPercent(report.getRatio()));
  tile("Bits per weight", formatNumber("%.2f", report.getBits()),
       "scales and metadata counted");
  if (const auto &e = report.evaluation) {
    auto detail = [&](const char *format, double (Score::*get)() const,
                      double unit) {
      return e->reference
                 ? "float " + formatNumber(format,
                                           (e->reference.value().*get)() * unit)
                 : std::string("float not measured");
    };
    if (e->model && e->isPerToken)
      tile("Perplexity", formatNumber("%.4f", e->model->getPerplexity()),
           detail("%.4f", &Score::getPerplexity, 1));
    else if (e->model)
      tile("Accuracy", formatNumber("%.2f %%", e->model->getAccuracy() * 100),
           detail("%.2f %%", &Score::getAccuracy, 100));
    else if (!e->outputs.empty())
      tile("Output error", formatError(e->getDrop()), "relative to float");
  }
  if (report.latencyAfter)
    tile("Latency", formatDuration(report.latencyAfter->median),
         report.latencyBefore
             ? "float " + formatDuration(report.latencyBefore->median)
             : "median of " + std::to_string(report.latencyAfter->runs) +
                   " runs");
  os << "</div>\n";
}

/// One bar, as long as the float model, filled by what each level takes.
void Page::writeSizeBar() {
  if (!report.bytesBefore)
    return;
  uint64_t sites = 0;
  for (const SiteResult &site : report.sites)
    sites += site.bytesAfter;
  uint64_t rest = report.bytesAfter > sites ? report.bytesAfter - sites : 0;
  constexpr double width = 1000;
  double scale = width / std::max(report.bytesBefore, report.bytesAfter);
  os << "<section><h2>Where the bytes are</h2>\n<svg viewBox=\"0 0 1000 28\" "
        "role=\"img\" aria-label=\"bytes by level\">"
        "<rect x=\"0\" y=\"0\" width=\"1000\" height=\"28\" rx=\"5\" "
        "fill=\"var(--line)\"/>";
  double x = 0;
  auto part = [&](StringRef name, StringRef color, uint64_t bytes) {
    os << "<rect x=\"" << formatNumber("%.2f", x) << "\" y=\"0\" width=\""
       << formatNumber("%.2f", bytes * scale) << "\" height=\"28\" fill=\""
       << color << "\"><title>" << escape(name) << ": " << formatBytes(bytes)
       << "</title></rect>";
    x += bytes * scale;
  };
  for (const auto &[name, level] : palette.levels)
    part(name, level.color, level.bytes);
  part("not compressible", "var(--soft)", rest);
  os << "</svg>\n<div class=\"legend small\">";
  auto label = [&](StringRef name, StringRef color, const std::string &detail) {
    os << "<span><span class=\"chip\" style=\"background:" << color
       << "\"></span>" << escape(name) << " <span class=\"soft\">" << detail
       << "</span></span>";
  };
  for (const auto &[name, level] : palette.levels)
    label(name, level.color,
          std::to_string(level.sites) +
              (level.sites == 1 ? " site, " : " sites, ") +
              formatBytes(level.bytes));
  label("other constants", "var(--soft)", formatBytes(rest));
  if (report.bytesAfter < report.bytesBefore)
    label("saved", "var(--line)",
          formatBytes(report.bytesBefore - report.bytesAfter));
  os << "</div></section>\n";
}

void Page::writeComparison() {
  os << "<section><h2>Float and compressed</h2>\n<table><thead><tr><th></th>"
        "<th class=\"num\">float</th><th class=\"num\">compressed</th>"
        "<th class=\"num\">change</th></tr></thead><tbody>\n";
  for (const ComparisonRow &row : getComparison(report))
    os << "<tr><td>" << escape(row.what) << "</td><td class=\"num\">"
       << escape(row.before) << "</td><td class=\"num\">" << escape(row.after)
       << "</td><td class=\"num\">" << escape(row.change) << "</td></tr>\n";
  os << "</tbody></table>\n";
  if (report.evaluation && report.evaluation->samples)
    os << "<p class=\"soft small\">Quality: " << escape(describeSamples(report))
       << "</p>\n";
  if (report.latencyAfter)
    os << "<p class=\"soft small\">Latency: median, inputs "
       << escape(report.latencyInputs) << ", "
       << (report.threads ? std::to_string(report.threads) + " threads"
                          : std::string("all cores"))
       << "</p>\n";
  os << "</section>\n";
}

void Page::writeChart() {
  // The largest sites; the table has them all.
  constexpr size_t maxBars = 40;
  std::vector<const SiteResult *> sites;
  for (const SiteResult &site : report.sites)
    sites.push_back(&site);
  if (sites.empty())
    return;
  size_t shown = std::min(sites.size(), maxBars);
  if (shown < sites.size()) {
    std::vector<const SiteResult *> order = sites;
    llvm::sort(order, [](const SiteResult *a, const SiteResult *b) {
      return a->bytesBefore > b->bytesBefore;
    });
    uint64_t least = order[shown - 1]->bytesBefore;
    llvm::erase_if(sites, [&](const SiteResult *site) {
      return site->bytesBefore < least;
    });
    sites.resize(shown);
  }
  uint64_t largest = 1;
  for (const SiteResult *site : sites)
    largest = std::max({largest, site->bytesBefore, site->bytesAfter});
  constexpr int left = 270, width = 560, step = 34;
  os << "<section><h2>Bytes per site, before and after</h2>\n<svg viewBox=\"0 "
        "0 1000 "
     << step * sites.size() + 4 << "\" role=\"img\" "
     << "aria-label=\"bytes per site\">\n";
  for (auto [row, site] : llvm::enumerate(sites)) {
    int y = row * step + 4;
    // Too long names lose their beginning: layers differ at the end.
    std::string name = llvm::json::fixUTF8(site->name);
    if (name.size() > 38) {
      size_t cut = name.size() - 37;
      while (cut < name.size() && (name[cut] & 0xc0) == 0x80)
        ++cut;
      name = "\xe2\x80\xa6" + name.substr(cut);
    }
    auto bar = [&](int top, uint64_t bytes, StringRef color) {
      os << "<rect x=\"" << left << "\" y=\"" << top << "\" width=\""
         << formatNumber("%.2f", std::max(1.5, double(bytes) * width / largest))
         << "\" height=\"11\" rx=\"2\" fill=\"" << color << "\"/>";
    };
    os << "<g><title>" << escape(site->name) << "</title><text x=\""
       << left - 12 << "\" y=\"" << y + 16 << "\" text-anchor=\"end\">"
       << escape(name) << "</text>";
    bar(y, site->bytesBefore, "var(--before)");
    bar(y + 13, site->bytesAfter, palette.get(site->level));
    double end = left + double(std::max(site->bytesBefore, site->bytesAfter)) *
                            width / largest;
    os << "<text class=\"soft\" x=\"" << formatNumber("%.1f", end + 10)
       << "\" y=\"" << y + 16 << "\">" << formatBytes(site->bytesBefore)
       << " to " << formatBytes(site->bytesAfter) << "</text></g>\n";
  }
  os << "</svg>\n";
  if (sites.size() < report.sites.size())
    os << "<p class=\"soft small\">The " << sites.size() << " largest of "
       << report.sites.size() << " sites.</p>\n";
  os << "</section>\n";
}

void Page::writeSites() {
  if (report.sites.empty())
    return;
  os << "<section><h2>Sites</h2>\n<table><thead><tr><th>site</th><th>op</th>"
        "<th>shape</th><th>level</th><th class=\"num\">bits</th>"
        "<th class=\"num\">before</th><th class=\"num\">after</th>"
        "<th class=\"num\">error</th><th class=\"num\">operations</th>"
        "<th class=\"num\">bit operations</th><th class=\"num\">energy "
        "(model)</th></tr></thead><tbody>\n";
  auto scaled = [](const std::optional<double> &value, StringRef unit) {
    return value ? formatScaled(*value, unit) : std::string("-");
  };
  uint64_t before = 0, after = 0;
  for (const SiteResult &site : report.sites) {
    before += site.bytesBefore;
    after += site.bytesAfter;
    os << "<tr><td class=\"name\">" << escape(site.name) << "</td><td>"
       << escape(site.op) << "</td><td>" << formatShape(site.shape)
       << "</td><td><span class=\"chip\" style=\"background:"
       << palette.get(site.level) << "\"></span>" << escape(site.level)
       << "</td><td class=\"num\">" << formatNumber("%.2f", site.bits)
       << "</td><td class=\"num\">" << formatBytes(site.bytesBefore)
       << "</td><td class=\"num\">" << formatBytes(site.bytesAfter)
       << "</td><td class=\"num\">" << formatError(site.error.relative)
       << "</td><td class=\"num\">" << scaled(site.flops, "FLOPs")
       << "</td><td class=\"num\">" << scaled(site.bops, "BOPs")
       << "</td><td class=\"num\">" << scaled(site.joules, "J")
       << "</td></tr>\n";
  }
  auto total = [&](double SiteWork::*get, StringRef unit) {
    return report.workAfter ? formatScaled((*report.workAfter).*get, unit)
                            : std::string("-");
  };
  os << "</tbody><tfoot><tr><td>" << report.sites.size()
     << " sites</td><td></td><td></td><td></td><td class=\"num\">"
     << formatNumber("%.2f", report.getBits()) << "</td><td class=\"num\">"
     << formatBytes(before) << "</td><td class=\"num\">" << formatBytes(after)
     << "</td><td></td><td class=\"num\">" << total(&SiteWork::flops, "FLOPs")
     << "</td><td class=\"num\">" << total(&SiteWork::bops, "BOPs")
     << "</td><td class=\"num\">" << total(&SiteWork::joules, "J")
     << "</td></tr></tfoot></table>\n"
     << "<p class=\"soft small\">Error: of the layer's output, as a share of "
        "its energy"
     << (report.calibrationSamples
             ? ", on inputs that calibration sampled"
             : ", with input channels taken as uncorrelated and alike "
               "(without calibration data)")
     << ".</p>\n</section>\n";
}

void Page::writeReasons() {
  if (llvm::all_of(report.sites,
                   [](const SiteResult &s) { return s.reason.empty(); }))
    return;
  os << "<section><h2>Why these levels</h2>\n<table><thead><tr><th>site</th>"
        "<th>level</th><th>reason</th></tr></thead><tbody>\n";
  for (const SiteResult &site : report.sites)
    os << "<tr><td class=\"name\">" << escape(site.name)
       << "</td><td><span class=\"chip\" style=\"background:"
       << palette.get(site.level) << "\"></span>" << escape(site.level)
       << "</td><td class=\"name\">" << escape(site.reason) << "</td></tr>\n";
  os << "</tbody></table></section>\n";
}

void Page::writeRest() {
  std::vector<std::string> lines;
  for (const std::string &line : summarizeExcluded(report))
    lines.push_back("Left alone: " + line);
  lines.insert(lines.end(), report.notes.begin(), report.notes.end());
  if (!lines.empty()) {
    os << "<section><h2>Notes</h2><ul>\n";
    for (const std::string &line : lines)
      os << "<li>" << escape(line) << "</li>\n";
    os << "</ul></section>\n";
  }
  os << "<section><h2>How it was made</h2>\n<p>" << escape(report.choice)
     << ", target " << escape(report.target) << ", ONNX profile "
     << escape(report.profile) << ", seed " << report.seed;
  if (report.calibrationSamples)
    os << ", calibrated on " << report.calibrationSamples << " samples of "
       << escape(report.calibrationFile);
  os << ".</p>\n<p class=\"soft small\">" << formatDuration(report.getSeconds())
     << ":";
  for (auto [i, stage] : llvm::enumerate(report.stages))
    os << (i ? ", " : " ") << escape(stage.first) << " "
       << formatDuration(stage.second);
  os << "</p></section>\n";
}

void Page::write() {
  os << "<!DOCTYPE html>\n<html lang=\"en\" "
        "xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta "
        "charset=\"utf-8\"/>\n<meta name=\"viewport\" "
        "content=\"width=device-width, initial-scale=1\"/>\n<title>"
     << escape(report.model) << " - compress</title>\n<style>" << styleSheet
     << "</style>\n</head>\n<body>\n<main>\n<h1>" << escape(report.model)
     << "</h1>\n<p class=\"soft\">" << escape(report.choice) << ", target "
     << escape(report.target) << "</p>\n";
  writeTiles();
  writeSizeBar();
  writeComparison();
  writeSearchHTML(report, os);
  writeChart();
  writeSites();
  writeReasons();
  writeRest();
  os << "</main>\n</body>\n</html>\n";
}

void Report::writeHTML(llvm::raw_ostream &os) const { Page(*this, os).write(); }
