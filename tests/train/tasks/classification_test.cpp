#include "train/tasks/classification.h"

#include <cmath>
#include <utility>
#include <vector>

#include "autograd/backward.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/listed_sequences.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"
#include "tests/train/evaluation_names.h"
#include "tests/train/loop/step_values.h"
#include "tests/train/tasks/classification_support.h"

namespace cosformer::test {

namespace {

/// The loss of one text alone.
double loss_of(Config config, const std::vector<std::int32_t>& tokens, std::int32_t label = 1) {
  const ListedSequences data({Example{label, {tokens}}});
  return Problem(config, splits_of(data, data), DType::float64).loss(0, 1, 1);
}

}  // namespace

TEST_CASE("what an example gives does not depend on its neighbours, with every attention") {
  const ListedSequences data = random_sequences(8, 1);
  for (const Variant& variant : attention_variants(ModelKind::encoder)) {
    CAPTURE(variant.name);
    const Problem problem(small_config(variant.config), splits_of(data, data), DType::float64);
    double alone = 0;
    for (std::int64_t row = 0; row < 8; ++row) alone += problem.loss(row, 1);
    CHECK(std::abs(problem.loss(0, 8) - alone) < 1e-11);
  }
}

TEST_CASE("the padded length is seq_len or that of the longest text beside it, as the config says") {
  const ListedSequences data = random_sequences(8, 1);
  const auto depends_on_neighbours = [&](PadTo pad_to, bool in_attention) {
    Config config = small_config();
    config.task.pad_to = pad_to;
    if (in_attention) config.model.attention.reweighting_length = ReweightingLength::padded;
    if (!in_attention) config.model.pooling_divisor = PoolingDivisor::padded;
    const Problem problem(config, splits_of(data, data), DType::float64);
    double alone = 0;
    for (std::int64_t row = 0; row < 8; ++row) alone += problem.loss(row, 1);
    return std::abs(problem.loss(0, 8) - alone) > 1e-8;
  };
  for (const bool in_attention : {true, false}) {
    CHECK(depends_on_neighbours(PadTo::longest, in_attention));
    CHECK_FALSE(depends_on_neighbours(PadTo::seq_len, in_attention));
  }
  Config config = small_config();
  config.model.attention.reweighting_length = ReweightingLength::padded;
  config.model.pooling_divisor = PoolingDivisor::padded;
  const ModelConfig model = Problem(config, splits_of(data, data)).config.model;
  CHECK(model.attention.reweighting_length == ReweightingLength::fixed);
  CHECK(model.attention.reweighting_length_value == 12);
  CHECK(model.pooling_divisor == PoolingDivisor::fixed);
  CHECK(model.pooling_divisor_value == 12);
}

TEST_CASE("masked tokens are as if they were not there, and tokens that are not masked count") {
  AttentionConfig attention;
  attention.kind = "linear";
  Config config = small_config(attention);
  config.model.positions = Positions::none;
  const double black = loss_of(config, {0, 3, 0, 5}), without = loss_of(config, {3, 5});
  CHECK(std::abs(black - without) > 1e-6);
  config.task.mask_padding_id = true;
  CHECK(std::abs(loss_of(config, {0, 3, 0, 5}) - without) < 1e-12);
  CHECK(std::isfinite(loss_of(config, {0, 0, 0})));
}

TEST_CASE("a class token is what the first position holds") {
  Config config = small_config();
  config.task.class_token = true;
  config.model.pooling = Pooling::first;
  config.model.positions = Positions::none;
  const ListedSequences data({Example{1, {{2, 3, 4}}}});
  const Problem problem(config, splits_of(data, data));
  const auto batch = problem.task->training_batch(0, 1);
  const Gradients gradients = backward(batch->loss(*problem.model, {0, 1}, 1.0, {.record_gradients = true}));
  const Values table = values_of(gradients.of(problem.model->parameters().front().variable));
  REQUIRE(table.size() == 8 * 8);
  double class_token = 0, absent = 0;
  for (std::size_t i = 0; i < 8; ++i) class_token += std::abs(table[7 * 8 + i]);
  for (std::size_t i = 0; i < 8; ++i) absent += std::abs(table[5 * 8 + i]);
  CHECK(class_token > 0);
  CHECK(absent == 0);
}

TEST_CASE("an evaluation counts what the scores say") {
  const ListedSequences data = random_sequences(29, 4);
  Config config = small_config();
  config.train.batch_size = 6;
  const Problem problem(config, splits_of(data, data));
  const Evaluation result = problem.task->evaluate(*problem.model, Split::valid, 0);
  CHECK(names_of(result) == task_metrics("listops"));
  std::vector<ClassCount> expected(3);
  double loss = 0;
  for (const Example& example : data.examples) {
    const auto& tokens = example.texts.front();
    const Tensor ids =
        Tensor::from<std::int32_t>({1, static_cast<std::int64_t>(tokens.size())}, std::span<const std::int32_t>(tokens));
    const Values scores = values_of(problem.model->classify(problem.model->encode(ids, nullptr, {}), nullptr, {}).value());
    std::size_t said = 0;
    double sum = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      if (scores[c] > scores[said]) said = c;
      sum += std::exp(scores[c]);
    }
    const auto label = static_cast<std::size_t>(example.label);
    loss += std::log(sum) - scores[label];
    ++expected[label].examples;
    ++expected[said].predicted;
    if (label == said) ++expected[label].correct;
  }
  CHECK(result.classes == expected);
  const double correct = static_cast<double>(expected[0].correct + expected[1].correct + expected[2].correct);
  CHECK(result.value("correct") == correct);
  CHECK(result.value("examples") == 29);
  CHECK(result.value("accuracy") == correct / 29);
  CHECK(result.value("accuracy_low") < correct / 29);
  CHECK(result.value("accuracy_high") > correct / 29);
  CHECK(std::abs(result.value("loss") - loss / 29) < 1e-5);
  CHECK(problem.task->evaluate(*problem.model, Split::valid, 2).value("examples") == 12);
  CHECK_FALSE(
      problem.task->evaluate(*problem.model, Split::valid, 0, [](std::int64_t, std::int64_t) { return true; }).has_value());
}

TEST_CASE("gradients of a step are those of the mean over its examples and do not depend on threads or shards") {
  for (const int texts : {1, 2}) {
    const ListedSequences data = random_sequences(20, 6, texts);
    Config config = small_config();
    config.model.dropout = 0.1;
    if (texts == 2) config.model.pair_features = PairFeatures::interaction;
    Problem problem(config, splits_of(data, data));
    const auto gradients = [&](const TrainConfig& train, std::int64_t step) {
      return step_values(*problem.task, *problem.model, train, step);
    };
    TrainConfig train = config.train;
    for (const std::int64_t shards : {1, 3, 8}) {
      train.shards = shards;
      CAPTURE(texts, shards);
      require_same_bits_on_any_threads("gradients", [&] { return gradients(train, 3); });
    }
    config.model.dropout = 0;
    Problem plain(config, splits_of(data, data));
    std::swap(problem.model, plain.model);
    train.shards = 1;
    const Values whole = gradients(train, 2);
    require_close("loss",
                  std::vector{problem.task->training_batch(8, 8)->loss(*problem.model, {0, 8}, 0.125, {}).value().item()},
                  std::vector{whole[0]}, {.rel = 1e-6});
    for (const std::int64_t shards : {3, 8}) {
      train.shards = shards;
      require_close("gradients", whole, gradients(train, 2), {.rel = 1e-5});
    }
    train.accumulation = 2;
    train.shards = 2;
    require_close("gradients of two micro-batches", whole, gradients(train, 2), {.rel = 1e-5});
  }
}

TEST_CASE("positions, batches and lengths of a task are those of its data") {
  const ListedSequences data({Example{0, {{1, 2}}}, Example{1, {{1, 2, 3, 4, 5, 6}}}});
  Config config = small_config();
  config.task.seq_len = 4;
  const auto task = make_classification(config, splits_of(data, data));
  CHECK(task->position_of(5).epoch == 2);
  CHECK(task->position_of(5).position == 1);
  const auto batch = task->training_batch(0, 2);
  CHECK(batch->rows == 2);
  CHECK(batch->targets == 2);
  CHECK(batch->tokens == 6);
  // (2² + 4²) / (2 + 4), rounded.
  CHECK(task->typical_length() == 3);
}

}  // namespace cosformer::test
