#include <optional>
#include <string>
#include <utility>

#include "train/exchange/architectures.h"

namespace cosformer {

namespace {

std::optional<std::string> obstacle(const ModelConfig& config) {
  const Expectation expectations[] = {
      {"model.kind", config.kind == ModelKind::decoder, "\"decoder\""},
      {"attention.kind", is_plain_softmax(config), "softmax with nothing around it"},
      {"model.positions", config.positions == Positions::rope, "\"rope\""},
      {"model.norm", config.norm == NormPlacement::pre && config.final_norm, "\"pre\", with final_norm"},
      {"model.norm_kind", config.norm_kind == NormKind::rms, "\"rms\""},
      {"model.ffn_kind", config.ffn_kind == FeedForwardKind::swiglu, "\"swiglu\""},
      {"model.embedding_norm", !config.embedding_norm, "false"},
      {"model.scale_embeddings", !config.scale_embeddings, "false"},
      {"model.adaptive_cutoffs", config.adaptive_cutoffs.empty(), "none"},
  };
  return first_unmet(expectations);
}

void write(const ModelConfig& config, const TensorMap& parameters, ExportedModel& model) {
  model.config = {{"architectures", {"LlamaForCausalLM"}},
                  {"model_type", "llama"},
                  {"vocab_size", config.vocab_size},
                  {"max_position_embeddings", config.max_length},
                  {"hidden_size", config.embed_dim},
                  {"intermediate_size", config.ffn_dim},
                  {"num_hidden_layers", config.num_layers},
                  {"num_attention_heads", config.num_heads},
                  {"num_key_value_heads", config.num_kv_heads > 0 ? config.num_kv_heads : config.num_heads},
                  {"head_dim", config.embed_dim / config.num_heads},
                  {"hidden_act", "silu"},
                  {"rms_norm_eps", config.norm_eps},
                  {"rope_theta", config.rope_theta},
                  {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", config.rope_theta}}},
                  {"attention_bias", config.bias},
                  {"mlp_bias", config.bias},
                  {"attention_dropout", config.attention.dropout},
                  {"tie_word_embeddings", config.tie_embeddings}};
  TensorMap& tensors = model.tensors;
  const auto put = [&](const std::string& name, const std::string& from) { tensors[name] = parameters.at(from); };
  constexpr std::pair<const char*, const char*> kLayers[] = {{"self_attn.q_proj", "self_attn.q_proj"},
                                                             {"self_attn.k_proj", "self_attn.k_proj"},
                                                             {"self_attn.v_proj", "self_attn.v_proj"},
                                                             {"self_attn.o_proj", "self_attn.out_proj"},
                                                             {"mlp.up_proj", "fc1"},
                                                             {"mlp.gate_proj", "fc_gate"},
                                                             {"mlp.down_proj", "fc2"}};
  put("model.embed_tokens.weight", "decoder.embed_tokens.weight");
  for (std::int64_t i = 0; i < config.num_layers; ++i) {
    const std::string to = "model.layers." + std::to_string(i) + '.', from = "decoder.layers." + std::to_string(i) + '.';
    for (const auto& [theirs, ours] : kLayers) {
      put(to + theirs + ".weight", from + ours + ".weight");
      if (config.bias) put(to + theirs + ".bias", from + ours + ".bias");
    }
    put(to + "input_layernorm.weight", from + "self_attn_layer_norm.weight");
    put(to + "post_attention_layernorm.weight", from + "final_layer_norm.weight");
  }
  put("model.norm.weight", "decoder.layer_norm.weight");
  if (!config.tie_embeddings) put("lm_head.weight", "decoder.output_projection.weight");
}

}  // namespace

const ExportArchitecture kLlamaExport = {"llama", obstacle, write};

}  // namespace cosformer
