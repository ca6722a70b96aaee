#pragma once
/// \file
/// Runs as a report sees them: plain values, read once, that every format is written from.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/config/config.h"
#include "train/store/metrics.h"
#include "train/store/samples.h"

namespace cosformer {

enum class RunStatus : std::uint8_t { finished, running, stopped, failed, not_started };
/// "finished", "running", "stopped", "failed", "not started".
const char* status_name(RunStatus status);

using NamedValues = std::vector<std::pair<std::string, double>>;

/// One run folder.
struct ReportedRun {
  std::string name;  ///< as shown: the folder that the user named, or the sweep's point
  std::filesystem::path folder;
  std::string group;  ///< the runs that differ in nothing but the seed share it
  std::int64_t seed = 0;
  std::size_t stage = 0;  ///< index into the experiment's stages
  RunStatus status = RunStatus::not_started;
  std::string reason;            ///< one line: why it is not finished; empty if it is
  std::optional<Config> config;  ///< nothing if the run has not written it yet
  std::vector<MetricRecord> metrics;
  std::vector<TextSample> samples;            ///< what a language model wrote at its evaluations
  std::map<std::string, NamedValues> scores;  ///< by split: what the best checkpoint, or the best evaluation, has
  NamedValues values;                         ///< of the run itself: steps, best_step, seconds, tokens_per_second, …
  std::vector<std::string> warnings;          ///< what of its checkpoints cannot be read, one line each
  std::vector<std::string> environment;       ///< what run.log says of program and machine, one entry a session

  /// The metric of a split, or with split = "" a value of the run itself; nothing if it is not finite.
  std::optional<double> value(const std::string& split, const std::string& metric) const;
  /// True if `value` gives nothing because the value is infinite or NaN.
  bool is_not_finite(const std::string& split, const std::string& metric) const;
};

/// What the runs of a point do one after the other, and what is compared of each.
struct ReportedStage {
  std::string name;
  std::string metric = "loss";
  std::string split = "valid";  ///< "" = a value of the run itself
  bool higher_is_better = false;

  /// "loss (valid)".
  std::string title() const;
};

/// A figure that stands beside ours: somebody else's of a group, or a floor, which a trivial predictor reaches (n-grams, the
/// most frequent class) and behind which nothing can be said of attentions.
struct CitedFigure {
  std::string name;  ///< the group's, or the floor's
  std::string stage;
  double value = 0;
  std::string source;
};

/// Runs that are compared: a sweep, or the run folders of one task that were named together.
struct Experiment {
  std::string name;
  std::string question;  ///< empty if none was asked
  bool is_sweep = false;
  std::vector<ReportedStage> stages;
  std::vector<std::string> groups;  ///< in the order to show them
  std::string baseline = {};        ///< the group that the others are compared with; empty = the first
  std::vector<ReportedRun> runs;
  std::vector<CitedFigure> published;
  std::vector<CitedFigure> floors;

  /// The runs of a group and stage.
  std::vector<const ReportedRun*> runs_of(const std::string& group, std::size_t stage) const;
  /// `baseline`, or the first group. There must be a group.
  const std::string& compared_with() const { return baseline.empty() ? groups.front() : baseline; }
  const CitedFigure* published_figure(const std::string& group, std::size_t stage) const;
  /// Names of floors, each once, in their order.
  std::vector<std::string> floor_names() const;
  const CitedFigure* floor_figure(const std::string& floor_name, std::size_t stage) const;
};

/// A key whose value is not the same in all groups.
struct VariedKey {
  std::string key;
  std::vector<std::string> values;  ///< by group, as TOML; "differs" if runs of one group disagree, "" if unknown
};
/// Keys that differ between the groups of a stage, but for incidental ones.
std::vector<VariedKey> varied_keys(const Experiment& experiment, std::size_t stage);

/// True for keys that tell one run of a group from another, or only say what is written and where: seeds, threads, the
/// tokenizer's folder, checkpoint and logging settings. Of a sweep train.init_from too, which is the run of the same seed.
bool is_incidental_key(const std::string& key, bool of_sweep);

}  // namespace cosformer
