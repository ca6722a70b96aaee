// What `cosformer bench` is made of.
#include <signal.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/train/loop/step_gradients.h"
#include "train/cli/bench/measure_in_child.h"
#include "train/cli/bench/random_tokens.h"
#include "train/cli/bench/timing.h"
#include "train/loop/plan.h"
#include "train/loop/shared_step.h"

namespace cosformer {
namespace {

TEST_CASE("random tokens are a function of the seed and their place in the order") {
  Config config;
  config.task.seq_len = 8;
  config.model.num_layers = 1;
  config.model.embed_dim = config.model.ffn_dim = 16;
  config.model.num_heads = 2;
  const auto loss_of = [&](std::int64_t first, std::int64_t rows, std::int64_t row) {
    const std::unique_ptr<Task> task = make_random_tokens(config);
    const Model model(task->complete(config.model), 1);
    const auto batch = task->training_batch(first, rows);
    CHECK(batch->rows == rows);
    CHECK(batch->tokens == rows * 8);
    return batch->loss(model, {row, 1}, 1.0, Pass{}).value().item();
  };
  CHECK(loss_of(0, 4, 2) == loss_of(0, 4, 2));
  CHECK(loss_of(0, 4, 2) == loss_of(2, 2, 0));
  CHECK(loss_of(0, 4, 2) != loss_of(0, 4, 3));
  const double before = loss_of(0, 4, 2);
  config.train.seed = 2;
  CHECK(loss_of(0, 4, 2) != before);
}

TEST_CASE("A step of random tokens has a loss for models of every kind") {
  struct Case {
    ModelKind kind;
    PairFeatures pairs;
    const char* task;
    std::int64_t tokens;
  };
  for (const Case& each : {Case{ModelKind::decoder, PairFeatures::none, "language_modeling", 24},
                           Case{ModelKind::encoder, PairFeatures::none, "text", 24},
                           Case{ModelKind::encoder, PairFeatures::concat, "retrieval", 48},
                           Case{ModelKind::encoder, PairFeatures::none, "masked_language_modeling", 24},
                           Case{ModelKind::encoder_decoder, PairFeatures::none, "translation", 24}}) {
    CAPTURE(each.task);
    Config config;
    config.task.name = each.task;
    config.task.seq_len = 8;
    config.model = {.kind = each.kind, .num_layers = 1, .embed_dim = 16, .num_heads = 2, .ffn_dim = 16};
    config.model.pair_features = each.pairs;
    if (each.kind == ModelKind::encoder) config.model.num_classes = 3;
    config.train.batch_size = 3;
    const std::unique_ptr<Task> task = make_random_tokens(config);
    const Model model(task->complete(config.model), 1);
    const test::StepGradients step = test::compute_step_gradients(*task, model, config.train, 1);
    CHECK(std::isfinite(step.loss));
    CHECK(step.tokens == each.tokens);
  }
}

TEST_CASE("Random tokens are read on from step to step if a config's windows go on with a state") {
  Config config;
  config.task.seq_len = 8;
  config.model = {.kind = ModelKind::decoder, .num_layers = 1, .embed_dim = 16, .num_heads = 2, .ffn_dim = 16};
  config.model.positions = Positions::none;
  config.model.attention.kind = "linear";
  config.train.batch_size = 3;
  const auto losses_of = [&](bool carried) {
    config.task.carry_state = carried;
    const std::unique_ptr<Task> task = make_random_tokens(config);
    const Model model(task->complete(config.model), 1);
    const auto ranks = make_single_rank();
    SharedStep shared(config, *task, model, *ranks);
    std::vector<double> losses;
    for (std::int64_t step = 1; step <= 2; ++step) {
      losses.push_back(shared.compute(step, [] { return StepNote(); }).loss);
      shared.update({step, 0.0, 1.0});
    }
    return losses;
  };
  const std::vector<double> anew = losses_of(false), on = losses_of(true);
  CHECK(anew[0] == on[0]);
  CHECK(anew[1] != on[1]);

  config.model.attention = {.kind = "cosformer"};
  config.model.attention.reweighting_length = ReweightingLength::fixed;
  config.model.attention.reweighting_length_value = 35;
  CHECK(make_random_tokens(config)->streams()->stream_length() == 32);
}

TEST_CASE("The configs of bench step have the shapes that PyTorch is compared with on") {
  struct Expected {
    const char* name;
    std::int64_t parameters, tokens;
  };
  // Counted by hand: embeddings, layers of 4 d² + 2 d f + 9 d + f, the last norm, the classification head.
  const Expected expected[] = {
      {"lra", 256 * 64 + 1024 * 64 + 2 * (4 * 64 * 64 + 2 * 64 * 128 + 9 * 64 + 128) + 128 + 64 * 65 + 10 * 65, 32 * 1024},
      {"small", 8192 * 256 + 512 * 256 + 4 * (4 * 256 * 256 + 2 * 256 * 1024 + 9 * 256 + 1024) + 512, 8 * 512},
      {"gpt2", 50257 * 768 + 256 * 768 + 6 * (4 * 768 * 768 + 2 * 768 * 3072 + 9 * 768 + 3072) + 1536, 4 * 256}};
  for (const Expected& row : expected) {
    for (const char* kind : {"cosformer", "softmax"}) {
      const std::string path = std::string(COSFORMER_SOURCE_DIR) + "/configs/bench/" + row.name + "_" + kind + ".toml";
      INFO(path);
      const Config config = load_config(path);
      CHECK(config.model.attention.kind == kind);
      const RunPlan plan = make_plan(config, make_random_tokens(config)->complete(config.model), config.task.seq_len);
      CHECK(plan.parameters == row.parameters);
      CHECK(plan.tokens_per_step == row.tokens);
    }
  }
}

TEST_CASE("A measurement in a child process comes back, and so do its errors") {
  CHECK(measure_in_child([] { return nlohmann::ordered_json{{"x", 1.5}}; })["x"] == 1.5);
  const std::string long_text(200'000, 'x');
  CHECK(measure_in_child([&] { return nlohmann::ordered_json(long_text); }) == long_text);
  CHECK(test::input_error_of([] { measure_in_child([]() -> nlohmann::ordered_json { throw InputError("the flag"); }); }) ==
        "the flag");
  CHECK_THROWS_WITH(measure_in_child([]() -> nlohmann::ordered_json { throw Error("the machine"); }), "the machine");
  CHECK_THROWS_WITH(measure_in_child([]() -> nlohmann::ordered_json { throw std::bad_alloc(); }), "out of memory");
  CHECK_THROWS_WITH(measure_in_child([]() -> nlohmann::ordered_json { return ::raise(SIGKILL); }),
                    "the measuring process was ended by signal 9 (is there enough memory?)");
}

TEST_CASE("The median is the middle value, or the mean of both") {
  CHECK(median({3}) == 3);
  CHECK(median({9, 1, 4}) == 4);
  CHECK(median({9, 1, 4, 2}) == 3);
}

}  // namespace
}  // namespace cosformer
