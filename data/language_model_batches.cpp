#include "data/language_model_batches.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "core/random.h"
#include "data/permutation.h"

namespace cosformer {

namespace {

TokenBatch empty_batch(std::int64_t rows, std::int64_t length) {
  TokenBatch batch{.rows = rows, .length = length, .predicted = 0, .inputs = {}, .targets = {}};
  batch.inputs.assign(static_cast<std::size_t>(rows * length), 0);
  batch.targets.assign(static_cast<std::size_t>(rows * length), kIgnoredTarget);
  return batch;
}

}  // namespace

LanguageModelBatches::LanguageModelBatches(std::span<const std::int32_t> tokens, std::int64_t seq_len, std::uint64_t seed)
    : tokens_(tokens), seq_len_(seq_len), seed_(seed) {
  check<InputError>(tokens.size() >= 2, "language modelling needs two tokens or more, found ", tokens.size());
  check<InputError>(seq_len >= 1, "seq_len must be at least 1, not ", seq_len);
  const std::int64_t full = targets() / seq_len;
  const std::int64_t rest = targets() % seq_len;
  if (full == 0) {
    least_first_ = most_first_ = targets();
    return;
  }
  if (seq_len == 1) {
    least_first_ = most_first_ = 1;
    sequences_in_epoch_ = full;
    return;
  }
  // Two ways to have the same number of windows whatever the shift: one window more than the full ones, where first
  // and last together have seq_len + rest targets, or two more, where together they have `rest`. The way with the
  // larger choice of shifts is taken.
  const std::int64_t least = std::max<std::int64_t>(rest, 1);
  const std::int64_t most = rest == 0 ? seq_len - 1 : seq_len;
  const bool one_more = most - least + 1 >= rest - 1;
  least_first_ = one_more ? least : 1;
  most_first_ = one_more ? most : rest - 1;
  sequences_in_epoch_ = full + (one_more ? 1 : 2);
}

std::int64_t LanguageModelBatches::first_length(std::int64_t epoch) const {
  const auto choices = static_cast<std::uint64_t>(most_first_ - least_first_ + 1);
  const Random random(seed_, "data/shift");
  return least_first_ + static_cast<std::int64_t>(random.below(choices, static_cast<std::uint64_t>(epoch)));
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
  std::int64_t epoch = -1, first = 0;
  std::optional<Permutation> order;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t sequence = first_sequence + row;
    if (sequence / sequences_in_epoch_ != epoch) {
      epoch = sequence / sequences_in_epoch_;
      first = first_length(epoch);
      order.emplace(sequences_in_epoch_, seed_, "data/order", epoch);
    }
    const std::int64_t window = (*order)(sequence % sequences_in_epoch_);
    const std::int64_t end = std::min(first + window * seq_len_, targets());
    fill(batch, row, window == 0 ? 0 : first + (window - 1) * seq_len_, end);
  }
  return batch;
}

TokenBatch LanguageModelBatches::evaluation_batch(std::int64_t first_window, std::int64_t rows) const {
  check<ShapeError>(first_window >= 0 && first_window < evaluation_windows() && rows >= 1, "a batch of ", rows,
                    " windows from number ", first_window, " of ", evaluation_windows());
  TokenBatch batch = empty_batch(std::min(rows, evaluation_windows() - first_window), seq_len_);
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const std::int64_t begin = (first_window + row) * seq_len_;
    fill(batch, row, begin, std::min(begin + seq_len_, targets()));
  }
  return batch;
}

}  // namespace cosformer
