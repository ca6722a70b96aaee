#include "train/tasks/masked_language_modeling.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "autograd/backward.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"
#include "tests/train/evaluation_names.h"
#include "tests/train/loop/step_gradients.h"
#include "tests/train/loop/step_values.h"
#include "tests/train/run_support.h"
#include "train/optimizers/optimizer.h"

namespace cosformer::test {

namespace {

/// Masked characters of a text of seven letters, forty equal ones in a row.
struct Problem {
  explicit Problem(bool tied = true, DType dtype = DType::float32, std::int64_t embed_dim = 8) {
    std::string text;
    for (int i = 0; i < 1120; ++i) text += static_cast<char>('a' + i / 40 % 7);
    write_bytes(folder / "text", text);
    config.task.name = "masked_language_modeling";
    config.task.train = config.task.valid = (folder / "text").string();
    config.task.tokenizer = "char";
    config.task.seq_len = 16;
    config.train.batch_size = 6;
    config.model = small_model(ModelKind::encoder, {}, 0);
    config.model.num_classes = config.model.vocab_size = 0;
    config.model.embed_dim = embed_dim;
    config.model.tie_embeddings = tied;
    task = make_task(config);
    config.model = task->complete(config.model);
    model = std::make_unique<Model>(config.model, 1, dtype);
  }

  TemporaryFolder folder;
  Config config;
  std::unique_ptr<Task> task;
  std::unique_ptr<Model> model;
};

Values parameter(const Model& model, const std::string& name) {
  return values_of(std::ranges::find(model.parameters(), name, &Parameter::name)->variable.value());
}

}  // namespace

TEST_CASE("masked language modelling adds three ids and a head with fairseq's names") {
  for (const bool tied : {true, false}) {
    const Problem problem(tied);
    CHECK(problem.config.model.vocab_size == 11);
    CHECK(problem.config.model.max_length == 16);
    CHECK(problem.config.model.lm_head);
    std::map<std::string, Shape> head;
    for (const Parameter& each : problem.model->parameters()) {
      if (each.name.starts_with("lm_head")) head.emplace(each.name, each.variable.shape());
    }
    std::map<std::string, Shape> expected = {{"lm_head.dense.weight", {8, 8}},
                                             {"lm_head.dense.bias", {8}},
                                             {"lm_head.layer_norm.weight", {8}},
                                             {"lm_head.layer_norm.bias", {8}},
                                             {"lm_head.out_proj.bias", {11}}};
    if (!tied) expected.emplace("lm_head.out_proj.weight", Shape({11, 8}));
    CHECK(head == expected);
  }
}

TEST_CASE("the loss of masked tokens is the head's formula on the encoder's hidden states") {
  const Problem problem(true, DType::float64);
  const Model& model = *problem.model;
  const Tensor ids = random_ids({2, 5}, 4, 11);
  const std::vector<std::int32_t> targets = {-1, 7, -1, -1, 0, -1, -1, -1, 10, -1};
  const double loss = masked_token_loss(model, masked_tokens(model, ids, nullptr, targets, {}), 0.5, {}).value().item();

  const Values hidden = values_of(model.encode(ids, nullptr, {}).value());
  const Values dense = parameter(model, "lm_head.dense.weight"), table = parameter(model, "encoder.embed_tokens.weight");
  double expected = 0;
  for (std::size_t place = 0; place < targets.size(); ++place) {
    if (targets[place] < 0) continue;
    // Biases are 0 and the norm's weight 1 in a new model.
    Values x(8, 0.0);
    double mean = 0, variance = 0;
    for (std::size_t j = 0; j < 8; ++j) {
      for (std::size_t i = 0; i < 8; ++i) x[j] += dense[j * 8 + i] * hidden[place * 8 + i];
      x[j] *= 0.5 * (1 + std::erf(x[j] / std::sqrt(2.0)));
      mean += x[j] / 8;
    }
    for (const double value : x) variance += (value - mean) * (value - mean) / 8;
    Values scores(11, 0.0);
    double sum = 0;
    for (std::size_t v = 0; v < 11; ++v) {
      for (std::size_t i = 0; i < 8; ++i) scores[v] += table[v * 8 + i] * (x[i] - mean) / std::sqrt(variance + 1e-5);
      sum += std::exp(scores[v]);
    }
    expected += std::log(sum) - scores[static_cast<std::size_t>(targets[place])];
  }
  CHECK(std::abs(loss - 0.5 * expected) < 1e-10 * std::abs(expected));
}

TEST_CASE("gradients of the loss of masked tokens agree with central differences") {
  const ThreadCountScope one_thread(1);
  for (const bool tied : {true, false}) {
    const Problem problem(tied, DType::float64);
    const Model& model = *problem.model;
    const auto batch = problem.task->training_batch(0, 3);
    const auto loss_of = [&](const Pass& pass) { return batch->loss(model, {0, 3}, 0.1, pass); };
    const Gradients gradients = backward(loss_of({.record_gradients = true}));
    for (const Parameter& each : model.parameters()) {
      CAPTURE(each.name, tied);
      const Values analytic = values_of(gradients.of(each.variable));
      Tensor value = each.variable.value();
      const auto elements = value.span<double>();
      // Every element of the head; of the others a sample.
      const std::size_t stride = each.name.starts_with("lm_head") ? 1 : 1 + elements.size() / 8;
      Values expected, found;
      for (std::size_t i = 0; i < elements.size(); i += stride) {
        constexpr double kStep = 1e-5;
        const double before = elements[i];
        elements[i] = before + kStep;
        const double above = loss_of({}).value().item();
        elements[i] = before - kStep;
        const double below = loss_of({}).value().item();
        elements[i] = before;
        expected.push_back((above - below) / (2 * kStep));
        found.push_back(analytic[i]);
      }
      require_close("gradient", expected, found, {.rel = 1e-5, .abs = 1e-8});
    }
  }
}

TEST_CASE("a step of masked language modelling has the same bits on any number of threads") {
  const Problem problem;
  require_same_bits_on_any_threads("gradients",
                                   [&] { return step_values(*problem.task, *problem.model, problem.config.train, 2); });
  require_same_bits_on_any_threads("evaluation", [&] {
    const Evaluation result = problem.task->evaluate(*problem.model, Split::valid, 0);
    CHECK(names_of(result) == task_metrics("masked_language_modeling"));
    return std::vector<double>{result.value("loss"), result.value("accuracy")};
  });
}

TEST_CASE("masked tokens of a regular text are learnt, and the evaluation says so") {
  Problem problem(true, DType::float32, 32);
  const auto before = problem.task->evaluate(*problem.model, Split::valid, 0);
  CHECK(before.value("tokens") > 60);
  CHECK(before.value("perplexity") == Approx(std::exp(before.value("loss"))));
  problem.config.optimizer.learning_rate = 0.01;
  Optimizer optimizer(problem.config.optimizer, problem.model->parameters());
  for (std::int64_t step = 1; step <= 200; ++step) {
    const StepGradients result = compute_step_gradients(*problem.task, *problem.model, problem.config.train, step);
    optimizer.update(problem.model->parameters(), result.gradients, {step, 0.01, 1.0});
  }
  const auto after = problem.task->evaluate(*problem.model, Split::valid, 0);
  CHECK(after.value("loss") < 0.5 * before.value("loss"));
  CHECK(after.value("accuracy") > 0.8);
  CHECK(after.value("correct") == Approx(after.value("accuracy") * after.value("tokens")));
}

TEST_CASE("masked language modelling needs an encoder and room for its special tokens") {
  Problem problem;
  Config config = problem.config;
  config.model.vocab_size = 10;
  CHECK(input_error_of([&] { make_task(config)->complete(config.model); }).starts_with("model.vocab_size: 10"));
  config.model.kind = ModelKind::decoder;
  CHECK(input_error_of([&] { make_task(config); }).starts_with("model.kind"));
  config = problem.config;
  config.task.train.clear();
  config.task.tokenizer = "byte";
  CHECK(input_error_of([&] { make_task(config)->training_batch(0, 1); }).starts_with("task.train"));
}

}  // namespace cosformer::test
