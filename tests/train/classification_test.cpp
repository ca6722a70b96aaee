#include "train/tasks/classification.h"

#include <spdlog/spdlog.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/listed_sequences.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"
#include "tests/train/run_support.h"
#include "tests/train/step_values.h"
#include "train/gradient_step.h"
#include "train/loaded_model.h"
#include "train/logging.h"
#include "train/plan.h"
#include "train/trainer.h"

namespace cosformer::test {

namespace {

using Example = ListedSequences::Example;

LabelledSplits splits_of(const ListedSequences& train, const ListedSequences& valid) {
  return {std::make_shared<ListedSequences>(train), std::make_shared<ListedSequences>(valid), nullptr};
}

Config small_config(const AttentionConfig& attention = {}) {
  Config config;
  config.task.name = "listops";
  config.task.seq_len = 12;
  config.model = small_model(ModelKind::encoder, attention, 0);
  config.model.vocab_size = config.model.num_classes = config.model.max_length = 0;
  config.train.batch_size = 8;
  config.train.eval_every = 10;
  config.optimizer.learning_rate = 0.02;
  config.schedule.warmup_steps = 5;
  config.checkpoint.every = 5;
  config.logging = {.tensorboard = false, .progress = false};
  return config;
}

/// A task with its model, in double where an oracle is compared.
struct Problem {
  Problem(const Config& given, const LabelledSplits& splits, DType dtype = DType::float32) : config(given) {
    task = make_classification(config, splits);
    config.model = task->complete(config.model);
    model = std::make_unique<Model>(config.model, task->causal_length(), 3, dtype);
  }

  /// The loss of rows of the batch that begins the training order.
  double loss(std::int64_t first, std::int64_t rows, std::int64_t batch_rows = 8) const {
    const auto batch = task->training_batch(0, batch_rows);
    return task->loss(*model, *batch, first, rows, 1.0, {}).value().item();
  }

  Config config;
  std::unique_ptr<Task> task;
  std::unique_ptr<Model> model;
};

/// The loss of one text alone.
double loss_of(Config config, const std::vector<std::int32_t>& tokens, std::int32_t label = 1) {
  const ListedSequences data({Example{label, {tokens}}});
  return Problem(config, splits_of(data, data), DType::float64).loss(0, 1, 1);
}

struct Run {
  RunState state;
  TensorMap parameters;
  std::vector<std::string> metrics;
};

/// Trains in `folder` up to `steps`, going on where a run is.
Run train(Config config, const LabelledSplits& splits, const std::filesystem::path& folder, std::int64_t steps) {
  config.train.max_steps = steps;
  config.schedule.decay_steps = 60;
  FileSystem files;
  const auto task = make_classification(config, splits);
  config.model = task->complete(config.model);
  auto model = std::make_unique<Model>(config.model, task->causal_length(), static_cast<std::uint64_t>(config.train.seed));
  const bool exists = std::filesystem::exists(folder);
  RunDirectory directory =
      RunDirectory::open(files, folder, exists ? RunDirectory::Mode::resume : RunDirectory::Mode::create);
  directory.write_config(to_toml(config));
  std::ostringstream text;
  Console console(text, {});
  const auto log = make_logger(console);
  Trainer trainer(config, *task, std::move(model), files, directory, console, *log);
  trainer.run();
  Run run{trainer.state(), read_checkpoint(folder / "checkpoints" / "latest").parameters, {}};
  for (MetricRecord& record : read_metrics(directory.metrics_file())) {
    std::erase_if(record.values, [](const auto& value) { return value.first.find("second") != std::string::npos; });
    std::string line = concat(record.step, ' ', record.split);
    for (const auto& [name, value] : record.values) line += fmt::format(" {} {:a}", name, value);
    run.metrics.push_back(line);
  }
  return run;
}

}  // namespace

TEST_CASE("what an example gives does not depend on its neighbours, with every attention") {
  const ListedSequences data = random_sequences(8, 1);
  for (const Variant& variant : attention_variants()) {
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

TEST_CASE("a class token is what the first position holds") {
  Config config = small_config();
  config.task.class_token = true;
  config.model.pooling = Pooling::first;
  config.model.positions = Positions::none;
  const ListedSequences data({Example{1, {{2, 3, 4}}}});
  const Problem problem(config, splits_of(data, data));
  const auto batch = problem.task->training_batch(0, 1);
  const Gradients gradients = backward(problem.task->loss(*problem.model, *batch, 0, 1, 1.0, {.record_gradients = true}));
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
  CHECK_FALSE(problem.task->evaluate(*problem.model, Split::valid, 0, [] { return true; }).has_value());
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
    require_close(
        "loss",
        std::vector{problem.task->loss(*problem.model, *problem.task->training_batch(8, 8), 0, 8, 0.125, {}).value().item()},
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

TEST_CASE("a classifier learns, and its accuracy survives a reload with the data in another order") {
  const ListedSequences train_data = random_sequences(400, 11), valid = random_sequences(90, 12);
  ListedSequences reversed = valid;
  std::ranges::reverse(reversed.examples);
  for (const Pooling pooling : {Pooling::mean, Pooling::first}) {
    Config config = small_config();
    config.model.embed_dim = 16;
    config.model.num_layers = 2;
    config.model.ffn_dim = 32;
    config.model.pooling = pooling;
    config.model.pooling_divisor = PoolingDivisor::padded;
    config.model.attention.reweighting_length = ReweightingLength::padded;
    config.task.class_token = pooling == Pooling::first;
    config.train.batch_size = 16;
    const TemporaryFolder folder;
    const Run run = train(config, splits_of(train_data, valid), folder / "run", 60);
    REQUIRE(run.state.best_metric.has_value());
    CAPTURE(*run.state.best_metric);
    // A third would be chance.
    CHECK(*run.state.best_metric > 0.5);

    const ModelFile file = read_model_file(folder / "run", std::nullopt, {}, [](const std::string&) {});
    const auto task = make_classification(file.config, {nullptr, std::make_shared<ListedSequences>(reversed), nullptr});
    const auto model = make_model(file, task->complete(file.config.model), task->causal_length());
    const Evaluation result = task->evaluate(*model, Split::valid, 0);
    CHECK(result.value("accuracy") == *run.state.best_metric);
    CHECK(file.config.model.pooling == pooling);
    CHECK(file.config.model.pooling_divisor_value == task->causal_length());
  }
}

TEST_CASE("a classification run that is resumed gives the bits of one that never stopped") {
  const ListedSequences data = random_sequences(37, 21, 2);
  Config config = small_config();
  config.model.dropout = 0.1;
  config.model.pair_features = PairFeatures::concat;
  config.train.log_every = 1;
  const TemporaryFolder folder;
  const LabelledSplits splits = splits_of(data, random_sequences(20, 22, 2));
  const Run whole = train(config, splits, folder / "whole", 23);
  train(config, splits, folder / "parts", 7);
  const Run resumed = train(config, splits, folder / "parts", 23);
  CHECK(whole.state.best_metric == resumed.state.best_metric);
  REQUIRE(whole.parameters.size() == resumed.parameters.size());
  for (const auto& [name, tensor] : whole.parameters) {
    CAPTURE(name);
    CHECK(values_of(tensor) == values_of(resumed.parameters.at(name)));
  }
  // The end of the first part has an evaluation of its own.
  std::vector<std::string> lines = resumed.metrics;
  std::erase_if(lines, [](const std::string& line) { return line.starts_with("7 valid"); });
  CHECK(lines == whole.metrics);
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
    CHECK(message.starts_with("/nonexistent/data"));
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
