// How a run is continued or begun anew from its folder alone, by the commands that the program itself prints.
#include <csignal>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"
#include "train/store/run_state.h"

namespace cosformer {
namespace {

using test::contains;
using test::TinyProject;
namespace fs = std::filesystem;

/// The words of the command between backquotes in `text`, without the program's name and without quotes.
std::vector<std::string> printed_command(const std::string& text) {
  const std::size_t begin = text.find('`') + 1;
  std::vector<std::string> words = {""};
  bool quoted = false;
  for (const char c : text.substr(begin, text.find('`', begin) - begin)) {
    if (c == '\'') {
      quoted = !quoted;
    } else if (c == ' ' && !quoted) {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  REQUIRE(words.front() == COSFORMER_PROGRAM);
  words.erase(words.begin());
  return words;
}

TEST_CASE("The folder alone continues a run, with the keys that may change") {
  const TinyProject project;
  const std::vector<std::string> keys = {"model.dropout=0.2", "task.tokenizer=word"};
  std::vector<std::string> longer = keys, shorter = keys;
  longer.emplace_back("train.max_steps=20");
  shorter.emplace_back("train.max_steps=14");
  REQUIRE(project.train("whole", longer).code == 0);
  REQUIRE(project.train("run", shorter).code == 0);
  fs::remove(project / "tiny.toml");
  if (GENERATE(false, true)) fs::remove(project / "run/config.toml");
  const test::Outcome outcome = project.call({"train", "run", "--resume", "--set", "train.max_steps=20"});
  INFO(outcome.errors);
  CHECK(outcome.code == 0);
  CHECK(project.result("run") == project.result("whole"));
  const test::Outcome refused = project.call({"train", "run/", "--resume", "--set", "model.dropout=0.3"});
  CHECK(refused.code == 2);
  CHECK(test::is_one_line(refused.errors));
  CHECK(contains(refused.errors, "model.dropout is 0.2 in the run and 0.3 now"));
}

TEST_CASE("A run that goes on with another part of the validation data says so") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=10"}).code == 0);
  const test::Outcome outcome =
      project.call({"train", "run", "--resume", "--set", "train.max_steps=12", "--set", "train.eval_max_batches=1"});
  INFO(outcome.errors);
  CHECK(outcome.code == 0);
  CHECK(contains(outcome.errors, "train.eval_max_batches is 1 and was 0 in the checkpoint"));
}

TEST_CASE("A run is continued with the steps that it was last given, also where none of them was saved") {
  const TinyProject project;
  REQUIRE(project.train("whole", {"train.max_steps=20"}).code == 0);
  REQUIRE(project.train("run", {"train.max_steps=14"}).code == 0);
  // As after a kill between the config of the second session and its first checkpoint.
  fs::copy_file(project / "whole/config.toml", project / "run/config.toml", fs::copy_options::overwrite_existing);
  CHECK(project.call({"train", "run", "--resume"}).code == 0);
  CHECK(project.result("run") == project.result("whole"));
}

TEST_CASE("The command that is printed where a run stops or is in the way continues it") {
  const TinyProject project;
  const std::vector<std::string> keys = {"train.max_steps=400", "logging.tensorboard=false", "checkpoint.every=0"};
  REQUIRE(project.train("whole", keys).code == 0);
  const std::string quoted = "runs/a b";
  test::Program program(project.train_arguments(quoted, keys), project.surroundings());
  REQUIRE(test::wait_until([&] { return contains(test::read_bytes(project / quoted / "metrics.jsonl"), "\"step\":20,"); },
                           std::chrono::seconds(60)));
  program.send(SIGTERM);
  const test::Outcome stopped = program.wait();
  INFO(stopped.errors);
  REQUIRE(stopped.code == 128 + SIGTERM);
  const test::Outcome in_the_way = project.train(quoted, keys);
  CHECK(in_the_way.code == 2);
  CHECK(printed_command(in_the_way.errors) == printed_command(stopped.errors));
  CHECK(project.call(printed_command(stopped.errors)).code == 0);
  CHECK(project.result(quoted).tensors == project.result("whole").tensors);
}

TEST_CASE("A folder where a config should be, and flags that contradict each other, are refused") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=3"}).code == 0);
  fs::create_directory(project / "empty");
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"train", "run"}, "run: is a folder, expected a config; `"},
      {{"train", "run", "--resume", "--restart"}, "expected one of them"},
      {{"train", "run", "--resume", "--run-dir", "other"}, "--run-dir: run is a folder"},
      {{"train", "empty", "--resume"}, "empty: is no run"},
      {{"train", "missing", "--resume"}, "missing"},
      {{"train", "tiny.toml", "--run-dir", "empty/x", "--resume", "--restart"}, "expected one of them"}};
  for (const auto& [arguments, said] : cases) {
    const test::Outcome outcome = project.call(arguments);
    INFO(outcome.errors);
    CHECK(outcome.code == 2);
    CHECK(test::is_one_line(outcome.errors));
    CHECK(contains(outcome.errors, said));
  }
  CHECK(fs::is_empty(project / "empty"));
}

TEST_CASE("A run is begun anew by --restart alone, from its folder or another config") {
  const TinyProject project;
  REQUIRE(project.train("first", {"train.max_steps=6", "task.tokenizer=char"}).code == 0);
  REQUIRE(project.train("second", {"train.max_steps=9"}).code == 0);
  REQUIRE(project.train("run", {"train.max_steps=6", "task.tokenizer=char"}).code == 0);
  // Of an evaluation of the run that goes.
  test::write_bytes(project / "run/samples.jsonl", "{}\n");
  SECTION("its folder") {
    CHECK(project.call({"train", "run", "--restart"}).code == 0);
    CHECK_FALSE(fs::exists(project / "run/samples.jsonl"));
    CHECK(project.result("run") == project.result("first"));
  }
  SECTION("another config") {
    CHECK(project.train("run", {"train.max_steps=9"}, {"--restart"}).code == 0);
    CHECK(project.result("run") == project.result("second"));
    CHECK_FALSE(fs::exists(project / "run/tokenizer"));
    CHECK(test::read_bytes(project / "run/config.toml") == test::read_bytes(project / "second/config.toml"));
  }
  SECTION("not by a script for a cluster, whose job may be queued again") {
    const test::Outcome refused = project.call({"train", "run", "--restart", "--launcher", "slurm", "--ranks", "1"});
    CHECK(refused.code == 2);
    CHECK(test::is_one_line(refused.errors));
    CHECK(contains(refused.errors, "--restart begins a run anew each time"));
  }
  SECTION("nothing is lost where the new one cannot begin") {
    const test::RunResult before = project.result("run");
    CHECK(project.train("run", {"task.train=none.txt"}, {"--restart"}).code == 2);
    CHECK(project.result("run") == before);
  }
}

TEST_CASE("More steps that would let the learning rate jump back up have to be asked for") {
  const TinyProject project;
  const std::vector<std::string> base = {"schedule.decay_steps=0", "train.max_steps=12"};
  REQUIRE(project.train("run", base).code == 0);
  const std::string rate = "from 0.001 to 0.0055";  // min_ratio = 0.1 of 0.01, and half way down
  const test::RunResult before = project.result("run");
  const test::Outcome refused = project.call({"train", "run", "--resume", "--set", "train.max_steps=19"});
  INFO(refused.errors);
  CHECK(refused.code == 2);
  CHECK(test::is_one_line(refused.errors));
  CHECK(contains(refused.errors, "the end of the schedule moves from step 12 to 19"));
  CHECK(contains(refused.errors, rate));
  CHECK(contains(refused.errors, "--set schedule.decay_steps=19"));
  CHECK(contains(refused.errors, "--set schedule.decay_steps=12"));
  CHECK(project.result("run") == before);

  const auto last_rate = [&](const std::string& step) {
    const std::string text = test::read_bytes(project / "run/metrics.jsonl");
    const std::size_t line = text.find("{\"step\":" + step + ",\"split\":\"train\"");
    REQUIRE(line != std::string::npos);
    return std::stod(text.substr(text.find("\"learning_rate\":", line) + 16));
  };
  SECTION("kept as it was") {
    const test::Outcome outcome =
        project.call({"train", "run", "--resume", "--set", "train.max_steps=19", "--set", "schedule.decay_steps=12"});
    CHECK(outcome.code == 0);
    CHECK_FALSE(contains(outcome.errors, "schedule"));
    CHECK(last_rate("13") == Approx(0.001));
    CHECK(last_rate("19") == Approx(0.001));
  }
  SECTION("asked for") {
    const test::Outcome outcome =
        project.call({"train", "run", "--resume", "--set", "train.max_steps=19", "--set", "schedule.decay_steps=19"});
    CHECK(outcome.code == 0);
    CHECK(contains(outcome.errors, "warning: run: the end of the schedule moves from step 12 to 19"));
    CHECK(last_rate("13") > 0.004);
    CHECK(last_rate("19") == Approx(0.001));
  }
}

TEST_CASE("A run of each format that there ever was goes on") {
  for (std::uint64_t version = 1; version <= kStateFormatVersion; ++version) {
    const test::TemporaryFolder folder;
    fs::copy(concat(COSFORMER_SOURCE_DIR, "/tests/train/formats/", version), folder.path(), fs::copy_options::recursive);
    const test::Surroundings surroundings{.threads = 1, .folder = folder.path(), .max_file_bytes = {}};
    const test::Outcome outcome =
        test::run_program({"train", "run", "--resume", "--set", "train.max_steps=6"}, surroundings);
    INFO(outcome.errors);
    CHECK(outcome.code == 0);
    CHECK(contains(outcome.errors, "(step 4)"));
    CHECK(contains(outcome.errors, "finished after 6 steps"));
    CHECK(fs::exists(folder / "run/checkpoints/step-00000006/state.json"));
  }
}

}  // namespace
}  // namespace cosformer
