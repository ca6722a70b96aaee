#pragma once
/// \file
/// Blocks of a text with masked tokens, for training encoders to restore them.

#include <cstdint>
#include <vector>

#include "core/padding_mask.h"
#include "data/corpus/epoch_text.h"
#include "data/special_tokens.h"
#include "data/text_windows.h"

namespace cosformer {

/// Equally long sequences of token ids, some of them masked.
struct MaskedTokenBatch {
  std::int64_t rows = 0;
  std::int64_t length = 0;
  std::int64_t masked = 0;            ///< positions to predict, at least one per row
  std::int64_t tokens = 0;            ///< real positions, `<s>` included
  std::vector<std::int32_t> inputs;   ///< [rows, length]; `<s>` first, 0 behind the end of a short row
  std::vector<std::int32_t> targets;  ///< [rows, length]: the text's token where it is to be predicted, else kIgnoredTarget

  /// Which positions of rows [first, first + count) are real; null if all are.
  SharedPaddingMask padding(std::int64_t first, std::int64_t count) const;
  std::vector<std::int64_t> lengths;  ///< [rows]: real positions
};

/// Cuts a text into blocks of seq_len - 1 tokens with `<s>` before them, and masks them.
///
/// Masking. A position is chosen with `mask_probability`; a block in which none would be has the one with the least draw.
/// Of the chosen ones 80 % become `<mask>`, 10 % a random token of the tokenizer and 10 % stay. All draws are functions of
/// (seed, epoch, position in the text): a position is masked anew in every epoch, and a resumed run needs no state.
/// Evaluation. Blocks follow one another without overlap, the last may be short; the draws depend on the position alone, so
/// that all runs and seeds are scored on the same masks.
///
/// Sources: Devlin et al., NAACL 2019 (80/10/10); Liu et al. 2019, RoBERTa (dynamic masking).
class MaskedTokenBatches {
 public:
  /// Tokens are below special.class_token. Throws InputError unless there is one, seq_len ≥ 2 and
  /// 0 < mask_probability ≤ 1.
  MaskedTokenBatches(EpochText text, const SpecialTokens& special, std::int64_t seq_len, double mask_probability,
                     std::uint64_t seed);

  /// Sequences that every epoch has.
  std::int64_t sequences_in_epoch() const { return windows_.windows_in_epoch(); }
  /// The training sequences from `first_sequence` ≥ 0 on, which may span epochs. rows ≥ 1.
  MaskedTokenBatch batch(std::int64_t first_sequence, std::int64_t rows) const;

  std::int64_t evaluation_windows() const;
  /// The evaluation blocks from `first_window` on: `rows` of them, or fewer at the end of the text.
  MaskedTokenBatch evaluation_batch(std::int64_t first_window, std::int64_t rows) const;

 private:
  /// Where the random numbers of a batch come from.
  struct Draws;
  void add(MaskedTokenBatch& batch, const TextWindow& window, const Draws& draws) const;
  MaskedTokenBatch empty_batch() const;

  EpochText text_;
  SpecialTokens special_;
  std::int64_t seq_len_;
  double mask_probability_;
  std::uint64_t seed_;
  TextWindows windows_;
};

}  // namespace cosformer
