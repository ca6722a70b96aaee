// cosFormer's successor: a learned cosine for each channel, silu, and a norm of each head in place of the denominator.
#include <cmath>
#include <utility>
#include <vector>

#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/linear_attention/linear_attention.h"
#include "core/named_table.h"
#include "layers/attention/recurrent_state.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

/// Features of heads [B, T, H, D] -> [B, T, H, 2D].
Variable features_of(const Variable& heads, const Variable& theta, const SharedPaddingMask& mask, std::int64_t first) {
  return cosine_features(gated_product(heads, heads, ScalarFunction::sigmoid), theta, mask, first);
}

class Cosformer2State : public LinearState {
 public:
  Cosformer2State(LinearAttentionOptions options, Variable theta)
      : LinearState(std::move(options)), theta_(std::move(theta)) {}

  Tensor steps(const AttentionInputs& inputs) override {
    return advance_linear(features_of(inputs.query, theta_, nullptr, position_).value(),
                          features_of(inputs.key, theta_, nullptr, position_).value(), inputs.value.value());
  }

 private:
  Variable theta_;
};

/// The angle per position of channel c among all E of a layer: base^(−2c/E).
Initializer frequencies(const AttentionSetting& setting, double base) {
  std::vector<double> angles(static_cast<std::size_t>(setting.num_heads * setting.head_dim));
  for (std::size_t c = 0; c < angles.size(); ++c) {
    angles[c] = std::pow(base, -2.0 * static_cast<double>(c) / static_cast<double>(angles.size()));
  }
  return Initializer::listed(std::move(angles));
}

class Cosformer2 : public Attention, public CarriedAttention {
 public:
  /// A parameter `theta` [H, D], which begins with 10000^(−2c/E) of channel c among all E.
  Cosformer2(const AttentionConfig& config, const AttentionSetting& setting)
      : Attention(setting),
        num_heads_(setting.num_heads),
        theta_(setting.scope.create("theta", {setting.num_heads, setting.head_dim}, frequencies(setting, 10000))) {
    options_.feature_map = ScalarFunction::identity;
    options_.reweighting = Reweighting::none;
    options_.form = find_named(linear_attention_forms(), config.form, "attention.form").value;
    options_.chunk_size = config.chunk_size;
    options_.normalization = AttentionNormalization::one;
  }

  bool wants_norm() const override { return true; }

  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const override {
    const Variable theta = pass.use(theta_);
    return linear_attention(features_of(inputs.query, theta, mask.query_mask, 0),
                            features_of(inputs.key, theta, mask.key_mask, 0), inputs.value, mask, options_);
  }

  const CarriedAttention* carried() const override { return this; }
  /// The sums of all keys' features so far, by their positions in the text.
  Shape state_shape(std::int64_t batch, std::int64_t) const override {
    const AttentionSizes sizes = sizes_of(1, 1);
    return {batch, num_heads_, linear_attention_state_size(sizes, options_) / sizes.head_dim, sizes.head_dim};
  }
  CarriedResult go_on(const AttentionInputs& inputs, const Tensor& state, const CarriedWindow& window,
                      const Pass& pass) const override {
    const Variable theta = pass.use(theta_);
    LinearAttentionOptions options = options_;
    options.first_position = window.first;
    return go_on_from_sums(features_of(inputs.query, theta, nullptr, window.first),
                           features_of(inputs.key, theta, nullptr, window.first), inputs.value, state, window.mask, options);
  }

  std::unique_ptr<AttentionState> start() const override {
    return std::make_unique<Cosformer2State>(options_, theta_.detach());
  }

  double forward_flops(std::int64_t queries, std::int64_t keys, bool) const override {
    return static_cast<double>(queries + keys) * 4.0 * static_cast<double>(head_dim()) * static_cast<double>(head_dim());
  }
  /// silu of queries and keys, their features, and what the linear attention keeps.
  double saved_numbers(std::int64_t queries, std::int64_t keys, bool causal) const override {
    return static_cast<double>(3 * (queries + keys) * head_dim() + queries +
                               linear_attention_saved_size(sizes_of(queries, keys), {.causal = causal}, options_));
  }
  double working_numbers(std::int64_t queries, std::int64_t keys, bool causal) const override {
    return static_cast<double>(linear_attention_working_size(sizes_of(queries, keys), {.causal = causal}, options_));
  }

 private:
  AttentionSizes sizes_of(std::int64_t queries, std::int64_t keys) const {
    return {.batch = 1,
            .queries = queries,
            .keys = keys,
            .heads = num_heads_,
            .head_dim = 2 * head_dim(),
            .value_dim = head_dim()};
  }

  std::int64_t num_heads_;
  Variable theta_;
  LinearAttentionOptions options_;
};

}  // namespace

std::unique_ptr<Attention> make_cosformer2(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.dropout == 0,
                    "attention.dropout: linear attention has no matrix of weights to drop from; expected 0, found ",
                    config.dropout);
  check<InputError>(config.chunk_size >= 1, "attention.chunk_size: expected at least 1, found ", config.chunk_size);
  return std::make_unique<Cosformer2>(config, setting);
}

}  // namespace cosformer
