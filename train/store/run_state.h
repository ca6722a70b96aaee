#pragma once
/// \file
/// The numbers of a run that are not tensors.

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace cosformer {

/// The format of `state.json` that this program writes. A version stays readable for ever; one of its runs is in
/// tests/train/formats.
inline constexpr std::uint64_t kStateFormatVersion = 2;

/// All that a bit-identical continuation needs beside the tensors. Random numbers and the order of the data are functions
/// of the seed and these counters; there is no generator to store.
struct RunState {
  std::int64_t step = 0;         ///< optimizer steps done, skipped ones included
  std::int64_t epoch = 0;        ///< epochs finished
  std::int64_t position = 0;     ///< sequences of the current epoch already used
  std::uint64_t seed = 0;        ///< of the run
  std::int64_t tokens_seen = 0;  ///< tokens trained on
  double wall_seconds = 0;       ///< spent training, over all continuations

  std::optional<double> metric;             ///< validation metric measured at this step
  std::optional<double> best_metric;        ///< best so far
  std::int64_t best_step = 0;               ///< where the best was measured
  bool higher_is_better = false;            ///< how metrics compare
  std::int64_t evaluations_since_best = 0;  ///< against `train.patience`

  std::int64_t nonfinite_total = 0;           ///< steps skipped because a loss or gradient norm was not finite
  std::int64_t nonfinite_streak = 0;          ///< how many of them in a row, up to now
  std::vector<std::int64_t> nonfinite_steps;  ///< the recent ones among them, ascending

  friend bool operator==(const RunState&, const RunState&) = default;
};

/// Notes the validation metric measured at `state.step`, and returns whether it is the best so far. One that is not finite
/// is none, and so is one of skipped steps, of which no checkpoint is kept. `counts` says that the evaluation is one of
/// every `train.eval_every` steps: one that a limit forces counts against `train.patience` in no run that goes on without
/// it.
bool note_metric(RunState& state, double metric, bool counts);

/// As JSON; every double comes back with the same bits (infinities and NaN are the strings "inf", "-inf" and "nan").
nlohmann::json to_json(const RunState& state);

/// Reads what `to_json` of this or an older program wrote: `version` is that of its document, at most `kStateFormatVersion`.
/// What that version did not have yet keeps its default. Throws InputError, one line that begins with `where`: a key
/// missing, unknown or with a value of another kind, or a negative counter.
RunState run_state_from_json(const nlohmann::json& json, const std::string& where,
                             std::uint64_t version = kStateFormatVersion);

}  // namespace cosformer
