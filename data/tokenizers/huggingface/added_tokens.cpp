#include "data/tokenizers/huggingface/added_tokens.h"

#include <algorithm>
#include <functional>

#include "core/error.h"
#include "data/pattern.h"
#include "data/tokenizers/huggingface/unicode.h"
#include "data/tokenizers/vocabulary.h"

namespace cosformer {

namespace {

bool is_word_character(std::string_view character) {
  static const Pattern kWord(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}])");
  Pattern::Search search(kWord);
  return search.find(character, 0).has_value();
}

/// The last code point's bytes; empty for an empty text.
std::string_view last_character(std::string_view text) {
  std::size_t begin = text.size();
  while (begin > 0 && (static_cast<unsigned char>(text[begin - 1]) & 0xC0) == 0x80) --begin;
  return text.substr(begin > 0 ? begin - 1 : 0);
}

std::string_view first_character(std::string_view text) {
  return text.empty() ? text : text.substr(0, unicode::first_of(text).bytes);
}

}  // namespace

std::vector<AddedToken> read_added_tokens(const JsonPart& tokenizer) {
  std::vector<AddedToken> tokens;
  if (!tokenizer.has("added_tokens")) return tokens;
  for (const JsonPart& part : tokenizer.parts("added_tokens")) {
    part.allow({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    const std::int64_t id = part.integer("id", -1);
    if (id < 0 || id >= kMaxVocabSize) part.refuse("id", concat("expected 0 to ", kMaxVocabSize - 1));
    const bool is_special = part.boolean("special", false);
    AddedToken token{static_cast<std::int32_t>(id), part.text("content"),          part.boolean("single_word", false),
                     part.boolean("lstrip", false), part.boolean("rstrip", false), part.boolean("normalized", !is_special)};
    if (token.content.empty() || token.content.size() > kMaxTokenBytes)
      part.refuse("content", concat("expected a text of 1 to ", kMaxTokenBytes, " bytes"));
    tokens.push_back(std::move(token));
  }
  return tokens;
}

TokenFinder::TokenFinder(const std::vector<AddedToken>& tokens, bool in_normalized, const Normalizer& normalizer) {
  for (const AddedToken& token : tokens) {
    if (token.normalized != in_normalized) continue;
    const std::string spelling = in_normalized && normalizer ? normalizer(token.content) : token.content;
    if (spelling.empty() || !tokens_.emplace(spelling, token).second) continue;
    std::vector<std::size_t>& lengths = lengths_[static_cast<unsigned char>(spelling[0])];
    if (std::ranges::find(lengths, spelling.size()) == lengths.end()) lengths.push_back(spelling.size());
  }
  for (auto& lengths : lengths_) std::ranges::sort(lengths, std::greater<>());
}

std::pair<const AddedToken*, std::size_t> TokenFinder::longest_at(std::string_view text) const {
  for (const std::size_t length : lengths_[static_cast<unsigned char>(text[0])]) {
    if (length > text.size()) continue;
    const auto found = tokens_.find(std::string(text.substr(0, length)));
    if (found != tokens_.end()) return {&found->second, length};
  }
  return {nullptr, 0};
}

std::vector<TextPart> TokenFinder::parts(std::string_view text) const {
  std::vector<TextPart> parts;
  std::size_t done = 0;
  for (std::size_t at = tokens_.empty() ? text.size() : 0; at < text.size();) {
    const auto [token, length] = longest_at(text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + length;
    at = end;
    if (token->single_word) {
      const std::string_view before = last_character(text.substr(0, begin)), after = first_character(text.substr(end));
      if ((!before.empty() && is_word_character(before)) || (!after.empty() && is_word_character(after))) continue;
    }
    while (token->takes_left && begin > done) {
      const std::string_view before = last_character(text.substr(0, begin));
      if (!unicode::is_white_space(unicode::first_of(before).value)) break;
      begin -= before.size();
    }
    while (token->takes_right && end < text.size()) {
      const unicode::CodePoint after = unicode::first_of(text.substr(end));
      if (!unicode::is_white_space(after.value)) break;
      end += after.bytes;
    }
    begin = std::max(begin, done);
    if (begin > done) parts.push_back({text.substr(done, begin - done)});
    parts.push_back({text.substr(begin, end - begin), token->id});
    done = end;
    at = std::max(at, end);
  }
  if (done < text.size()) parts.push_back({text.substr(done)});
  return parts;
}

}  // namespace cosformer
