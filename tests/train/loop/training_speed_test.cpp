#include "train/loop/training_speed.h"

#include <cmath>
#include <numeric>

#include "layers/cost.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

namespace {

Config config_in(const TemporaryFolder& folder) {
  write_bytes(folder / "text", std::string(2000, 'a') + std::string(2000, 'b'));
  Config config;
  config.task.train = (folder / "text").string();
  config.task.seq_len = 32;
  config.train.batch_size = 6;
  config.model = small_model(ModelKind::decoder, {}, 32);
  config.model.vocab_size = 256;
  return config;
}

}  // namespace

TEST_CASE("the leaves of a step cost what the formula says of its tokens") {
  const TemporaryFolder folder;
  Config config = config_in(folder);
  const auto task = make_task(config);
  for (const std::int64_t shards : {1, 2, 3}) {
    config.train.shards = shards;
    const std::vector<double> flops = first_step_flops(config, *task);
    REQUIRE(std::ssize(flops) == shards);
    // Lengths are counted in steps of 64 tokens.
    const double expected = 3 * forward_flops_per_token(config.model, 64) * 6 * 32;
    CHECK(std::accumulate(flops.begin(), flops.end(), 0.0) == Approx(expected));
  }
}

TEST_CASE("a speed is found for few layers and many, with shards and without, and trains nothing") {
  const TemporaryFolder folder;
  Config config = config_in(folder);
  const auto task = make_task(config);
  for (const std::int64_t layers : {1, 6}) {
    for (const std::int64_t shards : {1, 3}) {
      config.model.num_layers = layers;
      config.train.shards = shards;
      const double speed = measure_training_speed(config, *task);
      CAPTURE(layers, shards);
      CHECK(speed > 0);
      CHECK(std::isfinite(speed));
    }
  }
  config.model.attention.layers = {"softmax", "cosformer"};
  for (const std::int64_t layers : {2, 5, 9}) {
    config.model.num_layers = layers;
    const double speed = measure_training_speed(config, *task);
    CAPTURE(layers);
    CHECK(speed > 0);
    CHECK(std::isfinite(speed));
  }
}

}  // namespace cosformer::test
