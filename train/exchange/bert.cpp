#include <string>

#include "core/error.h"
#include "train/exchange/foreign_families.h"

namespace cosformer {

namespace {

/// What the two families call the same things.
struct Spelling {
  const char* root;
  const char* head_dense;
  const char* head_norm;
  const char* head_bias;
  const char* head_weight;
  const char* second_bias;  ///< the bias once more, in older files
};
constexpr Spelling kBert = {"bert.",
                            "cls.predictions.transform.dense",
                            "cls.predictions.transform.LayerNorm",
                            "cls.predictions.bias",
                            "cls.predictions.decoder.weight",
                            "cls.predictions.decoder.bias"};
constexpr Spelling kRoberta = {"roberta.",     "lm_head.dense",          "lm_head.layer_norm",
                               "lm_head.bias", "lm_head.decoder.weight", "lm_head.decoder.bias"};

}  // namespace

TranslatedModel translate_bert(const ForeignConfig& config, ForeignTensors& tensors) {
  const bool is_roberta = config.text("model_type", "") == "roberta";
  const Spelling& spelling = is_roberta ? kRoberta : kBert;
  config.require("position_embedding_type", "absolute");
  config.require("is_decoder", false);
  config.require("add_cross_attention", false);
  TranslatedModel result;
  ModelConfig& model = result.config;
  model.kind = ModelKind::encoder;
  const std::int64_t dim = model.embed_dim = config.count("hidden_size");
  model.num_layers = config.count("num_hidden_layers");
  model.num_heads = config.count("num_attention_heads");
  const std::int64_t inner = model.ffn_dim = config.count("intermediate_size");
  model.vocab_size = config.count("vocab_size");
  model.norm = NormPlacement::post;
  model.norm_eps = config.number("layer_norm_eps", 1e-12);
  model.embedding_norm = true;
  model.activation = find_foreign_activation(config, "hidden_act", "gelu");
  model.tie_embeddings = config.boolean("tie_word_embeddings", true);
  model.pooling = Pooling::first;
  // RoBERTa counts positions from the id of padding on.
  const std::int64_t rows = config.count("max_position_embeddings"), types = config.count("type_vocab_size", 2);
  const std::int64_t offset = is_roberta ? config.id("pad_token_id", 1) + 1 : 0;
  check<InputError>(offset >= 0 && offset < rows, config.source(), ": pad_token_id: leaves none of the ", rows,
                    " positions");
  model.max_length = rows - offset;

  const std::string root = prefix_if_used(tensors, spelling.root, "embeddings.word_embeddings.weight");
  const std::string embeddings = root + "embeddings.";
  TensorMap& parameters = result.parameters;
  parameters["encoder.embed_tokens.weight"] = tensors.take(embeddings + "word_embeddings.weight", {model.vocab_size, dim});
  Tensor positions =
      tensors.take(embeddings + "position_embeddings.weight", {rows, dim}).narrow(0, offset, model.max_length).clone();
  // All tokens of a single text are of type 0, whose vector is therefore a part of every position.
  const Tensor type_table = tensors.take(embeddings + "token_type_embeddings.weight", {types, dim});
  for (std::int64_t i = 0; i < positions.size(); ++i) positions.data<float>()[i] += type_table.data<float>()[i % dim];
  parameters["encoder.embed_positions.weight"] = positions;
  if (types > 1)
    result.remarks.push_back(
        "the vector of token type 0 is added to the positions; other types, which tell the second text of a pair, are left "
        "out");
  take_norm(tensors, embeddings + "LayerNorm", parameters, "encoder.layernorm_embedding", dim);
  tensors.drop(embeddings + "position_ids");
  for (std::int64_t i = 0; i < model.num_layers; ++i) {
    const std::string from = root + "encoder.layer." + std::to_string(i) + '.',
                      to = "encoder.layers." + std::to_string(i) + '.';
    take_linear(tensors, from + "attention.self.query", parameters, to + "self_attn.q_proj", dim, dim);
    take_linear(tensors, from + "attention.self.key", parameters, to + "self_attn.k_proj", dim, dim);
    take_linear(tensors, from + "attention.self.value", parameters, to + "self_attn.v_proj", dim, dim);
    take_linear(tensors, from + "attention.output.dense", parameters, to + "self_attn.out_proj", dim, dim);
    take_linear(tensors, from + "intermediate.dense", parameters, to + "fc1", inner, dim);
    take_linear(tensors, from + "output.dense", parameters, to + "fc2", dim, inner);
    take_norm(tensors, from + "attention.output.LayerNorm", parameters, to + "self_attn_layer_norm", dim);
    take_norm(tensors, from + "output.LayerNorm", parameters, to + "final_layer_norm", dim);
  }
  if (!tensors.has(std::string(spelling.head_dense) + ".weight")) return result;
  if (model.activation != ScalarFunction::gelu) {
    result.remarks.push_back("the head of masked tokens is left out: its activation is not the exact gelu");
    return result;
  }
  model.lm_head = true;
  take_linear(tensors, spelling.head_dense, parameters, "lm_head.dense", dim, dim);
  take_norm(tensors, spelling.head_norm, parameters, "lm_head.layer_norm", dim);
  parameters["lm_head.out_proj.bias"] = tensors.take(spelling.head_bias, {model.vocab_size});
  tensors.drop(spelling.second_bias);
  if (!model.tie_embeddings || tensors.has(spelling.head_weight))
    parameters["lm_head.out_proj.weight"] = tensors.take(spelling.head_weight, {model.vocab_size, dim});
  return result;
}

}  // namespace cosformer
