#include "train/run/checkpoint_store.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "core/error.h"
#include "train/run/atomic_file.h"

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

std::optional<RunState> state_of(const std::filesystem::path& folder) {
  try {
    return read_state_document(folder).state;
  } catch (const Error&) {
    return {};
  }
}

/// Those of `steps` whose state has a finite metric, best first; of equal ones the earliest first.
std::vector<std::int64_t> rank_by_metric(const std::filesystem::path& folder, const std::vector<std::int64_t>& steps) {
  std::vector<std::pair<double, std::int64_t>> ranked;
  for (const std::int64_t step : steps) {
    const auto state = state_of(folder / checkpoint_name(step));
    if (!state || !state->metric || !std::isfinite(*state->metric)) continue;
    ranked.emplace_back(state->higher_is_better ? -*state->metric : *state->metric, step);
  }
  std::ranges::sort(ranked);
  std::vector<std::int64_t> result;
  for (const auto& [cost, step] : ranked) result.push_back(step);
  return result;
}

std::optional<std::filesystem::path> first_valid(const std::filesystem::path& folder, const std::vector<std::int64_t>& steps,
                                                 const Warn& warn) {
  for (const std::int64_t step : steps) {
    const auto path = folder / checkpoint_name(step);
    const auto fault = fault_of(path);
    if (!fault) return path;
    warn(concat("checkpoint ", checkpoint_name(step), " cannot be used: ", *fault));
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
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->symlink_status(ignored).type() != std::filesystem::file_type::directory) continue;
    if (const auto step = step_of(it->path().filename().string())) steps.push_back(*step);
  }
  std::ranges::sort(steps);
  return steps;
}

std::optional<std::filesystem::path> find_latest_checkpoint(const std::filesystem::path& folder, const Warn& warn) {
  std::vector<std::int64_t> steps = list_checkpoints(folder);
  std::ranges::reverse(steps);
  return first_valid(folder, steps, warn);
}

std::optional<std::filesystem::path> find_best_checkpoint(const std::filesystem::path& folder, const Warn& warn) {
  if (const auto best = first_valid(folder, rank_by_metric(folder, list_checkpoints(folder)), warn)) return best;
  return find_latest_checkpoint(folder, warn);
}

std::filesystem::path find_weights(const std::filesystem::path& path, const Warn& warn) {
  std::error_code error;
  check<InputError>(std::filesystem::exists(path, error), path.string(),
                    ": does not exist, expected a run, a checkpoint or a ", "safetensors file");
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
  if (files_.mkdir(folder_.c_str(), 0777) < 0 && errno != EEXIST) throw_system_error("create", folder_);
  remove_leftovers(files_, folder_);
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
  std::vector<std::int64_t> steps;
  for (const std::int64_t step : list_checkpoints(folder_)) {
    // A newer one exists only where a resumed run has passed it over; broken, it would be in the way of every later search.
    if (step > saved_step && fault_of(folder_ / checkpoint_name(step))) {
      attempt(saved_step, [&] { remove(step); });
    } else {
      steps.push_back(step);
    }
  }
  const std::vector<std::int64_t> ranked = rank_by_metric(folder_, steps);
  std::set<std::int64_t> kept = {saved_step};
  for (std::size_t i = 0; i < ranked.size() && std::cmp_less(i, retention_.keep_best); ++i) kept.insert(ranked[i]);
  int last = 1;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (*step > saved_step) {
      kept.insert(*step);
    } else if (*step < saved_step && last < retention_.keep_last && state_of(folder_ / checkpoint_name(*step))) {
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
