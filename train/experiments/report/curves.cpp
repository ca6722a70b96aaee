#include "train/experiments/report/curves.h"

#include <algorithm>
#include <functional>

#include "train/experiments/group_labels.h"

namespace cosformer {

namespace {

using Points = std::vector<std::pair<double, double>>;
using Coordinate = std::function<double(const MetricRecord&)>;

Points points_of(const ReportedRun& run, const std::string& split, const std::string& value, const Coordinate& x) {
  Points points;
  for (const MetricRecord& record : run.metrics) {
    if (record.split == split) points.emplace_back(x(record), record.value(value));
  }
  // A continued run on another clock could step back; a line may not.
  std::ranges::stable_sort(points, {}, &std::pair<double, double>::first);
  return points;
}

}  // namespace

std::vector<LineChart> course_charts(const Experiment& experiment, std::size_t stage) {
  constexpr std::size_t kSmoothedShare = 20;
  const std::string prefix = experiment.stages.size() > 1 ? experiment.stages[stage].name + ": " : "";
  const Coordinate by_step = [](const MetricRecord& record) { return static_cast<double>(record.step); };
  const Coordinate by_time = [](const MetricRecord& record) { return record.value("wall_seconds"); };
  const GroupLabels names = label_groups(experiment.groups);
  std::vector<LineChart> charts;
  const auto add = [&](const std::string& title, const std::string& x_label, const std::string& value, const Coordinate& x) {
    LineChart chart{prefix + title, x_label, value, names.keys, names.labels, {}};
    for (const ReportedRun& run : experiment.runs) {
      if (run.stage != stage) continue;
      const auto series =
          static_cast<std::size_t>(std::ranges::find(experiment.groups, run.group) - experiment.groups.begin());
      const Points train = points_of(run, "train", value, x), valid = points_of(run, "valid", value, x);
      const bool has_valid = valid.size() > 1;
      chart.lines.push_back({smoothed(train, train.size() / kSmoothedShare + 1), series, has_valid});
      if (has_valid) chart.lines.push_back({valid, series, false});
    }
    const bool drawn = std::ranges::any_of(chart.lines, [](const ChartLine& line) { return line.points.size() > 1; });
    if (drawn) charts.push_back(std::move(chart));
  };
  add("Loss by step", "step", "loss", by_step);
  add("Loss by time", "seconds of training", "loss", by_time);
  const std::string& metric = experiment.stages[stage].metric;
  if (metric != "loss" && !experiment.stages[stage].split.empty()) add(metric + " by step", "step", metric, by_step);
  return charts;
}

}  // namespace cosformer
