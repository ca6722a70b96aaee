#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/listed_sequences.h"
#include "tests/train/run_support.h"
#include "tests/train/tasks/classification_support.h"
#include "train/loop/trainer.h"
#include "train/store/logging.h"
#include "train/tasks/classification.h"
#include "train/tasks/loaded_model.h"

namespace cosformer::test {

namespace {

struct Run {
  RunState state;
  TensorMap parameters;
  std::vector<std::string> metrics;
};

/// Trains in `folder` up to `steps`, going on if a run is.
Run train(Config config, const LabelledSplits& splits, const std::filesystem::path& folder, std::int64_t steps) {
  config.train.max_steps = steps;
  config.schedule.decay_steps = 240;
  FileSystem files;
  const auto task = make_classification(config, splits);
  config.model = task->complete(config.model);
  auto model = std::make_unique<Model>(config.model, static_cast<std::uint64_t>(config.train.seed));
  const bool exists = std::filesystem::exists(folder);
  RunDirectory directory =
      RunDirectory::open(files, folder, exists ? RunDirectory::Mode::resume : RunDirectory::Mode::create);
  directory.write_config(to_toml(config));
  std::ostringstream text;
  Console console(text, {});
  const auto log = make_logger(console);
  const auto ranks = make_single_rank();
  Trainer trainer(config, *task, std::move(model), files, &directory, console, *log, *ranks);
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
    config.optimizer.learning_rate = 0.006;
    const TemporaryFolder folder;
    const Run run = train(config, splits_of(train_data, valid), folder / "run", 240);
    REQUIRE(run.state.best_metric.has_value());
    CAPTURE(*run.state.best_metric);
    // A third would be chance.
    CHECK(*run.state.best_metric > 0.5);

    const ModelFile file = read_model_file(folder / "run", std::nullopt, {}, [](const std::string&) {});
    const auto task = make_classification(file.config, {nullptr, std::make_shared<ListedSequences>(reversed), nullptr});
    const auto model = make_model(file, task->complete(file.config.model));
    const Evaluation result = task->evaluate(*model, Split::valid, 0);
    CHECK(result.value("accuracy") == *run.state.best_metric);
    CHECK(file.config.model.pooling == pooling);
    CHECK(file.config.model.pooling_divisor_value == task->lengths().seq_len);
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

}  // namespace cosformer::test
