#pragma once
/// \file
/// Windows of a text for training and evaluating language models.

#include <cstdint>
#include <optional>
#include <vector>

#include "core/kernels/cross_entropy.h"
#include "data/corpus/epoch_text.h"
#include "data/text_streams.h"
#include "data/text_windows.h"

namespace cosformer {

/// Equally long sequences of token ids and what each position should predict.
struct TokenBatch {
  std::int64_t rows = 0;
  std::int64_t length = 0;
  std::int64_t predicted = 0;         ///< targets that are not ignored
  std::vector<std::int32_t> inputs;   ///< [rows, length]; 0 behind the end of a short row
  std::vector<std::int32_t> targets;  ///< [rows, length]; kIgnoredTarget behind the end of a short row
  /// Of batches with boundaries, [rows]: where documents begin in each row but at its first token, rising.
  std::vector<std::vector<std::int64_t>> starts;
};

/// What a row is cut out of.
struct TextLayout {
  std::int64_t context = 0;          ///< targets that each evaluation window shares with the one before
  bool document_boundaries = false;  ///< rows say where documents begin, whose first tokens are no targets
  std::int64_t streams = 0;          ///< training reads so many stretches of the text side by side; 0: windows in any order
};

/// Cuts a text of N tokens into windows; the token after each input is its target, so there are N - 1 targets.
///
/// Training. The sequences are the TextWindows of the targets: every target occurs exactly once an epoch, and every
/// sequence is a pure function of (tokens, seq_len, seed, number): position is all a resumed run needs. With streams they
/// are the windows of TextStreams.
///
/// Evaluation. Windows of `seq_len` targets follow one another from the first target on, each overlapping the one before by
/// `context` targets; the last may be short. Window k sees the tokens k·(seq_len - context) ... as input; its first
/// `context` targets, which the window before has, are ignored, so that every target is predicted exactly once.
///
/// With boundaries of documents, the first token of a document is no target, since nothing before it belongs to it.
///
/// All batches are `seq_len` long, however short their rows, since attention may depend on the padded length.
class LanguageModelBatches {
 public:
  /// Throws InputError if there are fewer than two tokens or seq_len < 1, the context is not in [0, seq_len), or the text
  /// has no window for each stream.
  LanguageModelBatches(EpochText text, std::int64_t seq_len, std::uint64_t seed, TextLayout layout = {});

  std::int64_t tokens() const { return text_.size(); }
  std::int64_t targets() const { return tokens() - 1; }
  std::int64_t seq_len() const { return seq_len_; }
  /// Sequences that every epoch has.
  std::int64_t sequences_in_epoch() const { return streams_ ? streams_->windows_in_epoch() : windows_.windows_in_epoch(); }
  /// Nothing without streams.
  const std::optional<TextStreams>& streams() const { return streams_; }
  /// The training sequences first_sequence ... first_sequence + rows - 1, which may span epochs. Throws ShapeError if
  /// first_sequence < 0 or rows < 1.
  TokenBatch batch(std::int64_t first_sequence, std::int64_t rows) const;

  /// Number of evaluation windows.
  std::int64_t evaluation_windows() const;
  /// The evaluation windows from `first_window` on: `rows` of them, or fewer at the end of the text. Throws ShapeError
  /// unless 0 <= first_window < evaluation_windows() and rows >= 1.
  TokenBatch evaluation_batch(std::int64_t first_window, std::int64_t rows) const;

 private:
  /// Writes the targets of a window with their inputs to a row, but the first `context` targets.
  void fill(TokenBatch& batch, std::int64_t row, const TextWindow& window, std::int64_t context = 0) const;

  EpochText text_;
  std::int64_t seq_len_;
  TextLayout layout_;
  TextWindows windows_;
  std::optional<TextStreams> streams_;
};

}  // namespace cosformer
