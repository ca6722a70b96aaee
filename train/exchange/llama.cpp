#include <algorithm>
#include <string>

#include "core/error.h"
#include "train/exchange/foreign_families.h"

namespace cosformer {

namespace {

/// The base of the rotary positions. transformers 5 keeps it in an object of its own.
double rope_theta_of(const ForeignConfig& config) {
  constexpr double kDefault = 10000;
  if (const auto rope = config.object("rope_parameters")) {
    rope->require("rope_type", "default");
    rope->require("partial_rotary_factor", 1.0);
    return rope->number("rope_theta", kDefault);
  }
  if (const auto scaling = config.object("rope_scaling")) scaling->require("rope_type", "default");
  return config.number("rope_theta", kDefault);
}

}  // namespace

TranslatedModel translate_llama(const ForeignConfig& config, ForeignTensors& tensors) {
  TranslatedModel result;
  ModelConfig& model = result.config;
  model.kind = ModelKind::decoder;
  const std::int64_t dim = model.embed_dim = config.count("hidden_size");
  model.num_layers = config.count("num_hidden_layers");
  model.num_heads = config.count("num_attention_heads");
  check<InputError>(dim % model.num_heads == 0, config.source(),
                    ": num_attention_heads: expected a divisor of hidden_size = ", dim, ", found ", model.num_heads);
  const std::int64_t kv_heads = config.count("num_key_value_heads", model.num_heads), head_dim = dim / model.num_heads;
  config.require("head_dim", head_dim);
  model.num_kv_heads = kv_heads == model.num_heads ? 0 : kv_heads;
  const std::int64_t inner = model.ffn_dim = config.count("intermediate_size");
  model.vocab_size = config.count("vocab_size");
  model.norm_kind = NormKind::rms;
  model.norm_eps = config.number("rms_norm_eps", 1e-6);
  model.positions = Positions::rope;
  model.rope_theta = rope_theta_of(config);
  check<InputError>(find_foreign_activation(config, "hidden_act", "silu") == ScalarFunction::silu, config.source(),
                    ": hidden_act: expected \"silu\", the only setting that models of this program have");
  model.ffn_kind = FeedForwardKind::swiglu;
  model.tie_embeddings = config.boolean("tie_word_embeddings", false);
  // A window no longer than the texts would be another model's attention.
  if (config.text("model_type", "") == "mistral") config.require("sliding_window", nullptr);
  config.require("use_sliding_window", false);

  const std::string root = prefix_if_used(tensors, "model.", "embed_tokens.weight");
  TensorMap& parameters = result.parameters;
  parameters["decoder.embed_tokens.weight"] = tensors.take(root + "embed_tokens.weight", {model.vocab_size, dim});
  struct Layer {
    const char* from;
    const char* to;
    std::int64_t outputs, inputs;
  };
  const std::int64_t kv_dim = kv_heads * head_dim;
  const Layer layers[] = {{"self_attn.q_proj", "self_attn.q_proj", dim, dim},
                          {"self_attn.k_proj", "self_attn.k_proj", kv_dim, dim},
                          {"self_attn.v_proj", "self_attn.v_proj", kv_dim, dim},
                          {"self_attn.o_proj", "self_attn.out_proj", dim, dim},
                          {"mlp.up_proj", "fc1", inner, dim},
                          {"mlp.gate_proj", "fc_gate", inner, dim},
                          {"mlp.down_proj", "fc2", dim, inner}};
  const std::vector<std::string> names = tensors.names();
  model.bias = std::ranges::any_of(names, [](const std::string& name) { return name.ends_with("_proj.bias"); });
  bool fills_biases = false;
  for (std::int64_t i = 0; i < model.num_layers; ++i) {
    const std::string from = root + "layers." + std::to_string(i) + '.', to = "decoder.layers." + std::to_string(i) + '.';
    for (const Layer& layer : layers) {
      parameters[to + layer.to + ".weight"] = tensors.take(from + layer.from + ".weight", {layer.outputs, layer.inputs});
      if (!model.bias) continue;
      const bool exists = tensors.has(from + layer.from + ".bias");
      fills_biases |= !exists;
      parameters[to + layer.to + ".bias"] =
          exists ? tensors.take(from + layer.from + ".bias", {layer.outputs}) : Tensor::zeros({layer.outputs});
    }
    parameters[to + "self_attn_layer_norm.weight"] = tensors.take(from + "input_layernorm.weight", {dim});
    parameters[to + "final_layer_norm.weight"] = tensors.take(from + "post_attention_layernorm.weight", {dim});
    // Older files hold the frequencies as a buffer.
    tensors.drop(from + "self_attn.rotary_emb.inv_freq");
  }
  parameters["decoder.layer_norm.weight"] = tensors.take(root + "norm.weight", {dim});
  if (!model.tie_embeddings || tensors.has("lm_head.weight"))
    parameters["decoder.output_projection.weight"] = tensors.take("lm_head.weight", {model.vocab_size, dim});
  if (fills_biases) result.remarks.push_back("linear layers without a bias have one of zeros, which training would change");
  return result;
}

}  // namespace cosformer
