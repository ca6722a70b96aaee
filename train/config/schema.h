#pragma once
/// \file
/// The one list of config keys: reading, writing, messages and docs/config.md all come from it.
///
/// A new key is a member of a struct in config.h or layers/model_config.h and one row in a schema_*_fields.cpp.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "train/config/config.h"
#include "train/config/toml.h"

namespace cosformer {

enum class FieldType : std::uint8_t { boolean, integer, number, numbers, integers, texts, text, integer_or_name };

using ConfigValue = std::variant<bool, std::int64_t, double, std::vector<double>, std::vector<std::int64_t>,
                                 std::vector<std::string>, std::string>;

struct Range {
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool above_minimum = false;  ///< the minimum itself is not allowed
  bool below_maximum = false;  ///< the maximum itself is not allowed
};

struct Field {
  std::string_view key;  ///< "model.num_layers"
  FieldType type;
  Range range;                               ///< of numbers
  std::vector<std::string_view> (*names)();  ///< allowed strings; nullptr = any
  std::string_view help;                     ///< one line
  ConfigValue (*get)(const Config&);
  void (*set)(Config&, const ConfigValue&);  ///< takes the alternative that `get` returns (integer or name: either)
  std::size_t length = 0;  ///< how many numbers, type `numbers`; of `integers` and `texts` there may be any number
};

/// All fields, those of one table side by side.
std::span<const Field> config_fields();

/// The tables in order: "task", "model", …
std::vector<std::string_view> config_tables();

/// The field with this key; nullptr if there is none.
const Field* find_field(std::string_view key);

/// The end of a message about an unknown key: the name that was most likely meant, or where to look.
std::string unknown_key_hint(std::string_view key);

/// Sets the field from a TOML value. Returns what is wrong with the value (and leaves the config alone), or nothing.
std::optional<std::string> assign(Config& config, const Field& field, const TomlValue& value);

/// The value as TOML: `"byte"`, `[0.9, 0.95]`, `1e-08`.
std::string format_value(const ConfigValue& value);

/// What the field takes, in words: "integer, 1 to 4096", "\"gelu\" or \"relu\"".
std::string allowed_values(const Field& field);

/// docs/config.md.
std::string config_reference();

}  // namespace cosformer
