#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "autograd/backward.h"
#include "autograd/grad_check.h"
#include "tests/catch.h"
#include "tests/layers/decoder_loss.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

/// Parameters away from their initial zeros, and queries and keys mostly positive: the normaliser of every feature map is
/// then far from 0, where differences would tell nothing.
void spread_parameters(const std::vector<Parameter>& parameters) {
  std::uint64_t seed = 1000;
  for (const Parameter& parameter : parameters) {
    Tensor value = parameter.variable.value();
    const bool is_bias = parameter.name.ends_with(".bias");
    const bool is_query_or_key =
        parameter.name.find("q_proj") != std::string::npos || parameter.name.find("k_proj") != std::string::npos;
    const double center = is_query_or_key && is_bias ? 1.0 : 0.0;
    if (is_bias) value.copy_from(random_tensor(value.shape(), ++seed, value.dtype(), center - 0.3, center + 0.3));
  }
}

/// The largest error of the gradient of any parameter against central differences, relative to the parameter's largest.
double worst_parameter_error(const std::vector<Parameter>& parameters, const std::function<Variable(const Pass&)>& loss) {
  constexpr double kStep = 1e-5;
  const Gradients gradients = backward(loss({.record_gradients = true}));
  double worst = 0;
  for (const Parameter& parameter : parameters) {
    const Tensor gradient = gradients.of(parameter.variable);
    REQUIRE(gradient.defined());
    const Values analytic = values_of(gradient);
    Tensor value = parameter.variable.value();
    double error = 0, magnitude = 1;
    for (std::size_t i = 0; i < analytic.size(); ++i) {
      double& x = value.span<double>()[i];
      const double before = x;
      const auto loss_at = [&](double moved) {
        x = moved;
        return loss({}).value().item();
      };
      const double numeric = (loss_at(before + kStep) - loss_at(before - kStep)) / (2 * kStep);
      x = before;
      magnitude = std::max(magnitude, std::abs(numeric));
      error = std::max(error, std::abs(numeric - analytic[i]));
    }
    worst = std::max(worst, error / magnitude);
  }
  return worst;
}

}  // namespace

TEST_CASE("gradients through multi-head attention agree with central differences") {
  const ThreadCountScope one_thread(1);
  for (const Variant& variant : attention_variants()) {
    ParameterStore store(8, DType::float64);
    const MultiHeadAttention attention(Scope(store, "layer"), 8, 2, variant.config, 16);
    spread_parameters(store.all());
    const Tensor x = random_tensor({2, 5, 8}, 21, DType::float64), source = random_tensor({2, 7, 8}, 22, DType::float64);
    const AttentionMask causal{.causal = true, .key_mask = {}, .query_mask = {}};
    const AttentionMask plain{.causal = false, .key_mask = {}, .query_mask = {}};
    const AttentionMask padded{.causal = false, .key_mask = mask_of({"1110111", "1111100"}), .query_mask = {}};
    CAPTURE(variant.name);

    const Pass pass{.record_gradients = true};
    const AttentionMask& own_mask = variant.supports().causal ? causal : plain;
    const GradientCheck self = check_gradients(
        [&](std::span<const Variable> in) { return uneven_loss(attention.forward(in[0], in[0], own_mask, pass)); },
        std::span(&x, 1));
    INFO("self-attention: " << self.worst_place);
    CHECK(self.worst_error <= 1e-6);
    if (!variant.supports().cross) {
      CHECK(worst_parameter_error(store.all(), [&](const Pass& own) {
              return uneven_loss(attention.forward(Variable(x), Variable(x), own_mask, own));
            }) <= 1e-6);
      continue;
    }
    const std::vector<Tensor> both = {x, source};
    const GradientCheck cross = check_gradients(
        [&](std::span<const Variable> in) { return uneven_loss(attention.forward(in[0], in[1], padded, pass)); }, both);
    INFO("cross-attention: " << cross.worst_place);
    CHECK(cross.worst_error <= 1e-6);
    CHECK(worst_parameter_error(store.all(), [&](const Pass& own) {
            return uneven_loss(attention.forward(Variable(x), Variable(source), padded, own));
          }) <= 1e-6);
  }
}

TEST_CASE("gradients of a decoder's parameters agree with central differences") {
  const ThreadCountScope one_thread(1);
  for (const Variant& variant : attention_variants(ModelKind::decoder)) {
    const ModelConfig config = small_model(ModelKind::decoder, variant.config, 6);
    const Model model(config, 9, DType::float64);
    spread_parameters(model.parameters());
    const Tensor ids = random_ids({2, 6}, 31, config.vocab_size), targets = random_ids({2, 6}, 32, config.vocab_size);
    CAPTURE(variant.name);
    CHECK(worst_parameter_error(model.parameters(),
                                [&](const Pass& pass) { return decoder_loss(model, ids, targets, pass); }) <= 1e-6);
  }
}

}  // namespace cosformer::test
