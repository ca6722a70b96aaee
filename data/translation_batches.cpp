#include "data/translation_batches.h"

#include <algorithm>
#include <utility>

#include "data/permutation.h"

namespace cosformer {

namespace {

/// Batches that are sorted by length together: enough to leave little padding, few enough that an epoch stays mixed.
constexpr std::int64_t kPoolBatches = 64;

constexpr std::int32_t kNoTarget = -1;

/// Rows of unequal lengths as one [rows, length] array, and which of it is real.
struct PaddedRows {
  PaddedRows(std::int64_t rows, std::int64_t length, std::int32_t filler)
      : ids(static_cast<std::size_t>(rows * length), filler), mask{rows, length, {}} {
    mask.real.assign(ids.size(), 0);
  }
  void set(std::int64_t row, std::size_t place, std::int32_t id) {
    const std::size_t at = static_cast<std::size_t>(row * mask.length) + place;
    ids[at] = id;
    mask.real[at] = 1;
  }
  SharedPaddingMask shared_mask() {
    if (std::ranges::count(mask.real, 0) == 0) return nullptr;
    return std::make_shared<const PaddingMask>(std::move(mask));
  }

  std::vector<std::int32_t> ids;
  PaddingMask mask;
};

}  // namespace

void TranslationBatches::append_training_pairs(std::int64_t epoch, std::int64_t first, std::int64_t count,
                                               std::vector<std::int64_t>& pairs) const {
  const Permutation order(size(), seed_, "sentence pairs", epoch);
  // The pairs that complete the batch in which the epoch before ended.
  const std::int64_t head =
      std::min((batch_size_ - epoch % batch_size_ * (size() % batch_size_) % batch_size_) % batch_size_, size());
  const std::int64_t pool_size = kPoolBatches * batch_size_, pools = (size() - head + pool_size - 1) / pool_size;
  std::int64_t place = first;
  for (; place < std::min(first + count, head); ++place) pairs.push_back(order(place));
  while (place < first + count) {
    const std::int64_t pool = (place - head) / pool_size, begin = head + pool * pool_size;
    std::vector<std::int64_t> members;
    for (std::int64_t i = begin; i < std::min(begin + pool_size, size()); ++i) members.push_back(order(i));
    std::ranges::stable_sort(members, {}, [&](std::int64_t pair) {
      const auto at = static_cast<std::size_t>(pair);
      return std::pair(pairs_.target[at].size(), pairs_.source[at].size());
    });
    const auto end = begin + static_cast<std::int64_t>(members.size());
    const std::int64_t full_batches = static_cast<std::int64_t>(members.size()) / batch_size_;
    for (; place < std::min(first + count, end); ++place) {
      std::int64_t batch = (place - begin) / batch_size_;
      // A short last batch stays where it is: the epoch's end.
      if (batch < full_batches)
        batch = Permutation(full_batches, seed_, "batches of similar lengths", epoch * pools + pool)(batch);
      pairs.push_back(members[static_cast<std::size_t>(batch * batch_size_ + (place - begin) % batch_size_)]);
    }
  }
}

TranslationBatch TranslationBatches::training_batch(std::int64_t first, std::int64_t rows) const {
  std::vector<std::int64_t> pairs;
  std::int64_t number = first;
  while (number < first + rows) {
    const std::int64_t epoch = number / size(), place = number % size();
    const std::int64_t count = std::min(first + rows - number, size() - place);
    append_training_pairs(epoch, place, count, pairs);
    number += count;
  }
  return make_batch(std::move(pairs));
}

TranslationBatch TranslationBatches::evaluation_batch(std::int64_t first, std::int64_t rows) const {
  std::vector<std::int64_t> pairs;
  for (std::int64_t pair = first; pair < std::min(first + rows, size()); ++pair) pairs.push_back(pair);
  return make_batch(std::move(pairs));
}

TranslationBatch TranslationBatches::make_batch(std::vector<std::int64_t> pairs) const {
  TranslationBatch batch{std::move(pairs)};
  const auto target_length = [&](std::int64_t pair) { return pairs_.target[static_cast<std::size_t>(pair)].size(); };
  std::ranges::stable_sort(batch.pairs, std::greater<>(), target_length);
  for (const std::int64_t pair : batch.pairs) {
    batch.source_tokens += static_cast<std::int64_t>(pairs_.source[static_cast<std::size_t>(pair)].size());
    batch.target_tokens += static_cast<std::int64_t>(target_length(pair));
  }
  return batch;
}

PaddedPairs TranslationBatches::pad(const TranslationBatch& batch, std::int64_t first, std::int64_t count) const {
  PaddedPairs padded;
  padded.pairs = count;
  const auto pair_of = [&](std::int64_t row) {
    return static_cast<std::size_t>(batch.pairs[static_cast<std::size_t>(first + row)]);
  };
  for (std::int64_t row = 0; row < count; ++row) {
    padded.source_length = std::max(padded.source_length, static_cast<std::int64_t>(pairs_.source[pair_of(row)].size()));
    padded.target_length = std::max(padded.target_length, static_cast<std::int64_t>(pairs_.target[pair_of(row)].size()));
  }
  PaddedRows source(count, padded.source_length, special_.padding), inputs(count, padded.target_length, special_.padding);
  padded.targets.assign(inputs.ids.size(), kNoTarget);
  for (std::int64_t row = 0; row < count; ++row) {
    const auto& read = pairs_.source[pair_of(row)];
    const auto& written = pairs_.target[pair_of(row)];
    for (std::size_t i = 0; i < read.size(); ++i) source.set(row, i, read[i]);
    for (std::size_t i = 0; i < written.size(); ++i) inputs.set(row, i, i == 0 ? special_.begin : written[i - 1]);
    std::ranges::copy(written, padded.targets.begin() + static_cast<std::ptrdiff_t>(row * padded.target_length));
  }
  padded.source = std::move(source.ids);
  padded.inputs = std::move(inputs.ids);
  padded.source_mask = source.shared_mask();
  padded.target_mask = inputs.shared_mask();
  return padded;
}

}  // namespace cosformer
