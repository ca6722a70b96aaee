#include "data/language_model_batches.h"

#include <algorithm>

#include "core/error.h"

namespace cosformer {

namespace {

TokenBatch empty_batch(std::int64_t rows, std::int64_t length) {
  TokenBatch batch{.rows = rows, .length = length, .predicted = 0, .inputs = {}, .targets = {}};
  batch.inputs.assign(static_cast<std::size_t>(rows * length), 0);
  batch.targets.assign(static_cast<std::size_t>(rows * length), kIgnoredTarget);
  return batch;
}

/// What is cut into windows: all tokens but the first.
std::int64_t target_count(std::span<const std::int32_t> tokens) {
  check<InputError>(tokens.size() >= 2, "language modelling needs two tokens or more, found ", tokens.size());
  return static_cast<std::int64_t>(tokens.size()) - 1;
}

}  // namespace

LanguageModelBatches::LanguageModelBatches(std::span<const std::int32_t> tokens, std::int64_t seq_len, std::uint64_t seed,
                                           std::int64_t context)
    : tokens_(tokens), seq_len_(seq_len), context_(context), windows_(target_count(tokens), seq_len, seed) {
  check<InputError>(context >= 0 && context < seq_len, "context_window must be from 0 to below seq_len = ", seq_len,
                    ", not ", context);
}

std::int64_t LanguageModelBatches::evaluation_windows() const {
  const std::int64_t stride = seq_len_ - context_, behind_first = std::max<std::int64_t>(targets() - seq_len_, 0);
  return 1 + (behind_first + stride - 1) / stride;
}

void LanguageModelBatches::fill(TokenBatch& batch, std::int64_t row, std::int64_t begin, std::int64_t end) const {
  const auto first = tokens_.begin() + begin;
  const auto count = end - begin;
  std::copy_n(first, count, batch.inputs.begin() + row * batch.length);
  std::copy_n(first + 1, count, batch.targets.begin() + row * batch.length);
  batch.predicted += count;
}

TokenBatch LanguageModelBatches::batch(std::int64_t first_sequence, std::int64_t rows) const {
  check<ShapeError>(first_sequence >= 0 && rows >= 1, "a batch of ", rows, " sequences from number ", first_sequence);
  TokenBatch batch = empty_batch(rows, seq_len_);
  for (std::int64_t row = 0; row < rows; ++row) {
    const TextWindow window = windows_(first_sequence + row);
    fill(batch, row, window.begin, window.end);
  }
  return batch;
}

TokenBatch LanguageModelBatches::evaluation_batch(std::int64_t first_window, std::int64_t rows) const {
  check<ShapeError>(first_window >= 0 && first_window < evaluation_windows() && rows >= 1, "a batch of ", rows,
                    " windows from number ", first_window, " of ", evaluation_windows());
  TokenBatch batch = empty_batch(std::min(rows, evaluation_windows() - first_window), seq_len_);
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const std::int64_t window = first_window + row, begin = window * (seq_len_ - context_);
    fill(batch, row, begin, std::min(begin + seq_len_, targets()));
    if (window == 0) continue;
    std::fill_n(batch.targets.begin() + row * seq_len_, context_, kIgnoredTarget);
    batch.predicted -= context_;
  }
  return batch;
}

}  // namespace cosformer
