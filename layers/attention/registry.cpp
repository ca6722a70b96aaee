#include "core/named_table.h"
#include "layers/attention/attention.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

/// cosFormer is linear attention with its own feature map and re-weighting (Qin et al., 2022, eq. 10).
std::unique_ptr<Attention> make_cosformer(const AttentionConfig& config, const AttentionSetting& setting) {
  AttentionConfig preset = config;
  preset.feature_map = "relu";
  preset.reweighting = "cos";
  return make_linear_attention(preset, setting);
}

constexpr AttentionKind kKinds[] = {
    {"cosformer", "linear attention with feature_map = relu and reweighting = cos", make_cosformer},
    {"linear", "linear attention with any feature_map and reweighting", make_linear_attention},
    {"softmax", "scaled dot-product attention in tiles, memory linear in the length", make_softmax_attention},
    {"softmax_materialized", "the same with the whole matrix stored", make_materialized_softmax_attention},
    {"local", "softmax over the keys within `window` positions", make_local_attention},
};

}  // namespace

std::span<const AttentionKind> attention_kinds() { return kKinds; }

std::unique_ptr<Attention> make_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  return find_named(kKinds, config.kind, "attention.kind").make(config, setting);
}

AttentionConfig attention_at(const AttentionConfig& config, AttentionPlace place) {
  AttentionConfig own = config;
  const std::string& kind = place == AttentionPlace::encoder ? config.encoder
                            : place == AttentionPlace::cross ? config.cross
                                                             : config.self;
  if (kind != "auto") own.kind = kind;
  if (place != AttentionPlace::cross) own.cross_reweighting = CrossReweighting::shared_length;
  if (place == AttentionPlace::decoder_self && config.self_reweighting_length > 0) {
    own.reweighting_length = ReweightingLength::fixed;
    own.reweighting_length_value = config.self_reweighting_length;
  }
  return own;
}

}  // namespace cosformer
