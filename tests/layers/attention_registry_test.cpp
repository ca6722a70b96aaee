#include <algorithm>
#include <cmath>
#include <memory>

#include "autograd/backward.h"
#include "autograd/grad_check.h"
#include "core/kernels/optimizer.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

constexpr AttentionSetting kSetting{.num_heads = 2, .head_dim = 4, .causal_length = 80, .seed = 5, .path = "layer"};

bool all_finite(const Values& values) {
  return !values.empty() && std::ranges::all_of(values, [](double x) { return std::isfinite(x); });
}

/// Mean loss of predicting `targets` (int32 [B, T]) with a decoder.
Variable decoder_loss(const Model& model, const Tensor& ids, const Tensor& targets, const Pass& pass) {
  const Variable hidden = model.decode(ids, nullptr, {}, pass);
  const std::int64_t rows = ids.size();
  return linear_cross_entropy(reshape(hidden, {rows, hidden.dim(2)}), pass.use(model.output_weight()), Variable(),
                              targets.reshape({rows}), 1.0 / static_cast<double>(rows));
}

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

/// One AdamW update of all parameters.
class TestAdam {
 public:
  explicit TestAdam(const std::vector<Parameter>& parameters) : parameters_(parameters) {
    for (const Parameter& parameter : parameters) {
      const Shape& shape = parameter.variable.shape();
      moments_.emplace_back(Tensor::zeros(shape), Tensor::zeros(shape));
    }
  }

  void update(const Gradients& gradients, double learning_rate) {
    ++step_;
    const AdamWStep settings{.beta1 = 0.9,
                             .beta2 = 0.99,
                             .eps = 1e-8,
                             .step_size = learning_rate / (1 - std::pow(0.9, step_)),
                             .sqrt_correction = std::sqrt(1 - std::pow(0.99, step_)),
                             .decay = 0,
                             .gradient_scale = 1};
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const Tensor gradient = gradients.of(parameters_[i].variable).contiguous();
      Tensor value = parameters_[i].variable.value();
      auto& [first, second] = moments_[i];
      adamw_update(settings, gradient.data<float>(), value.data<float>(), first.data<float>(), second.data<float>(),
                   value.size());
    }
  }

 private:
  const std::vector<Parameter>& parameters_;
  std::vector<std::pair<Tensor, Tensor>> moments_;
  int step_ = 0;
};

}  // namespace

TEST_CASE("the attention registry and the feature maps hold the published variants") {
  std::vector<std::string> kinds, maps;
  for (const AttentionKind& kind : attention_kinds()) kinds.emplace_back(kind.name);
  for (const FeatureMapKind& map : feature_maps()) maps.emplace_back(map.name);
  for (const char* name : {"cosformer", "linear", "softmax", "softmax_materialized"})
    CHECK(std::ranges::count(kinds, name) == 1);
  for (const char* name : {"identity", "leaky_relu", "relu", "elu", "favor"}) CHECK(std::ranges::count(maps, name) == 1);
}

TEST_CASE("unknown names of attention are refused with the nearest name") {
  const auto message = [](auto&& change) {
    AttentionConfig config;
    config.kind = "linear";
    change(config);
    return input_error_of([&] { make_attention(config, kSetting); });
  };
  const auto names = [](const std::string& text, const char* key, const char* nearest) {
    CAPTURE(text);
    CHECK(text.find(key) == 0);
    CHECK(text.find(nearest) != std::string::npos);
    CHECK(text.find('\n') == std::string::npos);
  };
  names(message([](AttentionConfig& config) { config.kind = "cosfromer"; }), "attention.kind:", "\"cosformer\"");
  names(message([](AttentionConfig& config) { config.feature_map = "rellu"; }), "attention.feature_map:", "\"relu\"");
  names(message([](AttentionConfig& config) { config.reweighting = "coss"; }), "attention.reweighting:", "\"cos\"");
  names(message([](AttentionConfig& config) { config.form = "chunkd"; }), "attention.form:", "\"chunked\"");
  names(message([](AttentionConfig& config) { config.normalization = "l2"; }), "attention.normalization:", "\"l1\"");
  for (const char* form : {"linear", "chunked", "recurrent"}) {
    names(message([&](AttentionConfig& config) { config.normalization = "l1", config.form = form; }),
          "attention.form:", "expected \"auto\" or \"quadratic\"");
  }
  names(message([](AttentionConfig& config) { config.chunk_size = 0; }), "attention.chunk_size:", "found 0");
  names(message([](AttentionConfig& config) { config.kind = "local", config.window = -1; }),
        "attention.window:", "found -1");
}

TEST_CASE("every attention gives finite outputs and gradients of the right shape") {
  const ThreadCountScope one_thread(1);
  for (const Variant& variant : attention_variants()) {
    CAPTURE(variant.name);
    const std::unique_ptr<Attention> attention = make_attention(variant.config, kSetting);
    for (const DType dtype : {DType::float32, DType::float64}) {
      for (const bool causal : {false, true}) {
        const std::int64_t queries = 9, keys = causal ? 9 : 14;
        const Variable query = Variable::leaf(random_tensor({3, queries, 2, 4}, 1, dtype));
        const Variable key = Variable::leaf(random_tensor({3, keys, 2, 4}, 2, dtype));
        const Variable value = Variable::leaf(random_tensor({3, keys, 2, 6}, 3, dtype));
        const Variable out = attention->forward(query, key, value, {.causal = causal, .key_mask = {}, .query_mask = {}});
        CHECK(out.shape() == Shape({3, queries, 2, 6}));
        CHECK(out.dtype() == dtype);
        CHECK(all_finite(values_of(out.value())));
        const Gradients gradients = backward(uneven_loss(out));
        for (const Variable& input : {query, key, value}) {
          CHECK(gradients.of(input).shape() == input.shape());
          CHECK(all_finite(values_of(gradients.of(input))));
        }
      }
    }
    CHECK(attention->forward_flops(100, 100, false) > 0);
  }
}

TEST_CASE("causal attention tells nothing of the future, to the bit") {
  const ThreadCountScope one_thread(1);
  const std::int64_t length = 70;
  for (const Variant& variant : attention_variants()) {
    for (const char* form : {"auto", "quadratic", "chunked", "recurrent"}) {
      const bool chunked_or_recurrent = form == std::string("chunked") || form == std::string("recurrent");
      if (form != std::string("auto") && (!variant.is_linear() || (chunked_or_recurrent && !variant.has_forms()))) continue;
      AttentionConfig config = variant.config;
      config.form = form;
      const std::unique_ptr<Attention> attention = make_attention(config, kSetting);
      const auto outputs = [&](const std::vector<Tensor>& inputs) {
        return values_of(attention
                             ->forward(Variable(inputs[0]), Variable(inputs[1]), Variable(inputs[2]),
                                       {.causal = true, .key_mask = {}, .query_mask = {}})
                             .value());
      };
      std::vector<Tensor> inputs;
      for (const std::uint64_t seed : {1, 2, 3}) inputs.push_back(random_tensor({1, length, 2, 4}, seed, DType::float32));
      const Values before = outputs(inputs);
      for (const std::int64_t changed : {1, 33, 64, 69}) {
        CAPTURE(variant.name, form, changed);
        std::vector<Tensor> other;
        for (const Tensor& input : inputs) {
          other.push_back(input.clone());
          other.back().narrow(1, changed, 1).fill(0.75);
        }
        const Values after = outputs(other);
        const std::ptrdiff_t first = changed * 8;
        CHECK(std::equal(before.begin(), before.begin() + first, after.begin()));
        CHECK_FALSE(std::equal(before.begin() + first, before.end(), after.begin() + first));
      }
    }
  }
}

TEST_CASE("a decoder tells nothing of the future, to the bit") {
  const ThreadCountScope one_thread(1);
  const std::int64_t length = 70;
  for (const Variant& variant : attention_variants()) {
    ModelConfig config = small_model(ModelKind::decoder, variant.config, length);
    config.num_layers = 2;
    const Model model(config, length, 3);
    const Tensor ids = random_ids({1, length}, 4, config.vocab_size);
    const auto outputs = [&](const Tensor& tokens) { return values_of(model.decode(tokens, nullptr, {}, {}).value()); };
    const Values before = outputs(ids);
    for (const std::int64_t changed : {1, 64, 69}) {
      CAPTURE(variant.name, changed);
      Tensor other = ids.clone();
      std::int32_t& token = other.span<std::int32_t>()[static_cast<std::size_t>(changed)];
      token = (token + 1) % static_cast<std::int32_t>(config.vocab_size);
      const Values after = outputs(other);
      const std::ptrdiff_t first = changed * config.embed_dim;
      CHECK(std::equal(before.begin(), before.begin() + first, after.begin()));
      CHECK_FALSE(std::equal(before.begin() + first, before.end(), after.begin() + first));
    }
  }
}

TEST_CASE("gradients through multi-head attention agree with central differences") {
  const ThreadCountScope one_thread(1);
  for (const Variant& variant : attention_variants()) {
    ParameterStore store(8, DType::float64);
    const MultiHeadAttention attention(Scope(store, "layer"), 8, 2, variant.config, 16);
    spread_parameters(store.all());
    const Tensor x = random_tensor({2, 5, 8}, 21, DType::float64), source = random_tensor({2, 7, 8}, 22, DType::float64);
    const AttentionMask causal{.causal = true, .key_mask = {}, .query_mask = {}};
    const AttentionMask padded{.causal = false, .key_mask = mask_of({"1110111", "1111100"}), .query_mask = {}};
    CAPTURE(variant.name);

    const Pass pass{.record_gradients = true};
    const GradientCheck self = check_gradients(
        [&](std::span<const Variable> in) { return uneven_loss(attention.forward(in[0], in[0], causal, pass)); },
        std::span(&x, 1));
    INFO("self-attention: " << self.worst_place);
    CHECK(self.worst_error <= 1e-6);
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
  for (const Variant& variant : attention_variants()) {
    const ModelConfig config = small_model(ModelKind::decoder, variant.config, 6);
    const Model model(config, 6, 9, DType::float64);
    spread_parameters(model.parameters());
    const Tensor ids = random_ids({2, 6}, 31, config.vocab_size), targets = random_ids({2, 6}, 32, config.vocab_size);
    CAPTURE(variant.name);
    CHECK(worst_parameter_error(model.parameters(),
                                [&](const Pass& pass) { return decoder_loss(model, ids, targets, pass); }) <= 1e-6);
  }
}

TEST_CASE("a forward and a backward pass have the same bits on one, two and three threads") {
  for (const Variant& variant : attention_variants()) {
    ModelConfig config = small_model(ModelKind::decoder, variant.config, 130);
    config.embed_dim = 32;
    config.num_heads = 4;
    config.dropout = 0.1;
    const Model model(config, 130, 9);
    const Tensor ids = random_ids({3, 130}, 31, config.vocab_size), targets = random_ids({3, 130}, 32, config.vocab_size);
    require_same_bits_on_any_threads(variant.name, [&] {
      const Pass pass{.training = true, .record_gradients = true, .seed = 4, .noise_index = 2};
      const Variable loss = decoder_loss(model, ids, targets, pass);
      Values all = values_of(loss.value());
      const Gradients gradients = backward(loss);
      for (const Parameter& parameter : model.parameters()) {
        const Values gradient = values_of(gradients.of(parameter.variable));
        all.insert(all.end(), gradient.begin(), gradient.end());
      }
      return all;
    });
  }
}

TEST_CASE("fifty training steps lower the loss with every attention") {
  const ThreadCountScope one_thread(1);
  // The target is the token before, which only attention can see.
  const std::int64_t length = 16, rows = 8;
  for (const Variant& variant : attention_variants()) {
    ModelConfig config = small_model(ModelKind::decoder, variant.config, length);
    config.embed_dim = 32;
    config.ffn_dim = 64;
    const Model model(config, length, 9);
    TestAdam optimizer(model.parameters());
    std::vector<double> losses;
    for (std::uint64_t step = 0; step < 50; ++step) {
      const Tensor tokens = random_ids({rows, length + 1}, 100 + step, 8);
      const Tensor targets = tokens.narrow(1, 0, length).contiguous(), ids = tokens.narrow(1, 1, length).contiguous();
      Tensor counted = targets.clone();
      for (std::int64_t row = 0; row < rows; ++row)
        counted.span<std::int32_t>()[static_cast<std::size_t>(row * length)] = -1;
      const Variable loss = decoder_loss(model, ids, counted, {.training = true, .record_gradients = true});
      losses.push_back(loss.value().item());
      optimizer.update(backward(loss), 5e-3);
    }
    CAPTURE(variant.name, losses.front(), losses.back());
    CHECK(losses.back() < 0.75 * losses.front());
  }
}

}  // namespace cosformer::test
