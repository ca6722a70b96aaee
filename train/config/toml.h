#pragma once
/// \file
/// TOML files as plain values with positions. toml++ does the work; nothing else includes it.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cosformer {

inline constexpr std::size_t kMaxTomlBytes = std::size_t{1} << 20;
/// Parts that one dotted key or table header may have.
inline constexpr std::size_t kMaxTomlKeyDepth = 8;

/// Both count from 1, columns in code points; 0 if a value has no place in a file.
struct TomlPosition {
  std::int64_t line = 0;
  std::int64_t column = 0;
};

struct TomlEntry;
struct TomlValue;
/// Entries in the order of the file; keys differ.
using TomlTable = std::vector<TomlEntry>;
using TomlArray = std::vector<TomlValue>;

struct TomlValue {
  std::variant<bool, std::int64_t, double, std::string, TomlArray, TomlTable> data;
  TomlPosition position;
};

struct TomlEntry {
  std::string key;  ///< one part of a dotted key
  TomlPosition position;
  TomlValue value;
};

/// Parses TOML 1.0 without dates and times; `name` stands for the file in messages.
///
/// Throws InputError, one line `name:line:column: error: …`: not UTF-8, not TOML, a key with more than
/// `kMaxTomlKeyDepth` parts, values nested more than 16 deep, a date, more than `kMaxTomlBytes`. Two rare things that TOML
/// allows are refused as well: in a table two keys that differ only in code points beyond ASCII, and such a code point or
/// an escape right after a line continuation.
TomlTable parse_toml(std::string_view text, const std::string& name);

/// The same of a file. Throws InputError also if it cannot be read.
TomlTable read_toml(const std::filesystem::path& path);

/// `name:line:column: error: message`, without the position where there is none; control characters become '?', so that the
/// result is one line.
std::string error_at(std::string_view name, TomlPosition position, std::string_view message);

/// `text` as a TOML basic string in quotes.
std::string quote_toml(std::string_view text);

/// What a value is, for messages: "the string \"abc\"", "an array", "3".
std::string describe(const TomlValue& value);

}  // namespace cosformer
