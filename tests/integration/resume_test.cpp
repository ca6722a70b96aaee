// What --resume accepts, what it refuses, and what it does with checkpoints that are broken.
#include <nlohmann/json.hpp>
#include <set>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"
#include "train/store/checkpoint_store.h"
#include "train/store/tensorboard.h"

namespace cosformer {
namespace {

using test::contains;
using test::TinyProject;

TEST_CASE("A folder that holds something is not written to without --resume") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=3"}).code == 0);
  const test::RunResult before = project.result("run");
  const test::Outcome outcome = project.train("run", {"train.max_steps=4"});
  CHECK(outcome.code == 2);
  CHECK(test::is_one_line(outcome.errors));
  CHECK(contains(outcome.errors, "--resume"));
  CHECK(project.result("run") == before);
}

TEST_CASE("A run goes on with more steps, but not under another config") {
  const TinyProject project;
  REQUIRE(project.train("whole", {"train.max_steps=20"}).code == 0);
  REQUIRE(project.train("run", {"train.max_steps=14"}).code == 0);
  const test::Outcome refused = project.train("run", {"train.max_steps=14", "optimizer.learning_rate=0.5"}, {"--resume"});
  CHECK(refused.code == 2);
  CHECK(test::is_one_line(refused.errors));
  CHECK(contains(refused.errors, "optimizer.learning_rate is 0.01 in the run and 0.5 now"));

  CHECK(project.train("run", {"train.max_steps=20"}, {"--resume"}).code == 0);
  CHECK(project.result("run") == project.result("whole"));
  CHECK(contains(test::read_bytes(project / "run/config.toml"), "max_steps = 20"));
}

TEST_CASE("A run whose windows go on with a state goes on with it, and not without") {
  const TinyProject project;
  const std::string kind = GENERATE("cosformer", "local", "softmax");
  const std::vector<std::string> keys = {"task.carry_state=true", "model.positions=rope",
                                         "attention.reweighting_length=4000", "attention.kind=" + kind,
                                         "train.max_steps=30"};
  REQUIRE(project.train("whole", keys).code == 0);
  std::vector<std::string> part = keys;
  part.back() = "train.max_steps=14";
  REQUIRE(project.train("run", part, {}, 2).code == 0);
  CHECK(project.train("run", keys, {"--resume"}, 3).code == 0);
  CHECK(project.result("run") == project.result("whole"));
  // Another batch size would give the states other rows: as other keys, it is not changed on the way.
  std::vector<std::string> other = keys;
  other.emplace_back("train.batch_size=8");
  CHECK(project.train("run", other, {"--resume"}).code == 2);
  // A checkpoint of a build that began all windows anew has no states.
  Checkpoint checkpoint = read_checkpoint(project.checkpoint("run", 30));
  REQUIRE(checkpoint.optimizer.erase("decoder.layers.0.self_attn.state") == 1);
  std::filesystem::remove_all(project / "run/checkpoints");
  std::filesystem::create_directory(project / "run/checkpoints");
  FileSystem files;
  CheckpointStore(files, project / "run/checkpoints", {1, 1}, [](const std::string&) {}).save(checkpoint);
  other = keys;
  other.back() = "train.max_steps=31";
  const test::Outcome refused = project.train("run", other, {"--resume"});
  CHECK(refused.code == 2);
  CHECK(contains(refused.errors, "error: task.carry_state: the checkpoint has no tensor"));
}

TEST_CASE("A skipped step says that texts begin anew behind it") {
  const TinyProject project;
  const test::Outcome outcome =
      project.train("run", {"task.carry_state=true", "model.positions=rope", "attention.kind=softmax", "optimizer.name=sgd",
                            "optimizer.learning_rate=1e30", "train.max_nonfinite_steps=4", "train.eval_every=0"});
  CHECK(contains(outcome.errors, "skipped so far); the next step begins its texts anew"));
}

TEST_CASE("A run that has reached its end is left as it is") {
  const TinyProject project;
  const std::string limit = GENERATE("train.max_steps=9", "train.patience=1");
  const std::vector<std::string> keys = {limit, "train.eval_every=3", "optimizer.learning_rate=0", "checkpoint.every=0"};
  REQUIRE(project.train("run", keys).code == 0);
  const test::RunResult before = project.result("run");
  const test::Outcome again = project.train("run", keys, {"--resume"});
  CHECK(again.code == 0);
  CHECK(project.result("run") == before);
}

TEST_CASE("Evaluations that a limit forces do not use up a run's patience") {
  const TinyProject project;
  // Nothing is learned, so that no evaluation is better than the first.
  const auto train = [&](const char* steps) {
    return project.train("run", {"optimizer.learning_rate=0", "train.patience=2", steps}, {"--resume"});
  };
  for (const char* steps : {"train.max_steps=9", "train.max_steps=10", "train.max_steps=11"})
    REQUIRE(train(steps).code == 0);
  const test::Outcome outcome = train("train.max_steps=60");
  INFO(outcome.errors);
  // Evaluations are due at 7, 14 and 21.
  CHECK(test::contains(outcome.errors, "stopped: no better result for train.patience evaluations after 21 steps"));
}

TEST_CASE("Resuming finishes the last save where a crash came between the checkpoint and its links") {
  const TinyProject project;
  REQUIRE(project.train("run", {"checkpoint.keep_best=false"}).code == 0);
  const auto latest = project / "run/checkpoints/latest";
  REQUIRE(std::filesystem::read_symlink(latest) == "step-00000030");
  // As after the rename of the last checkpoint: the link is old, and the third checkpoint from the end still there.
  std::filesystem::remove(latest);
  std::filesystem::create_symlink("step-00000027", latest);
  std::filesystem::copy(project.checkpoint("run", 27), project.checkpoint("run", 24));
  CHECK(project.train("run", {"checkpoint.keep_best=false"}, {"--resume"}).code == 0);
  CHECK(std::filesystem::read_symlink(latest) == "step-00000030");
  CHECK(project.checkpoints("run") == std::vector<std::int64_t>{27, 30});
}

TEST_CASE("Resuming begins a run that died before its first checkpoint") {
  const TinyProject project;
  REQUIRE(project.train("whole").code == 0);
  // All that there is of a run at the earliest moment that matters: its config.
  std::filesystem::create_directory(project / "run");
  std::filesystem::copy(project / "whole/config.toml", project / "run/config.toml");
  CHECK(project.train("run", {}, {"--resume"}).code == 0);
  CHECK(project.result("run") == project.result("whole"));
}

TEST_CASE("TensorBoard drops what comes after the step that a run goes on from, also where that is the first") {
  const TinyProject project;
  const std::int64_t step = GENERATE(0, 3);
  const auto events = [&] {
    std::set<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(project / "run")) {
      if (contains(entry.path().filename().string(), "tfevents")) paths.insert(entry.path());
    }
    return paths;
  };
  const std::vector<std::string> keys = {"train.max_steps=5", "logging.tensorboard=true"};
  REQUIRE(project.train("run", {"train.max_steps=3", "logging.tensorboard=true"}).code == 0);
  // As after a kill before the first checkpoint.
  if (step == 0) {
    std::filesystem::remove_all(project / "run/checkpoints");
    std::filesystem::create_directory(project / "run/checkpoints");
  }
  const std::set<std::filesystem::path> before = events();
  REQUIRE(before.size() == 1);
  REQUIRE(project.train("run", keys, {"--resume"}).code == 0);
  for (const auto& path : events()) {
    const std::string bytes = test::read_bytes(path);
    // The event without its time: step and SessionLog START.
    const std::string restart = encode_restart_event(0, step + 1).substr(9);
    CHECK(contains(bytes, restart) == !before.contains(path));
  }
  CHECK(events().size() == 2);
}

TEST_CASE("A broken latest checkpoint is named, and the run continues from the one before") {
  const TinyProject project;
  REQUIRE(project.train("whole", {"train.max_steps=12"}).code == 0);
  REQUIRE(project.train("run", {"train.max_steps=9"}).code == 0);
  REQUIRE(project.newest("run") == 9);
  const std::string name = GENERATE("model.safetensors", "optimizer.safetensors", "state.json");
  const bool truncates = GENERATE(true, false);
  INFO(name << (truncates ? " truncated" : " with one bit changed"));
  const auto file = project.checkpoint("run", 9) / name;
  std::string bytes = test::read_bytes(file);
  if (truncates) {
    bytes.resize(bytes.size() / 2);
  } else {
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  }
  test::write_bytes(file, bytes);

  if (name == "model.safetensors") {
    const test::Outcome eval = project.call({"eval", project.checkpoint("run", 9).string()});
    CHECK(eval.code == 2);
    CHECK(test::is_one_line(eval.errors));
    CHECK(contains(eval.errors, name));
  }
  const test::Outcome resumed = project.train("run", {"train.max_steps=12"}, {"--resume"});
  INFO(resumed.errors);
  CHECK(resumed.code == 0);
  CHECK(contains(resumed.errors, "warning: checkpoint step-00000009 cannot be used"));
  CHECK(contains(resumed.errors, name));
  CHECK(project.result("run") == project.result("whole"));
}

TEST_CASE("A run that is resumed keeps the tokenizer that it began with") {
  const TinyProject project;
  const std::vector<std::string> keys = {"task.tokenizer=word", "train.max_steps=6"};
  REQUIRE(project.train("run", keys).code == 0);
  const std::string vocabulary = test::read_bytes(project / "run/tokenizer/vocab.json");
  const std::string text = test::read_bytes(project / "train.txt");
  // Other data would make another vocabulary: it is refused, and the run's own stays.
  test::write_bytes(project / "train.txt", "sky sky sea " + text);
  const test::Outcome refused = project.train("run", {"task.tokenizer=word", "train.max_steps=8"}, {"--resume"});
  CHECK(refused.code == 2);
  CHECK(contains(refused.errors, "train.txt"));
  CHECK(test::read_bytes(project / "run/tokenizer/vocab.json") == vocabulary);
  test::write_bytes(project / "train.txt", text);
  CHECK(project.train("run", {"task.tokenizer=word", "train.max_steps=8"}, {"--resume"}).code == 0);
  CHECK(test::read_bytes(project / "run/tokenizer/vocab.json") == vocabulary);
  CHECK(project.newest("run") == 8);
}

}  // namespace
}  // namespace cosformer
