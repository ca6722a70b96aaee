// Sweeps of the program: what fails, is killed, interrupted and resumed.
#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/integration/sweep_project.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;

using test::json_of;
using test::kSweep;
using test::Outcome;
using test::SweepProject;

/// Processes of this machine that write below `folder`, by their command lines.
int processes_in(const fs::path& folder) {
  int count = 0;
  for (const auto& process : fs::directory_iterator("/proc")) {
    std::error_code error;
    const std::string name = process.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const fs::path there = fs::read_symlink(process.path() / "cwd", error);
    if (error || there != folder) continue;
    const std::string words = test::read_bytes(process.path() / "cmdline");
    // A zombie has no command line.
    if (words.find("train") != std::string::npos) ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("A sweep trains and scores every point, side by side as one after the other") {
  const SweepProject one, two;
  const Outcome alone = one.sweep(), beside = two.call(SweepProject::arguments({"--jobs", "2"}), 2);
  INFO(alone.errors);
  REQUIRE(alone.code == 0);
  REQUIRE(beside.code == 0);
  CHECK(alone.output == beside.output);
  CHECK(test::contains(alone.output, "Softmax or cosFormer?\ngroup      loss (valid)"));
  CHECK(test::contains(alone.output, "  2/2\n"));
  // The table is printed once; a run's end is a line with what it is judged by.
  CHECK_FALSE(test::contains(alone.errors, "Softmax or cosFormer?"));
  CHECK(test::contains(alone.errors, "[4/4] cosformer seed 2: finished, loss (valid) "));
  CHECK(test::contains(alone.errors, "softmax seed 1: training, 30 steps\n"));
  CHECK_FALSE(test::contains(alone.errors, "\x1b"));

  const nlohmann::json result = json_of(one.run("softmax-seed1") / "result.json");
  CHECK(result["steps"] == 30);
  for (const char* key : {"best_step", "seconds", "tokens_per_second", "peak_memory_bytes", "parameters"})
    CHECK(result[key].get<double>() > 0);
  const Outcome scored = one.call({"eval", "s/runs/softmax-seed1/train", "--json"});
  CHECK(result["valid"]["loss"] == nlohmann::json::parse(scored.output)["loss"]);
  CHECK_FALSE(result.contains("test"));
  // A run of a sweep is a run: the same config trained by hand has the same bits.
  REQUIRE(one.train("by-hand", {"attention.kind=softmax", "train.seed=2"}).code == 0);
  CHECK(one.result("by-hand").tensors == one.result("s/runs/softmax-seed2/train").tensors);

  const nlohmann::json described = json_of(one / "s/sweep.json");
  CHECK(described["format"] == "cosformer sweep");
  CHECK(described["points"][3] ==
        nlohmann::json::parse(
            R"({"name":"cosformer-seed2","group":"cosformer","seed":2,"set":{"attention.kind":"cosformer"}})"));
  CHECK(test::read_bytes(one / "s/sweep.toml") == kSweep);
  CHECK(one.call({"report", "s"}).code == 0);
}

TEST_CASE("A sweep folder is continued with --resume only, and takes further seeds but no other configs") {
  const SweepProject project;
  const std::string text = kSweep;
  REQUIRE(project.sweep().code == 0);
  const Outcome again = project.sweep();
  CHECK(again.code == 2);
  CHECK(test::is_one_line(again.errors));
  CHECK(test::contains(again.errors, "holds a sweep already; continue it with --resume"));

  const std::string kept = test::read_bytes(project.run("softmax-seed1") / "result.json");
  const std::size_t seeds = text.find("[1, 2]");
  project.write(concat(text.substr(0, seeds), "[1, 2, 3]", text.substr(seeds + 6)));
  const Outcome more = project.sweep({"--resume", "--json"});
  INFO(more.errors);
  REQUIRE(more.code == 0);
  CHECK(nlohmann::json::parse(more.output)["finished"] == 6);
  CHECK(test::contains(more.errors, "6 points, 2 to run"));
  CHECK(test::read_bytes(project.run("softmax-seed1") / "result.json") == kept);

  project.write(text + "[set]\n\"train.max_steps\" = 31\n");
  const Outcome other = project.sweep({"--resume"});
  CHECK(other.code == 2);
  CHECK(test::is_one_line(other.errors));
  CHECK(test::contains(other.errors, "train.max_steps is 30 in this finished run and 31 in the sweep now"));

  project.write("question = \"?\"\nbase = \"tiny.toml\"\n");
  const Outcome fewer = project.sweep({"--resume"});
  CHECK(fewer.code == 0);
  CHECK(test::contains(fewer.errors, "softmax-seed1/train: finished, but no run of the sweep file any more"));
}

TEST_CASE("A run that fails is named with its line, stops no other, and is tried again") {
  const SweepProject project;
  // What only shows when the run starts: a folder of another's making where its run belongs.
  REQUIRE(project.sweep({"--launcher", "slurm"}).code == 0);
  fs::create_directories(project.run("softmax-seed2"));
  test::write_bytes(project.run("softmax-seed2") / "mine.txt", "x");
  const Outcome outcome = project.sweep({"--jobs", "2", "--resume"});
  CHECK(outcome.code == 1);
  CHECK(test::contains(outcome.output, "failed: softmax-seed2 train: "));
  CHECK(test::contains(outcome.output, "is no run (it has no config.toml)"));
  CHECK(fs::exists(project.run("cosformer-seed2") / "result.json"));
  CHECK(test::is_one_line(test::read_bytes(project / "s/runs/softmax-seed2/train.failed")));

  // Nor does one whose folder cannot be made.
  fs::remove_all(project / "s/runs/softmax-seed2");
  fs::remove_all(project / "s/runs/cosformer-seed1");
  test::write_bytes(project / "s/runs/softmax-seed2", "x");
  const Outcome blocked = project.sweep({"--resume"});
  INFO(blocked.errors);
  CHECK(blocked.code == 1);
  CHECK(test::contains(blocked.errors, "softmax-seed2"));
  CHECK(test::contains(blocked.errors, "cannot be created"));
  CHECK(fs::exists(project.run("cosformer-seed1") / "result.json"));
  fs::remove(project / "s/runs/softmax-seed2");

  fs::remove_all(project.run("softmax-seed2"));
  const Outcome resumed = project.sweep({"--resume"});
  INFO(resumed.errors);
  CHECK(resumed.code == 0);
  CHECK_FALSE(test::contains(resumed.output, "failed"));
  CHECK_FALSE(fs::exists(project / "s/runs/softmax-seed2/train.failed"));
}

TEST_CASE("A sweep that is killed at any moment and resumed ends with the table of one that was not") {
  const SweepProject unbroken;
  const std::string expected = unbroken.sweep().output;
  REQUIRE_FALSE(expected.empty());
  const SweepProject project;
  for (const int delay : {20, 60, 90, 120, 150}) {
    test::Program program(SweepProject::arguments({"--jobs", "2", "--resume"}), project.surroundings());
    ::usleep(static_cast<useconds_t>(delay) * 1000);
    program.send(SIGKILL);
    const Outcome killed = program.wait();
    CHECK((killed.signal == SIGKILL || killed.code == 0));
    // No child goes on without its sweep.
    CHECK(test::wait_until([&] { return processes_in(project / "") == 0; }, std::chrono::seconds(10)));
  }
  const Outcome resumed = project.sweep({"--resume"});
  INFO(resumed.errors);
  REQUIRE(resumed.code == 0);
  CHECK(resumed.output == expected);
  for (const std::string point : {"softmax-seed1", "cosformer-seed2"}) {
    CHECK(project.result("s/runs/" + point + "/train").tensors == unbroken.result("s/runs/" + point + "/train").tensors);
  }
}

TEST_CASE("SIGINT stops a sweep with a checkpoint of what runs, and the command that continues it does") {
  const std::string text = kSweep;
  const SweepProject project(text +
                             "[set]\n\"train.max_steps\" = 100000\n\"checkpoint.every\" = 0\n\"train.eval_every\" = 0\n");
  const std::vector<std::string> points = {"softmax-seed1", "softmax-seed2"};
  test::Program program(SweepProject::arguments({"--jobs", "2"}), project.surroundings());
  const auto has_begun = [&] {
    return fs::exists(project.run(points[0]) / "metrics.jsonl") && fs::exists(project.run(points[1]) / "metrics.jsonl");
  };
  REQUIRE(test::wait_until([&] { return has_begun() || !program.is_running(); }, std::chrono::seconds(60)));

  const Outcome second = project.sweep({"--resume"});
  CHECK(second.code == 2);
  CHECK(test::is_one_line(second.errors));
  CHECK(test::contains(second.errors, "process " + std::to_string(program.id()) + " is writing this sweep"));

  program.send(SIGINT);
  const Outcome outcome = program.wait();
  INFO(outcome.errors);
  CHECK(outcome.code == 130);
  CHECK(test::contains(outcome.errors, "interrupted; continue with\n  " COSFORMER_PROGRAM
                                       " sweep sweep.toml --sweep-dir s --jobs 2 --resume\n"));
  for (const std::string& point : points) {
    CHECK(project.newest("s/runs/" + point + "/train") > 0);
    CHECK_FALSE(fs::exists(project / ("s/runs/" + point + "/train.failed")));
  }
  CHECK_FALSE(fs::exists(project.run("cosformer-seed1")));
}

TEST_CASE("The script for Slurm runs its points, and again does nothing") {
  const SweepProject project;
  const Outcome written = project.sweep({"--launcher", "slurm", "--jobs", "2"});
  INFO(written.errors);
  REQUIRE(written.code == 0);
  CHECK(written.output == "s/sweep.sbatch\n");
  CHECK_FALSE(fs::exists(project.run("softmax-seed1")));
  const std::string script = (project / "s/sweep.sbatch").string();
  CHECK(test::contains(test::read_bytes(script), "#SBATCH --array=0-3%2\n"));
  REQUIRE(std::system(("bash -n " + script).c_str()) == 0);
  const auto task = [&](int number) {
    return std::system(concat("SLURM_ARRAY_TASK_ID=", number, " bash ", script, " >/dev/null 2>&1").c_str());
  };
  for (const int number : {0, 1, 2, 3}) CHECK(task(number) == 0);
  const std::string kept = test::read_bytes(project.run("softmax-seed1") / "result.json");
  CHECK(task(0) == 0);
  CHECK(test::read_bytes(project.run("softmax-seed1") / "result.json") == kept);
  CHECK(task(4) != 0);
  CHECK(test::contains(project.sweep({"--resume"}).output, "  2/2\n"));
  const SweepProject local;
  CHECK(local.sweep().output == project.sweep({"--resume"}).output);
  // Points that have moved are not mistaken for those of the script.
  project.write("question = \"?\"\nbase = \"tiny.toml\"\n");
  CHECK(task(0) != 0);
}

}  // namespace cosformer
