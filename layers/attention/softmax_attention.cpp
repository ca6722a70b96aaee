#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "core/error.h"
#include "layers/attention/carried_keys.h"
#include "layers/attention/variants.h"
#include "layers/attention/window_in_parts.h"

namespace cosformer {

namespace {

/// ALiBi's slopes 2^(−8/H), 2^(−16/H), ... of H heads, H a power of two; of other numbers those of the power below, and
/// every second one of the power above (Press et al., ICLR 2022, section 3, and their code).
std::vector<double> distance_slopes(std::int64_t heads) {
  std::int64_t power = 1;
  while (2 * power <= heads) power *= 2;
  std::vector<double> slopes;
  for (std::int64_t h = 1; h <= power; ++h)
    slopes.push_back(std::exp2(-8.0 * static_cast<double>(h) / static_cast<double>(power)));
  for (std::int64_t h = 1; h <= heads - power; ++h) {
    slopes.push_back(std::exp2(-8.0 * static_cast<double>(2 * h - 1) / static_cast<double>(2 * power)));
  }
  return slopes;
}

class SoftmaxAttention : public Attention {
 public:
  SoftmaxAttention(SoftmaxAttentionOptions options, const AttentionConfig& config, const AttentionSetting& setting)
      : Attention(setting), options_(std::move(options)) {
    if (config.alibi) options_.distance_slopes = distance_slopes(setting.num_heads);
    options_.scale = 1.0 / std::sqrt(static_cast<double>(setting.head_dim));
    if (options_.window >= 0) in_parts_.emplace(options_);
    carried_keys_.emplace(options_, setting.num_heads, setting.head_dim);
  }

  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass&) const override {
    return softmax_attention(inputs.query, inputs.key, inputs.value, mask, options_);
  }
  const CutAttention* cut() const override { return in_parts_ ? &*in_parts_ : nullptr; }
  const CarriedAttention* carried() const override { return &*carried_keys_; }
  std::int64_t reach() const override { return options_.window; }
  double forward_flops(std::int64_t queries, std::int64_t keys, bool causal) const override {
    const auto rows = static_cast<double>(queries), columns = static_cast<double>(keys);
    double visible = causal ? 0.5 * rows * columns : rows * columns;
    if (options_.window >= 0) {
      visible = std::min(visible, rows * static_cast<double>(causal ? options_.window + 1 : 2 * options_.window + 1));
    }
    return 4.0 * visible * static_cast<double>(head_dim());
  }
  double saved_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    return static_cast<double>(queries) * (options_.materialized ? static_cast<double>(keys) : 1.0);
  }
  double working_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    // Of a head the scaled queries and the gradients of outputs and queries; in the materialised form scaled queries and
    // three times its keys or values.
    const auto rows = static_cast<double>(queries), columns = static_cast<double>(keys);
    return (options_.materialized ? rows + 3 * columns : 3 * rows) * static_cast<double>(head_dim());
  }

 private:
  SoftmaxAttentionOptions options_;
  std::optional<WindowInParts> in_parts_;
  std::optional<CarriedKeys> carried_keys_;
};

}  // namespace

std::unique_ptr<Attention> make_softmax_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{}, config, setting);
}

std::unique_ptr<Attention> make_materialized_softmax_attention(const AttentionConfig& config,
                                                               const AttentionSetting& setting) {
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{.materialized = true}, config, setting);
}

std::unique_ptr<Attention> make_local_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.window >= 0, "attention.window: expected at least 0, found ", config.window);
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{.window = config.window}, config, setting);
}

}  // namespace cosformer
