#pragma once
/// \file
/// A run as an earlier process left it, and what a process that continues it may change.

#include <cstdint>
#include <filesystem>
#include <optional>

#include "train/config/config.h"
#include "train/store/checkpoint_store.h"

namespace cosformer {

/// What a run's folder says of how it goes on.
struct EarlierRun {
  Config config;                       ///< under which it goes on if no key is changed
  std::optional<Config> checkpointed;  /// under which its newest usable checkpoint was written; nothing if it has none
  std::int64_t step = 0;               ///< of that checkpoint
  RunIdentity identity;                ///< of the run, as that checkpoint knows it
};

/// Reads the run in `folder`; nothing if the folder does not exist or holds no run. The config is that of the newest
/// usable checkpoint, which its checksum covers, with what config.toml says of the keys that may change. A config.toml that
/// is missing or damaged, or that differs in another key, is said in a warning and not needed. Changes nothing.
///
/// Throws InputError, one line: there are checkpoints and none can be used (each with the reason), the newest is of a newer
/// format, checkpoints that there must have been are gone, or a run without a checkpoint has no readable config.toml.
std::optional<EarlierRun> read_earlier_run(const std::filesystem::path& folder, const Warn& warn);

/// True for the keys that only say how long a run goes on and what it reports: a run may be continued with others.
bool may_change_on_resume(std::string_view key);

/// Throws InputError if the contents that this process has read, `now`, are not those of the run: the line begins with
/// the file. Says in a warning if the arithmetic differs, or if the checkpoint is too old to hold either.
void check_identity(const EarlierRun& run, const RunIdentity& now, const std::filesystem::path& folder, const Warn& warn);

/// Throws InputError if `config` differs from that of the run in `folder` in another key (but for the places of data and
/// tokenizer, which `check_identity` looks into), or if it lets the learning
/// rate go up at the step that the run continues from, as a schedule does whose end moves with train.max_steps; the message
/// says how to ask for it (schedule.decay_steps). Any other change of that learning rate is a warning.
void check_continuation(const EarlierRun& run, const Config& config, const std::filesystem::path& folder, const Warn& warn);

}  // namespace cosformer
