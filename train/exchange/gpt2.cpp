#include <string>

#include "train/exchange/foreign_families.h"

namespace cosformer {

// GPT-2 keeps its linear layers as Conv1D has them, (inputs, outputs), with query, key and value in one.
TranslatedModel translate_gpt2(const ForeignConfig& config, ForeignTensors& tensors) {
  config.require("scale_attn_weights", true);
  config.require("scale_attn_by_inverse_layer_idx", false);
  config.require("add_cross_attention", false);
  TranslatedModel result;
  ModelConfig& model = result.config;
  model.kind = ModelKind::decoder;
  const std::int64_t dim = model.embed_dim = config.count("n_embd");
  model.num_layers = config.count("n_layer");
  model.num_heads = config.count("n_head");
  const std::int64_t inner = model.ffn_dim = config.count("n_inner", 4 * dim);
  model.vocab_size = config.count("vocab_size");
  model.max_length = config.count("n_positions");
  model.norm_eps = config.number("layer_norm_epsilon", 1e-5);
  model.activation = find_foreign_activation(config, "activation_function", "gelu_new");
  model.tie_embeddings = config.boolean("tie_word_embeddings", true);

  const std::string root = prefix_if_used(tensors, "transformer.", "wte.weight");
  TensorMap& parameters = result.parameters;
  parameters["decoder.embed_tokens.weight"] = tensors.take(root + "wte.weight", {model.vocab_size, dim});
  parameters["decoder.embed_positions.weight"] = tensors.take(root + "wpe.weight", {model.max_length, dim});
  const auto take_conv1d = [&](const std::string& from, const std::string& to, std::int64_t outputs, std::int64_t inputs) {
    parameters[to + ".weight"] = tensors.take(from + ".weight", {inputs, outputs}).transpose(0, 1).contiguous();
    parameters[to + ".bias"] = tensors.take(from + ".bias", {outputs});
  };
  for (std::int64_t i = 0; i < model.num_layers; ++i) {
    const std::string from = root + "h." + std::to_string(i) + '.', to = "decoder.layers." + std::to_string(i) + '.';
    const Tensor weight = tensors.take(from + "attn.c_attn.weight", {dim, 3 * dim});
    const Tensor bias = tensors.take(from + "attn.c_attn.bias", {3 * dim});
    const char* const projections[] = {"q_proj", "k_proj", "v_proj"};
    for (std::int64_t part = 0; part < 3; ++part) {
      const std::string name = to + "self_attn." + projections[part];
      parameters[name + ".weight"] = weight.narrow(1, part * dim, dim).transpose(0, 1).contiguous();
      parameters[name + ".bias"] = bias.narrow(0, part * dim, dim).clone();
    }
    take_conv1d(from + "attn.c_proj", to + "self_attn.out_proj", dim, dim);
    take_conv1d(from + "mlp.c_fc", to + "fc1", inner, dim);
    take_conv1d(from + "mlp.c_proj", to + "fc2", dim, inner);
    take_norm(tensors, from + "ln_1", parameters, to + "self_attn_layer_norm", dim);
    take_norm(tensors, from + "ln_2", parameters, to + "final_layer_norm", dim);
    // The causal mask, which older files hold as a buffer.
    tensors.drop(from + "attn.bias");
    tensors.drop(from + "attn.masked_bias");
  }
  take_norm(tensors, root + "ln_f", parameters, "decoder.layer_norm", dim);
  if (!model.tie_embeddings || tensors.has("lm_head.weight"))
    parameters["decoder.output_projection.weight"] = tensors.take("lm_head.weight", {model.vocab_size, dim});
  return result;
}

}  // namespace cosformer
