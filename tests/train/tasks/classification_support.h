#pragma once
/// \file
/// A small classification task on listed sequences.

#include <cstdint>
#include <memory>

#include "tests/support/layer_cases.h"
#include "tests/support/listed_sequences.h"
#include "train/tasks/classification.h"

namespace cosformer::test {

using Example = ListedSequences::Example;

inline LabelledSplits splits_of(const ListedSequences& train, const ListedSequences& valid) {
  return {std::make_shared<ListedSequences>(train), std::make_shared<ListedSequences>(valid), nullptr};
}

inline Config small_config(const AttentionConfig& attention = {}) {
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
    model = std::make_unique<Model>(config.model, 3, dtype);
  }

  /// The loss of rows of the batch that begins the training order.
  double loss(std::int64_t first, std::int64_t rows, std::int64_t batch_rows = 8) const {
    const auto batch = task->training_batch(0, batch_rows);
    return batch->loss(*model, {first, rows}, 1.0, {}).value().item();
  }

  Config config;
  std::unique_ptr<Task> task;
  std::unique_ptr<Model> model;
};

}  // namespace cosformer::test
