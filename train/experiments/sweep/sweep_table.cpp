#include "train/experiments/sweep/sweep_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "train/experiments/group_labels.h"
#include "train/experiments/statistics.h"
#include "train/experiments/text.h"

namespace cosformer {

namespace {

using Row = std::vector<std::string>;

/// Code points, as wide as they are in a terminal as far as this table is concerned.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

std::string aligned(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += row[i] + std::string(widths[i] - width_of(row[i]) + 2, ' ');
    text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return text;
}

std::size_t count_runs(const Experiment& experiment, RunStatus status) {
  return static_cast<std::size_t>(std::ranges::count(experiment.runs, status, &ReportedRun::status));
}

bool has_published(const Experiment& experiment, std::size_t stage) {
  return std::ranges::any_of(experiment.published,
                             [&](const CitedFigure& figure) { return figure.stage == experiment.stages[stage].name; });
}

/// The values that finished runs of a stage have where the metric should be; empty if one has the metric.
std::string values_instead(const Experiment& experiment, std::size_t stage) {
  const ReportedStage& wanted = experiment.stages[stage];
  std::set<std::string> names;
  for (const ReportedRun& run : experiment.runs) {
    if (run.stage != stage || run.status != RunStatus::finished) continue;
    if (run.value(wanted.split, wanted.metric)) return {};
    const auto scores = run.scores.find(wanted.split);
    for (const auto& [name, value] : wanted.split.empty() || scores == run.scores.end() ? run.values : scores->second)
      names.insert(name);
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::string format_sweep(const Experiment& experiment) {
  const GroupLabels names = label_groups(experiment.groups);
  Row head = {"group"};
  for (std::size_t s = 0; s < experiment.stages.size(); ++s) {
    const ReportedStage& stage = experiment.stages[s];
    head.push_back(experiment.stages.size() > 1 ? stage.name + ": " + stage.title() : stage.title());
    head.emplace_back("n");
    if (has_published(experiment, s)) head.emplace_back("published");
  }
  std::vector<Row> rows = {head};
  for (std::size_t g = 0; g < experiment.groups.size(); ++g) {
    const std::string& group = experiment.groups[g];
    Row row = {names.labels[g]};
    for (std::size_t s = 0; s < experiment.stages.size(); ++s) {
      const auto summary = summarize(experiment, group, s);
      row.push_back(summary ? format_summary(*summary) : "-");
      row.push_back(fmt::format("{}/{}", summary ? summary->count : 0, experiment.runs_of(group, s).size()));
      if (!has_published(experiment, s)) continue;
      const CitedFigure* figure = experiment.published_figure(group, s);
      row.push_back(figure ? fmt::format("{} ({})", figure->value, figure->source) : "");
    }
    rows.push_back(std::move(row));
  }
  for (const std::string& name : experiment.floor_names()) {
    Row row = {"floor: " + name};
    for (std::size_t s = 0; s < experiment.stages.size(); ++s) {
      const CitedFigure* floor = experiment.floor_figure(name, s);
      row.push_back(floor ? format_figure(floor->value) : "");
      row.emplace_back("");
      if (has_published(experiment, s)) row.emplace_back("");
    }
    rows.push_back(std::move(row));
  }
  std::string text = experiment.question + '\n';
  // On a line of its own: above a column of short labels it would make the table wider than a terminal.
  if (!names.keys.empty()) text += names.keys + ":\n";
  text += aligned(rows);
  for (std::size_t s = 0; s < experiment.stages.size(); ++s) {
    if (const std::string instead = values_instead(experiment, s); !instead.empty()) {
      text +=
          fmt::format("{}: no run has {}; they have {}\n", experiment.stages[s].name, experiment.stages[s].title(), instead);
    }
  }
  for (std::size_t s = 0; s < experiment.stages.size(); ++s) {
    const std::string stage = experiment.stages.size() > 1 ? experiment.stages[s].name + ": " : "";
    for (const std::string& line : unpassed_floors(experiment, s)) text += stage + line + '\n';
  }
  for (const ReportedRun& run : experiment.runs) {
    if (run.status == RunStatus::failed)
      text += fmt::format("failed: {} {}: {}\n", run.name, experiment.stages[run.stage].name, run.reason);
  }
  return text;
}

nlohmann::ordered_json sweep_to_json(const Experiment& experiment) {
  nlohmann::ordered_json groups = nlohmann::ordered_json::array(), failed = groups, floors = groups;
  for (const std::string& group : experiment.groups) {
    nlohmann::ordered_json stages = nlohmann::ordered_json::array();
    for (std::size_t s = 0; s < experiment.stages.size(); ++s) {
      const ReportedStage& stage = experiment.stages[s];
      const auto summary = summarize(experiment, group, s);
      nlohmann::ordered_json row = {{"stage", stage.name},
                                    {"metric", stage.metric},
                                    {"split", stage.split},
                                    {"runs", experiment.runs_of(group, s).size()},
                                    {"n", summary ? summary->count : 0}};
      if (summary) row["mean"] = summary->mean;
      if (summary && summary->deviation) row["std"] = *summary->deviation;
      if (const CitedFigure* figure = experiment.published_figure(group, s)) row["published"] = figure->value;
      stages.push_back(std::move(row));
    }
    groups.push_back({{"group", group}, {"stages", stages}});
  }
  for (const ReportedRun& run : experiment.runs) {
    if (run.status == RunStatus::failed)
      failed.push_back({{"point", run.name}, {"stage", experiment.stages[run.stage].name}, {"reason", run.reason}});
  }
  for (const CitedFigure& floor : experiment.floors) {
    floors.push_back({{"name", floor.name}, {"stage", floor.stage}, {"value", floor.value}, {"source", floor.source}});
  }
  return {{"name", experiment.name},
          {"question", experiment.question},
          {"runs", experiment.runs.size()},
          {"finished", count_runs(experiment, RunStatus::finished)},
          {"groups", groups},
          {"floors", floors},
          {"failed", failed}};
}

}  // namespace cosformer
