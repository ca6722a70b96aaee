#include "train/experiments/statistics.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "core/error.h"
#include "train/experiments/group_labels.h"
#include "train/experiments/student_t.h"
#include "train/experiments/text.h"

namespace cosformer {

namespace {

std::optional<double> metric_of(const Experiment& experiment, const ReportedRun& run) {
  const ReportedStage& stage = experiment.stages[run.stage];
  if (run.status != RunStatus::finished) return std::nullopt;
  return run.value(stage.split, stage.metric);
}

std::string plural(std::int64_t count, const char* what) { return concat(count, ' ', what, count == 1 ? "" : "s"); }

}  // namespace

std::optional<Summary> summarize(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  const auto count = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  for (const double value : values) squares += (value - mean) * (value - mean);
  Summary summary{static_cast<std::int64_t>(values.size()),
                  mean,
                  {},
                  *std::ranges::min_element(values),
                  *std::ranges::max_element(values)};
  if (values.size() > 1) summary.deviation = std::sqrt(squares / (count - 1));
  return summary;
}

std::optional<PairedDifference> paired_difference(const std::vector<double>& first, const std::vector<double>& second) {
  check<ShapeError>(first.size() == second.size(), "[paired_difference] ", first.size(), " and ", second.size(), " values");
  std::vector<double> differences;
  for (std::size_t i = 0; i < first.size(); ++i) differences.push_back(second[i] - first[i]);
  const std::optional<Summary> summary = summarize(differences);
  if (!summary) return std::nullopt;
  PairedDifference result{summary->count, summary->mean, summary->deviation, {}, {}};
  if (summary->deviation) {
    const auto count = static_cast<double>(summary->count);
    const double t = student_t_quantile(0.975, count - 1);
    const double half_width = t * *summary->deviation / std::sqrt(count);
    result.low = result.mean - half_width;
    result.high = result.mean + half_width;
  }
  return result;
}

std::optional<Summary> summarize(const Experiment& experiment, const std::string& group, std::size_t stage,
                                 const std::string& split, const std::string& metric) {
  std::vector<double> values;
  for (const ReportedRun* run : experiment.runs_of(group, stage)) {
    if (run->status != RunStatus::finished) continue;
    if (const auto value = run->value(split, metric)) values.push_back(*value);
  }
  return summarize(values);
}

std::optional<Summary> summarize(const Experiment& experiment, const std::string& group, std::size_t stage) {
  return summarize(experiment, group, stage, experiment.stages[stage].split, experiment.stages[stage].metric);
}

std::optional<PairedDifference> compare_groups(const Experiment& experiment, const std::string& first,
                                               const std::string& second, std::size_t stage) {
  std::map<std::int64_t, double> by_seed;
  for (const ReportedRun* run : experiment.runs_of(first, stage)) {
    if (const auto value = metric_of(experiment, *run)) by_seed.emplace(run->seed, *value);
  }
  std::vector<double> ours, theirs;
  for (const ReportedRun* run : experiment.runs_of(second, stage)) {
    const auto value = metric_of(experiment, *run);
    const auto partner = by_seed.find(run->seed);
    if (!value || partner == by_seed.end()) continue;
    ours.push_back(partner->second);
    theirs.push_back(*value);
    // A seed counts once, however often the group has it.
    by_seed.erase(partner);
  }
  return paired_difference(ours, theirs);
}

std::vector<std::size_t> best_groups(const Experiment& experiment, std::size_t stage) {
  std::vector<std::pair<std::size_t, double>> means;
  for (std::size_t i = 0; i < experiment.groups.size(); ++i) {
    if (const auto summary = summarize(experiment, experiment.groups[i], stage)) means.emplace_back(i, summary->mean);
  }
  if (means.size() < 2) return {};
  const bool higher = experiment.stages[stage].higher_is_better;
  double best = means.front().second;
  for (const auto& [index, mean] : means) best = higher ? std::max(best, mean) : std::min(best, mean);
  std::vector<std::size_t> found;
  for (const auto& [index, mean] : means) {
    if (mean == best) found.push_back(index);
  }
  return found;
}

std::vector<std::string> unpassed_floors(const Experiment& experiment, std::size_t stage) {
  const ReportedStage& judged = experiment.stages[stage];
  std::vector<std::string> lines;
  for (const CitedFigure& floor : experiment.floors) {
    if (floor.stage != judged.name) continue;
    std::string behind;
    bool any_past = false;
    for (const std::string& group : experiment.groups) {
      const auto summary = summarize(experiment, group, stage);
      if (!summary) continue;
      const bool past = judged.higher_is_better ? summary->mean > floor.value : summary->mean < floor.value;
      any_past = any_past || past;
      if (!past) behind += (behind.empty() ? "" : "; ") + group_label(experiment, group);
    }
    if (behind.empty()) continue;
    lines.push_back(
        concat("not past the floor of ", format_figure(floor.value), " (", floor.name, "): ", any_past ? behind : "all"));
  }
  return lines;
}

std::vector<std::string> warnings(const Experiment& experiment, std::size_t stage) {
  std::vector<std::string> found;
  std::int64_t fewest = -1, missing = 0;
  std::optional<Summary> best, second;
  const bool higher = experiment.stages[stage].higher_is_better;
  for (const std::string& group : experiment.groups) {
    for (const ReportedRun* run : experiment.runs_of(group, stage)) missing += run->status != RunStatus::finished;
    const auto summary = summarize(experiment, group, stage);
    if (!summary) continue;
    fewest = fewest < 0 ? summary->count : std::min(fewest, summary->count);
    const auto better = [&](const std::optional<Summary>& other) {
      return !other || (higher ? summary->mean > other->mean : summary->mean < other->mean);
    };
    if (better(best)) {
      second = best;
      best = summary;
    } else if (better(second)) {
      second = summary;
    }
  }
  for (const ReportedRun& run : experiment.runs) {
    if (run.stage != stage) continue;
    for (const std::string& warning : run.warnings) found.push_back(concat(run.name, ": ", warning, '.'));
  }
  if (missing > 0) {
    found.push_back(concat(plural(missing, "run"), missing == 1 ? " is" : " are",
                           " not finished and left out of means and differences; see the list of runs."));
  }
  if (fewest > 0 && fewest < kFewRuns && experiment.runs.size() > 1) {
    found.push_back(concat("A group has only ", plural(fewest, "finished run"), ": with fewer than ", kFewRuns,
                           " seeds a spread means little."));
  }
  if (best && second && best->count > 1 && second->count > 1) {
    const bool overlap = higher ? best->minimum <= second->maximum : best->maximum >= second->minimum;
    if (overlap) found.push_back("The ranges of the two best groups overlap.");
  }
  for (std::string line : unpassed_floors(experiment, stage)) {
    line.front() = static_cast<char>(std::toupper(line.front()));
    found.push_back(std::move(line += '.'));
  }
  if (experiment.stages.size() > 1) {
    for (std::string& warning : found) warning.insert(0, experiment.stages[stage].name + ": ");
  }
  return found;
}

}  // namespace cosformer
