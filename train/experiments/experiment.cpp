#include "train/experiments/experiment.h"

#include <algorithm>
#include <cmath>

#include "train/config/schema.h"

namespace cosformer {

namespace {

/// The value of a name, whatever it is.
std::optional<double> find_value(const NamedValues& values, const std::string& name) {
  for (const auto& [key, value] : values) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::optional<double> find_value(const ReportedRun& run, const std::string& split, const std::string& name) {
  if (split.empty()) return find_value(run.values, name);
  const auto found = run.scores.find(split);
  return found == run.scores.end() ? std::nullopt : find_value(found->second, name);
}

}  // namespace

const char* status_name(RunStatus status) {
  switch (status) {
    case RunStatus::finished:
      return "finished";
    case RunStatus::running:
      return "running";
    case RunStatus::stopped:
      return "stopped";
    case RunStatus::failed:
      return "failed";
    case RunStatus::not_started:
      return "not started";
  }
  return "";
}

std::optional<double> ReportedRun::value(const std::string& split, const std::string& metric) const {
  const std::optional<double> found = find_value(*this, split, metric);
  return found && std::isfinite(*found) ? found : std::nullopt;
}

bool ReportedRun::is_not_finite(const std::string& split, const std::string& metric) const {
  const std::optional<double> found = find_value(*this, split, metric);
  return found && !std::isfinite(*found);
}

std::string ReportedStage::title() const { return split.empty() ? metric : metric + " (" + split + ")"; }

std::vector<const ReportedRun*> Experiment::runs_of(const std::string& group, std::size_t stage) const {
  std::vector<const ReportedRun*> found;
  for (const ReportedRun& run : runs) {
    if (run.group == group && run.stage == stage) found.push_back(&run);
  }
  return found;
}

namespace {

const CitedFigure* find_figure(const std::vector<CitedFigure>& figures, const std::string& name, const std::string& stage) {
  const auto found =
      std::ranges::find_if(figures, [&](const CitedFigure& figure) { return figure.name == name && figure.stage == stage; });
  return found == figures.end() ? nullptr : &*found;
}

}  // namespace

std::vector<std::string> Experiment::floor_names() const {
  std::vector<std::string> names;
  for (const CitedFigure& floor : floors) {
    if (std::ranges::find(names, floor.name) == names.end()) names.push_back(floor.name);
  }
  return names;
}

const CitedFigure* Experiment::floor_figure(const std::string& floor_name, std::size_t stage) const {
  return find_figure(floors, floor_name, stages[stage].name);
}

const CitedFigure* Experiment::published_figure(const std::string& group, std::size_t stage) const {
  return find_figure(published, group, stages[stage].name);
}

bool is_incidental_key(const std::string& key, bool of_sweep) {
  return key == "train.seed" || key == "attention.seed" || key == "train.threads" || key == "task.tokenizer_folder" ||
         key == "task.token_cache" || (of_sweep && key == "train.init_from") || key.starts_with("checkpoint.") ||
         key.starts_with("logging.");
}

std::vector<VariedKey> varied_keys(const Experiment& experiment, std::size_t stage) {
  std::vector<VariedKey> varied;
  for (const Field& field : config_fields()) {
    VariedKey row{std::string(field.key), {}};
    if (is_incidental_key(row.key, experiment.is_sweep)) continue;
    std::optional<std::string> common;
    bool differs = false;
    for (const std::string& group : experiment.groups) {
      std::string value;
      for (const ReportedRun* run : experiment.runs_of(group, stage)) {
        if (!run->config) continue;
        const std::string own = format_value(field.get(*run->config));
        value = value.empty() || value == own ? own : "differs";
        differs = differs || (common && *common != own);
        common = own;
      }
      row.values.push_back(value);
    }
    if (differs) varied.push_back(std::move(row));
  }
  return varied;
}

}  // namespace cosformer
