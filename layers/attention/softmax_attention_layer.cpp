#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "layers/attention/key_value_cache.h"
#include "layers/attention/select_rows.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

/// The newest token against the keys and values of those that it sees.
class SoftmaxAttentionState : public AttentionState {
 public:
  explicit SoftmaxAttentionState(SoftmaxAttentionOptions options) : options_(options), cache_(options.window) {
    options_.materialized = false;
    // The cache shows what the newest token sees, so neither a causal mask nor a window is needed.
    options_.window = -1;
  }

  Tensor step(const Tensor& query, const Tensor& key, const Tensor& value) override {
    cache_.append(key, value);
    return softmax_attention(Variable(query), Variable(cache_.keys()), Variable(cache_.values()), {}, options_).value();
  }
  void select(std::span<const std::int64_t> rows) override { cache_.select(rows); }

 private:
  SoftmaxAttentionOptions options_;
  KeyValueCache cache_;
};

class SoftmaxAttention : public Attention {
 public:
  SoftmaxAttention(SoftmaxAttentionOptions options, std::int64_t head_dim) : options_(options), head_dim_(head_dim) {}

  Variable forward(const Variable& query, const Variable& key, const Variable& value,
                   const AttentionMask& mask) const override {
    return softmax_attention(query, key, value, mask, options_);
  }
  std::unique_ptr<AttentionState> start() const override { return std::make_unique<SoftmaxAttentionState>(options_); }
  Tensor attend_at(std::int64_t position, const Tensor& query, const Tensor& key, const Tensor& value,
                   const SharedPaddingMask& key_mask) const override {
    SoftmaxAttentionOptions options = options_;
    options.materialized = false;
    options.window = -1;
    const std::int64_t keys = key.dim(1);
    check<Error>(options_.window < 0 || !key_mask || key_mask->positions.empty(),
                 "[softmax attention] a window over a text that was encoded without its padding is not supported");
    // The keys that the window leaves, [first, end).
    const std::int64_t first = options_.window < 0 ? 0 : std::clamp<std::int64_t>(position - options_.window, 0, keys);
    const std::int64_t end =
        options_.window < 0 ? keys : std::clamp<std::int64_t>(position + options_.window + 1, first, keys);
    const auto seen = [&](const Tensor& all) { return Variable(all.narrow(1, first, end - first)); };
    const AttentionMask mask{false, key_mask ? narrow_columns(*key_mask, first, end - first) : nullptr, nullptr};
    return softmax_attention(Variable(query), seen(key), seen(value), mask, options).value();
  }
  double forward_flops(std::int64_t queries, std::int64_t keys, bool causal) const override {
    const auto rows = static_cast<double>(queries), columns = static_cast<double>(keys);
    double visible = causal ? 0.5 * rows * columns : rows * columns;
    if (options_.window >= 0) {
      visible = std::min(visible, rows * static_cast<double>(causal ? options_.window + 1 : 2 * options_.window + 1));
    }
    return 4.0 * visible * static_cast<double>(head_dim_);
  }
  double saved_numbers(std::int64_t queries, std::int64_t keys) const override {
    return static_cast<double>(queries) * (options_.materialized ? static_cast<double>(keys) : 1.0);
  }

 private:
  SoftmaxAttentionOptions options_;
  std::int64_t head_dim_;
};

double scale_of(const AttentionSetting& setting) { return 1.0 / std::sqrt(static_cast<double>(setting.head_dim)); }

}  // namespace

std::unique_ptr<Attention> make_softmax_attention(const AttentionConfig&, const AttentionSetting& setting) {
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{.scale = scale_of(setting)}, setting.head_dim);
}

std::unique_ptr<Attention> make_materialized_softmax_attention(const AttentionConfig&, const AttentionSetting& setting) {
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{.scale = scale_of(setting), .materialized = true},
                                            setting.head_dim);
}

std::unique_ptr<Attention> make_local_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.window >= 0, "attention.window: expected at least 0, found ", config.window);
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{.scale = scale_of(setting), .window = config.window},
                                            setting.head_dim);
}

}  // namespace cosformer
