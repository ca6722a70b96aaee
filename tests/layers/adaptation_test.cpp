// What is frozen and what stands beside it: train.trainable and [lora].
#include <algorithm>
#include <map>

#include "autograd/backward.h"
#include "layers/low_rank_adapter.h"
#include "tests/catch.h"
#include "tests/layers/decoder_loss.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kLength = 9;

ModelConfig softmax_decoder() {
  AttentionConfig attention;
  attention.kind = "softmax";
  ModelConfig config = small_model(ModelKind::decoder, attention, kLength);
  config.num_layers = 2;
  return config;
}

ModelConfig with_adapters(ModelConfig config, std::vector<std::string> targets) {
  config.adaptation.lora = {.rank = 2, .alpha = 3, .targets = std::move(targets)};
  return config;
}

/// Models of every way in which a layer runs: fused, with a gated unit, behind its norm, with attentions of their own
/// layers.
std::vector<std::pair<std::string, ModelConfig>> kinds_of_decoders() {
  std::vector<std::pair<std::string, ModelConfig>> kinds = {{"fused", softmax_decoder()}};
  ModelConfig config = softmax_decoder();
  config.norm = NormPlacement::post;
  kinds.emplace_back("norm behind", config);
  config = softmax_decoder();
  config.ffn_kind = FeedForwardKind::swiglu;
  config.bias = false;
  config.norm_kind = NormKind::rms;
  config.attention.output_gate = OutputGate::silu;
  kinds.emplace_back("gated, without biases", config);
  config = softmax_decoder();
  config.attention.kind = "gated_delta";
  kinds.emplace_back("linear layers within the attention", config);
  config = softmax_decoder();
  config.attention.kind = "cosformer";
  config.num_kv_heads = 1;
  kinds.emplace_back("shared keys", config);
  return kinds;
}

/// Gives every second matrix of an adapter values other than 0.
void move_adapters(const Model& model) {
  std::uint64_t seed = 40;
  for (const Parameter& parameter : model.parameters()) {
    if (!parameter.name.ends_with("lora_B.weight")) continue;
    Tensor value = parameter.variable.value();
    value.copy_from(random_tensor(value.shape(), ++seed, value.dtype()));
  }
}

std::map<std::string, Tensor> weights_of(const Model& model) {
  std::map<std::string, Tensor> weights;
  for (const Parameter& parameter : model.parameters()) weights[parameter.name] = parameter.variable.value();
  return weights;
}

void copy_weights(const std::map<std::string, Tensor>& weights, const Model& model) {
  for (const Parameter& parameter : model.parameters()) {
    Tensor value = parameter.variable.value();
    value.copy_from(weights.at(parameter.name));
  }
}

struct Batch {
  Tensor ids, targets;
  explicit Batch(const ModelConfig& config)
      : ids(random_ids({2, kLength}, 1, config.vocab_size)), targets(random_ids({2, kLength}, 2, config.vocab_size)) {}
};

Variable loss_of(const Model& model, const Pass& pass = {.record_gradients = true}) {
  const Batch batch(model.config());
  return decoder_loss(model, batch.ids, batch.targets, pass);
}

}  // namespace

TEST_CASE("what is frozen gets no gradient, and the others get those that they had") {
  const ThreadCountScope one_thread(1);
  for (const auto& [name, config] : kinds_of_decoders()) {
    const Model whole(config, 3, DType::float64);
    const Gradients all = backward(loss_of(whole));
    for (const char* pattern : {"*.self_attn.*", "*.layers.1.fc?.*", "decoder.embed_tokens.weight", "*.layer_norm.*", "*"}) {
      if (pattern == std::string("*.layer_norm.*") && config.norm == NormPlacement::post) continue;
      ModelConfig frozen = config;
      frozen.adaptation.trainable = {pattern};
      for (const bool recompute : {false, true}) {
        CAPTURE(name, pattern, recompute);
        const Model model(frozen, 3, DType::float64);
        const Gradients some = backward(loss_of(model, {.record_gradients = true, .recompute_layers = recompute}));
        std::int64_t trained = 0;
        for (std::size_t p = 0; p < model.parameters().size(); ++p) {
          const Parameter& parameter = model.parameters()[p];
          const Tensor gradient = some.of(parameter.variable);
          CAPTURE(parameter.name);
          CHECK(gradient.defined() == parameter.is_trained());
          if (!parameter.is_trained()) continue;
          trained += gradient.size();
          CHECK(values_of(gradient) == values_of(all.of(whole.parameters()[p].variable)));
        }
        CHECK(trained == count_trained(model.parameters()));
        CHECK(trained > 0);
      }
    }
  }
}

TEST_CASE("a model with new adapters is the one without, to the bit, and trains them alone") {
  const ThreadCountScope one_thread(1);
  for (const auto& [name, config] : kinds_of_decoders()) {
    CAPTURE(name);
    const Model plain(config, 3), adapted(with_adapters(config, {"*"}), 3);
    CHECK(loss_of(plain).value().item() == loss_of(adapted).value().item());
    const Gradients gradients = backward(loss_of(adapted));
    for (const Parameter& parameter : adapted.parameters()) {
      CAPTURE(parameter.name);
      CHECK(parameter.is_trained() == is_of_adapter(parameter.name));
      CHECK(gradients.of(parameter.variable).defined() == is_of_adapter(parameter.name));
    }
    ModelConfig both = with_adapters(config, {"*.fc?"});
    both.adaptation.trainable = {"*.embed_tokens.*"};
    const Model partly(both, 3);
    for (const Parameter& parameter : partly.parameters()) {
      CAPTURE(parameter.name);
      CHECK(parameter.is_trained() == (is_of_adapter(parameter.name) || parameter.name == "decoder.embed_tokens.weight"));
      CHECK((!is_of_adapter(parameter.name) || parameter.name.find(".fc") != std::string::npos));
    }
  }
}

TEST_CASE("adapters are those of merged weights, to the bit, and their gradients follow from the weights' own") {
  const ThreadCountScope one_thread(1);
  for (const auto& [name, config] : kinds_of_decoders()) {
    CAPTURE(name);
    for (const DType dtype : {DType::float32, DType::float64}) {
      const Model adapted(with_adapters(config, {"*"}), 3, dtype), merged(config, 3, dtype);
      move_adapters(adapted);
      const std::map<std::string, Tensor> before = weights_of(adapted);
      std::map<std::string, Tensor> weights = before;
      merge_adapters(weights, adapted.config().adaptation.lora, "test");
      CHECK(weights.size() == merged.parameters().size());
      copy_weights(weights, merged);
      CHECK(loss_of(adapted).value().item() == loss_of(merged).value().item());
      if (dtype == DType::float32) continue;
      const Gradients own = backward(loss_of(adapted)), plain = backward(loss_of(merged));
      const double factor = 1.5;
      std::size_t seen = 0;
      for (const Parameter& parameter : adapted.parameters()) {
        if (!parameter.name.ends_with(".lora_A.weight")) continue;
        ++seen;
        const std::string layer = parameter.name.substr(0, parameter.name.size() - std::string("lora_A.weight").size());
        const auto leaf = [&](const Model& model, const std::string& of) {
          return std::ranges::find(model.parameters(), of, &Parameter::name)->variable;
        };
        const Variable dw(plain.of(leaf(merged, layer + "weight")));
        const Variable a(before.at(parameter.name)), b(before.at(layer + "lora_B.weight"));
        const auto transposed = [](const Variable& x) { return Variable(x.value().transpose(0, 1).contiguous()); };
        require_close(layer + "lora_A", values_of(scale(matmul(transposed(b), dw), factor).value()),
                      values_of(own.of(parameter.variable)), {.rel = 1e-11, .abs = 1e-14});
        require_close(layer + "lora_B", values_of(scale(matmul(dw, transposed(a)), factor).value()),
                      values_of(own.of(leaf(adapted, layer + "lora_B.weight"))), {.rel = 1e-11, .abs = 1e-14});
      }
      CHECK(seen >= 2 * 4);
    }
  }
}

TEST_CASE("adapters begin uniformly and with zeros, and belong to their layer") {
  const Model model(with_adapters(softmax_decoder(), {"*_attn.?_proj"}), 3);
  std::size_t count = 0;
  for (const Parameter& parameter : model.parameters()) {
    if (!is_of_adapter(parameter.name)) continue;
    ++count;
    CAPTURE(parameter.name);
    const Values values = values_of(parameter.variable.value());
    const double most = *std::ranges::max_element(values);
    if (parameter.name.ends_with("lora_B.weight")) {
      CHECK(parameter.variable.shape() == Shape({8, 2}));
      CHECK(most == 0);
    } else {
      CHECK(parameter.variable.shape() == Shape({2, 8}));
      CHECK(most > 0);
      CHECK(most <= 1 / std::sqrt(8.0));
    }
  }
  CHECK(count == 2 * 3 * 2);
}

TEST_CASE("patterns that stand for nothing in a model are refused, and so is half an adapter") {
  const auto message = [](const Adaptation& adaptation) {
    ModelConfig config = softmax_decoder();
    config.adaptation = adaptation;
    return input_error_of([&] { const Model model(config, 3); });
  };
  CHECK(
      message({.lora = {}, .trainable = {"*.feature_map_*"}})
          .starts_with("train.trainable: no parameter of the model is called \"*.feature_map_*\"; the nearest name is \""));
  CHECK(message({.lora = {.rank = 2, .alpha = 1, .targets = {"*.query"}}, .trainable = {}})
            .starts_with("lora.targets: no linear layer of the model is called \"*.query\"; the nearest name is \""));
  // Without adapters their targets say nothing.
  CHECK(message({.lora = {.rank = 0, .alpha = 1, .targets = {"*.query"}}, .trainable = {}}).empty());

  std::map<std::string, Tensor> weights = {{"fc.weight", Tensor::zeros({3, 4})},
                                           {"fc.lora_A.weight", Tensor::zeros({2, 4})}};
  const LoraConfig lora{.rank = 2, .alpha = 1, .targets = {}};
  CHECK(input_error_of([&] { merge_adapters(weights, lora, "file"); }) == "file: the adapter of \"fc\" is not whole");
  weights["fc.lora_B.weight"] = Tensor::zeros({4, 2});
  CHECK(input_error_of([&] {
          merge_adapters(weights, lora, "file");
        }).starts_with("file: the adapter of \"fc\" does not fit it: "));
}

}  // namespace cosformer::test
