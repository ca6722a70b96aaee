#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

/// Keys and values of all tokens so far (of the last `window` + 1 where there is one).
class KeyValueCache : public AttentionState {
 public:
  explicit KeyValueCache(SoftmaxAttentionOptions options) : options_(options) { options_.materialized = false; }

  Tensor step(const Tensor& query, const Tensor& key, const Tensor& value) override {
    append(keys_, key);
    append(values_, value);
    ++length_;
    const std::int64_t visible = options_.window < 0 ? length_ : std::min(length_, options_.window + 1);
    // The newest token sees all that the cache holds, so neither a causal mask nor a window is needed.
    SoftmaxAttentionOptions options = options_;
    options.window = -1;
    const auto recent = [&](const Tensor& all) { return Variable(all.narrow(1, length_ - visible, visible)); };
    return softmax_attention(Variable(query), recent(keys_), recent(values_), {}, options).value();
  }

 private:
  /// Doubles the buffer where it is full: O(1) copies a token on average.
  void append(Tensor& all, const Tensor& next) const {
    if (!all.defined() || all.dim(1) == length_) {
      Tensor grown = Tensor::empty(next.shape().with_dim(1, std::max<std::int64_t>(64, 2 * length_)), next.dtype());
      if (all.defined()) grown.narrow(1, 0, length_).copy_from(all);
      all = grown;
    }
    all.narrow(1, length_, 1).copy_from(next);
  }

  SoftmaxAttentionOptions options_;
  Tensor keys_, values_;
  std::int64_t length_ = 0;
};

class SoftmaxAttention : public Attention {
 public:
  SoftmaxAttention(SoftmaxAttentionOptions options, std::int64_t head_dim) : options_(options), head_dim_(head_dim) {}

  Variable forward(const Variable& query, const Variable& key, const Variable& value, const AttentionMask& mask) const override {
    return softmax_attention(query, key, value, mask, options_);
  }
  std::unique_ptr<AttentionState> start() const override { return std::make_unique<KeyValueCache>(options_); }
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
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{.scale = scale_of(setting), .materialized = true}, setting.head_dim);
}

std::unique_ptr<Attention> make_local_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.window >= 0, "attention.window: expected at least 0, found ", config.window);
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{.scale = scale_of(setting), .window = config.window}, setting.head_dim);
}

}  // namespace cosformer
