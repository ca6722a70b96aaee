#pragma once
/// \file
/// BLEU of translations, as sacreBLEU computes it.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cosformer {

/// The tokens of a sentence in the tokenisation "13a" (mteval-v13a: of Western languages; XML entities are undone,
/// punctuation stands alone, points and commas stay within numbers). `sentence` is UTF-8.
/// Source: Post, "A Call for Clarity in Reporting BLEU Scores", WMT 2018.
std::vector<std::string> tokenize_13a(std::string_view sentence);

/// n-grams go up to this n.
inline constexpr std::size_t kMaxBleuOrder = 4;

/// What BLEU is computed from. All counts add up over sentences, so they stand in one array.
struct BleuCounts : std::array<std::int64_t, 2 * kMaxBleuOrder + 2> {
  BleuCounts() : array{} {}

  /// n-grams of the translations that are in their references; n is 1 to 4.
  std::int64_t& matches(std::size_t n) { return (*this)[n - 1]; }
  std::int64_t matches(std::size_t n) const { return (*this)[n - 1]; }
  /// n-grams of the translations.
  std::int64_t& totals(std::size_t n) { return (*this)[kMaxBleuOrder + n - 1]; }
  std::int64_t totals(std::size_t n) const { return (*this)[kMaxBleuOrder + n - 1]; }
  /// Tokens of the translations.
  std::int64_t& length() { return (*this)[2 * kMaxBleuOrder]; }
  std::int64_t length() const { return (*this)[2 * kMaxBleuOrder]; }
  std::int64_t& reference_length() { return (*this)[2 * kMaxBleuOrder + 1]; }
  std::int64_t reference_length() const { return (*this)[2 * kMaxBleuOrder + 1]; }

  /// Adds those of a sentence.
  void add(std::string_view translation, std::string_view wanted);
};

struct Bleu {
  double score = 0;            ///< 0 to 100
  double brevity_penalty = 1;  ///< 1 if the translations are no shorter than the references
  BleuCounts counts;
};

Bleu bleu_of(const BleuCounts& counts);

/// Corpus BLEU of n-grams up to 4 with one reference per sentence, case-sensitive, tokenisation 13a, smoothing "exp" (the
/// k-th order without a match counts as if it had 2^-k of one). The figures are those of `sacrebleu --tokenize 13a
/// --smooth-method exp`. Throws Error if the numbers of sentences differ. Source: Papineni et al., 2002.
Bleu corpus_bleu(std::span<const std::string> translations, std::span<const std::string> references);

}  // namespace cosformer
