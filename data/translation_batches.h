#pragma once
/// \file
/// Batches of sentence pairs, for training and evaluating translation.

#include <cstdint>
#include <vector>

#include "core/padding_mask.h"
#include "data/parallel_text.h"

namespace cosformer {

/// Pairs by their number, those with the longest targets first: neighbours are of similar length.
struct TranslationBatch {
  std::vector<std::int64_t> pairs;
  std::int64_t source_tokens = 0;
  std::int64_t target_tokens = 0;  ///< what the loss is a mean over
};

/// Rows of a batch, padded at their end. Letters: B pairs, S and T the longest source and target of them.
struct PaddedPairs {
  std::int64_t pairs = 0, source_length = 0, target_length = 0;
  std::vector<std::int32_t> source;   ///< [B, S], `</s>` last, then `<pad>`
  std::vector<std::int32_t> inputs;   ///< [B, T], `<s>` and the target without its end, then `<pad>`
  std::vector<std::int32_t> targets;  ///< [B, T], then -1
  SharedPaddingMask source_mask;      ///< null if every position is read
  SharedPaddingMask target_mask;
};

/// One part of a parallel text, cut into batches of `batch_size` pairs of similar lengths.
///
/// Training. Pairs are numbered 0, 1, 2 ... without end; every epoch holds each pair once, in an order that is a pure
/// function of (seed, epoch): the pairs are permuted, each run of 64 batches is sorted by length, and its batches are
/// permuted again. Where an epoch ends within a batch, the next one completes it with pairs of any length. Position is all a
/// resumed run needs. Evaluation goes through the pairs in the order of the text.
class TranslationBatches {
 public:
  /// `pairs` must outlive this object and hold a pair.
  TranslationBatches(const SentencePairs& pairs, const TranslationTokens& special, std::int64_t batch_size,
                     std::uint64_t seed)
      : pairs_(pairs), special_(special), batch_size_(batch_size), seed_(seed) {}

  std::int64_t size() const { return pairs_.size(); }
  /// Training pairs first ... first + rows - 1, which may span epochs.
  TranslationBatch training_batch(std::int64_t first, std::int64_t rows) const;
  /// Pairs from `first` on: `rows` of them, or fewer at the end.
  TranslationBatch evaluation_batch(std::int64_t first, std::int64_t rows) const;
  /// Tokens of a pair's source and target, on average.
  std::int64_t mean_length(std::int64_t pair) const {
    const auto at = static_cast<std::size_t>(pair);
    return (std::ssize(pairs_.source[at]) + std::ssize(pairs_.target[at]) + 1) / 2;
  }
  /// Rows [first, first + count) of a batch. What they are padded to depends on them alone.
  PaddedPairs pad(const TranslationBatch& batch, std::int64_t first, std::int64_t count) const;

 private:
  TranslationBatch make_batch(std::vector<std::int64_t> pairs) const;
  /// The pairs of an epoch at the places [first, first + count).
  void append_training_pairs(std::int64_t epoch, std::int64_t first, std::int64_t count,
                             std::vector<std::int64_t>& pairs) const;

  const SentencePairs& pairs_;
  TranslationTokens special_;
  std::int64_t batch_size_;
  std::uint64_t seed_;
};

}  // namespace cosformer
