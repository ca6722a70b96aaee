#include "data/tokenizers/bpe_pre_tokenizer.h"

#include <array>
#include <new>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/error.h"
#include "data/utf8.h"

namespace cosformer {

namespace {

/// GPT-2's pattern with \s written out as Unicode's White_Space, since PCRE2's own \s also takes U+180E.
std::string word_pattern() {
  constexpr std::string_view kSpace =
      R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
  return concat(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^)", kSpace, R"(\p{L}\p{N}]+|[)", kSpace, "]+(?![^", kSpace,
                "])|[", kSpace, "]+");
}

struct MatchData {
  pcre2_match_data* data;
  explicit MatchData(const pcre2_code* code) : data(pcre2_match_data_create_from_pattern(code, nullptr)) {
    if (data == nullptr) throw std::bad_alloc();
  }
  ~MatchData() { pcre2_match_data_free(data); }
  MatchData(const MatchData&) = delete;
  MatchData& operator=(const MatchData&) = delete;
};

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

struct BpePreTokenizer::Pattern {
  pcre2_code* code = nullptr;
  pcre2_match_context* limits = nullptr;
  ~Pattern() {
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
  }
};

BpePreTokenizer::BpePreTokenizer() {
  auto pattern = std::make_unique<Pattern>();
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::string text = word_pattern();
  pattern->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &offset, nullptr);
  check<Error>(pattern->code != nullptr, "PCRE2 refuses the pattern of byte-level BPE at offset ", offset, ": error ",
               error);
  // If the system forbids generated code the interpreter gives the same matches.
  pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
  pattern->limits = pcre2_match_context_create(nullptr);
  if (pattern->limits == nullptr) throw std::bad_alloc();
  pcre2_set_depth_limit(pattern->limits, 1000);
  pcre2_set_heap_limit(pattern->limits, 16 * 1024);  // KiB
  pattern_ = std::move(pattern);
}

BpePreTokenizer::~BpePreTokenizer() = default;

void BpePreTokenizer::split_utf8(std::string_view text, std::vector<std::string_view>& words) const {
  if (text.empty()) return;
  const MatchData match(pattern_->code);
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  for (PCRE2_SIZE begin = 0; begin < text.size();) {
    const int result =
        pcre2_match(pattern_->code, subject, text.size(), begin, PCRE2_NO_UTF_CHECK, match.data, pattern_->limits);
    check<Error>(result > 0, "PCRE2 cannot cut the text at byte ", begin, ": error ", result);
    const PCRE2_SIZE end = pcre2_get_ovector_pointer(match.data)[1];
    words.push_back(text.substr(begin, end - begin));
    begin = end;
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
