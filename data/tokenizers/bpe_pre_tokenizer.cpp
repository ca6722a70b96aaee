#include "data/tokenizers/bpe_pre_tokenizer.h"

#include <array>

#include "core/error.h"
#include "data/utf8.h"

namespace cosformer {

namespace {

/// GPT-2's pattern.
std::string word_pattern() {
  const std::string_view space = kWhiteSpaceRanges;
  return concat(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^)", space, R"(\p{L}\p{N}]+|[)", space, "]+(?![^", space,
                "])|[", space, "]+");
}

/// The code point that spells each byte: itself if it is a visible Latin-1 character, otherwise U+0100 and on.
constexpr std::array<char16_t, 256> byte_spellings() {
  std::array<char16_t, 256> spellings{};
  char16_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool visible = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    spellings[byte] = visible ? static_cast<char16_t>(byte) : next++;
  }
  return spellings;
}

constexpr std::array<char16_t, 256> kSpellings = byte_spellings();

/// The inverse of `kSpellings`; -1 where a code point stands for no byte.
constexpr std::array<std::int16_t, 0x144> kBytes = [] {
  std::array<std::int16_t, 0x144> bytes{};
  bytes.fill(-1);
  for (std::size_t byte = 0; byte < 256; ++byte) bytes[kSpellings[byte]] = static_cast<std::int16_t>(byte);
  return bytes;
}();

}  // namespace

BpePreTokenizer::BpePreTokenizer() : pattern_(word_pattern()) {}

void BpePreTokenizer::split_utf8(std::string_view text, std::vector<std::string_view>& words) const {
  if (text.empty()) return;
  Pattern::Search search(pattern_);
  for (std::size_t begin = 0; begin < text.size();) {
    const auto word = search.find(text, begin);
    check<Error>(word && word->begin == begin, "the pattern of byte-level BPE has no word at byte ", begin);
    words.push_back(text.substr(begin, word->end - begin));
    begin = word->end;
  }
}

std::vector<std::string_view> BpePreTokenizer::split(std::string_view text) const {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::string_view valid = text.substr(0, find_invalid_utf8(text));
    split_utf8(valid, words);
    text.remove_prefix(valid.size());
    std::size_t invalid = 0;
    while (invalid < text.size() && utf8_length(text.substr(invalid, 4)) == 0) ++invalid;
    if (invalid > 0) words.push_back(text.substr(0, invalid));
    text.remove_prefix(invalid);
  }
  return words;
}

bool BpePreTokenizer::may_cut(std::string_view text, std::size_t p) {
  // Only white space runs and the start of a word take in a blank or newline, and neither begins before a visible one.
  const char before = text[p - 1];
  return (text[p] == ' ' || text[p] == '\n') && before > ' ' && before < 0x7F;
}

std::string spell_bytes(std::string_view bytes) {
  std::string spelling;
  for (const char c : bytes) append_utf8(spelling, kSpellings[static_cast<unsigned char>(c)]);
  return spelling;
}

std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
  std::string bytes;
  while (!spelling.empty()) {
    const std::size_t length = utf8_length(spelling.substr(0, 4));
    if (length == 0) return std::nullopt;
    const char32_t code_point = utf8_decode(spelling.substr(0, length));
    if (code_point >= kBytes.size() || kBytes[code_point] < 0) return std::nullopt;
    bytes += static_cast<char>(static_cast<unsigned char>(kBytes[code_point]));
    spelling.remove_prefix(length);
  }
  return bytes;
}

}  // namespace cosformer
