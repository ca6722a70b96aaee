#include "train/loop/shared_step.h"

#include <mutex>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_ranks.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

namespace {

/// What a run has come to: all values, and what its steps said.
struct Outcome {
  std::vector<Values> parameters;
  std::map<std::string, Values> state;
  std::vector<double> losses, norms;
  std::vector<int> signals;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

struct Problem {
  explicit Problem(ModelKind kind) {
    config.model = small_model(kind, {}, 64);
    config.train.batch_size = 8;
    config.train.shards = 4;
    if (kind == ModelKind::decoder) {
      std::string text;
      for (const double x : random_values<double>(700, 5, 0, 26)) text += static_cast<char>('a' + static_cast<int>(x));
      write_bytes(folder / "train", text);
      config.task.seq_len = 16;
      config.model.vocab_size = 256;
    } else {
      std::string rows;  // expressions of very different lengths
      for (int i = 0; i < 24; ++i) {
        rows += "[MAX";
        for (int k = 0; k < 1 + i * i % 37; ++k) rows += concat(' ', (i + k) % 10);
        rows += concat(" ]\t", i % 10, '\n');
      }
      write_bytes(folder / "train", "Source\tTarget\n" + rows);
      config.model.vocab_size = config.model.num_classes = 0;
      config.task.name = "listops";
      config.task.seq_len = 64;
    }
    config.task.train = (folder / "train").string();
    task = make_task(config);
    config.model = task->complete(config.model);
  }

  /// Steps [first, last] of a run on so many ranks, from the state of a run before if there was one.
  Outcome run(int ranks, std::int64_t first, std::int64_t last, const Outcome* before = nullptr) const {
    Outcome outcome;
    std::mutex mutex;
    const auto work = [&](Communicator& own) {
      Model model(config.model, 1);
      SharedStep shared(config, *task, model, own);
      if (before != nullptr) {
        std::map<std::string, Tensor> state;
        if (own.is_first()) {
          for (std::size_t p = 0; p < model.parameters().size(); ++p)
            write(before->parameters[p], model.parameters()[p].variable.value());
          for (const Parameter& parameter : model.parameters()) {
            for (const char* slot : {"m", "v"}) {
              const std::string name = state_name(parameter.name, slot);
              write(before->state.at(name), state[name] = Tensor::zeros(parameter.variable.shape(), DType::float32));
            }
          }
        }
        shared.distribute(state);
      }
      Outcome here;
      for (std::int64_t step = first; step <= last; ++step) {
        const StepResult result = shared.compute(step, [&] { return StepNote{.signal = own.rank() == 1 ? 15 : 0}; });
        here.losses.push_back(result.loss);
        here.norms.push_back(result.gradient_norm);
        here.signals.push_back(result.note.signal);
        shared.update({.number = step, .learning_rate = 0.01, .gradient_scale = 0.5});
      }
      for (const Parameter& parameter : model.parameters()) here.parameters.push_back(values_of(parameter.variable.value()));
      const auto state = shared.gather_state();
      for (const auto& [name, tensor] : state) here.state[name] = values_of(tensor);
      const std::lock_guard lock(mutex);
      same_parameters = same_parameters && (outcome.parameters.empty() || outcome.parameters == here.parameters);
      if (outcome.parameters.empty() || own.is_first()) outcome = here;
    };
    if (ranks == 1) {
      work(*make_single_rank());
    } else {
      run_ranks(ranks, work);
    }
    return outcome;
  }

  static void write(const Values& values, Tensor tensor) {
    for (std::size_t i = 0; i < values.size(); ++i) tensor.data<float>()[i] = static_cast<float>(values[i]);
  }

  TemporaryFolder folder;
  Config config;
  std::unique_ptr<Task> task;
  mutable bool same_parameters = true;  // on all ranks, so far
};

}  // namespace

TEST_CASE("ranks come to the parameters, moments, losses and norms of one process, to the bit") {
  for (const ModelKind kind : {ModelKind::decoder, ModelKind::encoder}) {
    const Problem problem(kind);
    Outcome alone = problem.run(1, 1, 3);
    CHECK(alone.signals == std::vector<int>{0, 0, 0});
    alone.signals = {15, 15, 15};
    for (const int ranks : {2, 3, 4}) {
      CAPTURE(static_cast<int>(kind), ranks);
      CHECK(problem.run(ranks, 1, 3) == alone);
      CHECK(problem.same_parameters);
    }
  }
}

TEST_CASE("a run goes on with another number of ranks") {
  const Problem problem(ModelKind::encoder);
  const Outcome whole = problem.run(1, 1, 4);
  const Outcome half = problem.run(4, 1, 2);
  for (const int ranks : {1, 2, 3}) {
    CAPTURE(ranks);
    const Outcome rest = problem.run(ranks, 3, 4, &half);
    CHECK(rest.parameters == whole.parameters);
    CHECK(rest.state == whole.state);
    CHECK(std::vector(whole.losses.begin() + 2, whole.losses.end()) == rest.losses);
  }
}

TEST_CASE("ranks that share sequences come to the parameters, moments, losses and norms of one process, to the bit") {
  for (const ModelKind kind : {ModelKind::decoder, ModelKind::encoder}) {
    Problem problem(kind);
    problem.config.model.attention.chunk_size = 2;
    problem.config.train.accumulation = 2;
    problem.config.train.sequence_ranks = 1;
    Outcome alone = problem.run(1, 1, 30);
    std::ranges::fill(alone.signals, 15);
    const std::pair<int, int> layouts[] = {{2, 2}, {3, 3}, {4, 4}, {4, 2}, {2, 1}};
    for (const auto& [ranks, members] : layouts) {
      CAPTURE(static_cast<int>(kind), ranks, members);
      problem.config.train.sequence_ranks = members;
      CHECK(problem.run(ranks, 1, 30) == alone);
      CHECK(problem.same_parameters);
    }
  }
}

TEST_CASE("ranks that are no whole number of groups, and groups without a leaf, are refused by the key to change") {
  Problem problem(ModelKind::decoder);
  problem.config.train.sequence_ranks = 2;
  CHECK(input_error_of([&] { problem.run(3, 1, 1); }).find("train.sequence_ranks: expected a divisor of") == 0);
  CHECK(input_error_of([&] { problem.run(4, 1, 1); }).find("train.accumulation: a step has 1 part") == 0);
}

TEST_CASE("more ranks than leaves are refused by the key to raise") {
  const Problem problem(ModelKind::decoder);
  const std::string message = input_error_of([&] { problem.run(5, 1, 1); });
  CHECK(message.find("train.accumulation: a step has 4 parts") == 0);
}

}  // namespace cosformer::test
