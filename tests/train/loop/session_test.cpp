#include "train/loop/session.h"

#include <sstream>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

namespace {

Config config_in(const TemporaryFolder& folder) {
  write_bytes(folder / "text", "In the beginning was the word,\nand the word was with the reader.\n");
  Config config;
  config.task.train = config.task.valid = (folder / "text").string();
  config.task.tokenizer = "char";
  config.task.seq_len = 8;
  config.train.batch_size = 2;
  config.train.max_steps = 4;
  config.schedule.warmup_steps = 0;
  config.schedule.decay_steps = 8;
  config.model = small_model(ModelKind::decoder, {}, 8);
  config.model.vocab_size = 0;
  return config;
}

/// Of linear attention with random features.
Config favor_config_in(const TemporaryFolder& folder) {
  Config config = config_in(folder);
  config.model.attention.kind = "linear";
  config.model.attention.feature_map = "favor";
  return config;
}

void no_warning(const std::string& message) { FAIL_CHECK(message); }

}  // namespace

TEST_CASE("A few lines train a run, and continue it to the bits of one that went through") {
  const TemporaryFolder folder;
  std::ostringstream text;
  Console console(text, {});
  Config config = config_in(folder);
  const RunSummary half = train(prepare({config, folder / "halves"}, no_warning), console);
  CHECK(half.end == RunEnd::finished);
  CHECK(half.state.step == 4);
  config.train.max_steps = 8;
  const auto resume = RunDirectory::Mode::resume;
  const auto earlier = read_earlier_run(folder / "halves", no_warning);
  CHECK(train(prepare({config, folder / "halves", resume, earlier}, no_warning), console).state.step == 8);
  train(prepare({config, folder / "whole"}, no_warning), console);
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    CHECK(read_bytes(folder / "halves/checkpoints/latest" / file) == read_bytes(folder / "whole/checkpoints/latest" / file));
  }
}

TEST_CASE("A continued run draws the directions of its features anew as one that went through") {
  const TemporaryFolder folder;
  std::ostringstream text;
  Console console(text, {});
  Config config = favor_config_in(folder);
  config.model.attention.redraw_every = 3;
  train(prepare({config, folder / "halves"}, no_warning), console);
  config.train.max_steps = 8;
  const auto earlier = read_earlier_run(folder / "halves", no_warning);
  train(prepare({config, folder / "halves", RunDirectory::Mode::resume, earlier}, no_warning), console);
  train(prepare({config, folder / "whole"}, no_warning), console);
  config.model.attention.redraw_every = 0;
  train(prepare({config, folder / "fixed"}, no_warning), console);
  const auto model_of = [&](const char* run) {
    return read_bytes(folder / run / "checkpoints/latest/optimizer.safetensors");
  };
  CHECK(model_of("halves") == model_of("whole"));
  CHECK(model_of("fixed") != model_of("whole"));
}

TEST_CASE("A run that begins with weights keeps the draws that these were trained for") {
  const TemporaryFolder folder;
  std::ostringstream text;
  Console console(text, {});
  Config config = favor_config_in(folder);
  config.train.seed = 3;
  train(prepare({config, folder / "first"}, no_warning), console);
  config.train.init_from = (folder / "first").string();
  config.train.seed = 4;
  config.train.max_steps = 1;
  const Session second = prepare({config, folder / "second"}, no_warning);
  CHECK(second.config.model.attention.seed == 3);
  train(prepare({config, folder / "second"}, no_warning), console);
  config.train.init_from = (folder / "second").string();
  config.train.seed = 5;
  CHECK(prepare({config, folder / "third"}, no_warning).config.model.attention.seed == 3);
  // It goes on with its own config.
  config.train.init_from = (folder / "first").string();
  config.train.seed = 4;
  config.train.max_steps = 2;
  const auto earlier = read_earlier_run(folder / "second", no_warning);
  REQUIRE(earlier);
  Config longer = earlier->config;
  longer.train.max_steps = 2;
  CHECK(prepare({longer, folder / "second", RunDirectory::Mode::resume, earlier}, no_warning).config.model.attention.seed ==
        3);
  config.model.attention = {.kind = "softmax"};
  config.train.init_from.clear();
  CHECK(prepare({config, folder / "fourth"}, no_warning).config.model.attention.seed == kSeedOfModel);
}

TEST_CASE("Preparing a run writes nothing, says what it costs, and makes no model for a plan alone") {
  const TemporaryFolder folder;
  std::int64_t parameters = 0;
  const Session session = prepare({.config = config_in(folder), .folder = folder / "run", .plan_only = true}, no_warning,
                                  [&](const RunPlan& plan) { parameters = plan.parameters; });
  CHECK(parameters > 0);
  CHECK(session.config.model.vocab_size > 0);
  CHECK(session.model == nullptr);
  CHECK(!std::filesystem::exists(folder / "run"));
}

TEST_CASE("A plan that is refused, and a folder that holds something, end the preparation") {
  const TemporaryFolder folder;
  const auto refuse = [](const RunPlan&) { throw InputError("too large"); };
  CHECK(input_error_of([&] { prepare({config_in(folder), folder / "run"}, no_warning, refuse); }) == "too large");
  write_bytes(folder / "notes", "x");
  CHECK_THROWS_AS(prepare({config_in(folder), folder.path()}, no_warning), InputError);
}

}  // namespace cosformer::test
