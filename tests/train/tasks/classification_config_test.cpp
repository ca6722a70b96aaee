#include <string>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/listed_sequences.h"
#include "tests/train/tasks/classification_support.h"
#include "train/loop/plan.h"
#include "train/tasks/classification.h"

namespace cosformer::test {

TEST_CASE("the data fills in what the model leaves open") {
  Config config = small_config();
  const ListedSequences data = random_sequences(8, 1);
  const auto completed = [&] { return make_classification(config, splits_of(data, data))->complete(config.model); };
  ModelConfig model = completed();
  CHECK(model.vocab_size == 7);
  CHECK(model.num_classes == 3);
  CHECK(model.max_length == 12);
  config.task.class_token = true;
  model = completed();
  CHECK(model.vocab_size == 8);
  CHECK(model.max_length == 13);
  config.model.vocab_size = 512;
  CHECK(completed().vocab_size == 512);
}

TEST_CASE("data and models that do not fit each other are refused in one line") {
  const ListedSequences data = random_sequences(8, 1), pairs = random_sequences(8, 1, 2);
  const auto message = [&](const ListedSequences& part, auto&& change) {
    Config config = small_config();
    change(config);
    return input_error_of([&] { make_classification(config, splits_of(part, part))->complete(config.model); });
  };
  CHECK(message(data, [](Config&) {}).empty());
  CHECK(message(data, [](Config& c) { c.model.kind = ModelKind::decoder; }) == "model.kind: listops needs \"encoder\"");
  CHECK(message(data, [](Config& c) { c.model.vocab_size = 6; }) == "model.vocab_size: 6 is less than the 7 of the data");
  CHECK(message(data, [](Config& c) { c.model.num_classes = 4; }) == "model.num_classes: 4, but the data has 3");
  CHECK(message(data, [](Config& c) { c.model.max_length = 11; }) ==
        "model.max_length: 11 is less than the 12 positions of a sequence");
  CHECK(message(data, [](Config& c) { c.model.pair_features = PairFeatures::concat; }) ==
        "model.pair_features: listops classifies single texts; expected \"none\"");
  CHECK(message(pairs, [](Config& c) { c.task.name = "retrieval"; }) ==
        "model.pair_features: retrieval classifies pairs of texts; expected \"concat\" or \"interaction\"");
  CHECK(message(ListedSequences(), [](Config&) {}) == "task.train: the data holds no sequence");
  CHECK(message(ListedSequences({Example{0, {{1}}}, Example{3, {{1}}}}), [](Config&) {}) ==
        "task.train: example 1 has label 3, expected 0 to 2");
  CHECK(message(ListedSequences({Example{-1, {{1}}}}), [](Config&) {}) ==
        "task.train: example 0 has label -1, expected 0 to 2");

  CHECK(input_error_of([] { make_classification(small_config(), LabelledSplits()); }) ==
        "task.train: the config names no data");
  ListedSequences other = data;
  other.classes = 4;
  CHECK(input_error_of([&] {
          make_classification(small_config(), splits_of(data, other));
        }).starts_with("task.valid: 4 classes"));
  const Problem problem(small_config(), splits_of(data, data));
  CHECK(input_error_of([&] { problem.task->evaluate(*problem.model, Split::test, 0); }) ==
        "task.test: the config names no data for this split");
}

TEST_CASE("every format of labelled data is a task of that name") {
  for (const LabelledFormat& format : labelled_formats()) {
    CAPTURE(format.name);
    Config config = small_config();
    config.task.name = format.name;
    config.task.train = "/nonexistent/data";
    const std::string message = input_error_of([&] { make_task(config); });
    CHECK(message.starts_with("task.train: /nonexistent/data"));
  }
}

TEST_CASE("the plan of a run counts both texts of a pair") {
  Config config = small_config();
  config.model = small_model(ModelKind::encoder, {}, 12);
  const RunPlan single = make_plan(config, config.model, 12);
  config.model.pair_features = PairFeatures::concat;
  const RunPlan pair = make_plan(config, config.model, 12);
  CHECK(single.tokens_per_step == 8 * 12);
  CHECK(pair.tokens_per_step == 2 * 8 * 12);
  CHECK(pair.parameters == single.parameters + 8 * 8);
  CHECK(pair.memory.activations > 2 * single.memory.activations - (1 << 12));
}

}  // namespace cosformer::test
