#include "train/tasks/translation/bleu.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "data/utf8.h"

namespace cosformer {

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_point(char c) { return c == '.' || c == ','; }

/// Punctuation that is always a token of its own. Blanks are among it, which changes nothing.
bool stands_alone(char c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') ||
         (c >= ':' && c <= '@') || c == '/';
}

/// What Unicode calls white space.
bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/// Rewrites each pair of neighbours that `fits`, from the left and without overlap, as the three parts around it say. All
/// bytes of characters beyond ASCII are neither digits nor points, so that bytes serve for characters.
template <class Fits>
std::string rewrite_pairs(const std::string& text, const Fits& fits, std::string_view before, std::string_view between,
                          std::string_view behind) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && fits(text[i], text[i + 1])) {
      out.append(before).append(1, text[i]).append(between).append(1, text[i + 1]).append(behind);
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::string> split_on_space(std::string_view text) {
  std::vector<std::string> parts(1);
  while (!text.empty()) {
    // Bytes that are no UTF-8 stand for themselves.
    const std::size_t length = std::max<std::size_t>(utf8_length(text), 1);
    if (utf8_length(text) > 0 && is_space(utf8_decode(text.substr(0, length)))) {
      if (!parts.back().empty()) parts.emplace_back();
    } else {
      parts.back().append(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  if (parts.back().empty()) parts.pop_back();
  return parts;
}

/// How often each n-gram occurs; tokens hold no blanks, so joined by one they stay apart.
std::map<std::string, std::int64_t> count_ngrams(const std::vector<std::string>& tokens, std::size_t order) {
  std::map<std::string, std::int64_t> counts;
  for (std::size_t begin = 0; begin + order <= tokens.size(); ++begin) {
    std::string ngram;
    for (std::size_t i = begin; i < begin + order; ++i) ngram.append(tokens[i]).append(1, ' ');
    ++counts[ngram];
  }
  return counts;
}

double score_of(const Bleu& bleu) {
  double log_sum = 0, halves = 1;
  for (std::size_t n = 1; n <= kMaxBleuOrder; ++n) {
    // An order without any n-gram, as in translations of few words, makes the score 0.
    if (bleu.counts.matches(1) == 0 || bleu.counts.totals(n) == 0) return 0;
    double matches = static_cast<double>(bleu.counts.matches(n));
    if (bleu.counts.matches(n) == 0) matches = 1 / (halves *= 2);
    log_sum += std::log(100 * matches / static_cast<double>(bleu.counts.totals(n)));
  }
  return bleu.brevity_penalty * std::exp(log_sum / static_cast<double>(kMaxBleuOrder));
}

}  // namespace

std::vector<std::string> tokenize_13a(std::string_view sentence) {
  std::string text(sentence.substr(0, sentence.find_last_not_of(" \t\r\n\v\f") + 1));
  replace_all(text, "<skipped>", "");
  replace_all(text, "-\n", "");
  replace_all(text, "\n", " ");
  replace_all(text, "&quot;", "\"");
  replace_all(text, "&amp;", "&");
  replace_all(text, "&lt;", "<");
  replace_all(text, "&gt;", ">");
  std::string apart = " ";
  for (const char c : text) {
    if (stands_alone(c)) {
      apart.append(1, ' ').append(1, c).append(1, ' ');
    } else {
      apart += c;
    }
  }
  apart += ' ';
  apart = rewrite_pairs(
      apart, [](char a, char b) { return !is_digit(a) && is_point(b); }, "", " ", " ");
  apart = rewrite_pairs(
      apart, [](char a, char b) { return is_point(a) && !is_digit(b); }, " ", " ", "");
  apart = rewrite_pairs(
      apart, [](char a, char b) { return is_digit(a) && b == '-'; }, "", " ", " ");
  return split_on_space(apart);
}

void BleuCounts::add(std::string_view translation, std::string_view wanted) {
  const std::vector<std::string> own = tokenize_13a(translation), target = tokenize_13a(wanted);
  length() += static_cast<std::int64_t>(own.size());
  reference_length() += static_cast<std::int64_t>(target.size());
  for (std::size_t n = 1; n <= kMaxBleuOrder; ++n) {
    const auto ngrams = count_ngrams(target, n);
    for (const auto& [ngram, count] : count_ngrams(own, n)) {
      totals(n) += count;
      const auto found = ngrams.find(ngram);
      if (found != ngrams.end()) matches(n) += std::min(count, found->second);
    }
  }
}

Bleu bleu_of(const BleuCounts& counts) {
  Bleu bleu{.counts = counts};
  if (counts.length() < counts.reference_length()) {
    const auto length = static_cast<double>(counts.length()), wanted = static_cast<double>(counts.reference_length());
    bleu.brevity_penalty = counts.length() > 0 ? std::exp(1 - wanted / length) : 0;
  }
  bleu.score = score_of(bleu);
  return bleu;
}

Bleu corpus_bleu(std::span<const std::string> translations, std::span<const std::string> references) {
  check<Error>(translations.size() == references.size(), "[corpus_bleu] ", translations.size(), " translations of ",
               references.size(), " references");
  BleuCounts counts;
  for (std::size_t i = 0; i < translations.size(); ++i) counts.add(translations[i], references[i]);
  return bleu_of(counts);
}

}  // namespace cosformer
