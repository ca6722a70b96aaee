#pragma once
/// \file
/// What a component of a tokenizer.json searches for: a text or a regular expression.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/pattern.h"
#include "data/tokenizers/huggingface/json_part.h"

namespace cosformer {

/// A stretch of a text, and whether it is a match or stands between matches.
struct Stretch {
  std::string_view text;
  bool is_match;
};

/// Immutable.
class SplitPattern {
 public:
  /// The value of "pattern": {"String": TEXT} or {"Regex": EXPRESSION}, the latter in Oniguruma's dialect. Throws InputError
  /// for what PCRE2 would read in another way.
  explicit SplitPattern(const JsonPart& part);
  /// An expression of ours.
  explicit SplitPattern(const std::string& expression);

  /// The whole text, in order; no stretch is empty.
  std::vector<Stretch> stretches(std::string_view text) const;

 private:
  std::string literal_;
  std::optional<Pattern> expression_;
};

/// An expression of Oniguruma's as PCRE2 reads it: \s, \w and \d mean the same Unicode properties. Throws InputError that
/// begins with `where` for a construct with another meaning.
std::string translate_expression(std::string_view expression, const std::string& where);

/// What becomes of the matches of a split.
enum class SplitBehavior : std::uint8_t { removed, isolated, merged_with_previous, merged_with_next, contiguous };
SplitBehavior split_behavior(const JsonPart& part, std::string_view key, const char* fallback);

/// The pieces of stretches that follow one another in a text.
std::vector<std::string_view> apply_behavior(const std::vector<Stretch>& stretches, SplitBehavior behavior);

}  // namespace cosformer
