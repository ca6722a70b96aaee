// What --resume does with a run folder that has lost something, is damaged or was copied: nothing that cannot be read is
// removed, and nothing is passed over in silence.
#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"
#include "train/store/checkpoint.h"

namespace cosformer {
namespace {

using nlohmann::json;
using test::contains;
using test::TinyProject;
namespace fs = std::filesystem;

void flip(const fs::path& file, std::size_t at) {
  std::string bytes = test::read_bytes(file);
  bytes.at(at) = static_cast<char>(bytes.at(at) ^ 1);
  test::write_bytes(file, bytes);
}

/// All files below a folder with their bytes, but the log and the lock.
std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && name != "run.log" && name != ".lock")
      files[entry.path()] = test::read_bytes(entry.path());
  }
  return files;
}

TEST_CASE("A run of whose checkpoints none can be used is refused with each of them, and left as it is") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=9", "checkpoint.keep_best=false"}).code == 0);
  REQUIRE(project.checkpoints("run") == std::vector<std::int64_t>{6, 9});
  for (const std::int64_t step : {6, 9}) flip(project.checkpoint("run", step) / "state.json", 40);
  const auto before = contents(project / "run");
  const test::Outcome outcome = project.train("run", {"train.max_steps=12"}, {"--resume"});
  INFO(outcome.errors);
  CHECK(outcome.code == 2);
  CHECK(test::is_one_line(outcome.errors));
  for (const char* part : {"none of the 2 checkpoints can be used", "step-00000006 cannot be used: ",
                           "step-00000009 cannot be used: ", "nothing was removed; --restart would begin the run anew"}) {
    CHECK(contains(outcome.errors, part));
  }
  CHECK(contents(project / "run") == before);

  // What was asked for by its flag, and nothing else, begins anew.
  REQUIRE(project.train("whole", {"train.max_steps=12"}).code == 0);
  REQUIRE(project.train("run", {"train.max_steps=12"}, {"--restart"}).code == 0);
  CHECK(project.result("run") == project.result("whole"));
}

TEST_CASE("A run whose checkpoints are gone is refused and left as it is") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=6"}).code == 0);
  const std::string gone = GENERATE("the folder", "the folders in it", "the disk");
  const fs::path checkpoints = project / "run/checkpoints";
  if (gone == "the folders in it") {
    fs::remove_all(project.checkpoint("run", 3));
    fs::remove_all(project.checkpoint("run", 6));
  } else {
    fs::remove_all(checkpoints);
    if (gone == "the disk") fs::create_directory_symlink("unmounted", checkpoints);
  }
  const auto before = contents(project / "run");
  const test::Outcome outcome = project.train("run", {"train.max_steps=9"}, {"--resume"});
  INFO(gone << ": " << outcome.errors);
  CHECK(outcome.code == 2);
  CHECK(test::is_one_line(outcome.errors));
  CHECK(contains(outcome.errors, "--restart would begin the run anew"));
  CHECK(contents(project / "run") == before);
}

TEST_CASE("Where there is nothing to resume, a line says so before the first step") {
  const TinyProject project;
  const test::Outcome missing = project.train("run", {"train.max_steps=2", "train.eval_every=1"}, {"--resume"});
  CHECK(missing.code == 0);
  CHECK(missing.errors.starts_with("run: holds no run, nothing to resume; the run begins at step 1\nstep 1 valid"));
  // As a run that was killed before its first checkpoint.
  fs::remove_all(project / "run/checkpoints");
  fs::create_directory(project / "run/checkpoints");
  const test::Outcome empty = project.train("run", {"train.max_steps=2", "train.eval_every=1"}, {"--resume"});
  CHECK(empty.code == 0);
  CHECK(empty.errors.starts_with("run: holds no checkpoint, nothing to resume; the run begins at step 1\nstep 1 valid"));
}

TEST_CASE("A damaged config.toml or metrics.jsonl is said and does not keep a run from going on") {
  const TinyProject project;
  const std::vector<std::string> keys = {"train.max_steps=20"};
  REQUIRE(project.train("whole", keys).code == 0);
  REQUIRE(project.train("run", {"train.max_steps=14"}).code == 0);
  SECTION("config.toml") {
    const fs::path file = project / "run/config.toml";
    const std::string text = test::read_bytes(file);
    const std::string damage = GENERATE("cut", "another rate", "missing");
    if (damage == "cut") test::write_bytes(file, text.substr(0, 700));
    if (damage == "another rate") {
      std::string changed = text;
      changed.replace(changed.find("learning_rate = 0.01"), 20, "learning_rate = 0.02");
      test::write_bytes(file, changed);
    }
    if (damage == "missing") fs::remove(file);
    const test::Outcome outcome = project.train("run", keys, {"--resume"});
    INFO(damage << ": " << outcome.errors);
    CHECK(outcome.code == 0);
    CHECK(contains(outcome.errors, "warning: run/config.toml"));
    CHECK(test::read_bytes(file) == test::read_bytes(project / "whole/config.toml"));
  }
  SECTION("metrics.jsonl") {
    const fs::path file = project / "run/metrics.jsonl";
    const std::string text = test::read_bytes(file);
    test::write_bytes(file, "?" + text);
    const test::Outcome outcome = project.train("run", keys, {"--resume"});
    INFO(outcome.errors);
    CHECK(outcome.code == 0);
    CHECK(contains(outcome.errors, "warning: run/metrics.jsonl:1: expected a JSON object"));
    CHECK(test::read_bytes(project / "run/metrics.jsonl.damaged") == "?" + text);
    CHECK(project.result("run").tensors == project.result("whole").tensors);
    return;
  }
  CHECK(project.result("run") == project.result("whole"));
}

TEST_CASE("Records that are missing before the checkpoint are noticed") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=10"}).code == 0);
  // As after a loss of power on a disk that keeps no order.
  const fs::path file = project / "run/metrics.jsonl";
  const std::string text = test::read_bytes(file);
  test::write_bytes(file, text.substr(0, text.find("{\"step\":7")));
  const test::Outcome outcome = project.train("run", {"train.max_steps=12"}, {"--resume"});
  CHECK(outcome.code == 0);
  CHECK(contains(outcome.errors,
                 "warning: metrics.jsonl has no training record after step 6, but the checkpoint is of step 10"));
}

TEST_CASE("eval, generate, report and init_from name a best checkpoint whose state is damaged") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=14"}).code == 0);
  const fs::path best = project.checkpoint("run", 14);
  REQUIRE(fs::canonical(project / "run/checkpoints/best") == fs::canonical(best));
  flip(best / "state.json", 40);
  const std::string said = "checkpoint step-00000014 cannot be used: run/checkpoints/step-00000014/state.json";
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"eval", "run", "--json"},
                                             {"generate", "run", "--tokens", "2", "--prompt", "a", "--json"},
                                             {"inspect", "run", "--json"},
                                             {"report", "run", "--format", "json"},
                                             {"train", "tiny.toml", "--run-dir", "next", "--set", "train.max_steps=1",
                                              "--set", "train.init_from=run", "--json"}}) {
    const test::Outcome outcome = project.call(arguments);
    INFO(arguments[0] << ": " << outcome.errors);
    CHECK(outcome.code == 0);
    CHECK(contains(outcome.errors, said));
    json document = json::parse(outcome.output);
    if (arguments[0] == "report") document = document["experiments"][0]["runs"][0];
    REQUIRE(document.contains("warnings"));
    CHECK(contains(document["warnings"][0].get<std::string>(), said));
  }
  REQUIRE(project.call({"report", "run", "--attention-length", "0"}).code == 0);
  CHECK(contains(test::read_bytes(project / "report.html"), said));
}

TEST_CASE("A copy in which links became folders does not go on naming old weights") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=14"}).code == 0);
  const fs::path copy = project / "copy";
  fs::copy(project / "run", copy, fs::copy_options::recursive);
  for (const char* link : {"latest", "best"}) REQUIRE_FALSE(fs::is_symlink(copy / "checkpoints" / link));
  const test::Outcome outcome = project.train("copy", {"train.max_steps=30"}, {"--resume"});
  CHECK(outcome.code == 0);
  CHECK(contains(outcome.errors, "copy/checkpoints/latest was a folder, not a link"));
  CHECK(contains(outcome.errors, "copy/checkpoints/best was a folder, not a link"));
  CHECK(fs::read_symlink(copy / "checkpoints/latest") == "step-00000030");
  CHECK(fs::is_symlink(copy / "checkpoints/best"));
  REQUIRE(project.train("run", {"train.max_steps=30"}, {"--resume"}).code == 0);
  CHECK(project.result("copy") == project.result("run"));
}

TEST_CASE("A run that no evaluation found finite has no best step, and nothing shows a number for what is none") {
  const TinyProject project;
  // Weights that give infinite losses from the first evaluation on, and no checkpoint of skipped steps.
  const test::Outcome outcome = project.train(
      "run",
      {"optimizer.name=sgd", "optimizer.learning_rate=1e30", "optimizer.weight_decay=0", "schedule.name=constant",
       "schedule.warmup_steps=0", "train.eval_every=1", "checkpoint.every=1", "train.max_steps=3"},
      {"--json"});
  INFO(outcome.errors);
  REQUIRE(outcome.code == 0);
  CHECK_FALSE(json::parse(outcome.output).contains("best_step"));
  CHECK(contains(outcome.errors, "step 1 valid  loss not finite"));
  const auto holds_number = [](std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const char* word : {"nan", "inf"}) {
      for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        const bool starts = at == 0 || !std::isalpha(static_cast<unsigned char>(text[at - 1]));
        const bool ends = at + 3 == text.size() || !std::isalpha(static_cast<unsigned char>(text[at + 3]));
        if (starts && ends) return true;
      }
    }
    return false;
  };
  CHECK_FALSE(holds_number(outcome.errors));
  const json report = json::parse(project.call({"report", "run", "--format", "json"}).output)["experiments"][0]["runs"][0];
  CHECK_FALSE(report["values"].contains("best_step"));
  CHECK(report["scores"]["valid"]["loss"].is_null());
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"report", "run", "--format", "md"},
                                             {"report", "run", "--format", "csv"},
                                             {"report", "run", "--format", "json"},
                                             {"eval", "run"},
                                             {"eval", "run", "--json"},
                                             {"inspect", "run"}}) {
    const test::Outcome shown = project.call(arguments);
    INFO(arguments[0] << ": " << shown.output << shown.errors);
    REQUIRE(shown.code == 0);
    CHECK_FALSE(holds_number(shown.output));
    const bool is_json = arguments.back() == "--json" || arguments.back() == "json";
    CHECK(contains(shown.output, is_json ? "null" : "not finite"));
  }
  REQUIRE(project.call({"report", "run", "--attention-length", "0"}).code == 0);
  CHECK(contains(test::read_bytes(project / "report.html"), "not finite"));
}

}  // namespace
}  // namespace cosformer
