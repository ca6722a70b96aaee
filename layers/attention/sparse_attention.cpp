// Softmax attention to the keys that a published pattern lists.
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/kernels/sparse_attention/patterns.h"
#include "core/named_table.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

class SparseAttention : public Attention {
 public:
  /// `reach` as in Attention::reach.
  SparseAttention(SharedSparsePattern pattern, const AttentionSetting& setting, std::int64_t reach = -1)
      : Attention(setting), pattern_(std::move(pattern)), reach_(reach) {}

  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass&) const override {
    return sparse_attention(inputs.query, inputs.key, inputs.value, mask, pattern_,
                            1.0 / std::sqrt(static_cast<double>(head_dim())));
  }
  std::int64_t reach() const override { return reach_; }

  double forward_flops(std::int64_t queries, std::int64_t keys, bool causal) const override {
    return 4.0 * pattern_->pairs(queries, keys, causal) * static_cast<double>(head_dim());
  }
  double saved_numbers(std::int64_t queries, std::int64_t, bool) const override { return static_cast<double>(queries); }
  double working_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    // Of a head the scaled queries, the gradients of outputs, queries, keys and values.
    return (3.0 * static_cast<double>(queries) + 2.0 * static_cast<double>(keys)) * static_cast<double>(head_dim());
  }

 private:
  SharedSparsePattern pattern_;
  std::int64_t reach_;
};

void check_option(const char* key, std::int64_t value, std::int64_t least) {
  check<InputError>(value >= least, key, ": expected at least ", least, ", found ", value);
}

}  // namespace

std::unique_ptr<Attention> make_diagonal(const AttentionConfig& config, const AttentionSetting& setting) {
  check_option("attention.diagonal_block", config.diagonal_block, 1);
  return std::make_unique<SparseAttention>(
      make_block_pattern({.block_size = config.diagonal_block, .window_blocks = 1, .global_blocks = 0, .random_blocks = 0}),
      setting, config.diagonal_block - 1);
}

std::unique_ptr<Attention> make_longformer(const AttentionConfig& config, const AttentionSetting& setting) {
  check_option("attention.longformer_window", config.longformer_window, 0);
  check_option("attention.longformer_globals", config.longformer_globals, 0);
  const std::int64_t reach = config.longformer_globals == 0 ? config.longformer_window : -1;
  return std::make_unique<SparseAttention>(
      make_window_pattern({.window = config.longformer_window, .global_tokens = config.longformer_globals}), setting, reach);
}

std::unique_ptr<Attention> make_bigbird(const AttentionConfig& config, const AttentionSetting& setting) {
  check_option("attention.bigbird_block_size", config.bigbird_block_size, 1);
  check_option("attention.bigbird_global_blocks", config.bigbird_global_blocks, 0);
  check_option("attention.bigbird_random_blocks", config.bigbird_random_blocks, 0);
  check<InputError>(config.bigbird_window_blocks >= 1 && config.bigbird_window_blocks % 2 == 1,
                    "attention.bigbird_window_blocks: expected an odd number, found ", config.bigbird_window_blocks);
  return std::make_unique<SparseAttention>(
      make_block_pattern({.block_size = config.bigbird_block_size,
                          .window_blocks = config.bigbird_window_blocks,
                          .global_blocks = config.bigbird_global_blocks,
                          .random_blocks = config.bigbird_random_blocks,
                          .random = Random(setting.draw_seed(), "bigbird/" + setting.scope.path())}),
      setting);
}

std::unique_ptr<Attention> make_sparse(const AttentionConfig& config, const AttentionSetting& setting) {
  const bool strided = find_named(sparse_patterns(), config.sparse_pattern, "attention.sparse_pattern").strided;
  check_option("attention.sparse_stride", config.sparse_stride, 1);
  check_option("attention.sparse_summary", config.sparse_summary, 1);
  check<InputError>(strided || config.sparse_summary <= config.sparse_stride,
                    "attention.sparse_summary: expected at most attention.sparse_stride = ", config.sparse_stride,
                    ", found ", config.sparse_summary);
  return std::make_unique<SparseAttention>(
      make_factorized_pattern({.strided = strided, .stride = config.sparse_stride, .summary = config.sparse_summary}),
      setting);
}

}  // namespace cosformer
