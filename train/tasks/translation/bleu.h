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

struct Bleu {
  static constexpr std::size_t kMaxOrder = 4;

  double score = 0;                               ///< 0 to 100
  double brevity_penalty = 1;                     ///< 1 where the translations are no shorter than the references
  std::array<std::int64_t, kMaxOrder> matches{};  ///< n-grams of the translations that are in their references, n = 1 ... 4
  std::array<std::int64_t, kMaxOrder> totals{};   ///< n-grams of the translations
  std::int64_t length = 0;                        ///< tokens of the translations
  std::int64_t reference_length = 0;
};

/// Corpus BLEU of n-grams up to 4 with one reference a sentence, case-sensitive, tokenisation 13a, smoothing "exp" (the k-th
/// order without a match counts as if it had 2^-k of one). The figures are those of
/// `sacrebleu --tokenize 13a --smooth-method exp`. Throws Error where the numbers of sentences differ.
/// Source: Papineni et al., 2002.
Bleu corpus_bleu(std::span<const std::string> translations, std::span<const std::string> references);

}  // namespace cosformer
