#include "data/tokenizers/char_tokenizer.h"

#include <algorithm>

#include "core/error.h"
#include "core/printable.h"
#include "data/tokenizers/vocabulary.h"
#include "data/utf8.h"

namespace cosformer {

namespace {

/// Calls `on_character(sequence)` for every character.
template <class OnCharacter>
void for_each_character(std::string_view text, OnCharacter on_character) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i, 4));
    if (length == 0) throw InputError(line_and_column(text, i) + ": the text is not UTF-8");
    on_character(text.substr(i, length));
    i += length;
  }
}

}  // namespace

CharTokenizer::CharTokenizer(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
  const auto unknown = std::find(tokens_.begin(), tokens_.end(), kUnknownToken);
  check<InputError>(unknown != tokens_.end(), "a vocabulary of characters needs the token ", kUnknownToken);
  unknown_ = static_cast<std::int32_t>(unknown - tokens_.begin());
  ids_.assign(kCodePoints, unknown_);
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    const std::string& token = tokens_[id];
    if (token == kUnknownToken) continue;
    if (token.empty() || utf8_length(token) != token.size()) {
      throw InputError(concat("token ", printable(token), " of id ", id, " is not one character"));
    }
    ids_[utf8_decode(token)] = static_cast<std::int32_t>(id);
  }
}

std::unique_ptr<Tokenizer> CharTokenizer::load(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "vocab.json";
  std::vector<std::string> tokens = read_vocabulary(path);
  try {
    return std::make_unique<CharTokenizer>(std::move(tokens));
  } catch (const InputError& error) {
    throw InputError(concat(path.string(), ": ", error.what()));
  }
}

std::unique_ptr<Tokenizer> CharTokenizer::train(std::string_view text, const TokenizerOptions& options) {
  std::vector<TokenCount> counts(kCodePoints, TokenCount{{}, 0});
  for_each_character(text, [&](std::string_view sequence) {
    TokenCount& entry = counts[utf8_decode(sequence)];
    entry.token = sequence;
    ++entry.count;
  });
  std::erase_if(counts, [](const TokenCount& entry) { return entry.count == 0; });
  std::vector<std::string> tokens = frequent_tokens(std::move(counts), options, 1);
  // UTF-8 sorts by bytes as its code points do.
  std::sort(tokens.begin(), tokens.end());
  tokens.emplace_back(kUnknownToken);
  return std::make_unique<CharTokenizer>(std::move(tokens));
}

std::vector<std::int32_t> CharTokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> ids;
  ids.reserve(text.size());
  for_each_character(text, [&](std::string_view sequence) { ids.push_back(ids_[utf8_decode(sequence)]); });
  return ids;
}

bool CharTokenizer::may_cut(std::string_view text, std::size_t p) const { return text[p] == ' ' || text[p] == '\n'; }

std::string CharTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    check_token_id(id, vocab_size());
    if (id == unknown_) {
      append_utf8(text, 0xFFFD);
    } else {
      text += tokens_[static_cast<std::size_t>(id)];
    }
  }
  return text;
}

TokenizerFiles CharTokenizer::files() const { return {{"vocab.json", vocabulary_text(tokens_)}}; }

}  // namespace cosformer
