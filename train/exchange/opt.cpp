#include <string>

#include "train/exchange/foreign_families.h"

namespace cosformer {

TranslatedModel translate_opt(const ForeignConfig& config, ForeignTensors& tensors) {
  config.require("enable_bias", true);
  config.require("layer_norm_elementwise_affine", true);
  TranslatedModel result;
  ModelConfig& model = result.config;
  model.kind = ModelKind::decoder;
  const std::int64_t dim = model.embed_dim = config.count("hidden_size");
  config.require("word_embed_proj_dim", dim);
  model.num_layers = config.count("num_hidden_layers");
  model.num_heads = config.count("num_attention_heads");
  const std::int64_t inner = model.ffn_dim = config.count("ffn_dim");
  model.vocab_size = config.count("vocab_size");
  model.max_length = config.count("max_position_embeddings");
  model.activation = find_foreign_activation(config, "activation_function", "relu");
  model.tie_embeddings = config.boolean("tie_word_embeddings", true);
  model.norm = config.boolean("do_layer_norm_before", true) ? NormPlacement::pre : NormPlacement::post;
  model.final_norm = !config.boolean("_remove_final_layer_norm", false);

  const std::string root = prefix_if_used(tensors, "model.", "decoder.embed_tokens.weight") + "decoder.";
  TensorMap& parameters = result.parameters;
  parameters["decoder.embed_tokens.weight"] = tensors.take(root + "embed_tokens.weight", {model.vocab_size, dim});
  // Position p has row p + 2 of the table, whatever the id of padding.
  constexpr std::int64_t kOffset = 2;
  parameters["decoder.embed_positions.weight"] =
      tensors.take(root + "embed_positions.weight", {model.max_length + kOffset, dim})
          .narrow(0, kOffset, model.max_length)
          .clone();
  for (std::int64_t i = 0; i < model.num_layers; ++i) {
    const std::string from = root + "layers." + std::to_string(i) + '.', to = "decoder.layers." + std::to_string(i) + '.';
    for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"})
      take_linear(tensors, from + name, parameters, to + name, dim, dim);
    take_linear(tensors, from + "fc1", parameters, to + "fc1", inner, dim);
    take_linear(tensors, from + "fc2", parameters, to + "fc2", dim, inner);
    for (const char* name : {"self_attn_layer_norm", "final_layer_norm"})
      take_norm(tensors, from + name, parameters, to + name, dim);
  }
  if (model.norm == NormPlacement::pre && model.final_norm)
    take_norm(tensors, root + "final_layer_norm", parameters, "decoder.layer_norm", dim);
  if (!model.tie_embeddings || tensors.has("lm_head.weight"))
    parameters["decoder.output_projection.weight"] = tensors.take("lm_head.weight", {model.vocab_size, dim});
  return result;
}

}  // namespace cosformer
