#include "data/labelled_batches.h"

#include <algorithm>
#include <optional>

#include "data/permutation.h"

namespace cosformer {

namespace {

std::size_t longest_text(const LabelledBatch::Row& row) {
  const auto size = [](const LabelledBatch::Text& text) { return text.tokens.size(); };
  return size(std::ranges::max(row.texts, {}, size));
}

/// Stable: among equals the order of the data stays.
LabelledBatch longest_first(LabelledBatch batch) {
  std::ranges::stable_sort(batch.rows, std::greater<>(), longest_text);
  return batch;
}

/// Leaves the tokens `id` out, but for the first.
void leave_out(LabelledBatch::Text& text, std::int32_t id) {
  if (text.tokens.empty() || std::find(text.tokens.begin() + 1, text.tokens.end(), id) == text.tokens.end()) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < text.tokens.size(); ++i) {
    if (i > 0 && text.tokens[i] == id) continue;
    text.positions.push_back(static_cast<std::int32_t>(i));
    text.tokens[kept++] = text.tokens[i];
  }
  text.tokens.resize(kept);
}

}  // namespace

void LabelledBatches::add(LabelledBatch& batch, std::int64_t example) const {
  LabelledBatch::Row row{example, data_.label(example), {}};
  for (int text = 0; text < data_.texts(); ++text) {
    LabelledBatch::Text& read = row.texts.emplace_back();
    data_.read(example, text, options_.seq_len, read.tokens);
    if (options_.class_token) read.tokens.insert(read.tokens.begin(), static_cast<std::int32_t>(data_.vocab_size()));
    read.length = static_cast<std::int64_t>(read.tokens.size());
    if (options_.mask_padding_id) leave_out(read, data_.padding_id());
    batch.tokens += static_cast<std::int64_t>(read.tokens.size());
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
  std::vector<const LabelledBatch::Text*> texts;
  std::int64_t full_length = 0;
  for (int text = 0; text < data_.texts(); ++text) {
    for (std::int64_t row = first; row < first + count; ++row) {
      texts.push_back(&batch.rows[static_cast<std::size_t>(row)].texts[static_cast<std::size_t>(text)]);
      padded.length = std::max(padded.length, static_cast<std::int64_t>(texts.back()->tokens.size()));
      full_length = std::max(full_length, texts.back()->length);
    }
  }
  const bool consecutive = std::ranges::all_of(texts, [](const auto* text) { return text->positions.empty(); });
  PaddingMask mask{padded.texts, padded.length, {}};
  padded.ids.assign(static_cast<std::size_t>(padded.texts * padded.length), 0);
  mask.real.assign(padded.ids.size(), 0);
  if (!consecutive) {
    mask.positions.resize(padded.ids.size());
    mask.padded_length = full_length;
  }
  std::size_t place = 0;
  for (const LabelledBatch::Text* text : texts) {
    for (std::size_t i = 0; i < text->tokens.size(); ++i) {
      padded.ids[place + i] = text->tokens[i];
      mask.real[place + i] = options_.mask_padding_id && text->tokens[i] == data_.padding_id() ? 0 : 1;
    }
    const auto length = static_cast<std::size_t>(padded.length);
    // Padding at the end stands where the last token does.
    for (std::size_t i = 0; !consecutive && i < length; ++i) {
      const std::size_t token = std::min(i, std::max<std::size_t>(text->tokens.size(), 1) - 1);
      mask.positions[place + i] = text->positions.empty() ? static_cast<std::int32_t>(token) : text->positions[token];
    }
    place += length;
  }
  if (!consecutive || std::ranges::count(mask.real, 0) > 0)
    padded.mask = std::make_shared<const PaddingMask>(std::move(mask));
  return padded;
}

}  // namespace cosformer
