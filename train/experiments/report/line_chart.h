#pragma once
/// \file
/// Line charts as SVG that a page holds inline: no script, colours by CSS class.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace cosformer {

/// One line of a chart.
struct ChartLine {
  std::vector<std::pair<double, double>> points;  ///< ascending x; points that are not finite are left out
  std::size_t series = 0;                         ///< lines of one series share colour and dash
  bool is_faint = false;                          ///< thin and pale: the raw course behind a main line
};

struct LineChart {
  std::string title;
  std::string x_label, y_label;
  std::string legend_title;         ///< what the names of the series are values of; may be empty
  std::vector<std::string> series;  ///< names, shown in a legend below the chart
  std::vector<ChartLine> lines;
};

/// Colours of the palette; further series repeat them with dashes.
inline constexpr std::size_t kChartColors = 8;

/// The running mean of y over `window` points, for noisy lines.
std::vector<std::pair<double, double>> smoothed(const std::vector<std::pair<double, double>>& points, std::size_t window);

/// The chart; a logarithmic y axis if all values are positive and span more than a factor of 8. Without two points in any
/// line an empty text. All names are escaped.
std::string draw_line_chart(const LineChart& chart);

/// Roughly `count` round values within [low, high] (1, 2 or 5 times a power of ten apart).
std::vector<double> round_ticks(double low, double high, int count);

}  // namespace cosformer
