#include "data/tokenizers/huggingface/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

#include "core/error.h"
#include "data/utf8.h"

namespace cosformer::unicode {

namespace {

utf8proc_category_t category_of(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

/// Bytes of the longest start of a UTF-8 sequence at the front of `bytes`, which is not one; at least 1.
std::size_t invalid_length(std::string_view bytes) {
  // A byte more is a part of the sequence for as long as some end would make it whole.
  std::size_t length = 1;
  for (; length < std::min<std::size_t>(bytes.size(), 4); ++length) {
    const std::string start(bytes.substr(0, length + 1));
    if (utf8_length(start + "\x80\x80\x80") <= length && utf8_length(start + "\xBF\xBF\xBF") <= length) break;
  }
  return length;
}

}  // namespace

CodePoint first_of(std::string_view text) {
  const std::size_t bytes = utf8_length(text.substr(0, 4));
  check<Error>(bytes > 0, "a text that was to be UTF-8 is not");
  return {utf8_decode(text.substr(0, bytes)), bytes};
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_control(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CN ||
         category == UTF8PROC_CATEGORY_CO;
}

bool is_punctuation(char32_t c) {
  if (c < 0x80)
    return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) || (c >= 0x7B && c <= 0x7E);
  const utf8proc_category_t category = category_of(c);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool is_number(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool is_mark(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

bool is_nonspacing_mark(char32_t c) { return category_of(c) == UTF8PROC_CATEGORY_MN; }

bool is_ideograph(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

std::string normalize(std::string_view text, Form form) {
  const bool composes = form == Form::nfc || form == Form::nfkc, is_compatible = form == Form::nfkc || form == Form::nfkd;
  const int options =
      UTF8PROC_STABLE | (composes ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | (is_compatible ? UTF8PROC_COMPAT : 0);
  utf8proc_uint8_t* raw = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()), &raw,
                   static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> result(raw, &std::free);
  if (size == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  check<Error>(size >= 0, "utf8proc cannot normalise a text: ", utf8proc_errmsg(size));
  return {reinterpret_cast<const char*>(result.get()), static_cast<std::size_t>(size)};
}

std::string lowercase(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for_each(text, [&](char32_t c, std::string_view) {
    // The one letter whose lower case is two code points.
    constexpr char32_t kCapitalIWithDot = 0x130, kDotAbove = 0x307;
    if (c == kCapitalIWithDot) {
      append_utf8(result, U'i');
      append_utf8(result, kDotAbove);
    } else {
      append_utf8(result, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
  });
  return result;
}

std::string replace_invalid(std::string_view bytes) {
  std::string result;
  while (!bytes.empty()) {
    const std::string_view valid = bytes.substr(0, find_invalid_utf8(bytes));
    result += valid;
    bytes.remove_prefix(valid.size());
    if (bytes.empty()) break;
    result += "\xEF\xBF\xBD";
    bytes.remove_prefix(invalid_length(bytes));
  }
  return result;
}

}  // namespace cosformer::unicode
