#include "train/experiments/report/export.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/figure_text.h"
#include "train/experiments/report/overview.h"
#include "train/experiments/report/tables.h"
#include "train/experiments/statistics.h"
#include "train/experiments/text.h"

namespace cosformer {

namespace {

using nlohmann::ordered_json;

std::string markdown_table(const ReportTable& table) {
  if (table.empty()) return {};
  std::string text = concat("\n## ", table.title, "\n\n");
  if (!table.note.empty()) text += escape_markdown(table.note) + "\n\n";
  for (const TableColumn& column : table.columns) text += "| " + escape_markdown(column.name) + ' ';
  text += "|\n";
  for (const TableColumn& column : table.columns) text += column.is_figure ? "| ---: " : "| --- ";
  text += "|\n";
  for (const auto& row : table.rows) {
    for (const TableCell& cell : row) {
      const std::string own = escape_markdown(cell.text);
      text += "| " + (cell.is_best ? "**" + own + "**" : own);
      if (!cell.note.empty()) text += concat(" (", escape_markdown(cell.note), ')');
      text += ' ';
    }
    text += "|\n";
  }
  return text;
}

/// JSON has no infinity and no NaN.
ordered_json number(double value) { return std::isfinite(value) ? ordered_json(value) : ordered_json(); }

ordered_json number(const std::optional<double>& value) { return value ? number(*value) : ordered_json(); }

ordered_json to_json(const NamedValues& values) {
  ordered_json json = ordered_json::object();
  for (const auto& [name, value] : values) json[name] = number(value);
  return json;
}

ordered_json to_json(const ReportedRun& run, const Experiment& experiment) {
  ordered_json json{{"name", run.name},
                    {"folder", run.folder.string()},
                    {"stage", experiment.stages[run.stage].name},
                    {"group", run.group},
                    {"seed", run.seed},
                    {"status", status_name(run.status)}};
  if (!run.reason.empty()) json["reason"] = run.reason;
  json["values"] = to_json(run.values);
  json["scores"] = ordered_json::object();
  for (const auto& [split, values] : run.scores) json["scores"][split] = to_json(values);
  if (!run.warnings.empty()) json["warnings"] = run.warnings;
  if (!run.environment.empty()) json["environment"] = run.environment;
  return json;
}

ordered_json stage_to_json(const Experiment& experiment, std::size_t stage) {
  const ReportedStage& judged = experiment.stages[stage];
  ordered_json json{{"name", judged.name},
                    {"metric", judged.metric},
                    {"split", judged.split},
                    {"higher_is_better", judged.higher_is_better},
                    {"groups", ordered_json::array()},
                    {"differences", ordered_json::array()},
                    {"varied_keys", ordered_json::array()},
                    {"floors", ordered_json::array()},
                    {"warnings", warnings(experiment, stage)}};
  for (const CitedFigure& floor : experiment.floors) {
    if (floor.stage != judged.name) continue;
    json["floors"].push_back({{"name", floor.name}, {"value", number(floor.value)}, {"source", floor.source}});
  }
  const std::vector<std::size_t> best = best_groups(experiment, stage);
  for (std::size_t i = 0; i < experiment.groups.size(); ++i) {
    const std::string& group = experiment.groups[i];
    ordered_json own{{"group", group}, {"runs", experiment.runs_of(group, stage).size()}, {"n", 0}};
    if (const auto summary = summarize(experiment, group, stage)) {
      own["n"] = summary->count;
      own["mean"] = number(summary->mean);
      own["standard_deviation"] = number(summary->deviation);
      own["minimum"] = number(summary->minimum);
      own["maximum"] = number(summary->maximum);
      own["best"] = std::ranges::count(best, i) > 0;
    }
    if (const CitedFigure* published = experiment.published_figure(group, stage)) {
      own["published"] = {{"value", number(published->value)}, {"source", published->source}};
    }
    json["groups"].push_back(std::move(own));
    const auto difference = group != experiment.compared_with()
                                ? compare_groups(experiment, experiment.compared_with(), group, stage)
                                : std::nullopt;
    if (!difference) continue;
    json["differences"].push_back({{"group", group},
                                   {"from", experiment.compared_with()},
                                   {"n", difference->count},
                                   {"mean", number(difference->mean)},
                                   {"low", number(difference->low)},
                                   {"high", number(difference->high)}});
  }
  for (const VariedKey& varied : varied_keys(experiment, stage)) {
    json["varied_keys"].push_back({{"key", varied.key}, {"values", varied.values}});
  }
  return json;
}

}  // namespace

std::string write_markdown(const std::vector<Experiment>& experiments) {
  std::string text;
  for (const Experiment& experiment : experiments) {
    const std::string& title = experiment.question.empty() ? experiment.name : experiment.question;
    text +=
        concat(text.empty() ? "" : "\n", "# ", escape_markdown(title), "\n\n", escape_markdown(describe(experiment)), "\n");
    for (std::size_t stage = 0; stage < experiment.stages.size(); ++stage) {
      for (const std::string& warning : warnings(experiment, stage)) text += "\n> " + escape_markdown(warning) + "\n";
    }
    for (const ReportTable& table : {results_table(experiment), differences_table(experiment), two_runs_table(experiment),
                                     varied_keys_table(experiment), runs_table(experiment)}) {
      text += markdown_table(table);
    }
  }
  return text;
}

std::string write_csv(const std::vector<Experiment>& experiments) {
  std::string text = "experiment,group,seed,stage,run,status,split,name,value\r\n";
  for (const Experiment& experiment : experiments) {
    for (const ReportedRun& run : experiment.runs) {
      const std::string prefix = concat(escape_csv(experiment.name), ',', escape_csv(run.group), ',', run.seed, ',',
                                        escape_csv(experiment.stages[run.stage].name), ',', escape_csv(run.name), ',',
                                        status_name(run.status), ',');
      const std::size_t before = text.size();
      const auto add = [&](const std::string& split, const NamedValues& values) {
        for (const auto& [name, value] : values) {
          text += concat(prefix, escape_csv(split), ',', escape_csv(name), ',',
                         std::isfinite(value) ? fmt::format("{}", value) : kNotFinite, "\r\n");
        }
      };
      add("", run.values);
      for (const auto& [split, values] : run.scores) add(split, values);
      if (text.size() == before) text += prefix + ",,\r\n";
    }
  }
  return text;
}

std::string write_json(const std::vector<Experiment>& experiments) {
  ordered_json document{{"format", "cosformer report"}, {"experiments", ordered_json::array()}};
  for (const Experiment& experiment : experiments) {
    ordered_json own{{"name", experiment.name},
                     {"question", experiment.question},
                     {"stages", ordered_json::array()},
                     {"runs", ordered_json::array()}};
    for (std::size_t stage = 0; stage < experiment.stages.size(); ++stage)
      own["stages"].push_back(stage_to_json(experiment, stage));
    for (const ReportedRun& run : experiment.runs) own["runs"].push_back(to_json(run, experiment));
    document["experiments"].push_back(std::move(own));
  }
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace cosformer
