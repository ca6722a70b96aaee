#pragma once
/// \file
/// The tables of a report, as text that HTML and Markdown are made from.

#include <string>
#include <vector>

#include "train/experiments/experiment.h"

namespace cosformer {

struct TableCell {
  std::string text;       ///< not escaped
  bool is_best = false;   ///< shown in bold
  std::string note = {};  ///< a second, smaller line
};

struct TableColumn {
  std::string name;
  bool is_figure = true;  ///< right-aligned
};

struct ReportTable {
  std::string title;
  std::string note;  ///< one sentence on how to read it
  std::vector<TableColumn> columns;
  std::vector<std::vector<TableCell>> rows;

  bool empty() const { return rows.empty(); }
};

/// A row per group: mean ± standard deviation over seeds of each stage's metric, the best in bold, the published figure
/// beside it; then time, speed, memory and size. Columns without any figure are left out.
ReportTable results_table(const Experiment& experiment);

/// Paired differences of each group from the baseline over common seeds. Empty if no seed is common.
ReportTable differences_table(const Experiment& experiment);

/// The keys in which groups differ: a column per group, of more than six groups a row. Empty if there are none.
ReportTable varied_keys_table(const Experiment& experiment);

/// All values of two runs and their differences. Empty unless the experiment has exactly two runs.
ReportTable two_runs_table(const Experiment& experiment);

/// All runs with seed, status and figures; the reason if one is not finished.
ReportTable runs_table(const Experiment& experiment);

}  // namespace cosformer
