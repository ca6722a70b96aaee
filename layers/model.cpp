#include "layers/model.h"

#include <cmath>
#include <string>

#include "core/error.h"
#include "layers/attention/registry.h"
#include "layers/attention/reweighting_length.h"

namespace cosformer {

namespace {

/// Vectors of embed_dim that the classification head reads, joined from the pooled texts of an item.
constexpr struct {
  PairFeatures kind;
  std::int64_t vectors;
  Variable (*join)(const Variable& a, const Variable& b);
} kPairFeatures[] = {
    {PairFeatures::none, 1, nullptr},
    {PairFeatures::concat, 2, concatenate},
    {PairFeatures::interaction, 4,
     [](const Variable& a, const Variable& b) {
       return concatenate(concatenate(a, b), concatenate(multiply(a, b), subtract(a, b)));
     }},
};

void check_config(const ModelConfig& config) {
  const auto at_least_one = [](const char* key, std::int64_t value) {
    check<InputError>(value >= 1, "model.", key, ": expected at least 1, found ", value);
  };
  at_least_one("embed_dim", config.embed_dim);
  at_least_one("num_heads", config.num_heads);
  at_least_one("ffn_dim", config.ffn_dim);
  at_least_one("vocab_size", config.vocab_size);
  at_least_one("max_length", config.max_length);
  check<InputError>(config.num_layers >= 0, "model.num_layers: expected at least 0, found ", config.num_layers);
  const auto fraction = [](const char* key, double value) {
    check<InputError>(value >= 0 && value < 1, key, ": expected a value in [0, 1), found ", value);
  };
  fraction("model.dropout", config.dropout);
  fraction("model.activation_dropout", config.activation_dropout);
  fraction("attention.dropout", config.attention.dropout);
  fraction("model.adaptive_dropout", config.adaptive_dropout);
  check<InputError>(config.classifier_dim >= 0, "model.classifier_dim: expected at least 0, found ", config.classifier_dim);
  check<InputError>(config.num_classes == 0 || config.kind == ModelKind::encoder,
                    "model.num_classes: only an encoder has a classification head");
  check<InputError>(!config.share_embeddings || config.kind == ModelKind::encoder_decoder,
                    "model.share_embeddings: only an encoder_decoder has two tables");
  if (!config.adaptive_cutoffs.empty()) {
    check<InputError>(config.kind == ModelKind::decoder, "model.adaptive_cutoffs: only a decoder has an adaptive softmax");
    check<InputError>(config.tie_embeddings || !config.tie_adaptive_projections,
                      "model.tie_adaptive_projections: needs model.tie_embeddings");
  }
  if (const auto problem = find_attention_problem(config)) throw InputError(problem->message);
  check<InputError>(!config.lm_head || config.kind == ModelKind::encoder, "model.lm_head: only an encoder has this head");
}

/// The second names of a model's tied parameters, those of the output before the input that they may be tied to in turn.
std::vector<Model::TiedName> tied_names_of(const ModelConfig& config) {
  const std::string words = "embed_tokens.weight";
  const std::string input = (config.share_embeddings || config.kind == ModelKind::encoder ? "encoder." : "decoder.") + words;
  std::vector<Model::TiedName> names;
  if (config.kind != ModelKind::encoder && config.tie_embeddings && config.adaptive_cutoffs.empty()) {
    names.push_back({"decoder.output_projection.weight", input});
  }
  if (config.share_embeddings) names.push_back({"decoder." + words, input});
  if (config.lm_head && config.tie_embeddings) names.push_back({"lm_head.out_proj.weight", input});
  if (config.adaptive_cutoffs.empty() || !config.tie_embeddings) return names;
  const std::string bands = "decoder.embed_tokens.embeddings.", softmax = "decoder.adaptive_softmax.";
  names.push_back({softmax + "head.word_proj.weight", bands + "0.0.weight"});
  for (std::size_t tail = 0; tail < config.adaptive_cutoffs.size(); ++tail) {
    const std::string place = softmax + "tail." + std::to_string(tail), band = bands + std::to_string(tail + 1);
    names.push_back({place + ".2.weight", band + ".0.weight"});
    if (config.tie_adaptive_projections) names.push_back({place + ".0.weight", band + ".1.weight"});
  }
  return names;
}

/// Deviation of a weight that turns hidden states into scores.
Initializer output_initializer(std::int64_t embed_dim) {
  return Initializer::normal(1.0 / std::sqrt(static_cast<double>(embed_dim)));
}

}  // namespace

LanguageModelHead::LanguageModelHead(const Scope& scope, const ModelConfig& config, const Variable& embedding)
    : dense_(scope / "dense", config.embed_dim, config.embed_dim),
      layer_norm_(scope / "layer_norm", config.embed_dim, config.norm_eps),
      weight_(embedding.defined()
                  ? embedding
                  : (scope / "out_proj")
                        .create("weight", {config.vocab_size, config.embed_dim}, output_initializer(config.embed_dim))),
      bias_((scope / "out_proj").create("bias", {config.vocab_size}, Initializer::constant(0))) {}

Model::Model(const ModelConfig& given, std::uint64_t seed, DType dtype, ParameterValues values)
    : config_(given), store_(seed, dtype, values, given.linear_start, given.adaptation) {
  check_config(given);
  config_.attention = settle_reweighting_length(given.attention, given.kind, {.seq_len = given.max_length});
  tied_names_ = tied_names_of(given);
  const ModelConfig& config = config_;
  const Scope root(store_);
  if (config.kind != ModelKind::decoder) {
    encoder_.emplace(root / "encoder", config, StackRole::encoder, false);
  }
  if (config.kind != ModelKind::encoder) {
    decoder_.emplace(root / "decoder", config, StackRole::decoder, config.kind == ModelKind::encoder_decoder,
                     config.share_embeddings ? encoder_->embedding_weight() : Variable());
    if (!config.adaptive_cutoffs.empty()) {
      adaptive_softmax_.emplace(root / "decoder" / "adaptive_softmax", config, decoder_->adaptive_embedding());
    } else if (!config.tie_embeddings) {
      output_projection_ =
          (root / "decoder" / "output_projection")
              .create("weight", {config.vocab_size, config.embed_dim}, output_initializer(config.embed_dim));
    }
  }
  if (config.lm_head) {
    lm_head_.emplace(root / "lm_head", config, config.tie_embeddings ? encoder_->embedding_weight() : Variable());
  }
  if (config.num_classes > 0) {
    classification_head_.emplace(root / "classification_head",
                                 config.embed_dim * kPairFeatures[static_cast<std::size_t>(config.pair_features)].vectors,
                                 config.classifier_dim > 0 ? config.classifier_dim : config.embed_dim, config.num_classes,
                                 config.dropout);
  }
  store_.check_adaptation();
}

Variable Model::encode(const Tensor& ids, const SharedPaddingMask& mask, const Pass& pass) const {
  return encoder().forward(ids, mask, {}, pass);
}

const Transformer& Model::encoder() const {
  check<Error>(encoder_.has_value(), "[encode] a decoder-only model has no encoder");
  return *encoder_;
}

Variable Model::decode(const Tensor& ids, const SharedPaddingMask& mask, const EncoderOutput& encoder,
                       const Pass& pass) const {
  return decoder().forward(ids, mask, encoder, pass);
}

const Transformer& Model::decoder() const {
  check<Error>(decoder_.has_value(), "[decode] an encoder-only model has no decoder");
  return *decoder_;
}

const LanguageModelHead& Model::lm_head() const {
  check<Error>(lm_head_.has_value(), "[lm_head] the model has no head for masked tokens");
  return *lm_head_;
}

const Variable& Model::output_weight() const {
  return output_projection_.defined() ? output_projection_ : decoder().embedding_weight();
}

Variable Model::token_loss(const Variable& hidden, const Tensor& targets, double factor, const Pass& pass,
                           double label_smoothing) const {
  if (adaptive_softmax_) {
    check<Error>(label_smoothing == 0, "[model] an adaptive softmax has no label smoothing");
    return adaptive_softmax_->loss(hidden, targets, factor, pass);
  }
  return linear_cross_entropy(hidden, pass.use(output_weight()), Variable(), targets, factor, label_smoothing);
}

Variable Model::logits(const Variable& hidden, const Pass& pass) const {
  if (adaptive_softmax_) return Variable(adaptive_softmax_->log_probabilities(hidden.value()));
  return linear(hidden, pass.use(output_weight()), Variable());
}

std::int64_t Model::pooling_divisor(std::int64_t padded) const {
  switch (config_.pooling_divisor) {
    case PoolingDivisor::real:
      return 0;
    case PoolingDivisor::padded:
      return padded;
    case PoolingDivisor::fixed:
      break;
  }
  return config_.pooling_divisor_value;
}

Variable Model::pool(const Variable& hidden, const SharedPaddingMask& mask) const {
  if (config_.pooling == Pooling::first) return first_token(hidden);
  return mean_pool(hidden, mask, pooling_divisor(mask ? mask->full_length() : hidden.dim(1)));
}

Variable Model::classify(const Variable& hidden, const SharedPaddingMask& mask, const Pass& pass) const {
  return classify_pooled(pool(hidden, mask), pass);
}

Variable Model::classify_pooled(const Variable& pooled, const Pass& pass) const {
  check<Error>(classification_head_.has_value(), "[classify] the model has no classification head");
  const auto join = kPairFeatures[static_cast<std::size_t>(config_.pair_features)].join;
  if (join == nullptr) return classification_head_->forward(pooled, pass);
  check<ShapeError>(pooled.dim(0) % 2 == 0, "[classify] pairs need an even number of texts, found ", pooled.dim(0));
  const std::int64_t pairs = pooled.dim(0) / 2;
  return classification_head_->forward(join(narrow(pooled, 0, 0, pairs), narrow(pooled, 0, pairs, pairs)), pass);
}

}  // namespace cosformer
