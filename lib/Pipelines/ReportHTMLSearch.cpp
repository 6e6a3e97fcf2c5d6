//===- ReportHTMLSearch.cpp - What a search found, as charts ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ReportHTML.h"
#include "compress/Support/Format.h"
#include <cmath>

using namespace compress;
using llvm::raw_ostream;
using llvm::StringRef;

namespace {
/// A scatter chart with logarithmic axes.
class Chart {
public:
  Chart(raw_ostream &os, StringRef label, StringRef xTitle, StringRef yTitle)
      : os(os), label(label), xTitle(xTitle), yTitle(yTitle) {}

  struct Dot {
    double x, y;
    std::string title, kind;
    bool isChosen;
  };
  std::vector<Dot> dots;
  std::string (*formatX)(double) = nullptr;

  void write();

private:
  static constexpr double left = 90, right = 970, top = 16, bottom = 300;
  struct Axis {
    double low, high;
    double at(double value) const {
      return (std::log(value) - std::log(low)) /
             (std::log(high) - std::log(low));
    }
  };
  static Axis getAxis(std::vector<double> values) {
    double low = *llvm::min_element(values), high = *llvm::max_element(values);
    // Room around a single value, too.
    double room = std::max(std::pow(high / low, 0.06), 1.02);
    return {low / room, high * room};
  }

  raw_ostream &os;
  StringRef label, xTitle, yTitle;
};
} // namespace

static StringRef getColor(StringRef kind) {
  return kind == "search"    ? "#2f7de1"
         : kind == "uniform" ? "#e08a2e"
                             : "#7b8794";
}

static StringRef getKind(const SearchPoint &point) {
  return point.isRandom()            ? StringRef("random")
         : point.search == "uniform" ? StringRef("uniform")
                                     : StringRef("search");
}

void Chart::write() {
  llvm::erase_if(dots, [](const Dot &dot) {
    return !(dot.x > 0) || !(dot.y > 0) || std::isinf(dot.y);
  });
  if (dots.size() < 2)
    return;
  std::vector<double> xs, ys;
  for (const Dot &dot : dots) {
    xs.push_back(dot.x);
    ys.push_back(dot.y);
  }
  Axis x = getAxis(xs), y = getAxis(ys);
  auto toX = [&](double value) {
    return formatHTMLNumber("%.1f", left + x.at(value) * (right - left));
  };
  auto toY = [&](double value) {
    return formatHTMLNumber("%.1f", bottom - y.at(value) * (bottom - top));
  };
  os << "<svg viewBox=\"0 0 1000 350\" role=\"img\" aria-label=\""
     << escapeHTML(label) << "\">\n";
  constexpr int ticks = 5;
  for (int i = 0; i < ticks; ++i) {
    double share = double(i) / (ticks - 1);
    double xValue = x.low * std::pow(x.high / x.low, share);
    double yValue = y.low * std::pow(y.high / y.low, share);
    os << "<line x1=\"" << left << "\" x2=\"" << right << "\" y1=\""
       << toY(yValue) << "\" y2=\"" << toY(yValue)
       << "\" stroke=\"var(--line)\"/><text class=\"soft\" x=\"" << left - 8
       << "\" y=\"" << toY(yValue)
       << "\" text-anchor=\"end\" dominant-baseline=\"middle\">"
       << formatError(yValue) << "</text><text class=\"soft\" x=\""
       << toX(xValue) << "\" y=\"" << bottom + 18
       << "\" text-anchor=\"middle\">"
       << escapeHTML(formatX ? formatX(xValue) : formatError(xValue))
       << "</text>\n";
  }
  os << "<text class=\"soft\" x=\"" << (left + right) / 2 << "\" y=\""
     << bottom + 42 << "\" text-anchor=\"middle\">" << escapeHTML(xTitle)
     << "</text><text class=\"soft\" transform=\"translate(14 "
     << (top + bottom) / 2 << ") rotate(-90)\" text-anchor=\"middle\">"
     << escapeHTML(yTitle) << "</text>\n";
  for (const Dot &dot : dots)
    os << "<circle cx=\"" << toX(dot.x) << "\" cy=\"" << toY(dot.y) << "\" r=\""
       << (dot.isChosen ? 8 : 5) << "\" fill=\"" << getColor(dot.kind) << "\""
       << (dot.isChosen ? " stroke=\"var(--ink)\" stroke-width=\"2\"" : "")
       << "><title>" << escapeHTML(dot.title) << "</title></circle>\n";
  os << "</svg>\n";
}

static void writeLegend(raw_ostream &os, StringRef search) {
  os << "<div class=\"legend small\">";
  for (StringRef kind : {"search", "uniform", "random"})
    os << "<span><span class=\"chip\" style=\"background:" << getColor(kind)
       << "\"></span>" << escapeHTML(kind == "search" ? search : kind)
       << "</span>";
  os << "<span class=\"soft\">ringed: the plan that was "
        "compiled</span></div>\n";
}

static void writeTable(raw_ostream &os, const Report &report) {
  os << "<table><thead><tr><th>search</th><th class=\"num\">limit</th>"
        "<th class=\"num\">bytes</th><th class=\"num\">predicted</th>"
        "<th class=\"num\">output error</th><th class=\"num\">drop</th>"
        "<th class=\"num\">latency</th>";
  for (const std::string &name : getPointCosts(report))
    os << "<th class=\"num\">" << escapeHTML(name) << "</th>";
  os << "<th>levels</th></tr></thead><tbody>\n";
  for (const PointRow &row : getPointRows(report)) {
    const SearchPoint &point = *row.point;
    std::string error = row.error ? formatError(*row.error) : "-";
    if (row.error && row.count > 1)
      error += " \xc2\xb1 " + formatHTMLNumber("%.0e", row.spread);
    std::string name = point.isRandom()
                           ? "random, mean of " + std::to_string(row.count)
                           : point.search;
    if (point.isChosen)
      name += " (compiled)";
    os << "<tr><td>" << escapeHTML(name) << "</td><td class=\"num\">"
       << formatLimit(point) << "</td><td class=\"num\">"
       << formatBytes(row.bytes) << "</td><td class=\"num\">"
       << formatError(row.predicted) << "</td><td class=\"num\">" << error
       << "</td><td class=\"num\">"
       << (row.drop ? formatHTMLNumber("%.2f %%", *row.drop * 100) : "-")
       << "</td><td class=\"num\">"
       << (point.seconds ? formatDuration(*point.seconds) : "-") << "</td>";
    for (const std::string &cost : row.costs)
      os << "<td class=\"num\">" << escapeHTML(cost) << "</td>";
    os << "<td class=\"name\">" << escapeHTML(row.count > 1 ? "" : point.levels)
       << "</td></tr>\n";
  }
  os << "</tbody></table>\n";
}

void compress::writeSearchHTML(const Report &report, raw_ostream &os) {
  if (report.points.empty())
    return;
  StringRef search = "search";
  for (const SearchPoint &point : report.points)
    if (point.isChosen)
      search = point.search;

  os << "<section><h2>Size and error</h2>\n";
  Chart frontier(os, "size and error of plans", "bytes", "output error");
  frontier.formatX = [](double value) { return formatBytes(uint64_t(value)); };
  Chart additivity(os, "predicted and measured error",
                   "predicted: root of the summed errors of the sites",
                   "output error");
  for (const SearchPoint &point : report.points)
    if (auto error = point.getOutputError()) {
      Chart::Dot dot{double(point.bytes), *error,
                     point.search + ": " + formatBytes(point.bytes) +
                         ", output error " + formatError(*error) + ", " +
                         point.levels,
                     getKind(point).str(), point.isChosen};
      frontier.dots.push_back(dot);
      dot.x = point.predictedError;
      additivity.dots.push_back(dot);
    }
  frontier.write();
  writeLegend(os, search);
  writeTable(os, report);
  os << "<p class=\"soft small\">Each plan was run. Uniform (one level for "
        "all sites) and random plans have the same limits.</p></section>\n";
  if (additivity.dots.size() < 2)
    return;
  os << "<section><h2>Predicted and measured error</h2>\n";
  additivity.write();
  if (auto correlation = getRankCorrelation(report.points))
    os << "<p class=\"soft small\">Rank correlation "
       << formatHTMLNumber("%.2f", *correlation)
       << ": how far the sum that the search minimizes puts plans in the right "
          "order.</p>";
  os << "</section>\n";
}
