// Nyströmformer: softmax attention through landmarks, the means of a text's segments (Xiong et al., AAAI 2021).
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

class NystromAttention : public Attention {
 public:
  /// Parameter conv.weight [H, K], uniform in ±1/sqrt(K) as the authors' framework starts it; none if K = 0.
  NystromAttention(const AttentionConfig& config, const AttentionSetting& setting)
      : Attention(setting), num_landmarks_(config.num_landmarks), taps_(config.conv_kernel_size) {
    options_.scale = 1.0 / std::sqrt(static_cast<double>(setting.head_dim));
    options_.iterations = config.pinv_iterations;
    if (taps_ == 0) return;
    const Initializer uniform = Initializer::uniform(1.0 / std::sqrt(static_cast<double>(taps_)));
    filter_ = (setting.scope / "conv").create("weight", {setting.num_heads, taps_}, uniform);
  }

  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const override {
    check<Error>(!mask.causal, "[nystrom] a landmark is a mean of tokens, some of which a causal query may not see");
    const Variable out = approximate(inputs, mask);
    if (taps_ == 0) return out;
    return add(out, value_convolution(inputs.value, pass.use(filter_), inputs.query.dim(1), mask));
  }

  double forward_flops(std::int64_t queries, std::int64_t keys, bool) const override {
    const auto T = static_cast<double>(queries), S = static_cast<double>(keys), D = static_cast<double>(head_dim()),
               m = static_cast<double>(num_landmarks_);
    const double filter = 2.0 * static_cast<double>(taps_) * T * D;
    if (keys <= num_landmarks_) return 4.0 * T * S * D + filter;
    const double inverse = 8.0 * static_cast<double>(options_.iterations) * m * m * m;
    return (T + S) * (4.0 * m * D + D) + 4.0 * m * m * D + inverse + filter;
  }
  double saved_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    const auto T = static_cast<double>(queries), D = static_cast<double>(head_dim()),
               m = static_cast<double>(num_landmarks_);
    // What attention gives before the filter's share is added to it, and the normaliser of each query.
    const double own = (taps_ > 0 ? T * D : 0) + T;
    // Landmarks of queries and keys, the summaries and what the queries read.
    return keys <= num_landmarks_ ? own : own + m * (4 * D + 1);
  }
  double working_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    const double softmax = 3.0 * static_cast<double>(queries * head_dim());
    if (keys <= num_landmarks_) return softmax;
    return std::max(softmax, static_cast<double>(landmark_working_size(num_landmarks_, num_landmarks_, options_)));
  }

 private:
  /// Softmax attention by the Nyström method. A text of no more tokens than landmarks is its own landmarks, and has softmax
  /// attention itself.
  Variable approximate(const AttentionInputs& inputs, const AttentionMask& mask) const {
    const auto [query, key, value, input] = inputs;
    const std::int64_t batch = key.dim(0);
    std::vector<LandmarkCounts> counts;
    std::vector<std::uint8_t> short_text;
    for (std::int64_t b = 0; b < batch; ++b) {
      const std::int64_t keys = mask.key_mask ? mask.key_mask->count(b) : key.dim(1);
      const std::int64_t queries = mask.query_mask ? mask.query_mask->count(b) : query.dim(1);
      counts.push_back({std::min(queries, num_landmarks_), std::min(keys, num_landmarks_)});
      short_text.push_back(keys <= num_landmarks_ ? 1 : 0);
    }
    const auto short_texts = std::ranges::count(short_text, 1);
    const SoftmaxAttentionOptions softmax{.scale = options_.scale};
    if (short_texts == batch) return softmax_attention(query, key, value, mask, softmax);
    const Variable query_landmarks = segment_means(query, num_landmarks_, mask.query_mask);
    const Variable key_landmarks = segment_means(key, num_landmarks_, mask.key_mask);
    const Variable summary = softmax_attention(query_landmarks, key, value, {.key_mask = mask.key_mask}, softmax);
    Variable read = landmark_values(query_landmarks, key_landmarks, summary, counts, options_);
    if (short_texts > 0) read = choose_items(short_text, segment_means(value, num_landmarks_, mask.key_mask), read);
    return softmax_attention(query, key_landmarks, read, {.key_mask = landmark_mask(counts)}, softmax);
  }

  /// Which rows are landmarks of keys; null if all are.
  SharedPaddingMask landmark_mask(const std::vector<LandmarkCounts>& counts) const {
    std::vector<std::int64_t> lengths;
    for (const LandmarkCounts& count : counts) lengths.push_back(count.keys);
    if (std::ranges::all_of(lengths, [&](std::int64_t length) { return length == num_landmarks_; })) return nullptr;
    return padding_mask_from_lengths(lengths, num_landmarks_);
  }

  std::int64_t num_landmarks_, taps_;
  LandmarkOptions options_;
  Variable filter_;
};

}  // namespace

std::unique_ptr<Attention> make_nystrom(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.dropout == 0,
                    "attention.dropout: Nyström attention has no matrix of weights to drop from; expected 0, found ",
                    config.dropout);
  check<InputError>(config.num_landmarks >= 1, "attention.num_landmarks: expected at least 1, found ", config.num_landmarks);
  check<InputError>(config.pinv_iterations >= 1, "attention.pinv_iterations: expected at least 1, found ",
                    config.pinv_iterations);
  check<InputError>(config.conv_kernel_size == 0 || (config.conv_kernel_size > 0 && config.conv_kernel_size % 2 == 1),
                    "attention.conv_kernel_size: expected an odd number, or 0 for no convolution, found ",
                    config.conv_kernel_size);
  return std::make_unique<NystromAttention>(config, setting);
}

}  // namespace cosformer
