#include "train/config/toml.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <tuple>

#include "core/error.h"
#include "core/missing_path.h"
#include "core/printable.h"
#include "data/mapped_file.h"
#include "data/utf8.h"
#include "train/config/toml_text.h"

namespace {

/// A broken assumption inside toml++.
struct TomlAssertion {};

void throw_toml_assertion() { throw TomlAssertion{}; }

}  // namespace

// toml++ 3.3.0 ends the process on some malformed files (`[[$x]]`) and is undefined on others if NDEBUG is set (`a=Ț`).
// It throws instead when TOML_ASSERT does and NDEBUG is off while its headers are read; compiled here, not taken from the
// packaged library, which has its own assertions.
#undef NDEBUG
#undef TOML_SHARED_LIB
#undef TOML_HEADER_ONLY
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 16
#define TOML_ASSERT(expression) ((expression) ? static_cast<void>(0) : throw_toml_assertion())
#include <toml++/toml.h>

namespace cosformer {

namespace {

TomlPosition begin_of(const toml::source_region& region) {
  return {static_cast<std::int64_t>(region.begin.line), static_cast<std::int64_t>(region.begin.column)};
}

TomlTable convert_table(const toml::table& table, const std::string& name);

TomlValue convert(const toml::node& node, const std::string& name) {
  const TomlPosition position = begin_of(node.source());
  if (const auto* boolean = node.as_boolean()) return {boolean->get(), position};
  if (const auto* integer = node.as_integer()) return {integer->get(), position};
  if (const auto* number = node.as_floating_point()) return {number->get(), position};
  if (const auto* text = node.as_string()) return {text->get(), position};
  if (const auto* table = node.as_table()) return {convert_table(*table, name), position};
  if (const auto* array = node.as_array()) {
    TomlArray values;
    values.reserve(array->size());
    for (const toml::node& element : *array) values.push_back(convert(element, name));
    return {std::move(values), position};
  }
  throw InputError(error_at(name, position, "dates and times have no use here"));
}

TomlTable convert_table(const toml::table& table, const std::string& name) {
  TomlTable entries;
  entries.reserve(table.size());
  for (const auto& [key, node] : table)
    entries.push_back({std::string(key.str()), begin_of(key.source()), convert(node, name)});
  std::stable_sort(entries.begin(), entries.end(), [](const TomlEntry& a, const TomlEntry& b) {
    return std::tie(a.position.line, a.position.column) < std::tie(b.position.line, b.position.column);
  });
  return entries;
}

toml::table parse_or_throw(std::string_view text, const std::string& name) {
  try {
    return toml::parse(text, std::string_view(name));
  } catch (const toml::parse_error& error) {
    std::string_view description = error.description();
    constexpr std::string_view kLabel = "Error ";  // `error_at` has its own
    if (description.starts_with(kLabel)) description.remove_prefix(kLabel.size());
    constexpr std::size_t kLongestDescription = 400;  // it may quote a key of any length
    throw InputError(error_at(name, begin_of(error.source()), visible_start(description, kLongestDescription)));
  } catch (const TomlAssertion&) {
    throw InputError(error_at(name, {}, "not TOML"));
  }
}

}  // namespace

TomlTable parse_toml(std::string_view text, const std::string& name) {
  check<InputError>(text.size() <= kMaxTomlBytes,
                    error_at(name, {}, concat("the file has more than ", kMaxTomlBytes, " bytes")));
  if (const std::size_t offset = find_invalid_utf8(text); offset != std::string_view::npos)
    throw InputError(error_at(name, position_of(text, offset), "not UTF-8 text"));
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (const auto offset = too_deep_key(text, kMaxTomlKeyDepth))
    throw InputError(error_at(name, position_of(text, *offset), concat("a key of more than ", kMaxTomlKeyDepth, " parts")));
  // After a line continuation toml++ looks for blanks until something else comes; escapes do not count. Its test is
  // undefined for most code points from U+00A1 to U+0499.
  if (const auto offset = unsafe_after_continuation(text))
    throw InputError(error_at(name, position_of(text, *offset),
                              "neither an escape nor a code point beyond ASCII may follow a line that ends in a backslash"));
  // toml++ misreads code points beyond ASCII outside strings and comments, where TOML has none. A copy without them that
  // parses shows that there are none.
  const std::string ascii = ascii_copy(text);
  toml::table table = parse_or_throw(ascii, name);
  if (ascii != text) table = parse_or_throw(text, name);
  return convert_table(table, name);
}

TomlTable read_toml(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code ignored;
  check<InputError>(std::filesystem::exists(path, ignored),
                    error_at(name, {}, concat("no such file", missing_path_hint(path))));
  check<InputError>(!std::filesystem::is_directory(path, ignored), error_at(name, {}, "a folder, not a TOML file"));
  check<InputError>(std::filesystem::is_regular_file(path, ignored), error_at(name, {}, "not a regular file"));
  try {
    return parse_toml(MappedFile(path).bytes(), name);
  } catch (const InputError& error) {
    if (path.extension() == ".toml") throw;
    throw InputError(
        concat(error.what(), " (expected a TOML file; a text to train on is named with --set task.train=PATH)"));
  }
}

std::string error_at(std::string_view name, TomlPosition position, std::string_view message) {
  std::string line(name);
  if (position.line > 0) line += concat(':', position.line, ':', position.column);
  line += concat(": error: ", message);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return line;
}

std::string quote_toml(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (code < 0x20 || code == 0x7F) {
      quoted += concat("\\u00", kHex[code / 16], kHex[code % 16]);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string describe(const TomlValue& value) {
  struct Describe {
    std::string operator()(bool boolean) const { return boolean ? "true" : "false"; }
    std::string operator()(std::int64_t integer) const { return std::to_string(integer); }
    std::string operator()(double number) const {
      std::array<char, 32> digits;
      const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
      return concat("the number ", std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
    }
    std::string operator()(const std::string& text) const {
      constexpr std::size_t kShown = 60;
      return concat("the string ", text.size() <= kShown ? quote_toml(text) : concat("of ", text.size(), " bytes"));
    }
    std::string operator()(const TomlArray&) const { return "an array"; }
    std::string operator()(const TomlTable&) const { return "a table"; }
  };
  return std::visit(Describe{}, value.data);
}

}  // namespace cosformer
