#include "core/kernels/feature_attention/unit_features.h"
#include "core/kernels/linear_attention/linear_attention.h"
#include "core/kernels/sparse_attention/patterns.h"
#include "layers/attention/feature_map.h"
#include "layers/attention/registry.h"
#include "layers/attention/synthesizer.h"
#include "train/config/schema_fields.h"
#include "train/config/schema_sections.h"

namespace cosformer::schema {

namespace {

constexpr Named<OutputGate> kOutputGates[] = {
    {"none", OutputGate::none}, {"silu", OutputGate::silu}, {"sigmoid", OutputGate::sigmoid}};
constexpr Named<CrossReweighting> kCrossReweightings[] = {{"fixed_length", CrossReweighting::fixed_length},
                                                          {"shared_length", CrossReweighting::shared_length},
                                                          {"own_lengths", CrossReweighting::own_lengths}};

// Names beside numbers.
constexpr std::string_view kReweightingLengths[] = {"auto", "padded"};
constexpr std::string_view kFeatureCounts[] = {"d_log_d"};

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

ConfigValue get_num_features(const Config& config) {
  const std::int64_t count = config.model.attention.num_features;
  return count == kDLogD ? ConfigValue(std::string(kFeatureCounts[0])) : ConfigValue(count);
}

void set_num_features(Config& config, const ConfigValue& value) {
  const auto* count = std::get_if<std::int64_t>(&value);
  config.model.attention.num_features = count ? *count : kDLogD;
}

using C = Config;
using M = ModelConfig;
using A = AttentionConfig;

constexpr Field kFields[] = {
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
                                                      "\"gated\", \"delta\" and \"gated_delta\""),
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
    {"attention.num_features",
     FieldType::integer_or_name,
     {0, kMaxFeatures},
     names_of<kFeatureCounts>,
     "directions a head, random ones of favor and rfa, learned ones of hedgehog, which has two features for each; 0: the "
     "head's "
     "width d; d_log_d: d log d, the number of Performer's paper",
     get_num_features,
     set_num_features},
    automatic_at<kSeedOfModel, &C::model, &M::attention, &A::seed>(
        "attention.seed", 0, kMaxSeed,
        "of favor's and rfa's directions, reformer's rotations and bigbird's random blocks, which are no parameters: "
        "train.seed (auto), or a number. A run that begins with the weights of another has that one's"),
    integer<&C::model, &M::attention, &A::redraw_every>(
        "attention.redraw_every", 0, kMaxRedraw,
        "training steps after which favor's and rfa's directions are drawn anew; 0: never. Evaluation and generation go by "
        "the first draw"),
    text<&C::model, &M::attention, &A::feature_kind>(
        "attention.feature_kind", registered<unit_features_names>,
        "rfa: sines and cosines (the Gaussian kernel) or rectified products (the arc-cosine kernel) of the directions"),
    boolean<&C::model, &M::attention, &A::recency_gate>("attention.recency_gate",
                                                        "rfa: the state forgets by a learned gate of each head; causal"),
    integer<&C::model, &M::attention, &A::window>("attention.window", 0, kMaxLength,
                                                  "distance that local attention reaches"),
    integer<&C::model, &M::attention, &A::diagonal_block>(
        "attention.diagonal_block", 1, kMaxLength,
        "positions of the blocks of kind \"diagonal\", each of which sees itself alone"),
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
        "blocks that bigbird draws for each block of queries and each head, by attention.seed"),
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
    integer<&C::model, &M::attention, &A::num_landmarks>("attention.num_landmarks", 1, kMaxFeatures,
                                                         "segments whose means stand for a text, nystrom; a text of no more "
                                                         "tokens has softmax attention"),
    integer<&C::model, &M::attention, &A::pinv_iterations>("attention.pinv_iterations", 1, 100,
                                                           "of the pseudo-inverse of the landmarks' matrix, nystrom"),
    integer<&C::model, &M::attention, &A::conv_kernel_size>(
        "attention.conv_kernel_size", 0, kMaxFeatures,
        "taps of each head's filter over the values, nystrom: odd, or 0 for no convolution"),
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
        "what positions are a share of in attention to the encoder: one length M for all texts (fixed_length); M for both, "
        "the "
        "longer of the two where reweighting_length is auto (shared_length, the paper's); or each text's own length, "
        "whatever "
        "reweighting_length is (own_lengths)"),
    automatic<&C::model, &M::attention, &A::cross_reweighting_length>(
        "attention.cross_reweighting_length", 1, kMaxLength,
        "length M of cross_reweighting = \"fixed_length\"; auto: attention.reweighting_length, and where that is auto too "
        "task.seq_len"),
    number<&C::model, &M::attention, &A::dropout>(
        "attention.dropout", kFraction,
        "of the weights of attentions with a softmax; linear attention has no matrix of weights and takes 0 alone"),
};

}  // namespace

std::span<const Field> attention_fields() { return kFields; }

}  // namespace cosformer::schema
