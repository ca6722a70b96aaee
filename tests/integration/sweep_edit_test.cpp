// What a sweep believes of its runs when its file, or a run behind its back, has changed.
#include "core/error.h"
#include "tests/catch.h"
#include "tests/integration/sweep_project.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;

using test::contains;
using test::kSweep;
using test::Outcome;
using test::SweepProject;

/// What a call that must be refused says, in one line.
std::string refusal(const SweepProject& project, const std::vector<std::string>& arguments = {"--resume"}) {
  const Outcome outcome = project.sweep(arguments);
  CHECK(outcome.code == 2);
  CHECK(test::is_one_line(outcome.errors));
  return outcome.errors;
}

/// A run that has its checkpoints, but that its sweep has not seen the end of.
void interrupt(const fs::path& run) {
  fs::remove(run / "train.json");
  fs::remove(run / "result.json");
}

std::string stages(const std::string& last) {
  return "question = \"?\"\n[set]\n\"train.max_steps\" = 4\n[[stages]]\nname = \"first\"\nbase = \"tiny.toml\"\n"
         "[[stages]]\nname = \"second\"\nbase = \"tiny.toml\"\ninit_from = \"first\"\n"
         "[[stages]]\nname = \"third\"\nbase = \"tiny.toml\"\n" +
         last;
}

TEST_CASE("A finished stage is believed with the stage that it began with, wherever the sweep lies, and with no other") {
  const SweepProject project(stages("init_from = \"first\"\n"));
  REQUIRE(project.sweep().code == 0);
  fs::rename(project / "s", project / "moved");
  const Outcome moved = project.call({"sweep", "sweep.toml", "--sweep-dir", (project / "moved").string(), "--resume"});
  CHECK(contains(moved.errors, "1 points, 0 to run"));
  fs::rename(project / "moved", project / "s");
  project.write(stages("init_from = \"second\"\n"));
  CHECK(contains(refusal(project), "third: train.init_from is \"s/runs/base-seed1/first\" in this finished run"));
  project.write(stages(""));
  CHECK(contains(refusal(project), "third: train.init_from is \"s/runs/base-seed1/first\" in this finished run and \"\""));
}

TEST_CASE("A stage without a beginning is not taken for one that begins with another's weights") {
  const SweepProject project(stages(""));
  REQUIRE(project.sweep().code == 0);
  project.write(stages("init_from = \"first\"\n"));
  CHECK(contains(refusal(project), "third: train.init_from is \"\" in this finished run"));
}

TEST_CASE("An unfinished stage goes on where its sweep's folder is spelled otherwise") {
  const SweepProject project(stages("init_from = \"first\"\n"));
  REQUIRE(project.sweep().code == 0);
  interrupt(project.run("base-seed1", "third"));
  const Outcome resumed = project.call({"sweep", "sweep.toml", "--sweep-dir", (project / "s").string(), "--resume"});
  INFO(resumed.errors);
  CHECK(resumed.code == 0);
  CHECK(fs::exists(project.run("base-seed1", "third") / "result.json"));
}

TEST_CASE("An unfinished run of a sweep does not go on by another schedule or judgement") {
  const SweepProject project;
  REQUIRE(project.sweep().code == 0);
  interrupt(project.run("softmax-seed1"));
  for (const auto& [key, line] : {std::pair("train.max_steps = 20", "train.max_steps is 30 in this unfinished run and 20"),
                                  std::pair("train.eval_every = 5", "train.eval_every is 7 in this unfinished run and 5"),
                                  std::pair("checkpoint.keep_best = false", "checkpoint.keep_best is true in this ")}) {
    std::string set = key;
    set.insert(set.find(' '), "\"");
    project.write(concat(kSweep, "[set]\n\"", set, "\n"));
    CHECK(contains(refusal(project), concat("softmax-seed1/train: ", line)));
  }
  project.write(concat(kSweep, "[set]\n\"train.log_every\" = 2\n"));
  CHECK(project.sweep({"--resume"}).code == 0);
}

TEST_CASE("Which weights a finished run was judged by is not free") {
  const SweepProject project;
  REQUIRE(project.sweep().code == 0);
  project.write(concat(kSweep, "[set]\n\"checkpoint.keep_best\" = false\n"));
  CHECK(contains(refusal(project), "checkpoint.keep_best is true in this finished run and false"));
  project.write(concat(kSweep, "[set]\n\"checkpoint.every\" = 5\n"));
  CHECK(project.sweep({"--resume"}).code == 0);
}

TEST_CASE("A single point is held to the sweep that is there, and takes no other orders") {
  const SweepProject project;
  REQUIRE(project.sweep({"--launcher", "slurm"}).code == 0);
  CHECK(contains(refusal(project, {"--point", "0", "--dry-run"}), "--point: "));
  CHECK(contains(refusal(project, {"--point", "0", "--launcher", "slurm"}), "--point: "));
  CHECK_FALSE(fs::exists(project.run("softmax-seed1")));
  REQUIRE(project.sweep({"--point", "0"}).code == 0);
  project.write(concat(kSweep, "[set]\n\"train.max_steps\" = 20\n"));
  CHECK(contains(refusal(project, {"--point", "1"}), "train.max_steps is 30 in this finished run and 20"));
}

TEST_CASE("The scores of a run that has trained on are gone") {
  const SweepProject project;
  REQUIRE(project.sweep().code == 0);
  const std::string run = project.run("softmax-seed1").string();
  REQUIRE(project.call({"train", run, "--resume"}).code == 0);
  CHECK(fs::exists(project.run("softmax-seed1") / "result.json"));
  REQUIRE(project.call({"train", run, "--resume", "--set", "train.max_steps=33"}).code == 0);
  CHECK_FALSE(fs::exists(project.run("softmax-seed1") / "result.json"));
  CHECK_FALSE(fs::exists(project.run("softmax-seed1") / "train.json"));
  CHECK(contains(refusal(project), "softmax-seed1/train: train.max_steps is 33 in this unfinished run and 30"));
  REQUIRE(project.call({"train", project.run("cosformer-seed1").string(), "--restart"}).code == 0);
  CHECK_FALSE(fs::exists(project.run("cosformer-seed1") / "result.json"));
}

TEST_CASE("A finished stage that reads labels behind another is held to its data, and is scored on a new split") {
  const std::string rows = "Source\tTarget\n[MAX 1 2 ]\t2\n[MIN 3 4 ]\t3\n[MAX 5 0 ]\t5\n[MIN 9 7 ]\t7\n";
  const auto file = [](const std::string& set) {
    return "question = \"?\"\n[set]\n\"task.name\" = \"listops\"\n\"model.kind\" = \"encoder\"\n\"train.max_steps\" = 3\n"
           "\"train.batch_size\" = 2\n\"train.accumulation\" = 1\n\"task.train\" = \"train.tsv\"\n\"task.valid\" = "
           "\"valid.tsv\"\n"
           "[[stages]]\nname = \"first\"\nbase = \"tiny.toml\"\n[[stages]]\nname = \"second\"\nbase = \"tiny.toml\"\n"
           "init_from = \"first\"\nset = { \"task.train\" = \"more.tsv\"" +
           set + " }\n";
  };
  const SweepProject project(file(""));
  for (const char* name : {"train.tsv", "valid.tsv", "more.tsv", "test.tsv"}) test::write_bytes(project / name, rows);
  const Outcome first = project.sweep();
  INFO(first.errors);
  REQUIRE(first.code == 0);
  project.write(file(", \"task.test\" = \"test.tsv\""));
  const Outcome scored = project.sweep({"--resume"});
  INFO(scored.errors);
  CHECK(scored.code == 0);
  CHECK(test::json_of(project.run("base-seed1", "second") / "result.json").contains("test"));
  test::write_bytes(project / "more.tsv", rows + "[MAX 8 8 ]\t8\n");
  CHECK(contains(refusal(project), "second: more.tsv: is not the data of the run (task.train): "));
}

}  // namespace
}  // namespace cosformer
