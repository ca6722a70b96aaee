#include "data/tokenizers/word_tokenizer.h"

#include <algorithm>

#include "core/error.h"
#include "core/printable.h"
#include "data/tokenizers/pieces.h"
#include "data/tokenizers/vocabulary.h"
#include "data/tokenizers/words.h"
#include "data/utf8.h"

namespace cosformer {

namespace {

constexpr std::string_view kLineEndToken = "<eos>";

}  // namespace

WordTokenizer::WordTokenizer(std::vector<std::string> tokens) : tokens_(std::move(tokens)), ids_(ids_of(tokens_)) {
  const auto required = [&](std::string_view token) {
    const auto entry = ids_.find(token);
    check<InputError>(entry != ids_.end(), "a vocabulary of words needs the token ", token);
    return entry->second;
  };
  unknown_ = required(kUnknownToken);
  line_end_ = required(kLineEndToken);
  for (const std::string& token : tokens_) {
    const bool one_word = std::none_of(token.begin(), token.end(), [](char c) { return c == '\n' || is_blank(c); });
    if (!one_word || token.empty()) throw InputError(concat("token ", printable(token), " is not one word"));
  }
}

std::unique_ptr<Tokenizer> WordTokenizer::load(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "vocab.json";
  std::vector<std::string> tokens = read_vocabulary(path);
  try {
    return std::make_unique<WordTokenizer>(std::move(tokens));
  } catch (const InputError& error) {
    throw InputError(concat(path.string(), ": ", error.what()));
  }
}

std::unique_ptr<Tokenizer> WordTokenizer::train(std::string_view text, const TokenizerOptions& options) {
  const std::size_t invalid = find_invalid_utf8(text);
  if (invalid != std::string_view::npos) throw InputError(line_and_column(text, invalid) + ": the text is not UTF-8");
  std::unordered_map<std::string_view, std::int64_t> words;
  const auto count = [&](std::string_view word) {
    if (word.size() <= kMaxTokenBytes && word != kUnknownToken && word != kLineEndToken) ++words[word];
  };
  for_each_word(text, count, [] {});
  std::vector<TokenCount> counts;
  counts.reserve(words.size());
  for (const auto& [word, occurrences] : words) counts.push_back({word, occurrences});
  std::vector<std::string> tokens = frequent_tokens(std::move(counts), options, 2);
  tokens.insert(tokens.begin(), {std::string(kUnknownToken), std::string(kLineEndToken)});
  return std::make_unique<WordTokenizer>(std::move(tokens));
}

std::vector<std::int32_t> WordTokenizer::encode(std::string_view text) const {
  const auto encode_piece = [&](std::string_view piece) {
    std::vector<std::int32_t> ids;
    const auto on_word = [&](std::string_view word) {
      const auto entry = ids_.find(word);
      ids.push_back(entry == ids_.end() ? unknown_ : entry->second);
    };
    for_each_word(piece, on_word, [&] { ids.push_back(line_end_); });
    return ids;
  };
  return encode_pieces(
      cut_into_pieces(text, kPieceBytes, [&](std::string_view whole, std::size_t p) { return may_cut(whole, p); }),
      encode_piece);
}

bool WordTokenizer::may_cut(std::string_view text, std::size_t p) const { return text[p - 1] == '\n'; }

std::string WordTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    check_token_id(id, vocab_size());
    if (id == line_end_) {
      text += '\n';
    } else {
      if (!text.empty() && text.back() != '\n') text += ' ';
      text += tokens_[static_cast<std::size_t>(id)];
    }
  }
  return text;
}

TokenizerFiles WordTokenizer::files() const { return {{"vocab.json", vocabulary_text(tokens_)}}; }

}  // namespace cosformer
