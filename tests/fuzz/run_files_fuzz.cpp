/// \file
/// libFuzzer: a byte that chooses a file of a run or a sweep, or a config, and the file. Any bytes are read, and come back
/// if they are written again, or end in an InputError of one line.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/fuzz/fuzz_file.h"
#include "train/config/config.h"
#include "train/experiments/experiment.h"
#include "train/experiments/run_log.h"
#include "train/experiments/sweep/sweep_file.h"
#include "train/experiments/sweep_results.h"
#include "train/experiments/text.h"
#include "train/store/metrics.h"

namespace cosformer::fuzz {
namespace {

void metrics(std::string_view bytes) {
  constexpr std::int64_t kStep = 3;
  const std::filesystem::path path = folder() / "metrics.jsonl";
  FileSystem files;
  write(path, bytes);
  median_training_speed(read_metrics(path));
  truncate_metrics_after(files, path, kStep);
  const auto kept = read_metrics(path);
  for (const MetricRecord& record : kept) {
    if (record.step > kStep) fail("a record beyond the step");
  }
  MetricsWriter(files, path).append({kStep + 1, "train", {{"loss", 1.5}}});
  if (read_metrics(path).size() != kept.size() + 1) fail("a record is lost");
}

void sweep_description(std::string_view bytes) {
  write(folder() / "sweep.json", bytes);
  for (const auto& run : read_sweep_description(folder()).runs) {
    if (!run.folder.lexically_normal().string().starts_with((folder() / "runs").string() + "/"))
      fail("a run outside the sweep's folder");
  }
}

void result(std::string_view bytes) {
  write(folder() / "result.json", bytes);
  ReportedRun run;
  run.folder = folder();
  read_result(run);
}

void run_log(std::string_view bytes) {
  write(folder() / "run.log", bytes);
  read_run_log(folder());
  escape_html(bytes);
  escape_markdown(bytes);
  escape_csv(bytes);
  shorten(bytes, 10);
}

void sweep_file(std::string_view bytes) {
  write(folder() / "sweep.toml", bytes);
  read_sweep_file(folder() / "sweep.toml");
}

void config(std::string_view bytes) {
  write(folder() / "config.toml", bytes);
  const Config given = load_config(folder() / "config.toml");
  write(folder() / "again.toml", to_toml(given));
  if (!differences(given, load_config(folder() / "again.toml")).empty()) fail("the config does not come back as TOML");
  if (!differences(given, config_from_json(to_json(given), {}, "x")).empty()) fail("the config does not come back as JSON");
}

void config_json(std::string_view bytes) { config_from_json(bytes, {}, "x.safetensors"); }

constexpr void (*kReaders[])(std::string_view) = {metrics, sweep_description, result, run_log, sweep_file,
                                                  config,  config_json};

}  // namespace
}  // namespace cosformer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cosformer::fuzz;
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  expect_input_error_or_none([&] { kReaders[data[0] % std::size(kReaders)](bytes); });
  return 0;
}
