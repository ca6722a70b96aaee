#include "data/utf8.h"

#include "tests/catch.h"

using namespace cosformer;

TEST_CASE("every code point but the surrogates survives UTF-8") {
  std::size_t failures = 0;
  for (char32_t code_point = 0; code_point < kCodePoints; ++code_point) {
    std::string text;
    append_utf8(text, code_point);
    const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
    const std::size_t size = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    if (text.size() != size || utf8_length(text) != (surrogate ? 0 : size)) ++failures;
    if (!surrogate && utf8_decode(text) != code_point) ++failures;
    for (std::size_t cut = 1; cut < text.size(); ++cut) failures += utf8_length(text.substr(0, cut)) != 0;
  }
  CHECK(failures == 0);
}

TEST_CASE("ill-formed UTF-8 is found at its first byte") {
  CHECK(find_invalid_utf8("") == std::string_view::npos);
  CHECK(find_invalid_utf8("naïve 漢 🙂") == std::string_view::npos);
  CHECK(find_invalid_utf8("ab\x80") == 2);            // continuation without a lead
  CHECK(find_invalid_utf8("é\xC3") == 2);             // cut short
  CHECK(find_invalid_utf8("\xC3(") == 0);             // continuation missing
  CHECK(find_invalid_utf8("\xC0\xAF") == 0);          // overlong
  CHECK(find_invalid_utf8("\xE0\x9F\xBF") == 0);      // overlong
  CHECK(find_invalid_utf8("\xF0\x8F\xBF\xBF") == 0);  // overlong
  CHECK(find_invalid_utf8("\xED\xA0\x80") == 0);      // surrogate
  CHECK(find_invalid_utf8("\xF4\x90\x80\x80") == 0);  // above U+10FFFF
  CHECK(find_invalid_utf8("\xF5\x80\x80\x80") == 0);  // above U+10FFFF
  CHECK(find_invalid_utf8("\xE2\x82\xE2\x82\xAC") == 0);
}

TEST_CASE("line and column count from one") {
  CHECK(line_and_column("ab\ncd", 0) == "1:1");
  CHECK(line_and_column("ab\ncd", 2) == "1:3");
  CHECK(line_and_column("ab\ncd", 3) == "2:1");
  CHECK(line_and_column("ab\ncd", 99) == "2:3");
  CHECK(line_and_column("", 0) == "1:1");
}
