#include "train/experiments/sweep/point_job.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "data/strict_json.h"
#include "train/config/schema.h"
#include "train/experiments/run_log.h"
#include "train/experiments/sweep/run_files.h"
#include "train/experiments/sweep/sweep_folder.h"
#include "train/loop/plan.h"
#include "train/store/atomic_file.h"
#include "train/store/metrics.h"
#include "train/store/sealed_json.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

/// A run whose sweep was killed a moment ago may still be on its way out.
constexpr std::chrono::seconds kLongestWait{10};

constexpr std::uint64_t kReadLogBytes = std::uint64_t{1} << 16;

fs::path made_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  check<Error>(!error, folder.string(), ": cannot be created: ", error.message());
  return folder;
}

void wait_until_free(const fs::path& run) {
  const auto end = std::chrono::steady_clock::now() + kLongestWait;
  while (is_being_written(run) && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

std::string last_line(const fs::path& file, std::uint64_t from) {
  std::error_code ignored;
  const std::uint64_t size = fs::file_size(file, ignored);
  if (ignored || size <= from) return {};
  from = std::max(from, size - std::min(size, kReadLogBytes));
  std::ifstream stream(file, std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(from));
  std::string line, last;
  while (std::getline(stream, line)) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  }
  std::ranges::replace_if(
      last, [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return last;
}

}  // namespace

PointJob::PointJob(FileSystem& files, const SweepPlan& plan, std::size_t point, int threads, StageEnd stage_ended)
    : files_(files),
      plan_(plan),
      point_(point),
      threads_(threads),
      stage_ended_(std::move(stage_ended)),
      lock_(files, made_folder(plan.runs[point].front().folder.parent_path()) / ".lock", "this point of the sweep") {}

bool PointJob::start_next() {
  for (; stage_ < plan_.stages.size(); ++stage_) {
    if (is_finished(run())) continue;
    files_.unlink(beside_run(run(), ".failed").c_str());
    if (!is_whole(train_file(run()))) {
      wait_until_free(run().folder);
      std::vector<std::string> arguments = {"train", plan_.file.stages[stage_].base.string()};
      for (const std::string& assignment : run().overrides) arguments.insert(arguments.end(), {"--set", assignment});
      // Nobody watches the progress of a child, and measuring the peak for it takes time.
      arguments.insert(arguments.end(),
                       {"--set", "logging.progress=false", "--run-dir", run().folder.string(), "--resume", "--json"});
      scored_split_.clear();
      start_process(arguments);
      return true;
    }
    const std::vector<std::string> splits = splits_to_score(run().config);
    if (scores_.size() < splits.size()) {
      scored_split_ = splits[scores_.size()];
      const std::string key = concat("task.", scored_split_);
      // The run may be from before the sweep had this split.
      start_process({"eval", run().folder.string(), "--split", scored_split_, "--json", "--set",
                     concat(key, "=", format_value(find_field(key)->get(run().config)))});
      return true;
    }
    write_result();
    scores_.clear();
    stage_ended_(run(), stage_, {});
  }
  return false;
}

void PointJob::start_process(const std::vector<std::string>& arguments) {
  process_ = std::make_unique<ChildProcess>(arguments, threads_, beside_run(run(), ".log"));
}

bool PointJob::advance(bool stopping) {
  const std::optional<ProcessEnd> end = process_->poll_end();
  if (!end) return true;
  try {
    if (end->code == 0 && end->signal == 0) {
      nlohmann::json json = parse_strict_json(process_->output(), "the output of a run");
      check<Error>(json.is_object(), "the output of a run is no object");
      if (scored_split_.empty()) {
        json[kPlannedConfigKey] = nlohmann::json::parse(to_json(run().config));
        replace_file(files_, train_file(run()), seal(json, -1));
      } else {
        scores_.emplace_back(scored_split_, json.dump());
      }
      return !stopping && start_next();
    }
    const bool by_signal = end->signal != 0 || end->code > 128;
    if (stopping && by_signal) return false;
    fail(reason_of(*end));
  } catch (const std::exception& error) {
    fail(error.what());
  }
  return false;
}

std::string PointJob::reason_of(const ProcessEnd& end) const {
  if (end.signal != 0) {
    return concat("error: ended by signal ", end.signal, " (", ::strsignal(end.signal),
                  end.signal == SIGKILL ? "; is there enough memory?" : "", ")");
  }
  const std::string line = last_line(beside_run(run(), ".log"), process_->log_start());
  return line.empty() ? concat("error: ended with exit code ", end.code) : line;
}

void PointJob::fail(const std::string& reason) {
  std::string lines = reason;
  try {
    replace_file(files_, beside_run(run(), ".failed"), reason + "\n");
  } catch (const std::exception& error) {
    // The other points go on, and this one is tried again by --resume with or without the file.
    lines += concat(" (", error.what(), ")");
  }
  stage_ended_(run(), stage_, lines);
}

void PointJob::write_result() {
  const nlohmann::json trained = read_sealed_json(train_file(run()));
  const Config config = load_config(run().folder / "config.toml");
  nlohmann::ordered_json result;
  const auto copy = [&](const char* key) {
    if (trained.contains(key)) result[key] = trained[key];
  };
  copy("steps");
  // A run without a finite evaluation has none.
  copy("best_step");
  copy("seconds");
  if (const auto speed = median_training_speed(read_metrics(run().folder / "metrics.jsonl")))
    result["tokens_per_second"] = *speed;
  copy("peak_memory_bytes");
  result["parameters"] = make_plan(config, config.model, config.task.seq_len).parameters;
  for (const auto& [split, text] : scores_) {
    const auto scored = nlohmann::ordered_json::parse(text);
    nlohmann::ordered_json values = nlohmann::ordered_json::object();
    for (const auto& [name, value] : scored.items()) {
      if ((value.is_number() || value.is_null()) && name != "step") values[name] = value;
    }
    result[split] = values;
  }
  replace_file(files_, result_file(run()), seal(result, 1));
}

}  // namespace cosformer
