#include "data/labelled_batches.h"

#include <algorithm>
#include <optional>

#include "data/permutation.h"

namespace cosformer {

namespace {

std::size_t longest_text(const LabelledBatch::Row& row) {
  return std::ranges::max(row.texts, {}, [](const auto& text) { return text.size(); }).size();
}

/// Stable: among equals the order of the data stays.
LabelledBatch longest_first(LabelledBatch batch) {
  std::ranges::stable_sort(batch.rows, std::greater<>(), longest_text);
  return batch;
}

}  // namespace

void LabelledBatches::add(LabelledBatch& batch, std::int64_t example) const {
  LabelledBatch::Row row{example, data_.label(example), {}};
  for (int text = 0; text < data_.texts(); ++text) {
    std::vector<std::int32_t>& tokens = row.texts.emplace_back();
    data_.read(example, text, options_.seq_len, tokens);
    if (options_.class_token) tokens.insert(tokens.begin(), static_cast<std::int32_t>(data_.vocab_size()));
    batch.tokens += static_cast<std::int64_t>(tokens.size());
  }
  batch.rows.push_back(std::move(row));
}

LabelledBatch LabelledBatches::training_batch(std::int64_t first, std::int64_t rows) const {
  LabelledBatch batch;
  std::optional<Permutation> order;
  for (std::int64_t number = first; number < first + rows; ++number) {
    const std::int64_t position = number % size();
    if (!order || position == 0) order.emplace(size(), seed_, "labelled sequences", number / size());
    add(batch, (*order)(position));
  }
  return longest_first(std::move(batch));
}

LabelledBatch LabelledBatches::evaluation_batch(std::int64_t first, std::int64_t rows) const {
  LabelledBatch batch;
  const Permutation order(size(), 0, "evaluation", 0);
  for (std::int64_t place = first; place < std::min(first + rows, size()); ++place) add(batch, order(place));
  return longest_first(std::move(batch));
}

PaddedTexts LabelledBatches::pad(const LabelledBatch& batch, std::int64_t first, std::int64_t count) const {
  PaddedTexts padded;
  padded.texts = count * data_.texts();
  for (std::int64_t row = first; row < first + count; ++row) {
    const auto length = static_cast<std::int64_t>(longest_text(batch.rows[static_cast<std::size_t>(row)]));
    padded.length = std::max(padded.length, length);
  }
  PaddingMask mask{padded.texts, padded.length, {}};
  padded.ids.assign(static_cast<std::size_t>(padded.texts * padded.length), 0);
  mask.real.assign(padded.ids.size(), 0);
  std::size_t place = 0;
  for (int text = 0; text < data_.texts(); ++text) {
    for (std::int64_t row = first; row < first + count; ++row, place += static_cast<std::size_t>(padded.length)) {
      const auto& tokens = batch.rows[static_cast<std::size_t>(row)].texts[static_cast<std::size_t>(text)];
      std::ranges::copy(tokens, padded.ids.begin() + static_cast<std::ptrdiff_t>(place));
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        const bool masked = options_.mask_padding_id && tokens[i] == data_.padding_id();
        mask.real[place + i] = masked ? 0 : 1;
      }
    }
  }
  if (std::ranges::count(mask.real, 0) > 0) padded.mask = std::make_shared<const PaddingMask>(std::move(mask));
  return padded;
}

}  // namespace cosformer
