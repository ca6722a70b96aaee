#include "train/loop/gradient_step.h"

#include <algorithm>

#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"
#include "tests/train/loop/step_gradients.h"
#include "tests/train/run_support.h"
#include "train/tasks/execution.h"

namespace cosformer::test {

namespace {

/// Language modelling of a few hundred bytes by a small model.
struct Problem {
  Problem() {
    std::string text;
    for (const double x : random_values<double>(700, 5, 0, 26)) text += static_cast<char>('a' + static_cast<int>(x));
    write_bytes(folder / "text", text);
    config.task.train = (folder / "text").string();
    config.task.seq_len = 16;
    config.train.batch_size = 8;
    config.model = small_model(ModelKind::decoder, {}, 16);
    config.model.vocab_size = 256;
    task = make_task(config);
    model = std::make_unique<Model>(config.model, 1);
  }

  StepGradients run(std::int64_t shards, std::int64_t accumulation, std::int64_t step = 1) const {
    TrainConfig train = config.train;
    train.shards = shards;
    train.accumulation = accumulation;
    return compute_step_gradients(*task, *model, train, step);
  }

  Values values(const StepGradients& result) const {
    Values all;
    for (const Parameter& parameter : model->parameters()) {
      const Values own = values_of(result.gradients.of(parameter.variable));
      all.insert(all.end(), own.begin(), own.end());
    }
    return all;
  }

  TemporaryFolder folder;
  Config config;
  std::unique_ptr<Task> task;
  std::unique_ptr<Model> model;
};

struct Cut {
  std::int64_t shards, accumulation;
};
constexpr Cut kCuts[] = {{1, 1}, {4, 1}, {3, 1}, {8, 1}, {1, 2}, {2, 2}, {3, 2}, {1, 8}};

}  // namespace

TEST_CASE("shards and accumulation do not change the gradients of a step") {
  const Problem problem;
  const StepGradients whole = problem.run(1, 1);
  CHECK(whole.targets == 8 * 16);
  CHECK(whole.tokens == 8 * 16);
  for (const Cut& cut : kCuts) {
    CAPTURE(cut.shards, cut.accumulation);
    const StepGradients parts = problem.run(cut.shards, cut.accumulation);
    CHECK(parts.targets == whole.targets);
    CHECK(parts.tokens == whole.tokens);
    require_close("loss", whole.loss, parts.loss, {.rel = 1e-6});
    require_close("gradients", problem.values(whole), problem.values(parts), {.rel = 1e-5});
  }
}

TEST_CASE("a step's gradients have the same bits on one, two and three threads") {
  for (const double dropout : {0.0, 0.2}) {
    Problem problem;
    problem.config.model.dropout = dropout;
    problem.model = std::make_unique<Model>(problem.config.model, 1);
    for (const Cut& cut : kCuts) {
      CAPTURE(dropout, cut.shards, cut.accumulation);
      require_same_bits_on_any_threads("gradients", [&] {
        const StepGradients result = problem.run(cut.shards, cut.accumulation);
        Values all = problem.values(result);
        all.push_back(result.loss);
        return all;
      });
    }
  }
}

TEST_CASE("the gradients of a step are those of the mean loss over its sequences") {
  const Problem problem;
  const StepGradients result = problem.run(4, 2, 3);
  const std::unique_ptr<TaskBatch> batch = problem.task->training_batch(16, 8);
  const Variable loss = batch->loss(*problem.model, {0, 8}, 1.0 / (8 * 16), {.record_gradients = true});
  require_close("loss", loss.value().item(), result.loss, {.rel = 1e-6});
  const StepGradients expected{backward(loss)};
  require_close("gradients", problem.values(expected), problem.values(result), {.rel = 1e-5});
  CHECK(problem.values(problem.run(4, 2, 4)) != problem.values(result));
}

TEST_CASE("steps, micro-batches and shards drop different elements") {
  Problem problem;
  problem.config.model.dropout = 0.5;
  problem.model = std::make_unique<Model>(problem.config.model, 1);
  // Equal sequences: only the dropout masks can differ.
  write_bytes(problem.folder / "same", std::string(700, 'a'));
  problem.config.task.train = (problem.folder / "same").string();
  problem.task = make_task(problem.config);
  const auto loss = [&](std::int64_t shards, std::int64_t accumulation, std::int64_t step) {
    return problem.run(shards, accumulation, step).loss;
  };
  CHECK(loss(1, 1, 1) == loss(1, 1, 1));
  CHECK(loss(1, 1, 1) != loss(1, 1, 2));
  CHECK(loss(2, 1, 1) != loss(1, 1, 1));
  CHECK(loss(1, 2, 1) != loss(1, 1, 1));
}

TEST_CASE("shards cover the rows of a batch once, nearly evenly") {
  for (const std::int64_t rows : {1, 2, 7, 8, 100}) {
    for (const std::int64_t shards : {1, 2, 3, 7, 16}) {
      if (shards > rows) continue;
      std::int64_t next = 0;
      for (std::int64_t shard = 0; shard < shards; ++shard) {
        const auto [first, count] = shard_rows(rows, shards, shard);
        CAPTURE(rows, shards, shard);
        CHECK(first == next);
        CHECK(count >= rows / shards);
        CHECK(count <= (rows + shards - 1) / shards);
        next = first + count;
      }
      CHECK(next == rows);
    }
  }
}

TEST_CASE("the number of shards depends on config and rows alone") {
  ModelConfig narrow, wide;
  narrow.embed_dim = 128;
  wide.embed_dim = 1024;
  for (const int threads : {1, 3}) {
    const ThreadCountScope scope(threads);
    CHECK(shard_count(narrow, 0, 8) == 8);
    CHECK(shard_count(narrow, 0, 1000) == 16);
    CHECK(shard_count(wide, 0, 8) == 1);
    CHECK(shard_count(wide, 4, 8) == 4);
    CHECK(shard_count(narrow, 4, 3) == 3);
    CHECK(shard_count(narrow, 0, 0) == 1);
  }
}

}  // namespace cosformer::test
