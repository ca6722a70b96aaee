#include "train/experiments/sweep/sweep_monitor.h"

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "train/store/metrics.h"

namespace cosformer {
namespace {

using test::TemporaryFolder;
using test::write_bytes;

/// A grid of four groups whose names have the same first 60 characters, with 20 steps and as much arithmetic each.
SweepPlan plan_in(const TemporaryFolder& folder) {
  write_bytes(folder / "base.toml", "[task]\nvalid = \"v.txt\"\n[attention]\nkind = \"linear\"\n[train]\nmax_steps = 20\n");
  write_bytes(folder / "sweep.toml",
              "question = \"?\"\nbase = \"base.toml\"\nseeds = [1]\n[grid]\n\"attention.feature_map\" = [\"squared_relu\"]\n"
              "\"attention.reweighting\" = [\"none\"]\n\"optimizer.learning_rate\" = [1e-3, 3e-3]\n"
              "\"model.dropout\" = [0.0, 0.1]\n");
  SweepPlan plan = make_sweep_plan(read_sweep_file(folder / "sweep.toml"), folder / "s");
  for (auto& stages : plan.runs) {
    RunPlan& cost = stages.front().plan.emplace();
    cost.tokens_per_step = 1;
    cost.training_flops_per_token = 1;
  }
  return plan;
}

/// The lines that stand on the terminal after the last time that all of them were drawn.
std::vector<std::string> last_lines(const std::string& written) {
  const std::size_t begin = written.rfind("\x1b[K");
  std::istringstream stream(begin == std::string::npos ? written : written.substr(begin + 3));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("At 60 columns the runs at work show step and loss, and no two look alike") {
  const TemporaryFolder folder;
  const SweepPlan plan = plan_in(folder);
  REQUIRE(plan.points.size() == 4);
  FileSystem files;
  std::ostringstream stream;
  Console console(stream, {.rewrites = true, .colors = false, .columns = 60});
  double now = 0;
  SweepMonitor monitor(console, plan, {0, 1, 2, 3}, [&] { return now; });
  std::vector<std::unique_ptr<PointJob>> running;
  for (const std::size_t point : {0, 1}) {
    running.push_back(
        std::make_unique<PointJob>(files, plan, point, 1, [](const SweepRun&, std::size_t, const std::string&) {}));
    const SweepRun& run = running.back()->run();
    std::filesystem::create_directories(run.folder);
    MetricsWriter(files, run.folder / "metrics.jsonl").append({10, "train", {{"loss", 2.5}}});
  }
  now = 10;
  monitor.show(running);
  // 20 of 80 steps took 10 seconds.
  CHECK(last_lines(stream.str()) == std::vector<std::string>{"0/4 runs  25 %  about 30 s left",
                                                             "  step 10/20  loss 2.5000  0.001, 0.0 seed 1",
                                                             "  step 10/20  loss 2.5000  0.001, 0.1 seed 1"});
  monitor.ended(running.front()->run(), 0, "");
  monitor.ended(running.back()->run(), 0, "error: no memory");
  CHECK(stream.str().find("[1/4] 0.001, 0.0 seed 1: finished\n") != std::string::npos);
  // What went wrong is looked up in the run's folder.
  CHECK(stream.str().find("[2/4] " + plan.points[1].name + " train: FAILED, error: no memory\n") != std::string::npos);
}

TEST_CASE("Away from a terminal each run is said once to begin") {
  const TemporaryFolder folder;
  const SweepPlan plan = plan_in(folder);
  FileSystem files;
  std::ostringstream stream;
  Console console(stream, {});
  double now = 0;
  SweepMonitor monitor(console, plan, {0}, [&] { return now; });
  std::vector<std::unique_ptr<PointJob>> running;
  running.push_back(std::make_unique<PointJob>(files, plan, 0, 1, [](const SweepRun&, std::size_t, const std::string&) {}));
  for (int i = 0; i < 5; ++i, now += 1) monitor.show(running);
  CHECK(stream.str() == "0.001, 0.0 seed 1: training, 20 steps\n");
}

}  // namespace
}  // namespace cosformer
