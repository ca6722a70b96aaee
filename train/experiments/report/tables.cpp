#include "train/experiments/report/tables.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/figure_text.h"
#include "train/experiments/group_labels.h"
#include "train/experiments/statistics.h"
#include "train/experiments/text.h"

namespace cosformer {

namespace {

constexpr const char* kNothing = "–";

/// A value that stands beside the metric, of the last stage.
struct SideValue {
  const char* name;
  const char* title;
};
constexpr SideValue kSideValues[] = {{"seconds", "time"},
                                     {"tokens_per_second", "tokens/s"},
                                     {"peak_memory_bytes", "peak memory"},
                                     {"parameters", "parameters"}};

bool has_figures(const ReportTable& table, std::size_t column) {
  return std::ranges::any_of(table.rows, [&](const auto& row) { return row[column].text != kNothing; });
}

void drop_empty_columns(ReportTable& table) {
  for (std::size_t column = table.columns.size(); column-- > 1;) {
    if (has_figures(table, column)) continue;
    const auto at = static_cast<std::ptrdiff_t>(column);
    table.columns.erase(table.columns.begin() + at);
    for (auto& row : table.rows) row.erase(row.begin() + at);
  }
}

/// A value of a run with its unit, or in words why there is none.
std::string value_text(const ReportedRun& run, const std::string& split, const std::string& name) {
  if (run.is_not_finite(split, name)) return kNotFinite;
  const auto value = run.value(split, name);
  return value ? format_value_of(name, *value) : kNothing;
}

std::string stage_prefix(const Experiment& experiment, std::size_t stage) {
  return experiment.stages.size() > 1 ? experiment.stages[stage].name + ": " : "";
}

/// Summaries of all groups with as many decimals as the smallest spread makes meaningful.
std::vector<TableCell> summary_cells(const Experiment& experiment, std::size_t stage, const std::string& split) {
  std::vector<std::optional<Summary>> summaries;
  double scale = 0;
  for (const std::string& group : experiment.groups) {
    const auto& own = summaries.emplace_back(summarize(experiment, group, stage, split, experiment.stages[stage].metric));
    const double deviation = own ? own->deviation.value_or(0) : 0;
    if (deviation > 0 && (scale == 0 || deviation < scale)) scale = deviation;
  }
  std::vector<TableCell> cells;
  cells.reserve(summaries.size());
  for (const auto& own : summaries) cells.push_back({own ? format_summary(*own, scale) : std::string(kNothing)});
  return cells;
}

/// The same metric on the splits beside the one that is judged.
std::vector<std::string> other_splits(const Experiment& experiment, std::size_t stage) {
  std::set<std::string> splits;
  for (const ReportedRun& run : experiment.runs) {
    for (const auto& [split, values] : run.scores) {
      if (run.stage == stage && run.value(split, experiment.stages[stage].metric)) splits.insert(split);
    }
  }
  splits.erase(experiment.stages[stage].split);
  return {splits.begin(), splits.end()};
}

/// The first column: a row for each group.
void add_groups(ReportTable& table, const Experiment& experiment) {
  const GroupLabels names = label_groups(experiment.groups);
  table.columns.push_back({names.heading(), false});
  for (const std::string& label : names.labels) table.rows.push_back({{label}});
}

ReportTable varied_keys_by_group(const Experiment& experiment, const std::string& title) {
  ReportTable table{title, "", {}, {}};
  add_groups(table, experiment);
  for (std::size_t stage = 0; stage < experiment.stages.size(); ++stage) {
    for (const VariedKey& varied : varied_keys(experiment, stage)) {
      table.columns.push_back({stage_prefix(experiment, stage) + varied.key, false});
      for (std::size_t group = 0; group < table.rows.size(); ++group)
        table.rows[group].push_back({varied.values[group].empty() ? kNothing : varied.values[group]});
    }
  }
  if (table.columns.size() == 1) table.rows.clear();
  return table;
}

/// A row per floor below those of the groups, its figures in the columns of what is judged of each stage.
void add_floors(ReportTable& table, const Experiment& experiment, const std::vector<std::size_t>& judged_columns) {
  for (const std::string& name : experiment.floor_names()) {
    std::vector<TableCell> row(table.columns.size(), TableCell{kNothing});
    row[0] = {"floor: " + name};
    for (std::size_t stage = 0; stage < experiment.stages.size(); ++stage) {
      const CitedFigure* floor = experiment.floor_figure(name, stage);
      if (floor) row[judged_columns[stage]] = {format_figure(floor->value), false, floor->source};
    }
    table.rows.push_back(std::move(row));
  }
}

}  // namespace

ReportTable results_table(const Experiment& experiment) {
  ReportTable table{"Results", "Mean ± sample standard deviation over n finished runs; the best mean is bold.", {}, {}};
  add_groups(table, experiment);
  std::vector<std::size_t> judged_columns;
  for (std::size_t stage = 0; stage < experiment.stages.size(); ++stage) {
    const ReportedStage& judged = experiment.stages[stage];
    const std::string prefix = stage_prefix(experiment, stage);
    const std::vector<std::string> splits =
        judged.split.empty() ? std::vector<std::string>() : other_splits(experiment, stage);
    const std::vector<std::size_t> best = best_groups(experiment, stage);
    judged_columns.push_back(table.columns.size());
    table.columns.push_back({prefix + judged.title()});
    table.columns.push_back({"n"});
    for (const std::string& split : splits) table.columns.push_back({concat(prefix, judged.metric, " (", split, ")")});
    table.columns.push_back({prefix + "published"});
    table.columns.push_back({prefix + "ours − published"});
    const std::vector<TableCell> figures = summary_cells(experiment, stage, judged.split);
    std::vector<std::vector<TableCell>> others;
    others.reserve(splits.size());
    for (const std::string& split : splits) others.push_back(summary_cells(experiment, stage, split));
    for (std::size_t group = 0; group < experiment.groups.size(); ++group) {
      const std::string& name = experiment.groups[group];
      auto& row = table.rows[group];
      const std::optional<Summary> summary = summarize(experiment, name, stage);
      row.push_back(figures[group]);
      row.back().is_best = std::ranges::count(best, group) > 0;
      const std::size_t asked = experiment.runs_of(name, stage).size();
      const std::int64_t done = summary ? summary->count : 0;
      row.push_back({static_cast<std::int64_t>(asked) == done ? concat(done) : concat(done, " of ", asked)});
      for (const auto& cells : others) row.push_back(cells[group]);
      const CitedFigure* published = experiment.published_figure(name, stage);
      row.push_back(published ? TableCell{format_figure(published->value), false, published->source} : TableCell{kNothing});
      row.push_back(published && summary ? TableCell{format_figure(summary->mean - published->value)} : TableCell{kNothing});
    }
  }
  add_floors(table, experiment, judged_columns);
  const std::size_t last = experiment.stages.size() - 1;
  for (const SideValue& side : kSideValues) {
    if (experiment.stages[last].split.empty() && experiment.stages[last].metric == side.name) continue;
    table.columns.push_back({side.title});
    for (std::size_t group = 0; group < experiment.groups.size(); ++group) {
      const auto summary = summarize(experiment, experiment.groups[group], last, "", side.name);
      table.rows[group].push_back({summary ? format_value_of(side.name, summary->mean) : kNothing});
    }
    for (std::size_t row = experiment.groups.size(); row < table.rows.size(); ++row) table.rows[row].push_back({kNothing});
  }
  drop_empty_columns(table);
  return table;
}

ReportTable differences_table(const Experiment& experiment) {
  ReportTable table{"Paired differences", "", {{"", false}, {"difference"}, {"n"}, {"", false}}, {}};
  if (experiment.groups.empty()) return table;
  const std::string& baseline = experiment.compared_with();
  const std::string minus = group_label(experiment, baseline);
  table.columns.front().name = label_groups(experiment.groups).keys;
  table.note =
      concat("Group minus ", minus, " over the seeds that both have: mean and 95 % confidence interval (t distribution).");
  for (std::size_t stage = 0; stage < experiment.stages.size(); ++stage) {
    for (const std::string& group : experiment.groups) {
      if (group == baseline) continue;
      const auto difference = compare_groups(experiment, baseline, group, stage);
      if (!difference) continue;
      const bool better = (difference->mean > 0) == experiment.stages[stage].higher_is_better;
      const char* verdict = !difference->low          ? "one seed: no interval"
                            : !difference->is_clear() ? "the interval holds 0"
                            : better                  ? "better"
                                                      : "worse";
      table.rows.push_back({{concat(stage_prefix(experiment, stage), group_label(experiment, group), " − ", minus)},
                            {format_difference(*difference)},
                            {concat(difference->count)},
                            {verdict, false, difference->low && difference->count < kFewRuns ? "fewer than 3 seeds" : ""}});
    }
  }
  return table;
}

ReportTable varied_keys_table(const Experiment& experiment) {
  ReportTable table{"What differs in the configs", "", {{"key", false}}, {}};
  constexpr std::size_t kMostColumns = 6;
  // Of many groups each is a row: a table is easier to read downwards than across.
  if (experiment.groups.size() > kMostColumns) return varied_keys_by_group(experiment, table.title);
  for (const std::string& label : label_groups(experiment.groups).labels) table.columns.push_back({label, false});
  for (std::size_t stage = 0; stage < experiment.stages.size(); ++stage) {
    for (const VariedKey& varied : varied_keys(experiment, stage)) {
      std::vector<TableCell> row = {{stage_prefix(experiment, stage) + varied.key}};
      for (const std::string& value : varied.values) row.push_back({value.empty() ? kNothing : value});
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

ReportTable two_runs_table(const Experiment& experiment) {
  ReportTable table{"The two runs side by side", "", {}, {}};
  if (experiment.runs.size() != 2 || experiment.stages.size() != 1) return table;
  const ReportedRun &first = experiment.runs[0], &second = experiment.runs[1];
  table.columns = {{"", false}, {first.name}, {second.name}, {"difference"}};
  const auto add = [&](const std::string& split, const std::string& name) {
    const auto a = first.value(split, name), b = second.value(split, name);
    if (!a && !b && !first.is_not_finite(split, name) && !second.is_not_finite(split, name)) return;
    const double difference = a && b ? *b - *a : 0;
    std::string change = a && b ? "0" : kNothing;
    if (difference != 0) change = (difference < 0 ? "−" : "+") + format_value_of(name, std::abs(difference));
    table.rows.push_back({{split.empty() ? name : name + " (" + split + ")"},
                          {value_text(first, split, name)},
                          {value_text(second, split, name)},
                          {change}});
  };
  std::set<std::pair<std::string, std::string>> seen;
  for (const ReportedRun* run : {&first, &second}) {
    for (const auto& [split, values] : run->scores) {
      for (const auto& [name, value] : values) {
        const bool is_clock = name == "seconds" || name == "wall_seconds";
        if (!is_clock && seen.emplace(split, name).second) add(split, name);
      }
    }
  }
  for (const ReportedRun* run : {&first, &second}) {
    for (const auto& [name, value] : run->values) {
      if (seen.emplace("", name).second) add("", name);
    }
  }
  return table;
}

ReportTable runs_table(const Experiment& experiment) {
  ReportTable table{"Runs", "", {{"run", false}}, {}};
  const bool staged = experiment.stages.size() > 1;
  if (staged) table.columns.push_back({"stage", false});
  for (const TableColumn& column : std::initializer_list<TableColumn>{{label_groups(experiment.groups).heading(), false},
                                                                      {"seed"},
                                                                      {"status", false},
                                                                      {"metric"},
                                                                      {"best step"},
                                                                      {"steps"},
                                                                      {"time"}}) {
    table.columns.push_back(column);
  }
  for (const ReportedRun& run : experiment.runs) {
    const ReportedStage& stage = experiment.stages[run.stage];
    const auto figure = [&](const char* name) { return TableCell{value_text(run, "", name)}; };
    std::vector<TableCell> row = {{run.name}};
    if (staged) row.push_back({stage.name});
    row.insert(row.end(), {{group_label(experiment, run.group)},
                           {concat(run.seed)},
                           {status_name(run.status), false, run.reason},
                           {value_text(run, stage.split, stage.metric)},
                           figure("best_step"),
                           figure("steps"),
                           figure("seconds")});
    table.rows.push_back(std::move(row));
  }
  if (!staged) {
    for (TableColumn& column : table.columns) {
      if (column.name == "metric") column.name = experiment.stages.front().title();
    }
  }
  drop_empty_columns(table);
  return table;
}

}  // namespace cosformer
