#pragma once
/// \file
/// Tokens as text, as they come.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// Turns tokens into text piece by piece. Every piece is whole UTF-8: a character that is not complete yet waits for its
/// other bytes, and bytes that belong to no character become U+FFFD. The pieces together do not depend on where they are
/// cut.
class TextStream {
 public:
  /// The text follows the token `before`, if any: words then begin with a space. It ends in front of whichever of
  /// `stops`, which are texts and not empty, is complete first. `tokenizer` must outlive the stream.
  TextStream(const Tokenizer& tokenizer, std::optional<std::int32_t> before, std::vector<std::string> stops);

  /// The text that is certain now; what may be the beginning of a stop waits.
  std::string add(std::int32_t token);
  /// What still waits; nothing may be added behind it.
  std::string finish();
  /// True when a stop was found: nothing follows.
  bool has_stopped() const { return has_stopped_; }

 private:
  /// The window becomes `tokens`, whose text is known already.
  void begin_window(std::vector<std::int32_t> tokens);
  /// Moves what is not taken yet of the window's text, up to byte `end`, to `bytes_`.
  void take_window(std::size_t end);
  /// Moves whole characters from `bytes_` to `text_`; with `at_end` all of it.
  void take_characters(bool at_end);
  /// Cuts `text_` at a stop and returns what may be shown.
  std::string release(bool at_end);

  const Tokenizer& tokenizer_;
  std::vector<std::string> stops_;
  std::vector<std::int32_t> window_;  ///< the last tokens: the text of a token can depend on those before it
  std::string text_of_window_;
  std::size_t taken_ = 0;  ///< bytes of it that were taken
  std::string bytes_;      ///< not known to be characters yet
  std::string text_;       ///< characters that may belong to a stop
  bool has_stopped_ = false;
};

}  // namespace cosformer
