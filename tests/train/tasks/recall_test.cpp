#include "train/tasks/recall.h"

#include <cmath>

#include "autograd/backward.h"
#include "data/recall_sequences.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/train/evaluation_names.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

namespace {

/// Three sequences of unlike lengths; the same for training and validation.
struct Problem {
  Problem() {
    write_bytes(folder / "set", recall_header(13) + "3 1 2 7\t1:5 3:12\n4 4\t0:1\n9 8 7 6 5\t4:0\n");
    config.task.name = "recall";
    config.task.train = config.task.valid = (folder / "set").string();
    config.task.seq_len = 5;
    config.train.batch_size = 2;
    config.model = small_model(ModelKind::decoder, {}, 0);
    config.model.vocab_size = 0;
  }

  TemporaryFolder folder;
  Config config;
};

/// −log p of a token behind those of a text, by one pass over it alone.
double loss_behind(const Model& model, const std::vector<std::int32_t>& text, std::int32_t token) {
  const auto length = static_cast<std::int64_t>(text.size());
  const Tensor ids = Tensor::from<std::int32_t>({1, length}, std::span<const std::int32_t>(text));
  const Variable hidden = model.decode(ids, nullptr, {}, {});
  const Variable logits = model.logits(reshape(narrow(hidden, 1, length - 1, 1), {1, 8}), {});
  const Values values = values_of(logits.value());
  double sum = 0;
  for (const double value : values) sum += std::exp(value);
  return std::log(sum) - values[static_cast<std::size_t>(token)];
}

}  // namespace

TEST_CASE("recall's loss and accuracy are those of its targets alone") {
  const Problem problem;
  const auto task = make_task(problem.config);
  const ModelConfig completed = task->complete(problem.config.model);
  CHECK(completed.vocab_size == 13);
  CHECK(completed.max_length == 5);
  const Model model(completed, 3, DType::float64);
  const double losses[] = {loss_behind(model, {3, 1}, 5), loss_behind(model, {3, 1, 2, 7}, 12), loss_behind(model, {4}, 1),
                           loss_behind(model, {9, 8, 7, 6, 5}, 0)};
  const double sum = losses[0] + losses[1] + losses[2] + losses[3];
  const Evaluation evaluation = task->evaluate(model, Split::valid, 0);
  CHECK(names_of(evaluation) == task_metrics("recall"));
  require_close("loss", sum / 4, evaluation.value("loss"), {.rel = 1e-9});
  CHECK(evaluation.value("tokens") == 4);
  CHECK(evaluation.value("accuracy") == evaluation.value("correct") / 4);

  // The three sequences of an epoch, whatever their order.
  const auto batch = task->training_batch(0, 3);
  CHECK(batch->targets == 4);
  CHECK(batch->tokens == 4 + 2 + 5);
  const Variable loss = batch->loss(model, {0, 3}, 0.25, {.training = true, .record_gradients = true});
  require_close("training loss", sum / 4, loss.value().item(), {.rel = 1e-9});
  CHECK(backward(loss).of(model.parameters().front().variable).defined());
  CHECK(task->position_of(7).epoch == 2);
  CHECK(task->position_of(7).position == 1);
  CHECK(selection_metric_of("recall") == "accuracy");
}

TEST_CASE("recall counts a target as correct that is the likeliest token") {
  Problem problem;
  const auto task = make_task(problem.config);
  const Model model(task->complete(problem.config.model), 3, DType::float64);
  const auto answer = [&](const std::vector<std::int32_t>& text) {
    std::int32_t best = 0;
    for (std::int32_t token = 1; token < 13; ++token) {
      if (loss_behind(model, text, token) < loss_behind(model, text, best)) best = token;
    }
    return best;
  };
  write_bytes(problem.folder / "right", recall_header(13) + concat("3 1\t0:", answer({3}), " 1:", answer({3, 1}),
                                                                   "\n7 2\t1:", (answer({7, 2}) + 1) % 13, "\n"));
  problem.config.task.valid = (problem.folder / "right").string();
  CHECK(make_task(problem.config)->evaluate(model, Split::valid, 0).value("correct") == 2);
}

TEST_CASE("recall refuses what does not fit its data") {
  Problem problem;
  const auto message = [&](auto&& change) {
    Config config = problem.config;
    change(config);
    return input_error_of([&] { make_task(config)->complete(config.model); });
  };
  CHECK(message([](Config&) {}).empty());
  CHECK(message([](Config& config) { config.model.kind = ModelKind::encoder; }) == "model.kind: recall needs \"decoder\"");
  CHECK(message([](Config& config) {
          config.task.seq_len = 4;
        }).find("task.seq_len (4) must be at least the 5 tokens of ") == 0);
  CHECK(message([](Config& config) { config.model.vocab_size = 12; }) == "model.vocab_size: 12 is less than the data's 13");
  CHECK(message([](Config& config) { config.model.adaptive_cutoffs = {3}; }) ==
        "model.adaptive_cutoffs: recall has no vocabulary in bands");
}

}  // namespace cosformer::test
