#include "train/store/checkpoint_store.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/missing_path.h"
#include "train/store/atomic_file.h"

namespace cosformer {

namespace {

constexpr std::string_view kPrefix = "step-";
constexpr std::size_t kStepDigits = 8;

std::optional<std::int64_t> step_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return {};
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size() || step < 0 || checkpoint_name(step) != name) return {};
  return step;
}

/// What is wrong with a checkpoint, or nothing.
std::optional<std::string> fault_of(const std::filesystem::path& folder) {
  try {
    verify_checkpoint(folder);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

/// The state of a checkpoint, or nothing and in `fault` why.
std::optional<RunState> state_of(const std::filesystem::path& folder, std::string& fault) {
  try {
    return read_state_document(folder).state;
  } catch (const Error& error) {
    fault = error.what();
    return {};
  }
}

std::string unusable(std::int64_t step, const std::string& fault) {
  return concat("checkpoint ", checkpoint_name(step), " cannot be used: ", fault);
}

/// False for a checkpoint that was deleted since it was listed, as a run at work does.
bool is_there(const std::filesystem::path& checkpoint) {
  std::error_code ignored;
  return std::filesystem::symlink_status(checkpoint, ignored).type() != std::filesystem::file_type::not_found;
}

struct Ranking {
  std::vector<std::int64_t> steps;   ///< with a finite metric, best first; of equal ones the earliest first
  std::vector<std::string> unknown;  ///< what is wrong with those whose state cannot be read
};

Ranking rank_by_metric(const std::filesystem::path& folder, const std::vector<std::int64_t>& steps) {
  Ranking ranking;
  std::vector<std::pair<double, std::int64_t>> ranked;
  for (const std::int64_t step : steps) {
    std::string fault;
    const auto state = state_of(folder / checkpoint_name(step), fault);
    if (!state && is_there(folder / checkpoint_name(step))) ranking.unknown.push_back(unusable(step, fault));
    if (!state || !state->metric || !std::isfinite(*state->metric)) continue;
    ranked.emplace_back(state->higher_is_better ? -*state->metric : *state->metric, step);
  }
  std::ranges::sort(ranked);
  for (const auto& [cost, step] : ranked) ranking.steps.push_back(step);
  return ranking;
}

/// The first of `steps` that can be used; `faults` takes what is wrong with those before it. Throws NewerFormatError.
std::optional<std::filesystem::path> first_valid(const std::filesystem::path& folder, const std::vector<std::int64_t>& steps,
                                                 std::vector<std::string>& faults) {
  for (const std::int64_t step : steps) {
    const auto path = folder / checkpoint_name(step);
    try {
      verify_checkpoint(path);
      return path;
    } catch (const NewerFormatError&) {
      throw;
    } catch (const Error& error) {
      if (is_there(path)) faults.push_back(unusable(step, error.what()));
    }
  }
  return {};
}

}  // namespace

std::string checkpoint_name(std::int64_t step) {
  std::string digits = std::to_string(step);
  if (digits.size() < kStepDigits) digits.insert(0, kStepDigits - digits.size(), '0');
  return std::string(kPrefix) + digits;
}

std::vector<std::int64_t> list_checkpoints(const std::filesystem::path& folder) {
  std::vector<std::int64_t> steps;
  std::error_code error;
  // A link that leads nowhere is not a folder that is missing: what it led to may come back.
  if (!is_there(folder)) return steps;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    const auto type = it->symlink_status(ignored).type();
    if (type == std::filesystem::file_type::regular) continue;
    if (const auto step = step_of(it->path().filename().string())) steps.push_back(*step);
  }
  check<InputError>(!error, folder.string(), ": cannot be listed: ", error.message());
  std::ranges::sort(steps);
  return steps;
}

std::optional<std::filesystem::path> find_latest_checkpoint(const std::filesystem::path& folder, const Warn& warn) {
  std::vector<std::int64_t> steps = list_checkpoints(folder);
  std::ranges::reverse(steps);
  std::vector<std::string> faults;
  const auto latest = first_valid(folder, steps, faults);
  if (latest) {
    for (const std::string& fault : faults) warn(fault);
  } else if (!faults.empty()) {
    std::string all;
    for (const std::string& fault : faults) all += "; " + fault;
    throw InputError(concat(folder.string(), ": none of the ", faults.size(), " checkpoints can be used", all));
  }
  return latest;
}

std::optional<std::filesystem::path> find_best_checkpoint(const std::filesystem::path& folder, const Warn& warn) {
  const Ranking ranking = rank_by_metric(folder, list_checkpoints(folder));
  std::vector<std::string> faults = ranking.unknown;
  const auto best = first_valid(folder, ranking.steps, faults);
  // The search for the newest names what it passes over.
  if (!best) return find_latest_checkpoint(folder, warn);
  for (const std::string& fault : faults) warn(fault);
  return best;
}

std::filesystem::path find_weights(const std::filesystem::path& path, const Warn& warn) {
  std::error_code error;
  check<InputError>(std::filesystem::exists(path, error), path.string(),
                    ": does not exist, expected a run, a checkpoint or a safetensors file", missing_path_hint(path));
  if (!std::filesystem::is_directory(path, error) || std::filesystem::exists(path / kModelFile, error)) return path;
  const auto best = find_best_checkpoint(path / "checkpoints", warn);
  check<InputError>(best.has_value(), path.string(), ": has no usable checkpoint, neither ", kModelFile, " nor checkpoints/",
                    kPrefix, "…");
  return *best;
}

CheckpointStore::CheckpointStore(FileSystem& files, std::filesystem::path folder, Retention retention, Warn warn)
    : files_(files), folder_(std::move(folder)), retention_(retention), warn_(std::move(warn)) {
  check<InputError>(retention_.keep_last >= 1, "checkpoint.keep_last: expected at least 1, found ", retention_.keep_last);
  check<InputError>(retention_.keep_best >= 0, "checkpoint.keep_best: expected at least 0, found ", retention_.keep_best);
  if (files_.mkdir(folder_.c_str(), 0777) == 0) {
    sync_folder(files_, folder_.has_parent_path() ? folder_.parent_path() : ".");
  } else if (errno != EEXIST) {
    throw_system_error("create", folder_);
  }
  remove_leftovers(files_, folder_);
  mend_link("latest");
  mend_link("best");
}

void CheckpointStore::mend_link(const char* name) {
  const auto path = folder_ / name;
  std::error_code ignored;
  if (std::filesystem::symlink_status(path, ignored).type() != std::filesystem::file_type::directory) return;
  const auto fault = fault_of(path);
  // Two checkpoints are the same if their states are, which hold the checksums of the rest.
  const std::int64_t step = fault ? 0 : read_state_document(path).state.step;
  const auto original = folder_ / checkpoint_name(step);
  std::string done;
  if (!fault && is_there(original) && !fault_of(original) &&
      digest_file(path / kStateFile) == digest_file(original / kStateFile)) {
    const auto leftover = temporary_path(path);
    if (files_.rename(path.c_str(), leftover.c_str()) < 0) throw_system_error("rename", path);
    remove_tree(files_, leftover);
    if (files_.symlink(checkpoint_name(step).c_str(), path.c_str()) < 0) throw_system_error("create", path);
    done = concat("it held the same as ", checkpoint_name(step), " and is a link to it again");
  } else {
    const auto target = !fault && !is_there(original) ? original : free_name_beside(path, ".copied");
    if (files_.rename(path.c_str(), target.c_str()) < 0) throw_system_error("rename", path);
    done = concat(fault ? *fault + "; it" : concat("it held step ", step, " and"), " is now ", target.filename().string());
  }
  sync_folder(files_, folder_);
  warn_(concat(path.string(), " was a folder, not a link, as in a copy that follows links: ", done));
}

std::filesystem::path CheckpointStore::save(const Checkpoint& checkpoint) {
  const std::int64_t step = checkpoint.state.step;
  const auto path = folder_ / checkpoint_name(step);
  write_checkpoint(files_, path, checkpoint);
  const auto fault = fault_of(path);
  check<Error>(!fault, "checkpoint ", checkpoint_name(step), " was written but does not read back: ", fault.value_or(""));
  finish_save(step);
  return path;
}

void CheckpointStore::attempt(std::int64_t saved_step, const std::function<void()>& action) const {
  try {
    action();
  } catch (const Error& error) {
    warn_(concat("checkpoint ", checkpoint_name(saved_step), " is saved, but: ", error.what()));
  }
}

void CheckpointStore::finish_save(std::int64_t saved_step) {
  attempt(saved_step, [&] { point_and_prune(saved_step); });
}

void CheckpointStore::point_and_prune(std::int64_t saved_step) {
  const std::vector<std::int64_t> steps = list_checkpoints(folder_);
  const std::vector<std::int64_t> ranked = rank_by_metric(folder_, steps).steps;
  std::set<std::int64_t> kept = {saved_step};
  for (std::size_t i = 0; i < ranked.size() && std::cmp_less(i, retention_.keep_best); ++i) kept.insert(ranked[i]);
  int last = 1;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    std::string fault;
    const bool readable = state_of(folder_ / checkpoint_name(*step), fault).has_value();
    // A newer one exists only if a resumed run has passed it over. What cannot be read today may be read tomorrow.
    if (*step > saved_step || !readable) {
      kept.insert(*step);
    } else if (*step < saved_step && last < retention_.keep_last) {
      kept.insert(*step);
      ++last;
    }
  }

  attempt(saved_step, [&] { replace_symlink(files_, checkpoint_name(saved_step), folder_ / "latest"); });
  const auto best = std::ranges::find_if(ranked, [&](std::int64_t step) { return kept.contains(step); });
  if (best != ranked.end()) {
    attempt(saved_step, [&] { replace_symlink(files_, checkpoint_name(*best), folder_ / "best"); });
  }
  for (const std::int64_t step : steps) {
    if (!kept.contains(step)) attempt(saved_step, [&] { remove(step); });
  }
}

void CheckpointStore::remove(std::int64_t step) {
  // Under a temporary name a half-removed folder is no broken checkpoint but a leftover.
  const auto path = folder_ / checkpoint_name(step);
  const auto leftover = temporary_path(path);
  if (files_.rename(path.c_str(), leftover.c_str()) < 0) throw_system_error("remove", path);
  remove_tree(files_, leftover);
}

}  // namespace cosformer
