#include "core/printable.h"

#include <string>
#include <string_view>
#include <vector>

#include "tests/catch.h"

namespace cosformer {
namespace {

TEST_CASE("Control characters and bytes that are no UTF-8 become escapes, all else stays") {
  struct Case {
    std::string_view text;
    const char* shown;
  };
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"", ""},
      {"Größe 東京 🙂", "Größe 東京 🙂"},
      {"\x1b[31mRED\x1b]0;t\x07", "\\u001b[31mRED\\u001b]0;t\\u0007"},
      {"\0\x1f\x7f"sv, "\\u0000\\u001f\\u007f"},
      {"\u0080\u009b\u009f\u00a0", "\\u0080\\u009b\\u009f\u00a0"},
      {"\x9b"
       "31m",
       "\\x9b31m"},
      {"\xc3", "\\xc3"},
      {"\xc0\x9b", "\\xc0\\x9b"},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
      {"a\nb\rc\td", "a\\nb\\rc\\td"},
      {"\\ \" stay", "\\ \" stay"},
  };
  for (const Case& c : cases) CHECK(visible(c.text) == c.shown);
}

TEST_CASE("Line breaks and tabs stay where text of several lines is shown, and nothing else does") {
  CHECK(visible_lines("a\tb\n\nc\r\n\x1b[0m\n") == "a\tb\n\nc\\r\n\\u001b[0m\n");
  CHECK(visible_lines("\xe6\n\x9d") == "\\xe6\n\\x9d");
}

TEST_CASE("Every byte and every pair of bytes is shown without a control character") {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      const std::string shown = visible(text);
      // What was made printable is printable.
      if (visible(shown) != shown) FAIL(shown);
      for (std::size_t i = 0; i < shown.size(); ++i) {
        const auto byte = static_cast<unsigned char>(shown[i]);
        const bool is_c1 = i > 0 && shown[i - 1] == '\xc2' && byte < 0xa0;
        if (byte < 0x20 || byte == 0x7f || is_c1) FAIL(shown);
      }
    }
  }
  SUCCEED();
}

TEST_CASE("In quotes, marks and backslashes are escaped and long text is cut between characters") {
  CHECK(printable("") == "\"\"");
  CHECK(printable("a\"b\\\n\x1b[0m\xc3") == "\"a\\\"b\\\\\\n\\u001b[0m\\xc3\"");
  CHECK(printable(std::string(80, 'x')) == '"' + std::string(80, 'x') + '"');
  CHECK(printable(std::string(81, 'x')) == '"' + std::string(80, 'x') + "…\"");
  std::string wide = "x";
  for (int i = 0; i < 80; ++i) wide += "é";
  const std::string shown = printable(wide);
  CHECK(shown.ends_with("é…\""));
  CHECK(visible(shown) == shown);
}

TEST_CASE("The start of a text is cut between characters as a quoted one is") {
  CHECK(visible_start("").empty());
  CHECK(visible_start("a\"b\n") == "a\"b\\n");
  CHECK(visible_start(std::string(80, 'x')) == std::string(80, 'x'));
  CHECK(visible_start(std::string(81, 'x')) == std::string(80, 'x') + "…");
  CHECK(visible_start("xéé", 2) == "xé…");
  CHECK(visible_start("xé", 3) == "xé");
}

TEST_CASE("A list of texts shows ten of them and how many there are besides") {
  const std::vector<std::string> texts(12, "a\tb");
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  CHECK(printable_list({}).empty());
  CHECK(printable_list(std::span(views).first(2)) == R"("a\tb", "a\tb")");
  CHECK(printable_list(std::span(views).first(10)).ends_with(R"(, "a\tb")"));
  CHECK(printable_list(views).ends_with(R"(, "a\tb" and 2 more)"));
}

}  // namespace
}  // namespace cosformer
