#include "train/optimizers/optimizer.h"

#include <cmath>
#include <functional>

#include "core/parallel.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"

namespace cosformer::test {

namespace {

constexpr int kSteps = 5;
constexpr double kGradientScale = 0.7;

double learning_rate_at(int step) { return 0.05 / step; }

OptimizerConfig config_of(std::string_view name) {
  OptimizerConfig config;
  config.name = name;
  config.betas = std::array{0.8, 0.9};
  config.eps = 1e-4;
  config.weight_decay = 0.3;
  return config;
}

/// Two parameters with gradients; a third without.
struct Problem {
  explicit Problem(DType dtype) : store(3, dtype) {
    const Scope root(store);
    root.create("a.weight", {5, 7}, Initializer::normal(1));
    root.create("a.bias", {7}, Initializer::normal(1));
    root.create("unused", {4}, Initializer::normal(1));
  }

  Gradients gradients(int step) const {
    Gradients result;
    for (std::size_t k = 0; k < 2; ++k) {
      const Variable& variable = store.all()[k].variable;
      result.set(variable.node().get(),
                 random_tensor(variable.shape(), static_cast<std::uint64_t>(step) * 10 + k, variable.dtype()));
    }
    return result;
  }

  Values values() const {
    Values all;
    for (const Parameter& parameter : store.all()) {
      const Values own = values_of(parameter.variable.value());
      all.insert(all.end(), own.begin(), own.end());
    }
    return all;
  }

  void train(Optimizer& optimizer, int first, int last) const {
    for (int step = first; step <= last; ++step) {
      optimizer.update(store.all(), gradients(step), {step, learning_rate_at(step), kGradientScale});
    }
  }

  ParameterStore store;
};

/// What an element's update does, by the published formulas: changes parameter, first and second moment.
using Update = std::function<void(const OptimizerConfig&, int step, double gradient, double& p, double& m, double& v)>;

void adam(const OptimizerConfig& config, int step, double g, double& p, double& m, double& v) {
  const auto [beta1, beta2] = optimizer_betas(config);
  m = beta1 * m + (1 - beta1) * g;
  v = beta2 * v + (1 - beta2) * g * g;
  const double unbiased_m = m / (1 - std::pow(beta1, step)), unbiased_v = v / (1 - std::pow(beta2, step));
  p -= learning_rate_at(step) * unbiased_m / (std::sqrt(unbiased_v) + config.eps);
}

void check_against_loops(const OptimizerConfig& config, const Update& update) {
  for (const DType dtype : {DType::float64, DType::float32}) {
    const Problem problem(dtype);
    Values expected = problem.values();
    Values m(expected.size()), v(expected.size());
    Optimizer optimizer(config, problem.store.all());
    for (int step = 1; step <= kSteps; ++step) {
      const Gradients gradients = problem.gradients(step);
      std::size_t i = 0;
      for (std::size_t k = 0; k < 2; ++k) {
        for (const double g : values_of(gradients.of(problem.store.all()[k].variable))) {
          update(config, step, kGradientScale * g, expected[i], m[i], v[i]);
          ++i;
        }
      }
      problem.train(optimizer, step, step);
      CAPTURE(config.name, dtype_name(dtype), step);
      require_close("parameters", expected, problem.values(), {.rel = dtype == DType::float64 ? 1e-13 : 1e-6});
    }
  }
}

}  // namespace

TEST_CASE("AdamW decays weights apart from the gradient") {
  check_against_loops(config_of("adamw"),
                      [](const OptimizerConfig& config, int step, double g, double& p, double& m, double& v) {
                        p *= 1 - learning_rate_at(step) * config.weight_decay;
                        adam(config, step, g, p, m, v);
                      });
}

TEST_CASE("Adam decays weights through the gradient") {
  check_against_loops(config_of("adam"), [](const OptimizerConfig& config, int step, double g, double& p, double& m,
                                            double& v) { adam(config, step, g + config.weight_decay * p, p, m, v); });
}

TEST_CASE("SGD with momentum, Nesterov's and none") {
  for (const double momentum : {0.0, 0.6}) {
    for (const bool nesterov : {false, true}) {
      OptimizerConfig own = config_of("sgd");
      own.momentum = momentum;
      own.nesterov = nesterov && momentum > 0;
      check_against_loops(own, [](const OptimizerConfig& config, int step, double g, double& p, double& u, double&) {
        g += config.weight_decay * p;
        u = config.momentum * u + g;
        p -= learning_rate_at(step) * (config.nesterov ? g + config.momentum * u : u);
      });
    }
  }
}

TEST_CASE("Lion takes steps of one length, by the sign of the interpolated momentum") {
  for (const auto& betas : {std::optional<std::array<double, 2>>(), std::optional(std::array{0.5, 0.7})}) {
    OptimizerConfig own = config_of("lion");
    own.betas = betas;
    CHECK(optimizer_betas(own) == betas.value_or(std::array{0.9, 0.99}));
    check_against_loops(own, [](const OptimizerConfig& config, int step, double g, double& p, double& m, double&) {
      const auto [beta1, beta2] = optimizer_betas(config);
      const double c = beta1 * m + (1 - beta1) * g;
      const double sign = c == 0 ? 0 : std::copysign(1.0, c);
      p -= learning_rate_at(step) * (sign + config.weight_decay * p);
      m = beta2 * m + (1 - beta2) * g;
    });
  }
}

TEST_CASE("weight decay spares biases, norms and embeddings if asked to, with every kind") {
  ParameterStore store(3, DType::float64);
  const Scope decoder = Scope(store) / "decoder";
  (decoder / "embed_tokens").create("weight", {4, 3}, Initializer::normal(1));
  (decoder / "embed_positions").create("weight", {5, 3}, Initializer::normal(1));
  (decoder / "layers" / "0" / "fc1").create("weight", {6, 3}, Initializer::normal(1));
  (decoder / "layers" / "0" / "fc1").create("bias", {6}, Initializer::normal(1));
  (decoder / "layer_norm").create("weight", {3}, Initializer::normal(1));
  Gradients zeros;
  for (const Parameter& parameter : store.all()) {
    zeros.set(parameter.variable.node().get(), Tensor::zeros(parameter.variable.shape(), DType::float64));
  }
  /// Which parameters an update without gradients moves: those that decay.
  const auto moved = [&](const OptimizerConfig& config) {
    std::string result;
    Optimizer optimizer(config, store.all());
    std::vector<Values> before;
    for (const Parameter& parameter : store.all()) before.push_back(values_of(parameter.variable.value()));
    optimizer.update(store.all(), zeros, {1, 0.1, 1.0});
    for (std::size_t p = 0; p < before.size(); ++p)
      result += values_of(store.all()[p].variable.value()) != before[p] ? '1' : '0';
    return result;
  };
  for (const OptimizerKind& kind : optimizer_kinds()) {
    CAPTURE(kind.name);
    OptimizerConfig config = config_of(kind.name);
    CHECK(moved(config) == "11111");
    config.decay_norms_and_biases = false;
    CHECK(moved(config) == "11100");
    config.decay_embeddings = false;
    CHECK(moved(config) == "00100");
  }
}

TEST_CASE("Lion leaves a parameter alone that has no gradient yet and no decay") {
  const Problem problem(DType::float32);
  Gradients zeros;
  for (std::size_t k = 0; k < 2; ++k) {
    const Variable& variable = problem.store.all()[k].variable;
    zeros.set(variable.node().get(), Tensor::zeros(variable.shape()));
  }
  OptimizerConfig config = config_of("lion");
  config.weight_decay = 0;
  Optimizer optimizer(config, problem.store.all());
  const Values before = problem.values();
  optimizer.update(problem.store.all(), zeros, {1, 0.1, 1.0});
  CHECK(problem.values() == before);
}

TEST_CASE("an optimizer keeps as many numbers for each parameter as it says") {
  const Problem problem(DType::float32);
  for (const OptimizerKind& kind : optimizer_kinds()) {
    for (const double momentum : {0.0, 0.9}) {
      CAPTURE(kind.name, momentum);
      OptimizerConfig config = config_of(kind.name);
      config.momentum = momentum;
      const Optimizer optimizer(config, problem.store.all());
      std::int64_t numbers = 0, parameters = 0;
      for (const auto& [name, tensor] : optimizer.state()) numbers += tensor.size();
      for (const Parameter& parameter : problem.store.all()) parameters += parameter.variable.value().size();
      CHECK(numbers == parameters * optimizer_moments(config));
    }
  }
}

TEST_CASE("an optimizer goes on from its saved state to the same bits") {
  for (const OptimizerKind& kind : optimizer_kinds()) {
    CAPTURE(kind.name);
    OptimizerConfig config = config_of(kind.name);
    config.momentum = kind.has_momentum ? 0.9 : 0.0;
    const Problem whole(DType::float32), split(DType::float32);
    Optimizer uninterrupted(config, whole.store.all());
    whole.train(uninterrupted, 1, kSteps);

    Optimizer before(config, split.store.all());
    split.train(before, 1, 2);
    std::map<std::string, Tensor> saved;
    for (const auto& [key, tensor] : before.state()) saved[key] = tensor.clone();
    REQUIRE_FALSE(saved.empty());
    Optimizer after(config, split.store.all());
    after.load(saved);
    split.train(after, 3, kSteps);
    CHECK(whole.values() == split.values());
  }
}

TEST_CASE("a saved state that does not fit is refused") {
  const Problem problem(DType::float32);
  Optimizer optimizer(config_of("adamw"), problem.store.all());
  std::map<std::string, Tensor> saved = optimizer.state();
  REQUIRE(saved.size() == 6);
  saved["a.bias.v"] = Tensor::zeros({8});
  CHECK(input_error_of([&] { optimizer.load(saved); }) == "optimizer state: tensor 'a.bias.v' has shape [8], expected [7]");
  saved.erase("a.bias.v");
  CHECK(input_error_of([&] { optimizer.load(saved); }) == "optimizer state: tensor 'a.bias.v' is missing");
}

TEST_CASE("an unknown optimizer is refused with the nearest name") {
  const std::string message = input_error_of([] { Optimizer(config_of("adamv"), {}); });
  CHECK(message.find("optimizer.name: ") == 0);
  CHECK(message.find("\"adamw\"") != std::string::npos);
}

TEST_CASE("the gradient norm runs over all parameters and shows what is not finite") {
  const Problem problem(DType::float32);
  Gradients gradients = problem.gradients(1);
  double sum = 0;
  for (const Parameter& parameter : problem.store.all()) {
    if (!gradients.of(parameter.variable).defined()) continue;
    for (const double g : values_of(gradients.of(parameter.variable))) sum += g * g;
  }
  require_close("norm", std::sqrt(sum), gradient_norm(problem.store.all(), gradients), {.rel = 1e-12});
  for (const double bad : {HUGE_VAL, std::nan("")}) {
    gradients.set(problem.store.all()[1].variable.node().get(), Tensor::full({7}, bad));
    CHECK_FALSE(std::isfinite(gradient_norm(problem.store.all(), gradients)));
  }
}

TEST_CASE("parts of parameters are updated with the bits of the whole") {
  constexpr std::int64_t kSize = 3 * kElementwiseGrain + 77;
  for (const OptimizerKind& kind : optimizer_kinds()) {
    OptimizerConfig config = config_of(kind.name);
    if (kind.has_momentum) config.momentum = 0.5;
    std::vector<Values> results;
    for (const bool in_parts : {false, true}) {
      ParameterStore store(3, DType::float32);
      Scope(store).create("p", {kSize}, Initializer::normal(1));
      std::vector<ParameterPart> parts = {{0, 0, kSize}};
      if (in_parts) parts = {{0, 2 * kElementwiseGrain, kSize}, {0, 0, 2 * kElementwiseGrain}};
      Optimizer optimizer(config, store.all(), parts);
      for (int step = 1; step <= 3; ++step) {
        const Tensor gradient = random_tensor({kSize}, static_cast<std::uint64_t>(step), DType::float32);
        for (std::size_t i = 0; i < parts.size(); ++i) {
          optimizer.update_part(i, store.all(), gradient.narrow(0, parts[i].begin, parts[i].size()),
                                {step, learning_rate_at(step), kGradientScale});
        }
      }
      results.push_back(values_of(store.all().front().variable.value()));
    }
    CAPTURE(kind.name);
    CHECK(results[0] == results[1]);
  }
}

}  // namespace cosformer::test
