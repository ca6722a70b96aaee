#pragma once
/// \file
/// Windows of a text for training and evaluating language models.

#include <cstdint>
#include <span>
#include <vector>

#include "core/kernels/cross_entropy.h"
#include "data/text_windows.h"

namespace cosformer {

/// Equally long sequences of token ids and what each position should predict.
struct TokenBatch {
  std::int64_t rows = 0;
  std::int64_t length = 0;
  std::int64_t predicted = 0;         ///< targets that are not ignored
  std::vector<std::int32_t> inputs;   ///< [rows, length]; 0 behind the end of a short row
  std::vector<std::int32_t> targets;  ///< [rows, length]; kIgnoredTarget behind the end of a short row
};

/// Cuts a text of N tokens into windows; the token after each input is its target, so there are N - 1 targets.
///
/// Training. The sequences are the TextWindows of the targets: every target occurs exactly once an epoch, and every
/// sequence is a pure function of (tokens, seq_len, seed, number): position is all a resumed run needs.
///
/// Evaluation. Windows of `seq_len` targets follow one another from the first target on, each overlapping the one before by
/// `context` targets; the last may be short. Window k sees the tokens k·(seq_len - context) ... as input; its first
/// `context` targets, which the window before has, are ignored, so that every target is predicted exactly once.
///
/// All batches are `seq_len` long, however short their rows, since attention may depend on the padded length.
class LanguageModelBatches {
 public:
  /// `tokens` must outlive this object. Throws InputError if there are fewer than two tokens or seq_len < 1, or context
  /// is not in [0, seq_len).
  LanguageModelBatches(std::span<const std::int32_t> tokens, std::int64_t seq_len, std::uint64_t seed,
                       std::int64_t context = 0);

  std::int64_t tokens() const { return static_cast<std::int64_t>(tokens_.size()); }
  std::int64_t targets() const { return tokens() - 1; }
  std::int64_t seq_len() const { return seq_len_; }
  /// Sequences that every epoch has.
  std::int64_t sequences_in_epoch() const { return windows_.windows_in_epoch(); }
  /// The training sequences first_sequence ... first_sequence + rows - 1, which may span epochs. Throws ShapeError if
  /// first_sequence < 0 or rows < 1.
  TokenBatch batch(std::int64_t first_sequence, std::int64_t rows) const;

  /// Number of evaluation windows.
  std::int64_t evaluation_windows() const;
  /// The evaluation windows from `first_window` on: `rows` of them, or fewer at the end of the text. Throws ShapeError
  /// unless 0 <= first_window < evaluation_windows() and rows >= 1.
  TokenBatch evaluation_batch(std::int64_t first_window, std::int64_t rows) const;

 private:
  /// Writes the targets [begin, end) with their inputs to a row.
  void fill(TokenBatch& batch, std::int64_t row, std::int64_t begin, std::int64_t end) const;

  std::span<const std::int32_t> tokens_;
  std::int64_t seq_len_, context_;
  TextWindows windows_;
};

}  // namespace cosformer
