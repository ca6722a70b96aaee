#include "train/loop/earlier_run.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "train/config/schema.h"
#include "train/optimizers/schedule.h"
#include "train/store/metrics.h"
#include "train/store/safetensors_header.h"
#include "train/tasks/task_tokenizer.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr const char* kBeginAnew = "nothing was removed; --restart would begin the run anew";

/// What the run has on the disk, links that lead nowhere included.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::symlink_status(path, ignored).type() != fs::file_type::not_found;
}

/// A run that died before its first checkpoint has none to lose; one that has lost its checkpoints does not begin anew by
/// itself.
void check_nothing_is_gone(const fs::path& run) {
  const fs::path checkpoints = run / "checkpoints";
  std::error_code ignored;
  const bool has_metrics = fs::file_size(run / "metrics.jsonl", ignored) > 0 && !ignored;
  check<InputError>(is_there(checkpoints) || !has_metrics, run.string(),
                    ": has trained, but its folder checkpoints is gone; ", kBeginAnew);
  for (const char* link : {"latest", "best"}) {
    check<InputError>(!is_there(checkpoints / link), (checkpoints / link).string(), ": is there, but no checkpoint step-…; ",
                      kBeginAnew);
  }
}

/// The config in the metadata of a checkpoint's weights; nothing if it holds none, as those of other programs.
std::optional<Config> config_of_checkpoint(const fs::path& checkpoint) {
  const fs::path file = checkpoint / kModelFile;
  const Metadata metadata = read_safetensors_header(file).metadata;
  const auto found = metadata.find("config");
  if (found == metadata.end()) return {};
  return config_from_json(found->second, {}, file.string());
}

/// True for the keys that say where contents lie which the checkpoint knows: their hashes decide, not their names.
bool is_known_content(const RunIdentity& identity, const ConfigDifference& difference) {
  constexpr std::string_view kTask = "task.";
  if (difference.key == "task.tokenizer_folder") return !identity.tokenizer.empty();
  return std::ranges::any_of(identity.data,
                             [&](const DataFile& file) { return difference.key == concat(kTask, file.split); });
}

/// Whether two paths lead to one place, from here on the disk or by their names.
bool is_same_place(const std::string& first, const std::string& second) {
  if (first.empty() || second.empty()) return first == second;
  std::error_code error;
  const fs::path one = fs::weakly_canonical(first, error);
  if (error) return false;
  const fs::path other = fs::weakly_canonical(second, error);
  return !error && one == other;
}

/// Whether a run may go on so: by its key, because a sequence in parts has the same bits on any number of ranks, or because
/// a path is spelled otherwise.
bool may_change(const ConfigDifference& difference, const Config& before, const Config& after) {
  if (difference.key == "train.sequence_ranks") return difference.first != "0" && difference.second != "0";
  if (difference.key == "train.init_from") return is_same_place(before.train.init_from, after.train.init_from);
  return may_change_on_resume(difference.key);
}

/// `checkpointed` with what `written`, the run's config.toml, says of the keys that may change.
Config with_changes(Config checkpointed, const Config& written, const RunIdentity& identity, const fs::path& file,
                    const Warn& warn) {
  for (const ConfigDifference& difference : differences(checkpointed, written)) {
    const bool is_free = may_change(difference, checkpointed, written);
    if (is_free || is_known_content(identity, difference)) {
      const Field* const field = find_field(difference.key);
      field->set(checkpointed, field->get(written));
      // Asked for by a continuation that saved nothing, or damage: config.toml has no checksum.
      if (is_free)
        warn(concat(file.string(), ": ", difference.key, " is ", difference.second, ", which holds; it was ",
                    difference.first, " in the checkpoint"));
    } else {
      warn(concat(file.string(), ": ", difference.key, " is ", difference.second, ", but ", difference.first,
                  " in the checkpoint, which holds"));
    }
  }
  return checkpointed;
}

}  // namespace

bool may_change_on_resume(std::string_view key) {
  constexpr std::string_view kFree[] = {"train.max_steps",        "train.max_minutes",         "train.patience",
                                        "train.threads",          "train.log_every",           "train.eval_every",
                                        "train.eval_max_batches", "train.max_nonfinite_steps", "schedule.decay_steps",
                                        "train.recompute",        "task.token_cache"};
  return std::ranges::find(kFree, key) != std::end(kFree) || key.starts_with("checkpoint.") || key.starts_with("logging.");
}

std::optional<EarlierRun> read_earlier_run(const fs::path& folder, const Warn& warn) {
  const fs::path file = folder / "config.toml";
  std::optional<fs::path> checkpoint;
  try {
    // Who continues the run names what it passes over.
    checkpoint = find_latest_checkpoint(folder / "checkpoints", [](const std::string&) {});
  } catch (const NewerFormatError&) {
    throw;
  } catch (const InputError& error) {
    throw InputError(concat(error.what(), "; ", kBeginAnew));
  }
  EarlierRun run;
  if (!checkpoint) {
    check_nothing_is_gone(folder);
    if (!is_there(file)) return {};
    run.config = load_config(file);
    return run;
  }
  StateDocument document = read_state_document(*checkpoint);
  run.step = document.state.step;
  run.identity = std::move(document.identity);
  run.checkpointed = config_of_checkpoint(*checkpoint);
  if (!run.checkpointed) {
    run.checkpointed = run.config = load_config(file);
    return run;
  }
  run.config = *run.checkpointed;
  try {
    run.config = with_changes(*run.checkpointed, load_config(file), run.identity, file, warn);
  } catch (const InputError& error) {
    warn(concat(error.what(), "; the config of the last checkpoint holds"));
  }
  return run;
}

void check_identity(const EarlierRun& run, const RunIdentity& now, const fs::path& folder, const Warn& warn) {
  if (!run.checkpointed) return;
  if (run.identity.arithmetic == Arithmetic()) {
    warn(concat(folder.string(),
                ": the checkpoint is from before data and tokenizer were hashed: whether they are still those "
                "of the run cannot be said"));
    return;
  }
  const std::vector<std::string> changes = content_differences(run.identity, now, (folder / kTokenizerFolder).string());
  check<InputError>(changes.empty(), changes.empty() ? "" : changes.front(),
                    "; a run goes on with what it began with (another --run-dir starts a new one)");
  if (run.identity.arithmetic == now.arithmetic) return;
  warn(concat(folder.string(), ": the run was trained on ", describe(run.identity.arithmetic), " and goes on with ",
              describe(now.arithmetic), ": from here on its bits are not those of a run that stayed"));
}

void check_continuation(const EarlierRun& run, const Config& config, const fs::path& folder, const Warn& warn) {
  const Config& before = run.checkpointed ? *run.checkpointed : run.config;
  for (const ConfigDifference& difference : differences(before, config)) {
    check<InputError>(may_change(difference, before, config) || is_known_content(run.identity, difference), folder.string(),
                      ": ", difference.key, " is ", difference.first, " in the run and ", difference.second,
                      " now; a run goes on under its own config (another --run-dir starts a new one)");
  }
  if (run.step == 0) return;
  const auto rate_of = [&](const Config& own) {
    return scheduled_learning_rate(own.schedule, own.optimizer.learning_rate, run.step, own.train.max_steps);
  };
  const double was = rate_of(before), is = rate_of(config);
  if (was == is) return;
  const auto end_of = [](const Config& own) {
    return own.schedule.decay_steps > 0 ? own.schedule.decay_steps : own.train.max_steps;
  };
  const std::string change =
      concat(folder.string(), ": the end of the schedule moves from step ", end_of(before), " to ", end_of(config),
             ", and with it the learning rate at step ", run.step, " from ", was, " to ", is);
  check<InputError>(is < was || config.schedule.decay_steps > 0, change,
                    "; ask for it with --set schedule.decay_steps=", end_of(config),
                    ", or keep the schedule as it was with --set schedule.decay_steps=", end_of(before));
  warn(change);
}

}  // namespace cosformer
