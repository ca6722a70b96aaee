#include "train/loop/averaged_weights.h"

#include <algorithm>
#include <sstream>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/train/run_support.h"
#include "train/loop/session.h"

namespace cosformer::test {

namespace {

Config config_in(const TemporaryFolder& folder, std::int64_t steps, double ema) {
  write_bytes(folder / "text", "In the beginning was the word,\nand the word was with the reader.\n");
  Config config;
  config.task.train = config.task.valid = (folder / "text").string();
  config.task.tokenizer = "char";
  config.task.seq_len = 8;
  config.train.batch_size = 2;
  config.train.max_steps = steps;
  config.train.ema = ema;
  config.train.eval_every = 1;
  config.schedule.warmup_steps = 0;
  config.schedule.decay_steps = 8;
  config.checkpoint.every = 1;
  config.checkpoint.keep_last = 100;
  config.optimizer.learning_rate = 0.02;
  config.model = small_model(ModelKind::decoder, {}, 8);
  config.model.vocab_size = 0;
  return config;
}

void no_warning(const std::string& message) { FAIL_CHECK(message); }

void run(const Config& config, const std::filesystem::path& folder) {
  std::ostringstream text;
  Console console(text, {});
  train(prepare({config, folder}, no_warning), console);
}

/// The weights of a run's checkpoint by name.
TensorMap weights_of(const std::filesystem::path& folder, int step) {
  return read_checkpoint(folder / "checkpoints" / concat("step-0000000", step)).parameters;
}

}  // namespace

TEST_CASE("a run's checkpoints hold the averages of its weights, and training goes on as without") {
  const TemporaryFolder folder;
  constexpr int kSteps = 5;
  constexpr double kDecay = 0.3;
  run(config_in(folder, kSteps, 0), folder / "plain");
  run(config_in(folder, kSteps, kDecay), folder / "averaged");
  const Session session = prepare({config_in(folder, kSteps, 0), folder / "untrained"}, no_warning);
  for (const Parameter& parameter : session.model->parameters()) {
    CAPTURE(parameter.name);
    Values average = values_of(parameter.variable.value());
    for (int step = 1; step <= kSteps; ++step) {
      const Values weights = values_of(weights_of(folder / "plain", step).at(parameter.name));
      const double decay = std::min(kDecay, (1.0 + step) / (10.0 + step));
      for (std::size_t i = 0; i < average.size(); ++i) average[i] = decay * average[i] + (1 - decay) * weights[i];
      require_close("average", average, values_of(weights_of(folder / "averaged", step).at(parameter.name)), {.rel = 1e-6});
      const Checkpoint checkpoint = read_checkpoint(folder / "averaged/checkpoints" / concat("step-0000000", step));
      CHECK(values_of(checkpoint.optimizer.at(parameter.name + ".live")) == weights);
    }
  }
}

TEST_CASE("a run with averages that stops and goes on has the bits of one that went through") {
  const TemporaryFolder folder;
  const auto resume = RunDirectory::Mode::resume;
  std::ostringstream text;
  Console console(text, {});
  run(config_in(folder, 3, 0.9), folder / "halves");
  const auto earlier = read_earlier_run(folder / "halves", no_warning);
  train(prepare({config_in(folder, 6, 0.9), folder / "halves", resume, earlier}, no_warning), console);
  run(config_in(folder, 6, 0.9), folder / "whole");
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    CHECK(read_bytes(folder / "halves/checkpoints/latest" / file) == read_bytes(folder / "whole/checkpoints/latest" / file));
  }
}

TEST_CASE("a checkpoint without the weights that the average waits for is refused by name") {
  ParameterStore store(3, DType::float32);
  Scope(store).create("weight", {2}, Initializer::normal(1));
  const AveragedWeights average(0.5, store.all());
  CHECK(input_error_of([&] { average.check_waiting({}); }) == "optimizer state: tensor 'weight.live' is missing");
  const AveragedWeights none(0, store.all());
  none.check_waiting({});
  CHECK_FALSE(none);
}

TEST_CASE("weights that are shown for a time come back to the bit") {
  ParameterStore store(3, DType::float32);
  const Variable weight = Scope(store).create("weight", {7}, Initializer::normal(1));
  AveragedWeights average(0.5, store.all());
  const Values first = values_of(weight.value());
  Tensor value = weight.value();
  value.fill(4);
  {
    const AveragedWeights::Shown shown(average);
    CHECK(values_of(weight.value()) == first);
  }
  CHECK(values_of(weight.value()) == Values(7, 4.0));
}

}  // namespace cosformer::test
