#include <optional>
#include <string>

#include "train/exchange/architectures.h"

namespace cosformer {

namespace {

/// What transformers call the activations that both have.
const char* activation_name(ScalarFunction activation) {
  switch (activation) {
    case ScalarFunction::gelu:
      return "gelu";
    case ScalarFunction::gelu_tanh:
      return "gelu_new";
    case ScalarFunction::relu:
      return "relu";
    case ScalarFunction::silu:
      return "silu";
    default:
      return nullptr;
  }
}

std::optional<std::string> obstacle(const ModelConfig& config) {
  const Expectation expectations[] = {
      {"model.kind", config.kind == ModelKind::decoder, "\"decoder\""},
      {"attention.kind", is_plain_softmax(config), "softmax with nothing around it"},
      {"model.positions", config.positions == Positions::learned, "\"learned\""},
      {"model.norm", config.norm == NormPlacement::pre && config.final_norm, "\"pre\", with final_norm"},
      {"model.norm_kind", config.norm_kind == NormKind::layer, "\"layer\""},
      {"model.ffn_kind", config.ffn_kind == FeedForwardKind::mlp, "\"mlp\""},
      {"model.activation", activation_name(config.activation) != nullptr, "gelu, gelu_tanh, relu or silu"},
      {"model.bias", config.bias, "true"},
      {"model.num_kv_heads", config.num_kv_heads == 0 || config.num_kv_heads == config.num_heads, "num_heads"},
      {"model.embedding_norm", !config.embedding_norm, "false"},
      {"model.scale_embeddings", !config.scale_embeddings, "false"},
      {"model.adaptive_cutoffs", config.adaptive_cutoffs.empty(), "none"},
  };
  return first_unmet(expectations);
}

void write(const ModelConfig& config, const TensorMap& parameters, ExportedModel& model) {
  model.config = {{"architectures", {"GPT2LMHeadModel"}},
                  {"model_type", "gpt2"},
                  {"vocab_size", config.vocab_size},
                  {"n_positions", config.max_length},
                  {"n_embd", config.embed_dim},
                  {"n_layer", config.num_layers},
                  {"n_head", config.num_heads},
                  {"n_inner", config.ffn_dim},
                  {"activation_function", activation_name(config.activation)},
                  {"layer_norm_epsilon", config.norm_eps},
                  {"resid_pdrop", config.dropout},
                  {"embd_pdrop", config.dropout},
                  {"attn_pdrop", config.attention.dropout},
                  {"tie_word_embeddings", config.tie_embeddings}};
  TensorMap& tensors = model.tensors;
  const auto put = [&](const std::string& name, const std::string& from) { tensors[name] = parameters.at(from); };
  const auto put_both = [&](const std::string& name, const std::string& from) {
    put(name + ".weight", from + ".weight");
    put(name + ".bias", from + ".bias");
  };
  // Conv1D keeps (inputs, outputs).
  const auto put_conv1d = [&](const std::string& name, const std::string& from) {
    tensors[name + ".weight"] = parameters.at(from + ".weight").transpose(0, 1).contiguous();
    put(name + ".bias", from + ".bias");
  };
  put("transformer.wte.weight", "decoder.embed_tokens.weight");
  put("transformer.wpe.weight", "decoder.embed_positions.weight");
  const std::int64_t dim = config.embed_dim;
  for (std::int64_t i = 0; i < config.num_layers; ++i) {
    const std::string to = "transformer.h." + std::to_string(i) + '.', from = "decoder.layers." + std::to_string(i) + '.';
    Tensor weight = Tensor::empty({dim, 3 * dim}), bias = Tensor::empty({3 * dim});
    const char* const projections[] = {"q_proj", "k_proj", "v_proj"};
    for (std::int64_t part = 0; part < 3; ++part) {
      const std::string name = from + "self_attn." + projections[part];
      weight.narrow(1, part * dim, dim).copy_from(parameters.at(name + ".weight").transpose(0, 1));
      bias.narrow(0, part * dim, dim).copy_from(parameters.at(name + ".bias"));
    }
    tensors[to + "attn.c_attn.weight"] = weight;
    tensors[to + "attn.c_attn.bias"] = bias;
    put_conv1d(to + "attn.c_proj", from + "self_attn.out_proj");
    put_conv1d(to + "mlp.c_fc", from + "fc1");
    put_conv1d(to + "mlp.c_proj", from + "fc2");
    put_both(to + "ln_1", from + "self_attn_layer_norm");
    put_both(to + "ln_2", from + "final_layer_norm");
  }
  put_both("transformer.ln_f", "decoder.layer_norm");
  if (!config.tie_embeddings) put("lm_head.weight", "decoder.output_projection.weight");
}

}  // namespace

const ExportArchitecture kGpt2Export = {"gpt2", obstacle, write};

}  // namespace cosformer
