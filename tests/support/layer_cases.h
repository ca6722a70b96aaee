#pragma once
/// \file
/// What tests of layers have in common: every attention there is, small models, and their values as doubles.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/kernels/linear_attention/reweighting.h"
#include "layers/attention/feature_map.h"
#include "layers/attention/registry.h"
#include "layers/attention/synthesizer.h"
#include "layers/model.h"
#include "tests/support/random_values.h"

namespace cosformer::test {

using Values = std::vector<double>;

/// An attention by name, with options under which its special case occurs in short sequences.
struct Variant {
  std::string name;
  AttentionConfig config;

  AttentionSupport supports() const {
    AttentionSupport support = find_attention_kind(config.kind).supports(config);
    // A short convolution is a decoder's.
    if (config.short_convolution > 0) support.not_causal = support.cross = false;
    return support;
  }
  bool supports_mask(bool causal) const { return causal ? supports().causal : supports().not_causal; }
  bool is_linear() const { return config.kind == "linear" || config.kind == "cosformer"; }
  /// Whether no similarity is negative, so that no normaliser comes near 0 by chance.
  bool never_negative() const {
    return !is_linear() || config.normalization == "rms" || find_feature_map(config.feature_map).never_negative;
  }
  /// Linear attention that has all forms: rows divided by their L1 norm have the quadratic one only.
  bool has_forms() const { return is_linear() && config.normalization != "l1"; }
};

/// All kinds of the registry; linear attention with every feature map and every re-weighting, in the other normalisations
/// where similarities may be negative, and what may stand around an attention.
inline std::vector<Variant> attention_variants() {
  std::vector<Variant> variants;
  for (const AttentionKind& kind : attention_kinds()) {
    AttentionConfig config;
    config.kind = kind.name;
    config.window = 5;
    config.projected_length = 6;
    config.diagonal_block = 3;
    config.longformer_window = 5;
    config.longformer_globals = 2;
    config.bigbird_block_size = 2;
    config.bigbird_global_blocks = config.bigbird_random_blocks = 1;
    config.sparse_stride = 4;
    config.sparse_summary = 2;
    config.reformer_rounds = 2;
    config.reformer_chunk = 3;
    config.reformer_buckets = 4;
    config.synthesizer_rank = 3;
    config.sinkhorn_block = 3;
    config.num_landmarks = 3;
    config.conv_kernel_size = 3;
    if (config.kind == "rfa") {
      for (const UnitFeaturesName& features : unit_features_names()) {
        config.feature_kind = features.name;
        for (const bool gate : {false, true}) {
          config.recency_gate = gate;
          variants.push_back({concat("rfa ", features.name, gate ? " gate" : ""), config});
        }
      }
      continue;
    }
    if (config.kind != "linear") {
      variants.push_back({config.kind, config});
      if (config.kind == "sparse") {
        config.sparse_pattern = "strided";
        variants.push_back({"sparse strided", config});
      }
      for (const SynthesizerKind& form : synthesizer_forms()) {
        if (config.kind != "synthesizer" || config.synthesizer == form.name) continue;
        AttentionConfig other = config;
        other.synthesizer = form.name;
        variants.push_back({concat("synthesizer ", form.name), other});
      }
      continue;
    }
    for (const FeatureMapKind& map : feature_maps()) {
      for (const ReweightingKind& reweighting : reweightings()) {
        config.feature_map = map.name;
        config.reweighting = reweighting.name;
        config.normalization = "sum";
        variants.push_back({concat("linear ", map.name, ' ', reweighting.name), config});
        config.normalization = "l1";
        const bool differs = !map.never_negative || config.feature_map == "relu";
        if (differs) variants.push_back({concat("linear ", map.name, ' ', reweighting.name, " l1"), config});
        config.normalization = "rms";
        const bool normed = config.feature_map == "silu" || config.feature_map == "relu";
        if (normed) variants.push_back({concat("linear ", map.name, ' ', reweighting.name, " rms"), config});
      }
    }
  }
  for (const char* kind : {"cosformer", "softmax", "gated", "gated_delta"}) {
    AttentionConfig config;
    config.kind = kind;
    config.normalization = "rms";
    config.output_gate = variants.size() % 2 == 0 ? OutputGate::silu : OutputGate::sigmoid;
    config.short_convolution = 3;
    variants.push_back({concat(kind, " rms gate convolution"), config});
  }
  for (const char* kind : {"softmax", "softmax_materialized", "local"}) {
    AttentionConfig config;
    config.kind = kind;
    config.window = 5;
    config.alibi = true;
    variants.push_back({concat(kind, " alibi"), config});
  }
  return variants;
}

inline Values values_of(const Tensor& tensor) {
  const Tensor dense = tensor.to(DType::float64);
  const auto values = dense.span<double>();
  return {values.begin(), values.end()};
}

inline Tensor random_tensor(const Shape& shape, std::uint64_t seed, DType dtype, double low = -1, double high = 1) {
  const Values values = random_values<double>(shape.size(), seed, low, high);
  return Tensor::from<double>(shape, std::span<const double>(values)).to(dtype);
}

inline Tensor random_ids(const Shape& shape, std::uint64_t seed, std::int64_t vocab_size) {
  std::vector<std::int32_t> ids;
  for (const double x : random_values<double>(shape.size(), seed, 0, static_cast<double>(vocab_size))) {
    ids.push_back(static_cast<std::int32_t>(x));
  }
  return Tensor::from<std::int32_t>(shape, std::span<const std::int32_t>(ids));
}

/// A loss that weighs every element of `out` differently.
inline Variable uneven_loss(const Variable& out) { return weighted_sum(out, random_tensor(out.shape(), 99, out.dtype())); }

/// Real tokens by item, as rows of '1' and '0'.
inline SharedPaddingMask mask_of(const std::vector<std::string>& rows) {
  PaddingMask mask{static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows.front().size()), {}};
  for (const std::string& row : rows) {
    for (const char c : row) mask.real.push_back(c == '1' ? 1 : 0);
  }
  return std::make_shared<const PaddingMask>(std::move(mask));
}

inline ModelConfig small_model(ModelKind kind, const AttentionConfig& attention, std::int64_t max_length) {
  ModelConfig config;
  config.kind = kind;
  config.num_layers = 1;
  config.embed_dim = 8;
  config.num_heads = 2;
  config.ffn_dim = 12;
  config.vocab_size = 13;
  config.max_length = max_length;
  config.num_classes = kind == ModelKind::encoder ? 3 : 0;
  config.attention = attention;
  return config;
}

/// Those that a model of this kind may have everywhere.
inline std::vector<Variant> attention_variants(ModelKind kind) {
  std::vector<Variant> variants;
  for (const Variant& variant : attention_variants()) {
    if (!find_attention_problem(small_model(kind, variant.config, 2))) variants.push_back(variant);
  }
  return variants;
}

/// An attention without a model around it: two heads of width 4 of an input of width 8, which is the keys' own.
class LoneAttention {
 public:
  explicit LoneAttention(AttentionConfig config, std::int64_t max_length = 20, DType dtype = DType::float32)
      : store_(5, dtype), attention_(make(std::move(config), max_length)) {}

  Variable forward(const Variable& query, const Variable& key, const Variable& value, const AttentionMask& mask,
                   const Pass& pass = {.record_gradients = true}) const {
    return attention_->forward(inputs(query, key, value), mask, pass);
  }
  static AttentionInputs inputs(const Variable& query, const Variable& key, const Variable& value) {
    return {query, key, value, reshape(key, {key.dim(0), key.dim(1), key.dim(2) * key.dim(3)})};
  }
  const std::vector<Parameter>& parameters() const { return store_.all(); }
  const Attention& operator*() const { return *attention_; }
  const Attention* operator->() const { return attention_.get(); }

 private:
  std::unique_ptr<Attention> make(AttentionConfig config, std::int64_t max_length) {
    config.causal_length = max_length;
    return make_attention(
        config, {.scope = Scope(store_, "layer"), .num_heads = 2, .head_dim = 4, .embed_dim = 8, .max_length = max_length});
  }

  ParameterStore store_;
  std::unique_ptr<Attention> attention_;
};

}  // namespace cosformer::test
