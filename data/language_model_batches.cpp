#include "data/language_model_batches.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace cosformer {

namespace {

TokenBatch empty_batch(std::int64_t rows, std::int64_t length) {
  TokenBatch batch{.rows = rows, .length = length, .predicted = 0, .inputs = {}, .targets = {}, .starts = {}};
  batch.inputs.assign(static_cast<std::size_t>(rows * length), 0);
  batch.targets.assign(static_cast<std::size_t>(rows * length), kIgnoredTarget);
  return batch;
}

/// What is cut into windows: all tokens but the first.
std::int64_t target_count(const EpochText& text) {
  check<InputError>(text.size() >= 2, "language modelling needs two tokens or more, found ", text.size());
  return text.size() - 1;
}

}  // namespace

LanguageModelBatches::LanguageModelBatches(EpochText text, std::int64_t seq_len, std::uint64_t seed, TextLayout layout)
    : text_(std::move(text)), seq_len_(seq_len), layout_(layout), windows_(target_count(text_), seq_len, seed) {
  check<InputError>(layout.context >= 0 && layout.context < seq_len,
                    "context_window must be from 0 to below seq_len = ", seq_len, ", not ", layout.context);
  if (layout.streams > 0) streams_.emplace(targets(), seq_len, layout.streams, seed);
}

std::int64_t LanguageModelBatches::evaluation_windows() const {
  const std::int64_t stride = seq_len_ - layout_.context, behind_first = std::max<std::int64_t>(targets() - seq_len_, 0);
  return 1 + (behind_first + stride - 1) / stride;
}

void LanguageModelBatches::fill(TokenBatch& batch, std::int64_t row, const TextWindow& window, std::int64_t context) const {
  const std::int64_t count = window.end - window.begin;
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count) + 1);
  text_.copy(window.epoch, window.begin, tokens);
  const auto targets = batch.targets.begin() + row * batch.length;
  std::copy_n(tokens.begin(), count, batch.inputs.begin() + row * batch.length);
  std::copy_n(tokens.begin() + 1, count, targets);
  std::fill_n(targets, context, kIgnoredTarget);
  if (layout_.document_boundaries) {
    std::vector<std::int64_t> starts = text_.starts(window.epoch, window.begin, count + 1);
    for (const std::int64_t start : starts) targets[start - 1] = kIgnoredTarget;
    if (!starts.empty() && starts.back() == count) starts.pop_back();
    batch.starts.push_back(std::move(starts));
  }
  batch.predicted += count - std::count(targets, targets + count, kIgnoredTarget);
}

TokenBatch LanguageModelBatches::batch(std::int64_t first_sequence, std::int64_t rows) const {
  check<ShapeError>(first_sequence >= 0 && rows >= 1, "a batch of ", rows, " sequences from number ", first_sequence);
  TokenBatch batch = empty_batch(rows, seq_len_);
  for (std::int64_t row = 0; row < rows; ++row) {
    fill(batch, row, streams_ ? (*streams_)(first_sequence + row) : windows_(first_sequence + row));
  }
  return batch;
}

TokenBatch LanguageModelBatches::evaluation_batch(std::int64_t first_window, std::int64_t rows) const {
  check<ShapeError>(first_window >= 0 && first_window < evaluation_windows() && rows >= 1, "a batch of ", rows,
                    " windows from number ", first_window, " of ", evaluation_windows());
  TokenBatch batch = empty_batch(std::min(rows, evaluation_windows() - first_window), seq_len_);
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const std::int64_t window = first_window + row, begin = window * (seq_len_ - layout_.context);
    fill(batch, row, {0, begin, std::min(begin + seq_len_, targets())}, window == 0 ? 0 : layout_.context);
  }
  return batch;
}

}  // namespace cosformer
