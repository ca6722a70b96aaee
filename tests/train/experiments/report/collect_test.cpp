// Folders of sweeps and runs, whole and damaged.
#include "train/experiments/report/collect.h"

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/train/experiments/report/report_support.h"
#include "train/experiments/report/tables.h"
#include "train/experiments/statistics.h"
#include "train/store/run_directory.h"

namespace cosformer {
namespace {

using nlohmann::json;
using test::write_bytes;
namespace fs = std::filesystem;

void write_run(const fs::path& folder, const std::string& config, const std::string& metrics) {
  fs::create_directories(folder);
  write_bytes(folder / "config.toml", config);
  write_bytes(folder / "metrics.jsonl", metrics);
}

TEST_CASE("a sweep's runs are all there, each with its status and the reason") {
  const test::TemporaryFolder folder;
  json description = test::sweep_description({"a"}, 5);
  description["published"].push_back({{"group", "a"}, {"stage", "train"}, {"value", 1.5}, {"source", "paper"}});
  description["floors"] = {{{"name", "bigram"}, {"stage", "train"}, {"value", 2.5}, {"source", "counted"}}};
  write_bytes(folder / "sweep.json", seal(description, 1));
  for (const char* point : {"a-seed1", "a-seed2", "a-seed3", "a-seed4"}) test::write_finished_run(folder.path(), point, 2.0);
  const auto run = [&](const std::string& point) { return folder / ("runs/" + point + "/train"); };
  fs::remove(run("a-seed2") / "result.json");
  write_bytes(folder / "runs/a-seed2/train.failed", "step 3: the disk is full\nmore");
  fs::remove(run("a-seed3") / "result.json");
  write_bytes(run("a-seed3") / "metrics.jsonl", "{\"step\":10,\"split\":\"valid\",\"loss\":3.5}\n");
  fs::remove(run("a-seed4") / "result.json");
  FileSystem files;
  const FileLock lock(files, run("a-seed4") / ".lock");

  const auto experiments = collect_experiments({folder.path().string()});
  REQUIRE(experiments.size() == 1);
  const Experiment& experiment = experiments.front();
  CHECK(experiment.question == "Which one?");
  REQUIRE(experiment.runs.size() == 5);
  CHECK(experiment.runs[0].status == RunStatus::finished);
  CHECK(experiment.runs[0].value("valid", "loss") == 2.0);
  CHECK(experiment.runs[0].value("", "seconds") == 2.5);
  CHECK(experiment.runs[1].status == RunStatus::failed);
  CHECK(experiment.runs[1].reason == "step 3: the disk is full");
  CHECK(experiment.runs[2].status == RunStatus::stopped);
  CHECK(experiment.runs[2].reason == "step 10 of 20");
  CHECK(experiment.runs[3].status == RunStatus::running);
  CHECK(experiment.runs[4].status == RunStatus::not_started);
  CHECK(runs_table(experiment).rows.size() == 5);
  CHECK(summarize(experiment, "a", 0)->count == 1);
  CHECK(experiment.published_figure("a", 0)->source == "paper");
  CHECK(experiment.floor_figure("bigram", 0)->value == 2.5);
}

TEST_CASE("a damaged sweep ends in one line that names file and key") {
  const test::TemporaryFolder folder;
  const auto message = [&](const std::string& text) {
    write_bytes(folder / "sweep.json", text);
    const std::string line = test::input_error_of([&] { collect_experiments({folder.path().string()}); });
    CAPTURE(line);
    CHECK(line.starts_with((folder / "sweep.json").string()));
    CHECK(line.find('\n') == std::string::npos);
    return line;
  };
  const json good = test::sweep_description({"a"}, 1);
  const auto changed = [&](const char* key, const json& value) {
    json other = good;
    other[key] = value;
    return message(seal(other, 1));
  };
  const auto holds = [](const std::string& line, const char* part) { return line.find(part) != std::string::npos; };
  message("{\"format\":");
  message("[]");
  CHECK(holds(changed("format", "other"), "format"));
  CHECK(holds(changed("stages", json::array()), "stages"));
  CHECK(holds(changed("stages", 5), "stages"));
  CHECK(holds(changed("points", {{{"name", "../x"}, {"group", "a"}, {"seed", 1}}}), "points[0]: name"));
  CHECK(holds(changed("points", {{{"name", ".."}, {"group", "a"}, {"seed", 1}}}), "points[0]: name"));
  CHECK(holds(changed("points", {{{"name", "x"}, {"group", "a"}, {"seed", "1"}}}), "points[0]: seed"));
  CHECK(holds(changed("points", {{{"name", "x"}, {"group", "a"}, {"seed", 18446744073709551615U}}}), "points[0]: seed"));
  CHECK(holds(changed("points", {{{"name", "x"}, {"seed", 1}}}), "\"group\" is missing"));
  CHECK(holds(changed("published", {{{"group", "a"}, {"value", "x"}}}), "published[0]: value"));
  CHECK(holds(changed("floors", {{{"name", "a"}, {"value", "x"}}}), "floors[0]: value"));
  json twice = good;
  twice["points"].push_back(twice["points"][0]);
  CHECK(holds(message(seal(twice, 1)), "twice"));
  CHECK(holds(message(good.dump()), "the key checksum is missing; `cosformer sweep` with --resume makes it again"));
}

TEST_CASE("a damaged file of a run ends in one line that names it") {
  const test::TemporaryFolder folder;
  write_bytes(folder / "sweep.json", seal(test::sweep_description({"a"}, 1), 1));
  const fs::path run = folder / "runs/a-seed1/train";
  const auto message = [&](const char* file, const std::string& text) {
    test::write_finished_run(folder.path(), "a-seed1", 2.0);
    write_bytes(run / file, text);
    const std::string line = test::input_error_of([&] { collect_experiments({folder.path().string()}); });
    CAPTURE(line);
    CHECK(line.starts_with((run / file).string()));
    CHECK(line.find('\n') == std::string::npos);
  };
  message("result.json", "{\"steps\":");
  message("result.json", "[1]");
  message("config.toml", "[train]\nmax_stepz = 3\n");
  message("metrics.jsonl", "no json\n{\"step\":20,\"split\":\"valid\",\"loss\":3}\n");
}

TEST_CASE("runs that differ in the seed alone are one group, named by what differs") {
  const test::TemporaryFolder folder;
  const std::string metrics = "{\"step\":5000,\"split\":\"valid\",\"loss\":2.5}\n";
  for (const char* kind : {"softmax", "cosformer"}) {
    for (int seed = 1; seed <= 2; ++seed) {
      write_run(folder / (std::string(kind) + std::to_string(seed)),
                "[attention]\nkind = \"" + std::string(kind) + "\"\n[train]\nseed = " + std::to_string(seed) + "\n",
                metrics);
    }
  }
  std::vector<std::string> paths;
  for (const char* name : {"softmax1", "cosformer1", "softmax2", "cosformer2"}) paths.push_back((folder / name).string());
  const auto experiments = collect_experiments(paths);
  REQUIRE(experiments.size() == 1);
  CHECK(experiments[0].groups == std::vector<std::string>{"kind=softmax", "kind=cosformer"});
  CHECK(experiments[0].runs_of("kind=softmax", 0).size() == 2);
  CHECK(compare_groups(experiments[0], "kind=softmax", "kind=cosformer", 0)->count == 2);
  const auto varied = varied_keys(experiments[0], 0);
  REQUIRE(varied.size() == 1);
  CHECK(varied[0].key == "attention.kind");
  CHECK(varied[0].values == std::vector<std::string>{"\"softmax\"", "\"cosformer\""});
  CHECK(two_runs_table(experiments[0]).empty());
}

TEST_CASE("runs that began with other weights are other groups") {
  const test::TemporaryFolder folder;
  std::vector<std::string> paths;
  for (const char* name : {"", "pretrained", "other"}) {
    paths.push_back((folder / ("run" + std::to_string(paths.size()))).string());
    write_run(paths.back(), "[train]\ninit_from = \"" + std::string(name) + "\"\n",
              "{\"step\":5000,\"split\":\"valid\",\"loss\":2.5}\n");
  }
  const auto experiments = collect_experiments(paths);
  REQUIRE(experiments.size() == 1);
  CHECK(experiments[0].groups.size() == 3);
  REQUIRE(varied_keys(experiments[0], 0).size() == 1);
  CHECK(varied_keys(experiments[0], 0)[0].key == "train.init_from");
}

TEST_CASE("a run whose last steps were not logged is finished if its log says so") {
  const test::TemporaryFolder folder;
  const std::string line = "2026-01-31T12:00:00.000+00:00 info r: finished after ";
  for (const auto& [name, steps, status] :
       {std::tuple("whole", "15", RunStatus::finished), std::tuple("part", "10", RunStatus::stopped)}) {
    write_run(folder / name, "[train]\nmax_steps = 15\n", "{\"step\":10,\"split\":\"train\",\"loss\":2.5}\n");
    write_bytes(folder / name / "run.log", line + steps + " steps\n");
    const auto experiments = collect_experiments({(folder / name).string()});
    REQUIRE(experiments.size() == 1);
    CHECK(experiments[0].runs[0].status == status);
  }
}

TEST_CASE("a run that was stopped in its last evaluation is not finished") {
  const test::TemporaryFolder folder;
  const std::string trained =
      "{\"step\":10,\"split\":\"valid\",\"loss\":3}\n{\"step\":15,\"split\":\"train\",\"loss\":2.5}\n";
  const auto status = [&](const std::string& name, const std::string& valid, const std::string& metrics) {
    write_run(folder / name, concat("[task]\nvalid = \"", valid, "\"\n[train]\nmax_steps = 15\n"), metrics);
    write_bytes(folder / name / "run.log", "2026-01-31T12:00:00.000+00:00 info r: terminated after 15 steps\n");
    return collect_experiments({(folder / name).string()}).at(0).runs[0].status;
  };
  CHECK(status("stopped", "v.txt", trained) == RunStatus::stopped);
  CHECK(status("whole", "v.txt", trained + "{\"step\":15,\"split\":\"valid\",\"loss\":2}\n") == RunStatus::finished);
  CHECK(status("without", "", trained) == RunStatus::finished);
}

TEST_CASE("two runs are shown side by side with their differences") {
  const test::TemporaryFolder folder;
  write_run(folder / "one", "", "{\"step\":5000,\"split\":\"valid\",\"loss\":2.5}\n");
  write_run(folder / "two", "[model]\nnum_layers = 2\n", "{\"step\":5000,\"split\":\"valid\",\"loss\":2.25}\n");
  const auto experiments = collect_experiments({(folder / "one").string(), (folder / "two").string() + "/"});
  const ReportTable table = two_runs_table(experiments[0]);
  REQUIRE(table.rows.size() >= 2);
  CHECK(table.rows[0][0].text == "loss (valid)");
  CHECK(table.rows[0][1].text == "2.5000");
  CHECK(table.rows[0][3].text == "−0.2500");
  const ReportTable keys = varied_keys_table(experiments[0]);
  REQUIRE(keys.rows.size() == 1);
  CHECK(keys.rows[0][0].text == "model.num_layers");
}

TEST_CASE("paths that are no runs, or the same twice, are refused") {
  const test::TemporaryFolder folder;
  write_run(folder / "run", "", "");
  const std::string run = (folder / "run").string();
  const auto message = [](const std::vector<std::string>& paths) {
    return test::input_error_of([&] { collect_experiments(paths); });
  };
  CHECK(message({(folder / "none").string()}).find("expected the folder") != std::string::npos);
  CHECK(message({folder.path().string()}).find("neither a run") != std::string::npos);
  CHECK(message({run, run + "/."}).find("named twice") != std::string::npos);
  CHECK(collect_experiments({run})[0].runs[0].status == RunStatus::stopped);
}

}  // namespace
}  // namespace cosformer
