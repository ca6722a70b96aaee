#pragma once
/// \file
/// SWEEP.toml: a question, the configs that answer it and what is varied. docs/sweeps.md describes its keys.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "train/config/toml.h"
#include "train/experiments/experiment.h"

namespace cosformer {

/// A config key with the value that it gets.
struct SweepSetting {
  std::string key;
  std::string value;  ///< as TOML: `"softmax"`, `16`
  std::string text;   ///< as in names: softmax, 16
  friend bool operator==(const SweepSetting&, const SweepSetting&) = default;
};

/// What one axis of [grid], one of [zip] or the [[list]] offers: one of its choices is taken.
struct SweepChoice {
  std::string name;  ///< of a [[list]] entry; empty elsewhere
  std::vector<SweepSetting> settings;
};

/// One of the runs that a point makes one after the other.
struct SweepStage {
  std::string name;
  std::filesystem::path base;      ///< its config; relative to the current folder
  std::string metric;              ///< empty: what chooses the best checkpoint
  std::string metric_source = {};  ///< the file that says so, which others may extend
  TomlPosition metric_position = {};
  std::string split;      ///< "" = `metric` is a value of the run itself
  std::string init_from;  ///< the stage whose run this one begins with; empty = none
  std::vector<SweepSetting> settings;
};

struct SweepFile {
  std::filesystem::path path;
  std::string name;  ///< the file's without its ending
  std::string question;
  std::vector<SweepStage> stages;   ///< at least one
  std::vector<std::int64_t> seeds;  ///< empty: the first stage's own
  std::vector<SweepSetting> settings;
  std::vector<SweepChoice> list;               ///< entries of [[list]]
  std::vector<std::vector<SweepChoice>> grid;  ///< by key in the order of the file
  std::vector<SweepChoice> zip;                ///< one for each place in its arrays
  std::vector<CitedFigure> published;
  std::vector<CitedFigure> floors;
};

/// Values that a run has besides its scores: what `metric` may be with `split = ""`.
inline constexpr const char* kRunValues[] = {"steps",      "best_step",        "seconds", "tokens_per_second",
                                             "parameters", "peak_memory_bytes"};

/// Reads a sweep file. Config keys are checked one by one against the schema. Throws InputError, one line
/// `file:line:column: error: …`: unreadable or malformed, a key unknown (with the nearest name) or missing, a value of a
/// wrong type, arrays of [zip] that are not of one length, names that occur twice, a key that is varied twice, a file that
/// extends itself. Of files that it `extends`, the later ones and the file itself win: key by key in [set], whole for
/// [grid], [zip], [[list]], [[stages]], [[published]] and [[floors]].
SweepFile read_sweep_file(const std::filesystem::path& path);

}  // namespace cosformer
