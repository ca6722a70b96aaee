#include "layers/attention/reweighting_length.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cosformer {

namespace {

double angle_step(std::int64_t length) {
  return std::numbers::pi / (2.0 * static_cast<double>(std::max<std::int64_t>(length, 1)));
}

void fix(AttentionConfig& attention, std::int64_t length) {
  attention.reweighting_length = ReweightingLength::fixed;
  attention.reweighting_length_value = length;
}

/// M of an item with these lengths in a batch that is padded to `padded`.
std::int64_t length_of(const AttentionConfig& config, std::int64_t queries, std::int64_t keys, std::int64_t padded,
                       bool causal) {
  switch (config.reweighting_length) {
    case ReweightingLength::fixed:
      return config.reweighting_length_value;
    case ReweightingLength::padded:
      return padded;
    case ReweightingLength::automatic:
      break;
  }
  return causal ? config.causal_length : std::max(queries, keys);
}

/// −log γ of each head: γ = 1 − 2^(−5 − h), RetNet's, or the config's.
std::vector<double> decay_steps(const AttentionConfig& config, std::int64_t heads) {
  std::vector<double> steps;
  for (std::int64_t h = 0; h < heads; ++h) {
    steps.push_back(config.decay > 0 ? -std::log(config.decay) : -std::log1p(-std::exp2(-5.0 - static_cast<double>(h))));
  }
  return steps;
}

}  // namespace

AttentionConfig settle_reweighting_length(AttentionConfig attention, ModelKind kind, const TextLengths& lengths) {
  if (attention.causal_length == 0) attention.causal_length = lengths.seq_len;
  if (attention.reweighting_length == ReweightingLength::automatic) {
    if (kind == ModelKind::decoder) fix(attention, attention.causal_length);
    if (kind == ModelKind::encoder_decoder) {
      if (attention.self_reweighting_length == 0) attention.self_reweighting_length = attention.causal_length;
      if (attention.cross_reweighting_length == 0 && attention.cross_reweighting == CrossReweighting::fixed_length) {
        attention.cross_reweighting_length = attention.causal_length;
      }
    }
  }
  if (attention.reweighting_length == ReweightingLength::padded && lengths.padded > 0) fix(attention, lengths.padded);
  return attention;
}

AttentionConfig adopt_reweighting_length(AttentionConfig attention, const AttentionConfig& given) {
  if (attention.reweighting_length == ReweightingLength::automatic && given.reweighting_length == ReweightingLength::fixed) {
    fix(attention, given.reweighting_length_value);
  }
  if (attention.self_reweighting_length == 0) attention.self_reweighting_length = given.self_reweighting_length;
  if (attention.cross_reweighting_length == 0 && attention.cross_reweighting == given.cross_reweighting) {
    attention.cross_reweighting_length = given.cross_reweighting_length;
  }
  return attention;
}

AttentionConfig with_length_at(AttentionConfig config, AttentionPlace place) {
  if (place != AttentionPlace::cross) config.cross_reweighting = CrossReweighting::shared_length;
  const std::int64_t own = place == AttentionPlace::decoder_self                        ? config.self_reweighting_length
                           : config.cross_reweighting == CrossReweighting::fixed_length ? config.cross_reweighting_length
                                                                                        : 0;
  if (own > 0) fix(config, own);
  return config;
}

AttentionConfig with_constant_length(AttentionConfig config) {
  if (config.reweighting_length != ReweightingLength::fixed) fix(config, config.causal_length);
  return config;
}

ReweightingSteps reweighting_steps(const AttentionConfig& config, const ReweightingKind& kind, std::int64_t heads,
                                   std::int64_t batch, std::int64_t queries, std::int64_t keys, const AttentionMask& mask) {
  ReweightingSteps steps;
  if (kind.value == Reweighting::none) return steps;
  if (kind.of_heads) {
    steps.query = steps.key = decay_steps(config, heads);
    return steps;
  }
  const std::int64_t padded = std::max(mask.query_mask ? mask.query_mask->full_length() : queries,
                                       mask.key_mask ? mask.key_mask->full_length() : keys);
  // A lone query at a position (mask_of_query_at) is of a text that is being written: it will be no shorter than the keys'.
  const bool written = queries == 1 && mask.query_mask && !mask.query_mask->positions.empty();
  for (std::int64_t b = 0; b < batch; ++b) {
    const std::int64_t own_keys = mask.key_mask ? mask.key_mask->item_length(b) : keys;
    const std::int64_t known = mask.query_mask ? mask.query_mask->item_length(b) : queries;
    const std::int64_t own_queries = written ? std::max(known, own_keys) : known;
    const bool own_lengths = config.cross_reweighting == CrossReweighting::own_lengths && !mask.causal;
    const std::int64_t length = length_of(config, own_queries, own_keys, padded, mask.causal);
    steps.query.push_back(angle_step(own_lengths ? own_queries : length));
    steps.key.push_back(angle_step(own_lengths ? own_keys : length));
  }
  return steps;
}

}  // namespace cosformer
