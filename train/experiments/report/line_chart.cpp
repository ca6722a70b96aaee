#include "train/experiments/report/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "train/experiments/text.h"

namespace cosformer {

namespace {

// In units of the view box; the page scales them.
constexpr double kWidth = 460, kHeight = 280, kRight = 22, kTop = 12, kBottom = 42;
/// Left of the axis: the label that stands upright, and the figures of ticks. No font draws a digit wider than this.
constexpr double kAxisLabelWidth = 26, kDigitWidth = 7.2;
constexpr std::size_t kMostPoints = 300;
constexpr std::size_t kSteepShare = 8;
constexpr double kLogRatio = 8;

using Points = std::vector<std::pair<double, double>>;

/// A data range on a stretch of the picture.
struct Axis {
  double low = 0, high = 1, begin = 0, end = 1;
  bool logarithmic = false;

  double place(double value) const {
    const auto position = [&](double x) { return logarithmic ? std::log(x) : x; };
    return begin + (position(value) - position(low)) / (position(high) - position(low)) * (end - begin);
  }
  std::vector<double> ticks(int count) const {
    if (!logarithmic) return round_ticks(low, high, count);
    std::vector<double> found;
    for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10) {
      for (const double factor : {1.0, 2.0, 5.0}) {
        if (power * factor >= low && power * factor <= high) found.push_back(power * factor);
      }
    }
    return found;
  }
};

Points finite_points(const Points& points) {
  Points kept;
  for (const auto& point : points) {
    if (std::isfinite(point.first) && std::isfinite(point.second)) kept.push_back(point);
  }
  return kept;
}

/// Means of neighbours if there are more points than a reader can see; the last point stays.
Points thinned(const Points& points) {
  const std::size_t group = (points.size() + kMostPoints - 1) / kMostPoints;
  if (group <= 1) return points;
  Points kept;
  for (std::size_t first = 0; first < points.size(); first += group) {
    const std::size_t count = std::min(group, points.size() - first);
    double x = 0, y = 0;
    for (std::size_t i = first; i < first + count; ++i) x += points[i].first, y += points[i].second;
    kept.emplace_back(x / static_cast<double>(count), y / static_cast<double>(count));
  }
  kept.push_back(points.back());
  return kept;
}

std::string tick_label(double value) {
  if (std::abs(value) < 1e-12) return "0";
  if (std::abs(value) >= 1e6) return fmt::format("{:.3g}M", value / 1e6);
  if (std::abs(value) >= 1e4) return fmt::format("{:.3g}k", value / 1e3);
  return fmt::format("{:.4g}", value);
}

std::string color_class(std::size_t series) {
  const std::size_t dash = series / kChartColors % 3;
  return fmt::format("s{}{}", series % kChartColors, dash == 0 ? "" : fmt::format(" d{}", dash));
}

/// The names of the series that have a line. The page lays them out: only it knows how wide they are.
std::string legend(const LineChart& chart, const std::vector<ChartLine>& lines) {
  std::string html = "<ul class=\"legend\">";
  if (!chart.legend_title.empty()) html += "<li class=\"keys\">" + escape_html(chart.legend_title) + ":</li>";
  for (std::size_t series = 0; series < chart.series.size(); ++series) {
    const bool is_drawn =
        std::ranges::any_of(lines, [&](const ChartLine& line) { return line.series == series && line.points.size() > 1; });
    if (!is_drawn) continue;
    html += fmt::format(
        "<li><svg class=\"swatch\" viewBox=\"0 0 24 8\" aria-hidden=\"true\"><path class=\"line {}\" d=\"M1 "
        "4h22\"/></svg>{}</li>",
        color_class(series), escape_html(chart.series[series]));
  }
  return html + "</ul>";
}

}  // namespace

std::vector<double> round_ticks(double low, double high, int count) {
  std::vector<double> ticks;
  if (!(high > low) || count < 1) return ticks;
  const double rough = (high - low) / count, power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough) step = factor * power;
  }
  const double first = std::ceil(low / step - 1e-9);
  for (double i = first; i * step <= high + 1e-9 * step; ++i) ticks.push_back(i * step);
  return ticks;
}

std::vector<std::pair<double, double>> smoothed(const Points& points, std::size_t window) {
  Points means;
  double sum = 0;
  const Points kept = finite_points(points);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    sum += kept[i].second;
    if (i >= window) sum -= kept[i - window].second;
    means.emplace_back(kept[i].first, sum / static_cast<double>(std::min(i + 1, window)));
  }
  return means;
}

std::string draw_line_chart(const LineChart& chart) {
  std::vector<ChartLine> lines = chart.lines;
  const double infinity = std::numeric_limits<double>::infinity();
  Axis x{.low = 0, .high = -infinity}, y{.low = infinity, .high = -infinity};
  std::size_t longest = 0;
  for (ChartLine& line : lines) {
    line.points = thinned(finite_points(line.points));
    longest = std::max(longest, line.points.size());
    // A noisy line's steep beginning would flatten all else: it may leave the picture at the top.
    const std::size_t ignored = line.is_faint ? line.points.size() / kSteepShare : 0;
    for (std::size_t i = 0; i < line.points.size(); ++i) {
      const auto& [px, py] = line.points[i];
      x.low = std::min(x.low, px);
      x.high = std::max(x.high, px);
      y.low = std::min(y.low, py);
      if (i >= ignored) y.high = std::max(y.high, py);
    }
  }
  if (longest < 2 || !(x.high > x.low)) return {};
  y.logarithmic = y.low > 0 && y.high / y.low > kLogRatio;
  if (!y.logarithmic) {
    const double margin = y.high > y.low ? 0.04 * (y.high - y.low) : std::max(1e-6, 0.1 * std::abs(y.high));
    y.low -= margin;
    y.high += margin;
  }

  y.begin = kHeight - kBottom;
  y.end = kTop;
  std::size_t widest = 0;
  for (const double tick : y.ticks(5)) widest = std::max(widest, tick_label(tick).size());
  x.begin = kAxisLabelWidth + kDigitWidth * static_cast<double>(widest);
  x.end = kWidth - kRight;

  std::string svg =
      fmt::format("<figure class=\"chart\"><figcaption>{}</figcaption><svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\">",
                  escape_html(chart.title), kWidth, kHeight);
  std::string names;
  for (const std::string& name : chart.series) names += (names.empty() ? "" : ", ") + escape_html(name);
  svg += fmt::format("<title>{}</title><desc>{} against {} for {}.</desc>", escape_html(chart.title),
                     escape_html(chart.y_label), escape_html(chart.x_label), names);
  for (const double tick : y.ticks(5)) {
    const double at = y.place(tick);
    svg += fmt::format("<line class=\"grid\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", x.begin, x.end, at,
                       at);
    svg += fmt::format("<text class=\"tick\" text-anchor=\"end\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", x.begin - 7, at + 4,
                       tick_label(tick));
  }
  for (const double tick : x.ticks(5)) {
    const double at = x.place(tick);
    svg += fmt::format("<line class=\"axis\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>", at, y.begin,
                       y.begin + 4);
    svg += fmt::format("<text class=\"tick\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", at, y.begin + 17,
                       tick_label(tick));
  }
  svg += fmt::format("<line class=\"axis\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>", x.begin, x.end,
                     y.begin, y.begin);
  svg += fmt::format("<text class=\"label\" text-anchor=\"middle\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>",
                     0.5 * (x.begin + x.end), kHeight - 6, escape_html(chart.x_label));
  svg +=
      fmt::format("<text class=\"label\" text-anchor=\"middle\" transform=\"translate(12 {:.1f}) rotate(-90)\">{}{}</text>",
                  0.5 * (y.begin + y.end), escape_html(chart.y_label), y.logarithmic ? " (log)" : "");
  // The inner picture cuts off what leaves the axes. Pale lines lie behind the others.
  svg += fmt::format(
      "<svg class=\"plot\" x=\"{0:.1f}\" y=\"{1:.1f}\" width=\"{2:.1f}\" height=\"{3:.1f}\" viewBox=\"{0:.1f} {1:.1f} "
      "{2:.1f} {3:.1f}\">",
      x.begin, kTop, x.end - x.begin, y.begin - kTop);
  for (const bool faint : {true, false}) {
    for (const ChartLine& line : lines) {
      if (line.is_faint != faint || line.points.size() < 2) continue;
      svg += fmt::format("<polyline class=\"{} {}\" points=\"", faint ? "faint" : "line", color_class(line.series));
      for (const auto& [px, py] : line.points) svg += fmt::format("{:.1f},{:.1f} ", x.place(px), y.place(py));
      svg.back() = '"';
      svg += "/>";
    }
  }
  svg += "</svg>";
  return svg + "</svg>" + legend(chart, lines) + "</figure>\n";
}

}  // namespace cosformer
