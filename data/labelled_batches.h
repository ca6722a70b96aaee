#pragma once
/// \file
/// Batches of labelled sequences of unequal lengths, for training and evaluating classifiers.

#include <cstdint>
#include <memory>
#include <vector>

#include "core/padding_mask.h"
#include "data/labelled_sequences.h"

namespace cosformer {

/// Examples with their tokens, not padded yet. The longest come first, so that neighbours are of similar length and the
/// heaviest shards of a batch start first.
struct LabelledBatch {
  struct Text {
    std::vector<std::int32_t> tokens;
    std::vector<std::int32_t> positions;  ///< where the tokens stand, if some are left out; else empty
    std::int64_t length = 0;              ///< with those that are left out
  };
  struct Row {
    std::int64_t example = 0;
    std::int32_t label = 0;
    std::vector<Text> texts;
  };
  std::vector<Row> rows;
  std::int64_t tokens = 0;  ///< of all texts
};

/// Texts that are padded at their end to the longest of them: all first texts, then all second ones.
struct PaddedTexts {
  std::int64_t texts = 0;
  std::int64_t length = 0;
  std::vector<std::int32_t> ids;  ///< [texts, length]
  SharedPaddingMask mask;         ///< null if every position is read and stands where it is
};

struct TextOptions {
  std::int64_t seq_len = 1;  ///< longer texts lose their end
  /// Tokens with the format's padding id count as padding wherever they stand. They are left out, but for a text's first
  /// token, whose hidden state a model may read.
  bool mask_padding_id = false;
  bool class_token = false;  ///< the id `vocab_size()` of the data stands before each text; seq_len does not count it
};

/// One part of a data set, cut into batches.
///
/// Training. Examples are numbered 0, 1, 2 ... without end; each epoch is a permutation of (seed, epoch), in which every
/// example occurs once. A batch is a pure function of (data, options, seed, numbers): position is all a resumed run needs.
/// Evaluation. One fixed order that mixes the data, whatever the seed: of files that list one class after the other, the
/// first batches are a fair sample.
class LabelledBatches {
 public:
  /// `data` must outlive this object and hold an example.
  LabelledBatches(const LabelledSequences& data, const TextOptions& options, std::uint64_t seed)
      : data_(data), options_(options), seed_(seed) {}

  std::int64_t size() const { return data_.size(); }
  /// Training examples first ... first + rows - 1, which may span epochs.
  LabelledBatch training_batch(std::int64_t first, std::int64_t rows) const;
  /// Examples of the places from `first` on: `rows` of them, or fewer at the end.
  LabelledBatch evaluation_batch(std::int64_t first, std::int64_t rows) const;
  /// Rows [first, first + count) of a batch. What they are padded to depends on them alone.
  PaddedTexts pad(const LabelledBatch& batch, std::int64_t first, std::int64_t count) const;

 private:
  void add(LabelledBatch& batch, std::int64_t example) const;

  const LabelledSequences& data_;
  TextOptions options_;
  std::uint64_t seed_;
};

}  // namespace cosformer
