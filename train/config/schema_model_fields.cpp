#include "core/kernels/linear_attention/linear_attention.h"
#include "core/kernels/sparse_attention/patterns.h"
#include "layers/attention/feature_map.h"
#include "layers/attention/registry.h"
#include "layers/attention/synthesizer.h"
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
                                           {"rope", Positions::rope}};
constexpr Named<NormKind> kNormKinds[] = {{"layer", NormKind::layer}, {"rms", NormKind::rms}};
constexpr Named<FeedForwardKind> kFeedForwardKinds[] = {
    {"mlp", FeedForwardKind::mlp}, {"swiglu", FeedForwardKind::swiglu}, {"geglu", FeedForwardKind::geglu}};
constexpr Named<OutputGate> kOutputGates[] = {
    {"none", OutputGate::none}, {"silu", OutputGate::silu}, {"sigmoid", OutputGate::sigmoid}};
constexpr Named<Pooling> kPoolings[] = {{"mean", Pooling::mean}, {"first", Pooling::first}};
constexpr Named<PairFeatures> kPairFeatures[] = {
    {"none", PairFeatures::none}, {"concat", PairFeatures::concat}, {"interaction", PairFeatures::interaction}};
constexpr Named<CrossReweighting> kCrossReweightings[] = {{"shared_length", CrossReweighting::shared_length},
                                                          {"own_lengths", CrossReweighting::own_lengths}};

// Names beside numbers.
constexpr std::string_view kReweightingLengths[] = {"auto", "padded"};
constexpr std::string_view kPoolingDivisors[] = {"real", "padded"};

/// The attentions that one place of an encoder-decoder may have.
Names place_kinds() {
  Names names = row_names(attention_kinds());
  names.insert(names.begin(), "auto");
  return names;
}

ConfigValue get_reweighting_length(const Config& config) {
  const AttentionConfig& attention = config.model.attention;
  switch (attention.reweighting_length) {
    case ReweightingLength::automatic:
      return std::string("auto");
    case ReweightingLength::padded:
      return std::string("padded");
    case ReweightingLength::fixed:
      break;
  }
  return attention.reweighting_length_value;
}

void set_reweighting_length(Config& config, const ConfigValue& value) {
  AttentionConfig& attention = config.model.attention;
  const auto* length = std::get_if<std::int64_t>(&value);
  attention.reweighting_length_value = length ? *length : 0;
  attention.reweighting_length = length                                   ? ReweightingLength::fixed
                                 : std::get<std::string>(value) == "auto" ? ReweightingLength::automatic
                                                                          : ReweightingLength::padded;
}

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
using A = AttentionConfig;

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
    number<&C::model, &M::activation_dropout>("model.activation_dropout", kFraction,
                                              "within the feed-forward block, after its activation"),
    choice<kNormPlacements, &C::model, &M::norm>("model.norm", "layer norm before each block or after each sum"),
    choice<kNormKinds, &C::model, &M::norm_kind>(
        "model.norm_kind", "layer norm, or RMS norm, which has neither a mean nor a bias; of all layers and the last norm"),
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
                                                 "a feature map"),
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

    text<&C::model, &M::attention, &A::kind>("attention.kind", registered<attention_kinds>,
                                             "the attention operator; \"cosformer\" is \"linear\" with feature_map = "
                                             "\"relu\" and reweighting = \"cos\", whatever these keys say"),
    texts<&C::model, &M::attention, &A::layers>(
        "attention.layers", registered<attention_kinds>,
        "attention of each layer of a stack to itself, repeated to its end: [\"cosformer\", \"cosformer\", \"softmax\"] "
        "gives "
        "every third layer softmax; empty: attention.kind. Attention to an encoder, and a stack that attention.encoder or "
        "attention.self names, have their own"),
    text<&C::model, &M::attention, &A::feature_map>("attention.feature_map", registered<feature_maps>,
                                                    "φ of linear attention"),
    text<&C::model, &M::attention, &A::reweighting>("attention.reweighting", registered<reweightings>,
                                                    "re-weighting by distance, of kind \"linear\""),
    {"attention.reweighting_length",
     FieldType::integer_or_name,
     {1, kMaxLength},
     names_of<kReweightingLengths>,
     "length M of the re-weighting: task.seq_len where causal and each item's own length elsewhere (auto), the batch's "
     "padded "
     "length, or a number",
     get_reweighting_length,
     set_reweighting_length},
    number<&C::model, &M::attention, &A::decay>(
        "attention.decay", {.minimum = 0, .maximum = 1},
        "γ of every head, reweighting = \"decay\"; 0: 1 - 2^(-5 - h) of head h, counted from 0"),
    text<&C::model, &M::attention, &A::normalization>("attention.normalization", registered<attention_normalizations>,
                                                      "what a row of similarities is divided by, linear attention: their "
                                                      "sum with its sign, or their L1 norm (quadratic form "
                                                      "only), which signed similarities (identity, leaky_relu) may need. "
                                                      "rms: nothing, and each head's output gets an RMS norm; also of kind "
                                                      "\"gated\""),
    choice<kOutputGates, &C::model, &M::attention, &A::output_gate>(
        "attention.output_gate",
        "each number of the heads' outputs is multiplied by silu or sigmoid of a linear layer of the attention's input"),
    integer<&C::model, &M::attention, &A::short_convolution>(
        "attention.short_convolution", 0, 64,
        "each channel of query, key and value is convolved over so many tokens, the last of them its own; of a decoder's "
        "attention to itself; 0: not"),
    text<&C::model, &M::attention, &A::form>("attention.form", registered<linear_attention_forms>,
                                             "algorithm of linear attention"),
    integer<&C::model, &M::attention, &A::chunk_size>("attention.chunk_size", 1, kMaxChunk,
                                                      "rows of a chunk, causal linear attention; each thread works with "
                                                      "the square of it"),
    integer<&C::model, &M::attention, &A::num_features>("attention.num_features", 0, kMaxFeatures,
                                                        "random features a head (favor); 0: the head's width"),
    integer<&C::model, &M::attention, &A::window>("attention.window", 0, kMaxLength,
                                                  "distance that local attention reaches"),
    integer<&C::model, &M::attention, &A::projected_length>("attention.projected_length", 1, kMaxLength,
                                                            "positions that linformer projects a text to"),
    integer<&C::model, &M::attention, &A::longformer_window>(
        "attention.longformer_window", 0, kMaxLength,
        "distance that longformer's window reaches to each side (the paper's 512 in all)"),
    integer<&C::model, &M::attention, &A::longformer_globals>("attention.longformer_globals", 0, kMaxLength,
                                                              "first tokens of a text that longformer's queries all see "
                                                              "and that see all keys"),
    integer<&C::model, &M::attention, &A::bigbird_block_size>("attention.bigbird_block_size", 1, kMaxLength,
                                                              "positions of bigbird's blocks"),
    integer<&C::model, &M::attention, &A::bigbird_window_blocks>(
        "attention.bigbird_window_blocks", 1, kMaxLength,
        "blocks of bigbird's window, odd: the query's own and as many on each side"),
    integer<&C::model, &M::attention, &A::bigbird_global_blocks>(
        "attention.bigbird_global_blocks", 0, kMaxLength,
        "first blocks of a text that bigbird's queries all see and that see all keys"),
    integer<&C::model, &M::attention, &A::bigbird_random_blocks>(
        "attention.bigbird_random_blocks", 0, kMaxLength,
        "blocks that bigbird draws for each block of queries and each head, by train.seed"),
    text<&C::model, &M::attention, &A::sparse_pattern>(
        "attention.sparse_pattern", registered<sparse_patterns>,
        "of kind \"sparse\": the own block and some keys of each other one (fixed), or the keys within the stride and those "
        "at multiples of it (strided)"),
    integer<&C::model, &M::attention, &A::sparse_stride>("attention.sparse_stride", 1, kMaxLength,
                                                         "l of sparse attention: length of a block, or the stride"),
    integer<&C::model, &M::attention, &A::sparse_summary>(
        "attention.sparse_summary", 1, kMaxLength,
        "c of sparse attention, fixed: keys at the end of each other block that a query sees"),
    integer<&C::model, &M::attention, &A::reformer_rounds>("attention.reformer_rounds", 1, kMaxFeatures,
                                                           "hashes of each token, reformer"),
    integer<&C::model, &M::attention, &A::reformer_chunk>(
        "attention.reformer_chunk", 1, kMaxLength,
        "tokens of a bucket in a chunk, reformer; a query sees its own chunk and the one before"),
    automatic<&C::model, &M::attention, &A::reformer_buckets>(
        "attention.reformer_buckets", 1, kMaxLength,
        "buckets of a hash, reformer, rounded up to a power of two; auto: half a chunk in each of model.max_length tokens"),
    integer<&C::model, &M::attention, &A::sinkhorn_block>("attention.sinkhorn_block", 1, kMaxLength,
                                                          "positions of the blocks that sinkhorn sorts"),
    integer<&C::model, &M::attention, &A::sinkhorn_iterations>(
        "attention.sinkhorn_iterations", 0, kMaxFeatures,
        "how often rows and columns of the sorting matrix are divided by their sums, sinkhorn"),
    number<&C::model, &M::attention, &A::sinkhorn_temperature>(
        "attention.sinkhorn_temperature", {.minimum = 1e-3}, "what the sorting network's results are divided by, sinkhorn"),
    boolean<&C::model, &M::attention, &A::sinkhorn_noise>(
        "attention.sinkhorn_noise", "Gumbel noise on the sorting network's results while training, sinkhorn"),
    text<&C::model, &M::attention, &A::synthesizer>(
        "attention.synthesizer", registered<synthesizer_forms>,
        "what a token's weights come from, of kind \"synthesizer\": the token (dense, factorized_dense) or its position "
        "(random, factorized_random)"),
    integer<&C::model, &M::attention, &A::synthesizer_rank>("attention.synthesizer_rank", 1, kMaxFeatures,
                                                            "of the matrix of scores, factorized_random"),
    text<&C::model, &M::attention, &A::encoder>("attention.encoder", place_kinds,
                                                "attention of the encoder, encoder_decoder; auto: attention.kind"),
    text<&C::model, &M::attention, &A::self>("attention.self", place_kinds,
                                             "attention of the decoder to itself, encoder_decoder; auto: attention.kind"),
    text<&C::model, &M::attention, &A::cross>(
        "attention.cross", place_kinds, "attention of the decoder to the encoder, encoder_decoder; auto: attention.kind"),
    automatic<&C::model, &M::attention, &A::self_reweighting_length>(
        "attention.self_reweighting_length", 1, kMaxLength,
        "length M of the decoder's attention to itself, encoder_decoder; auto: attention.reweighting_length"),
    choice<kCrossReweightings, &C::model, &M::attention, &A::cross_reweighting>(
        "attention.cross_reweighting",
        "what positions are a share of in attention to the encoder: one length M for both texts (shared_length), or each "
        "text's own length, whatever reweighting_length is (own_lengths)"),
    number<&C::model, &M::attention, &A::dropout>(
        "attention.dropout", kFraction,
        "of the weights of attentions with a softmax; linear attention has no matrix of weights and takes 0 alone"),
};

}  // namespace

std::span<const Field> model_fields() { return kFields; }

}  // namespace cosformer::schema
