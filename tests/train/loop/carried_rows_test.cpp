#include "train/loop/carried_rows.h"

#include <cmath>
#include <mutex>

#include "layers/attention/registry.h"
#include "layers/sequence/model_in_parts.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"
#include "tests/support/thread_ranks.h"
#include "tests/train/run_support.h"
#include "train/loop/plan.h"
#include "train/loop/session.h"
#include "train/loop/shared_step.h"
#include "train/tasks/carry_check.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kRows = 8, kTokens = 8, kSteps = 10;  // of an epoch

/// What a run has come to.
struct Outcome {
  std::vector<Values> parameters;
  std::map<std::string, Tensor> state;
  std::vector<double> losses;

  bool operator==(const Outcome& other) const {
    const auto same = [](const auto& a, const auto& b) {
      return a.first == b.first && values_of(a.second) == values_of(b.second);
    };
    return parameters == other.parameters && losses == other.losses &&
           std::equal(state.begin(), state.end(), other.state.begin(), other.state.end(), same);
  }
};

/// A checkpoint after `step`, with the last step that was skipped.
struct Saved {
  const Outcome& run;
  std::int64_t step, skipped = 0;
};

struct Problem {
  explicit Problem(const AttentionConfig& attention = {.kind = "cosformer"}) {
    std::string text;
    for (const double x : random_values<double>(kRows * kTokens * kSteps + 30, 5, 0, 26))
      text += static_cast<char>('a' + static_cast<int>(x));
    write_bytes(folder / "train", text);
    config.task.train = (folder / "train").string();
    config.task.seq_len = kTokens;
    config.task.carry_state = true;
    config.train.batch_size = kRows;
    config.model = small_model(ModelKind::decoder, attention, 0);
    config.model.positions = Positions::rope;
    config.model.num_layers = 2;
    config.model.vocab_size = 256;
    config.model.attention.reweighting_length = ReweightingLength::fixed;
    config.model.attention.reweighting_length_value = kTokens * kSteps;
  }

  /// Steps [first, last] of a run, which does without those of `skipped`.
  Outcome run(int ranks, std::int64_t first, std::int64_t last, std::optional<Saved> saved = {},
              std::vector<std::int64_t> skipped = {}) {
    task = make_task(config);
    config.model = task->complete(config.model);
    Outcome outcome;
    std::mutex mutex;
    const auto work = [&](Communicator& own) {
      Model model(config.model, 1);
      SharedStep shared(config, *task, model, own);
      if (saved) {
        std::map<std::string, Tensor> state;
        if (own.is_first()) {
          state = saved->run.state;
          shared.check_state(state);
          for (std::size_t p = 0; p < model.parameters().size(); ++p) {
            Tensor value = model.parameters()[p].variable.value();
            const Values& from = saved->run.parameters[p];
            for (std::size_t i = 0; i < from.size(); ++i) value.data<float>()[i] = static_cast<float>(from[i]);
          }
        }
        shared.distribute(state);
        shared.go_on(state, saved->step, saved->skipped);
      }
      Outcome here;
      for (std::int64_t step = first; step <= last; ++step) {
        here.losses.push_back(shared.compute(step, [] { return StepNote(); }).loss);
        if (std::ranges::find(skipped, step) == skipped.end()) {
          shared.update({.number = step, .learning_rate = learning_rate, .gradient_scale = 1});
        } else if (!shared.skip()) {
          throw Error("nothing was skipped");
        }
      }
      for (const Parameter& parameter : model.parameters()) here.parameters.push_back(values_of(parameter.variable.value()));
      for (const auto& [name, tensor] : shared.gather_state()) here.state[name] = tensor.clone();
      const std::lock_guard lock(mutex);
      if (own.is_first()) outcome = here;
    };
    if (ranks == 1) {
      work(*make_single_rank());
    } else {
      run_ranks(ranks, work);
    }
    return outcome;
  }

  /// Mean losses of the windows of steps [1, steps], of weights that stay as they are: of each row's whole text up to each
  /// window, less that of the text before it.
  std::vector<double> losses_of_whole_texts(std::int64_t steps) {
    task = make_task(config);
    config.model = task->complete(config.model);
    const Model model(config.model, 1);
    const auto text = read_bytes(folder / "train");
    const TextStreams streams = *task->streams();
    std::vector<double> losses(static_cast<std::size_t>(steps));
    for (std::int64_t row = 0; row < kRows; ++row) {
      const auto begin = static_cast<std::size_t>(streams(row).begin);
      double before = 0;
      for (std::int64_t step = 1; step <= steps; ++step) {
        const std::int64_t length = step * kTokens;
        std::vector<std::int32_t> ids, targets;
        for (std::size_t i = begin; std::ssize(ids) < length; ++i) {
          ids.push_back(text[i]);
          targets.push_back(text[i + 1]);
        }
        const auto tensor = [&](const std::vector<std::int32_t>& of) {
          return Tensor::from<std::int32_t>({1, length}, std::span<const std::int32_t>(of));
        };
        const double sum = decoder_loss(model, tensor(ids), tensor(targets), 1.0, {}).value().item();
        losses[static_cast<std::size_t>(step - 1)] += (sum - before) / (kRows * kTokens);
        before = sum;
      }
    }
    return losses;
  }

  TemporaryFolder folder;
  Config config;
  std::unique_ptr<Task> task;
  double learning_rate = 0.01;
};

/// Kinds with unlike states, and a convolution beside one.
std::vector<AttentionConfig> attentions() {
  AttentionConfig convolved{.kind = "linear", .feature_map = "elu", .reweighting = "decay"};
  convolved.short_convolution = 4;
  return {{.kind = "cosformer"}, {.kind = "local", .window = 11}, {.kind = "softmax"}, {.kind = "gated_delta"}, convolved};
}

}  // namespace

TEST_CASE("the steps of a run read each row's text as one, and begin anew with an epoch") {
  Problem problem;
  problem.learning_rate = 0;
  const std::vector<double> expected = problem.losses_of_whole_texts(kSteps);
  for (const std::int64_t accumulation : {1, 3}) {
    for (const std::int64_t shards : {0, 1, 8}) {
      problem.config.train.accumulation = accumulation;
      problem.config.train.shards = shards;
      CAPTURE(accumulation, shards);
      require_close("losses", expected, problem.run(1, 1, kSteps).losses, {.rel = 1e-5});
    }
  }
  problem.config.train.seed = 3;
  const Outcome two_epochs = problem.run(1, 1, kSteps + 2);
  const Outcome second = problem.run(1, kSteps + 1, kSteps + 2);
  CHECK(std::equal(second.losses.begin(), second.losses.end(), two_epochs.losses.begin() + kSteps));
  CHECK(problem.task->position_of(kSteps * kRows).epoch == 1);
  CHECK(problem.task->position_of(kSteps * kRows - 1).epoch == 0);
}

TEST_CASE("ranks and threads come to the states, parameters and losses of one process, to the bit") {
  for (const AttentionConfig& attention : attentions()) {
    Problem problem(attention);
    problem.config.train.shards = 4;
    problem.config.model.dropout = 0.1;
    const Outcome alone = problem.run(1, 1, 4);
    CHECK(alone.state.contains("decoder.layers.1.self_attn.state"));
    CHECK(alone.state.contains("decoder.layers.0.self_attn.v_tail") == (attention.short_convolution > 0));
    for (const int ranks : {2, 3, 4}) {
      CAPTURE(attention.kind, ranks);
      CHECK(problem.run(ranks, 1, 4) == alone);
    }
    problem.config.train.recompute = Recompute::layers;
    CHECK(problem.run(1, 1, 4) == alone);
    problem.config.train.recompute = Recompute::none;
    const ThreadCountScope threads(3);
    CHECK(problem.run(1, 1, 4) == alone);
  }
}

TEST_CASE("a run goes on with its texts on another number of ranks, in the middle of an epoch or at its start") {
  for (const AttentionConfig& attention : attentions()) {
    Problem problem(attention);
    problem.config.train.shards = 4;
    const Outcome whole = problem.run(1, 1, kSteps + 3);
    for (const std::int64_t step : {std::int64_t{3}, kSteps - 1, kSteps, kSteps + 1}) {
      const Outcome begun = problem.run(3, 1, step);
      for (const int ranks : {1, 2, 4}) {
        CAPTURE(attention.kind, step, ranks);
        const Outcome rest = problem.run(ranks, step + 1, kSteps + 3, Saved{begun, step});
        CHECK(rest.parameters == whole.parameters);
        CHECK(std::equal(rest.losses.begin(), rest.losses.end(), whole.losses.begin() + step, whole.losses.end()));
      }
    }
  }
}

TEST_CASE("texts begin anew behind a step that is skipped, also in a run that goes on later") {
  Problem problem;
  problem.learning_rate = 0;
  const Outcome run = problem.run(1, 1, 6, {}, {3});
  const Outcome anew = problem.run(1, 4, 4);
  CHECK(run.losses[3] == anew.losses[0]);
  CHECK(run.losses[5] != problem.run(1, 1, 6).losses[5]);
  const Outcome begun = problem.run(1, 1, 4, {}, {3});
  CHECK(problem.run(2, 5, 6, Saved{begun, 4, 3}).losses == std::vector(run.losses.begin() + 4, run.losses.end()));
}

TEST_CASE("a checkpoint without the states, or with those of other rows, is refused in one line") {
  Problem problem;
  const std::string name = "decoder.layers.1.self_attn.state";
  Outcome run = problem.run(1, 1, 1);
  Outcome without = run, other = run;
  without.state.erase(name);
  other.state[name] = other.state[name].narrow(0, 0, kRows - 1).contiguous();
  const std::string missing = input_error_of([&] { problem.run(1, 2, 2, Saved{without, 1}); });
  CHECK(missing.starts_with("task.carry_state: the checkpoint has no tensor '" + name + "'"));
  const std::string wrong = input_error_of([&] { problem.run(1, 2, 2, Saved{other, 1}); });
  CHECK(wrong.starts_with("task.carry_state: the checkpoint's tensor '" + name + "' has shape"));
  CHECK((missing + wrong).find('\n') == std::string::npos);
}

TEST_CASE("configs whose windows cannot go on are refused where training begins, by their key") {
  const auto message_of = [](const std::function<void(Config&)>& change) {
    Problem problem;
    change(problem.config);
    const std::string message = input_error_of([&] {
      prepare(
          {.config = problem.config, .folder = problem.folder / "run", .plan_only = true}, [](const std::string&) {},
          [](const RunPlan&) {});
    });
    CHECK(message.find('\n') == std::string::npos);
    return message;
  };
  CHECK(message_of([](Config&) {}).empty());
  CHECK(message_of([](Config& own) { own.model.attention.kind = "bigbird"; }).starts_with("attention.kind = \"bigbird\""));
  CHECK(message_of([](Config& own) {
          own.model.attention.reweighting_length_value = kTokens * kSteps - 1;
        }).starts_with("attention.reweighting_length:"));
  CHECK(message_of([](Config& own) { own.task.valid = own.task.train; }).starts_with("attention.reweighting_length:"));
  CHECK(message_of([](Config& own) {
          own.task.valid = own.task.train;
          own.model.attention.reweighting_length_value = 669;
        }).empty());
  CHECK(message_of([](Config& own) { own.train.sequence_ranks = 1; }).starts_with("train.sequence_ranks:"));
  CHECK(message_of([](Config& own) { own.train.batch_size = 100; }).starts_with("task.carry_state:"));
  CHECK(message_of([](Config& own) { own.model.positions = Positions::learned; }).starts_with("task.carry_state:"));
  CHECK(message_of([](Config& own) { own.task.document_boundaries = true; }).starts_with("task.carry_state:"));
}

TEST_CASE("a plan counts the states, and says what an epoch leaves out") {
  Problem problem({.kind = "local", .window = 3});
  std::vector<std::string> warnings;
  std::optional<RunPlan> plan;
  prepare(
      {.config = problem.config, .folder = problem.folder / "run", .plan_only = true},
      [&](const std::string& warning) { warnings.push_back(warning); }, [&](const RunPlan& own) { plan = own; });
  // Two sides, of two layers, of three keys and values of two heads of width 4.
  CHECK(plan.value().memory.carried == 2 * 2 * kRows * 3 * 2 * 8 * 4);
  CHECK(format_plan(*plan).find("carried states") != std::string::npos);
  CHECK(plan->epochs == static_cast<double>(problem.config.train.max_steps) / kSteps);
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].starts_with("task.carry_state: an epoch has 8 texts of 80 tokens"));
  CHECK(warnings[0].find("29 of 669 tokens are left out") != std::string::npos);
  problem.config.task.carry_state = false;
  const auto task = make_task(problem.config);
  CHECK_FALSE(task->streams().has_value());
  const MemoryEstimate anew = make_plan(problem.config, task->complete(problem.config.model), kTokens).memory;
  CHECK(anew.carried == 0);
  // Keys and values of other windows stand beside the own ones; sums do not.
  CHECK(anew.activations < plan->memory.activations);
  problem.config.model.attention.kind = "linear";
  const MemoryEstimate linear_anew = make_plan(problem.config, task->complete(problem.config.model), kTokens).memory;
  problem.config.task.carry_state = true;
  const MemoryEstimate linear = make_plan(problem.config, task->complete(problem.config.model), kTokens).memory;
  CHECK(linear.activations == linear_anew.activations);
  // Sums of four features times four values and their normaliser, of two heads.
  CHECK(linear.carried == 2 * 2 * kRows * 2 * 4 * 5 * 4);
}

}  // namespace cosformer::test
