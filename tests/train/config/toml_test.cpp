#include "train/config/toml.h"

#include <string>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "train/config/toml_text.h"

namespace cosformer {
namespace {

using test::message_of;

std::string error_of(const std::string& text) {
  return message_of<InputError>([&] { parse_toml(text, "run.toml"); });
}

/// "a." repeated, then "a".
std::string dotted_key(int parts) {
  std::string key = "a";
  for (int i = 1; i < parts; ++i) key += ".a";
  return key;
}

TEST_CASE("TOML values keep their type and their place") {
  const TomlTable table = parse_toml("z = 3\n[t]\n  x.y = [1.5, \"é\"] # note\nb = true\n", "run.toml");
  REQUIRE(table.size() == 2);
  CHECK(table[0].key == "z");
  CHECK(std::get<std::int64_t>(table[0].value.data) == 3);
  const auto& inner = std::get<TomlTable>(table[1].value.data);
  REQUIRE(inner.size() == 2);
  CHECK(inner[0].key == "x");
  CHECK(inner[0].position.line == 3);
  CHECK(inner[0].position.column == 3);
  const auto& array = std::get<TomlArray>(std::get<TomlTable>(inner[0].value.data).at(0).value.data);
  CHECK(std::get<double>(array.at(0).data) == 1.5);
  CHECK(std::get<std::string>(array.at(1).data) == "é");
  CHECK(array.at(1).position.column == 15);
  CHECK(std::get<bool>(inner[1].value.data));
}

TEST_CASE("TOML errors are one line with file, line and column") {
  CHECK(error_of("a = 1\nb = \n").starts_with("run.toml:2:5: error: "));
  CHECK(error_of("a = 1\na = 2\n") ==
        "run.toml:2:5: error: while parsing key-value pair: cannot redefine existing integer 'a'");
  CHECK(error_of("a = 1979-05-27\n") == "run.toml:1:5: error: dates and times have no use here");
  CHECK(error_of("a = \"\xC3\x28\"\n") == "run.toml:1:6: error: not UTF-8 text");
  for (const std::string text : {"a = \x01", "a = \"b\nc\"", "[a\n]", "a = \"\\u0001\" x", "\x7F"})
    CHECK(error_of(text).find('\n') == std::string::npos);
}

TEST_CASE("TOML that makes toml++ abort or run into undefined behaviour is an input error") {
  for (const std::string text :
       {"[[$x]]", "a=\u021A", "\u00E9 = 1", "[\u00E9]", "a = \u00E9", "= 1", "a.", "[a.]", "[", "[[", "\""}) {
    INFO(text);
    CHECK(error_of(text).starts_with("run.toml"));
  }
}

TEST_CASE("A code point beyond ASCII or an escape right after a line continuation is refused, elsewhere it is read") {
  const std::string message = "neither an escape nor a code point beyond ASCII may follow a line that ends in a backslash";
  CHECK(error_of("x = \"\"\"a \\ \n \t\r\n \u021A\"\"\"") == "run.toml:3:2: error: " + message);
  CHECK(error_of("x = \"\"\"\\\n\\t \u021A\"\"\"") == "run.toml:2:1: error: " + message);
  const TomlTable table = parse_toml("x = \"\"\"\u021A \\\n b\u021A \u0101\"\"\" # \\ \u021A\n", "run.toml");
  CHECK(std::get<std::string>(table.at(0).value.data) == "\u021A b\u021A \u0101");
}

TEST_CASE("TOML keys have at most eight parts, in headers, keys and inline tables") {
  CHECK(error_of(dotted_key(8) + " = 1").empty());
  CHECK(error_of(concat("[", dotted_key(8), "]")).empty());
  const std::string message = "error: a key of more than 8 parts";
  CHECK(error_of(concat("\n", dotted_key(9), " = 1")) == "run.toml:2:16: " + message);
  CHECK(error_of(concat("[", dotted_key(100'000), "]")).ends_with(message));
  CHECK(error_of(concat("x = {", dotted_key(100'000), " = 1}")).ends_with(message));
  CHECK(error_of(concat("x = {a = \"\"\"b\"\"\"\"\", ", dotted_key(100'000), " = 1}")).ends_with(message));
  CHECK(error_of("a . b. c .\"d\".'e'.f.g.h .i = 1").ends_with(message));
  CHECK(error_of("path = \"../../../../../../../../../x.y.z\" # a.b.c.d.e.f.g.h.i.j").empty());
  CHECK(error_of("path = '''\n.........\n'''").empty());
}

TEST_CASE("TOML nested too deep or too long is an input error") {
  CHECK_FALSE(error_of("a = " + std::string(100'000, '[')).empty());
  CHECK(error_of("a = " + std::string(10, '[') + std::string(10, ']')).empty());
  CHECK(error_of(std::string(kMaxTomlBytes + 1, '\n')) == "run.toml: error: the file has more than 1048576 bytes");
}

TEST_CASE("TOML files that cannot be read are input errors") {
  const test::TemporaryFolder folder;
  CHECK(message_of<InputError>([&] { read_toml(folder / "none.toml"); }).ends_with("none.toml: error: no such file"));
  CHECK(message_of<InputError>([&] { read_toml(folder.path()); }).ends_with("error: a folder, not a TOML file"));
  test::write_bytes(folder / "long.toml", std::string(kMaxTomlBytes + 10, '#'));
  CHECK(message_of<InputError>([&] { read_toml(folder / "long.toml"); }).ends_with("more than 1048576 bytes"));
  test::write_bytes(folder / "marked.toml", "\xEF\xBB\xBFsize = 1\r\n");
  CHECK(read_toml(folder / "marked.toml").at(0).key == "size");
}

TEST_CASE("A quoted string reads back as it was") {
  const std::string text = "a\"b\\c\n\t\x01\x7F é '";
  const TomlTable table = parse_toml("x = " + quote_toml(text), "x");
  CHECK(std::get<std::string>(table.at(0).value.data) == text);
}

TEST_CASE("A file's name cannot break a message into lines") {
  CHECK(error_at("a\nb", {3, 4}, "bad\rthing") == "a?b:3:4: error: bad?thing");
}

}  // namespace
}  // namespace cosformer
