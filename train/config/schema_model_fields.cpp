#include "train/config/schema_fields.h"
#include "train/config/schema_sections.h"

namespace cosformer::schema {

namespace {

constexpr Named<ModelKind> kModelKinds[] = {
    {"decoder", ModelKind::decoder}, {"encoder", ModelKind::encoder}, {"encoder_decoder", ModelKind::encoder_decoder}};
constexpr Named<NormPlacement> kNormPlacements[] = {{"pre", NormPlacement::pre}, {"post", NormPlacement::post}};
constexpr Named<Positions> kPositions[] = {{"learned", Positions::learned},
                                           {"sinusoidal", Positions::sinusoidal},
                                           {"none", Positions::none},
                                           {"rope", Positions::rope},
                                           {"alibi", Positions::alibi}};
constexpr Named<NormKind> kNormKinds[] = {{"layer", NormKind::layer}, {"rms", NormKind::rms}};
constexpr Named<FeedForwardKind> kFeedForwardKinds[] = {
    {"mlp", FeedForwardKind::mlp}, {"swiglu", FeedForwardKind::swiglu}, {"geglu", FeedForwardKind::geglu}};
constexpr Named<Pooling> kPoolings[] = {{"mean", Pooling::mean}, {"first", Pooling::first}};
constexpr Named<PairFeatures> kPairFeatures[] = {
    {"none", PairFeatures::none}, {"concat", PairFeatures::concat}, {"interaction", PairFeatures::interaction}};
constexpr Named<LinearStart> kLinearStarts[] = {{"xavier", LinearStart::xavier}, {"pytorch", LinearStart::pytorch}};

// Names beside numbers.
constexpr std::string_view kPoolingDivisors[] = {"real", "padded"};

ConfigValue get_pooling_divisor(const Config& config) {
  switch (config.model.pooling_divisor) {
    case PoolingDivisor::real:
      return std::string("real");
    case PoolingDivisor::padded:
      return std::string("padded");
    case PoolingDivisor::fixed:
      break;
  }
  return config.model.pooling_divisor_value;
}

void set_pooling_divisor(Config& config, const ConfigValue& value) {
  const auto* divisor = std::get_if<std::int64_t>(&value);
  config.model.pooling_divisor_value = divisor ? *divisor : 0;
  config.model.pooling_divisor = divisor                                  ? PoolingDivisor::fixed
                                 : std::get<std::string>(value) == "real" ? PoolingDivisor::real
                                                                          : PoolingDivisor::padded;
}

using C = Config;
using M = ModelConfig;

constexpr Field kFields[] = {
    choice<kModelKinds, &C::model, &M::kind>("model.kind", "the architecture"),
    integer<&C::model, &M::num_layers>("model.num_layers", 1, 4096, "layers of the encoder and of the decoder"),
    integer<&C::model, &M::embed_dim>("model.embed_dim", 1, kMaxWidth, "width of the hidden states"),
    integer<&C::model, &M::num_heads>("model.num_heads", 1, 4096, "attention heads; a divisor of embed_dim"),
    automatic<&C::model, &M::num_kv_heads>("model.num_kv_heads", 1, 4096,
                                           "heads of keys and values, a divisor of num_heads: each serves as many heads of "
                                           "queries; auto: num_heads"),
    integer<&C::model, &M::ffn_dim>("model.ffn_dim", 1, kMaxWidth, "inner width of the feed-forward block"),
    integer<&C::model, &M::vocab_size>("model.vocab_size", 0, kMaxVocabulary, "0: the tokenizer's"),
    integer<&C::model, &M::max_length>("model.max_length", 0, kMaxLength, "positions of a learned table; 0: task.seq_len"),
    number<&C::model, &M::embedding_std>("model.embedding_std", kNotNegative,
                                         "standard deviation of the token embeddings' first values; 0: 1 / sqrt(embed_dim). "
                                         "A position table has 0.02"),
    boolean<&C::model, &M::scale_embeddings>(
        "model.scale_embeddings", "token embeddings are multiplied by sqrt(embed_dim), before positions are added"),
    number<&C::model, &M::dropout>("model.dropout", kFraction, "of embeddings and of the outputs of both blocks"),
    choice<kLinearStarts, &C::model, &M::linear_start>("model.linear_start",
                                                       "first values of linear layers: fairseq's, Xavier-uniform with "
                                                       "biases 0, or PyTorch's own, both uniform in +-1/sqrt(inputs)"),
    number<&C::model, &M::activation_dropout>("model.activation_dropout", kFraction,
                                              "within the feed-forward block, after its activation"),
    choice<kNormPlacements, &C::model, &M::norm>("model.norm", "layer norm before each block or after each sum"),
    choice<kNormKinds, &C::model, &M::norm_kind>(
        "model.norm_kind", "layer norm, or RMS norm, which has neither a mean nor a bias; of all layers and the last norm"),
    number<&C::model, &M::norm_eps>("model.norm_eps", {.minimum = 0, .above_minimum = true},
                                    "what norms add to the variance or the mean square"),
    boolean<&C::model, &M::embedding_norm>("model.embedding_norm",
                                           "a norm behind the token and position embeddings, as BERT has it"),
    boolean<&C::model, &M::final_norm>("model.final_norm", "a last layer norm behind all layers, with norm = \"pre\""),
    registered_choice<scalar_functions, &C::model, &M::activation>("model.activation", "of the feed-forward block"),
    choice<kFeedForwardKinds, &C::model, &M::ffn_kind>("model.ffn_kind",
                                                       "the feed-forward block: two layers around activation (mlp), or a "
                                                       "gated linear unit, three layers with silu (swiglu) or "
                                                       "gelu (geglu) whatever activation says"),
    boolean<&C::model, &M::bias>("model.bias", "the linear layers and layer norms of all layers have biases"),
    choice<kPositions, &C::model, &M::positions>("model.positions",
                                                 "position embeddings, or rope: queries and keys of a text's attention to "
                                                 "itself are turned by their positions, before "
                                                 "a feature map; or alibi: scores of softmax fall with the distance, "
                                                 "by a slope of each head"),
    number<&C::model, &M::rope_theta>("model.rope_theta", {.minimum = 1},
                                      "positions = \"rope\": pair i of a head of width D is turned by rope_theta^(-2i/D) "
                                      "per position"),
    boolean<&C::model, &M::tie_embeddings>("model.tie_embeddings", "the output projection is the embedding table"),
    boolean<&C::model, &M::share_embeddings>("model.share_embeddings",
                                             "encoder and decoder have one embedding table, encoder_decoder"),
    integers<&C::model, &M::adaptive_cutoffs>(
        "model.adaptive_cutoffs", 1, kMaxVocabulary,
        "first ids of the bands behind the first one, rising; the vocabulary must be sorted by frequency, as a word "
        "tokenizer's is. Rarer bands have narrower vectors (adaptive input) and cost the loss little (adaptive softmax), "
        "decoder; empty: none"),
    number<&C::model, &M::adaptive_factor>("model.adaptive_factor", {.minimum = 1},
                                           "how much narrower than the band before each band's vectors are"),
    boolean<&C::model, &M::tie_adaptive_projections>(
        "model.tie_adaptive_projections",
        "the tails of the adaptive softmax project with the adaptive input's matrices; needs tie_embeddings"),
    number<&C::model, &M::adaptive_dropout>("model.adaptive_dropout", kFraction,
                                            "of what the adaptive softmax reads, and between a tail's two products"),
    boolean<&C::model, &M::lm_head>("model.lm_head",
                                    "a head on an encoder that restores masked tokens; masked_language_modeling sets it"),
    integer<&C::model, &M::num_classes>(
        "model.num_classes", 0, kMaxVocabulary,
        "classes of an encoder's classification head; 0: no such head, or the task's number"),
    choice<kPoolings, &C::model, &M::pooling>("model.pooling", "what the classification head sees of the tokens"),
    {"model.pooling_divisor",
     FieldType::integer_or_name,
     {1, kMaxLength},
     names_of<kPoolingDivisors>,
     "what mean pooling divides the sum over real tokens by: their number, the padded length (task.pad_to), or a number",
     get_pooling_divisor,
     set_pooling_divisor},
    integer<&C::model, &M::classifier_dim>("model.classifier_dim", 0, kMaxWidth,
                                           "inner width of the classification head; 0: embed_dim"),
    choice<kPairFeatures, &C::model, &M::pair_features>(
        "model.pair_features",
        "what the classification head sees of two texts a and b: [a, b], or with interaction [a, b, a*b, a-b]; none: single "
        "texts"),
};

}  // namespace

std::span<const Field> model_fields() { return kFields; }

}  // namespace cosformer::schema
