#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

/// Keys and values of all tokens so far. With a window, older ones than it reaches are dropped where room is needed: memory
/// is then bounded by the window.
class KeyValueCache : public AttentionState {
 public:
  explicit KeyValueCache(SoftmaxAttentionOptions options) : options_(options) { options_.materialized = false; }

  Tensor step(const Tensor& query, const Tensor& key, const Tensor& value) override {
    if (!keys_.defined() || keys_.dim(1) == length_) make_room(key, value);
    keys_.narrow(1, length_, 1).copy_from(key);
    values_.narrow(1, length_, 1).copy_from(value);
    ++length_;
    const std::int64_t visible = options_.window < 0 ? length_ : std::min(length_, options_.window + 1);
    // The newest token sees all that the cache shows, so neither a causal mask nor a window is needed.
    SoftmaxAttentionOptions options = options_;
    options.window = -1;
    const auto recent = [&](const Tensor& all) { return Variable(all.narrow(1, length_ - visible, visible)); };
    return softmax_attention(Variable(query), recent(keys_), recent(values_), {}, options).value();
  }

 private:
  /// Keeps what the next token sees, in the same buffers where that fills at most half of them, else in twice as large ones:
  /// O(1) copies a token on average.
  void make_room(const Tensor& key, const Tensor& value) {
    const std::int64_t kept = options_.window < 0 ? length_ : std::min(length_, options_.window);
    const bool in_place = keys_.defined() && 2 * kept <= length_;
    const auto move = [&](Tensor& all, const Tensor& next) {
      const Tensor old = all;
      if (!in_place) all = Tensor::empty(next.shape().with_dim(1, std::max<std::int64_t>(64, 2 * length_)), next.dtype());
      if (kept > 0) all.narrow(1, 0, kept).copy_from(old.narrow(1, length_ - kept, kept));
    };
    move(keys_, key);
    move(values_, value);
    length_ = kept;
  }

  SoftmaxAttentionOptions options_;
  Tensor keys_, values_;
  std::int64_t length_ = 0;  ///< rows in use
};

class SoftmaxAttention : public Attention {
 public:
  SoftmaxAttention(SoftmaxAttentionOptions options, std::int64_t head_dim) : options_(options), head_dim_(head_dim) {}

  Variable forward(const Variable& query, const Variable& key, const Variable& value,
                   const AttentionMask& mask) const override {
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
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{.scale = scale_of(setting), .materialized = true},
                                            setting.head_dim);
}

std::unique_ptr<Attention> make_local_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.window >= 0, "attention.window: expected at least 0, found ", config.window);
  return std::make_unique<SoftmaxAttention>(SoftmaxAttentionOptions{.scale = scale_of(setting), .window = config.window},
                                            setting.head_dim);
}

}  // namespace cosformer
