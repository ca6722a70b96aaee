// Numbers that are not finite, and disks that are full.
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"
#include "train/store/checkpoint.h"

namespace cosformer {
namespace {

using test::contains;
using test::TinyProject;

bool holds_only_finite_values(const Checkpoint& checkpoint) {
  for (const TensorMap* tensors : {&checkpoint.parameters, &checkpoint.optimizer}) {
    for (const auto& [name, tensor] : *tensors) {
      for (std::int64_t i = 0; i < tensor.size(); ++i) {
        if (!std::isfinite(tensor.data<float>()[i])) return false;
      }
    }
  }
  return true;
}

TEST_CASE("Steps that are not finite are skipped and counted, and a row of them stops the run") {
  const TinyProject project;
  // One step so large that all later losses are infinite or NaN.
  const test::Outcome outcome = project.train(
      "run", {"optimizer.name=sgd", "optimizer.learning_rate=1e30", "optimizer.weight_decay=0", "schedule.name=constant",
              "schedule.warmup_steps=0", "train.max_nonfinite_steps=4", "checkpoint.every=1", "train.eval_every=0"});
  INFO(outcome.errors);
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.errors, "warning: step 2 skipped: loss "));
  CHECK(contains(outcome.errors,
                 "error: stopped at step 5: 4 steps in a row with a loss or gradient that is not finite; "
                 "the weights of step 1 gave the first of them, and there is no checkpoint from before\n"));
  CHECK(contains(outcome.errors, "warning: no checkpoint of step 4: it was skipped; the last checkpoint is of step 1"));
  CHECK(project.checkpoints("run") == std::vector<std::int64_t>{1});
  CHECK(holds_only_finite_values(read_checkpoint(project.checkpoint("run", 1))));
}

TEST_CASE("A divergence leaves the healthy checkpoints, and the message leads to the last of them") {
  const TinyProject project;
  const std::vector<std::string> keys = {"optimizer.learning_rate=1e3", "train.eval_every=0"};
  const test::Outcome outcome = project.train("run", keys);
  INFO(outcome.errors);
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.errors, "10 steps in a row"));
  const std::size_t named = outcome.errors.find("the last checkpoint from before is run/checkpoints/step-");
  REQUIRE(named != std::string::npos);
  const std::string checkpoint = outcome.errors.substr(outcome.errors.find("run/", named), 29);
  const test::Outcome eval = project.call({"eval", checkpoint, "--json"});
  INFO(checkpoint << ": " << eval.errors);
  REQUIRE(eval.code == 0);
  CHECK(nlohmann::json::parse(eval.output)["loss"].is_number());
  // No state was saved of a step that was skipped.
  for (const std::int64_t step : project.checkpoints("run")) {
    CHECK(read_checkpoint(project.checkpoint("run", step)).state.nonfinite_total == 0);
  }
  // A run that ends, or is stopped, among skipped steps has no checkpoint of its end, and says so.
  const test::Outcome end = project.train("end", {keys[0], keys[1], "train.max_steps=9"});
  CHECK(end.code == 0);
  CHECK(contains(end.errors, "warning: no checkpoint of step 9: it was skipped; the last checkpoint is of step 3"));
  CHECK(project.newest("end") == 3);
}

TEST_CASE("An update that makes a parameter infinite is never saved") {
  const TinyProject project;
  const std::vector<std::string> keys = {
      "optimizer.name=sgd",      "optimizer.clip_norm=0", "optimizer.weight_decay=0",    "schedule.name=constant",
      "schedule.warmup_steps=0", "checkpoint.every=1",    "optimizer.learning_rate=1e45"};
  const test::Outcome outcome = project.train("run", keys);
  INFO(outcome.errors);
  CHECK(outcome.code == 1);
  CHECK(test::is_one_line(outcome.errors));
  CHECK(contains(outcome.errors, "infinite or NaN; there is no checkpoint yet"));
  CHECK(project.newest("run") == -1);
}

TEST_CASE("A checkpoint whose weights were made NaN trains nothing, and the run says so") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=3"}).code == 0);
  Checkpoint poisoned = read_checkpoint(project.checkpoint("run", 3));
  for (auto& [name, tensor] : poisoned.parameters) tensor.data<float>()[0] = std::nanf("");
  poisoned.state.step = 4;
  FileSystem files;
  write_checkpoint(files, project.checkpoint("run", 4), poisoned);
  const test::Outcome outcome =
      project.train("run", {"train.max_steps=30", "train.max_nonfinite_steps=3", "checkpoint.every=0", "train.eval_every=0"},
                    {"--resume"});
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.errors, "error: stopped at step 7: 3 steps in a row"));
  CHECK(project.newest("run") == 4);
}

TEST_CASE("A disk that takes no more bytes leaves the last good checkpoint") {
  const TinyProject project;
  const std::vector<std::string> keys = {"train.max_steps=30", "logging.tensorboard=false"};
  REQUIRE(project.train("run", {"train.max_steps=7", "logging.tensorboard=false"}).code == 0);
  const auto size = std::filesystem::file_size(project.checkpoint("run", 7) / "model.safetensors");
  test::Surroundings full = project.surroundings();
  // At first no checkpoint fits, then its weights do but not its moments.
  full.max_file_bytes = GENERATE_COPY(size / 2, size + size / 2);
  const test::Outcome outcome = test::run_program(project.train_arguments("run", keys, {"--resume"}), full);
  INFO(outcome.errors);
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.errors, "error: "));
  CHECK(contains(outcome.errors, "File too large"));
  CHECK(project.newest("run") == 7);
  CHECK(read_checkpoint(project.checkpoint("run", 7)).state.step == 7);

  // With room again, the run goes on as if nothing had been.
  REQUIRE(project.train("whole", keys).code == 0);
  CHECK(project.train("run", keys, {"--resume"}).code == 0);
  CHECK(project.result("run") == project.result("whole"));
}

}  // namespace
}  // namespace cosformer
