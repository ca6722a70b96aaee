#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

class SoftmaxAttention : public Attention {
 public:
  SoftmaxAttention(SoftmaxAttentionOptions options, const AttentionSetting& setting)
      : Attention(setting), options_(options) {
    options_.scale = 1.0 / std::sqrt(static_cast<double>(setting.head_dim));
  }

  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass&) const override {
    return softmax_attention(inputs.query, inputs.key, inputs.value, mask, options_);
  }
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
};

}  // namespace

std::unique_ptr<Attention> make_softmax_attention(const AttentionConfig&, const AttentionSetting& setting) {
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{}, setting);
}

std::unique_ptr<Attention> make_materialized_softmax_attention(const AttentionConfig&, const AttentionSetting& setting) {
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{.materialized = true}, setting);
}

std::unique_ptr<Attention> make_local_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.window >= 0, "attention.window: expected at least 0, found ", config.window);
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{.window = config.window}, setting);
}

}  // namespace cosformer
