#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/nearest_name.h"
#include "train/config/schema.h"

namespace cosformer {

namespace {

std::string format_number(double number) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  std::string text(digits.data(), end);
  // "3" would be an integer.
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string format_limit(double limit) {
  return std::abs(limit) <= 0x1p53 && std::floor(limit) == limit ? concat(static_cast<std::int64_t>(limit))
                                                                 : format_number(limit);
}

std::string describe_range(const Range& range) {
  const bool low = std::isfinite(range.minimum), high = std::isfinite(range.maximum);
  if (range.above_minimum && !high) return concat("above ", format_limit(range.minimum));
  if (low && high)
    return concat(format_limit(range.minimum), range.above_minimum ? " (excluded)" : "", " to ", format_limit(range.maximum),
                  range.below_maximum ? " (excluded)" : "");
  if (low) return concat("at least ", format_limit(range.minimum));
  return "any";
}

bool in_range(const Range& range, double value) {
  return std::isfinite(value) && (range.above_minimum ? value > range.minimum : value >= range.minimum) &&
         (range.below_maximum ? value < range.maximum : value <= range.maximum);
}

std::optional<double> as_number(const TomlValue& value) {
  if (const auto* number = std::get_if<double>(&value.data)) return *number;
  if (const auto* integer = std::get_if<std::int64_t>(&value.data)) return static_cast<double>(*integer);
  return std::nullopt;
}

std::optional<std::vector<double>> as_numbers(const TomlValue& value) {
  const auto* array = std::get_if<TomlArray>(&value.data);
  if (!array) return std::nullopt;
  std::vector<double> numbers;
  for (const TomlValue& element : *array) {
    const auto number = as_number(element);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

std::optional<std::vector<std::int64_t>> as_integers(const TomlValue& value) {
  const auto* array = std::get_if<TomlArray>(&value.data);
  if (!array) return std::nullopt;
  std::vector<std::int64_t> integers;
  for (const TomlValue& element : *array) {
    const auto* integer = std::get_if<std::int64_t>(&element.data);
    if (!integer) return std::nullopt;
    integers.push_back(*integer);
  }
  return integers;
}

std::optional<std::vector<std::string>> as_texts(const TomlValue& value) {
  const auto* array = std::get_if<TomlArray>(&value.data);
  if (!array) return std::nullopt;
  std::vector<std::string> texts;
  for (const TomlValue& element : *array) {
    const auto* text = std::get_if<std::string>(&element.data);
    if (!text) return std::nullopt;
    texts.push_back(*text);
  }
  return texts;
}

std::string wrong_value(const Field& field, const TomlValue& value) {
  return concat(field.key, " must be ", allowed_values(field), ", not ", describe(value));
}

/// Values as a TOML array.
template <class Value, class Format>
std::string format_array(const std::vector<Value>& values, Format&& format) {
  std::string text = "[";
  for (std::size_t i = 0; i < values.size(); ++i) text += concat(i == 0 ? "" : ", ", format(values[i]));
  return text + "]";
}

/// What is wrong with a text if the field takes names and this is none; or nothing.
std::optional<std::string> name_problem(const Field& field, const std::string& text, const TomlValue& value) {
  if (!field.names) return std::nullopt;
  const std::vector<std::string_view> names = field.names();
  if (std::find(names.begin(), names.end(), text) != names.end()) return std::nullopt;
  const auto nearest = nearest_name(text, names);
  return concat(wrong_value(field, value), nearest ? concat("; did you mean \"", *nearest, "\"?") : "");
}

}  // namespace

std::optional<std::string> assign(Config& config, const Field& field, const TomlValue& value) {
  const auto* integer = std::get_if<std::int64_t>(&value.data);
  const auto* text = std::get_if<std::string>(&value.data);
  switch (field.type) {
    case FieldType::boolean:
      if (const auto* boolean = std::get_if<bool>(&value.data)) {
        field.set(config, *boolean);
        return std::nullopt;
      }
      return wrong_value(field, value);
    case FieldType::integer:
    case FieldType::integer_or_name:
      if (integer && in_range(field.range, static_cast<double>(*integer))) {
        field.set(config, *integer);
        return std::nullopt;
      }
      if (integer || field.type == FieldType::integer || !text) return wrong_value(field, value);
      break;
    case FieldType::number:
      if (const auto number = as_number(value); number && in_range(field.range, *number)) {
        field.set(config, *number);
        return std::nullopt;
      }
      return wrong_value(field, value);
    case FieldType::numbers:
      if (const auto numbers = as_numbers(value);
          numbers && numbers->size() == field.length &&
          std::all_of(numbers->begin(), numbers->end(), [&](double number) { return in_range(field.range, number); })) {
        field.set(config, *numbers);
        return std::nullopt;
      }
      return wrong_value(field, value);
    case FieldType::integers:
      if (const auto integers = as_integers(value);
          integers && std::all_of(integers->begin(), integers->end(), [&](std::int64_t element) {
            return in_range(field.range, static_cast<double>(element));
          })) {
        field.set(config, *integers);
        return std::nullopt;
      }
      return wrong_value(field, value);
    case FieldType::texts: {
      const auto texts = as_texts(value);
      if (!texts) return wrong_value(field, value);
      for (const std::string& element : *texts) {
        if (auto problem = name_problem(field, element, TomlValue{element, value.position})) return problem;
      }
      field.set(config, *texts);
      return std::nullopt;
    }
    case FieldType::text:
      break;
  }
  if (!text) return wrong_value(field, value);
  if (auto problem = name_problem(field, *text, value)) return problem;
  // Paths go to system calls, which end at a zero byte, and into messages of one line.
  if (std::any_of(text->begin(), text->end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }))
    return concat(field.key, " must not have control characters");
  field.set(config, *text);
  return std::nullopt;
}

std::string format_value(const ConfigValue& value) {
  struct Format {
    std::string operator()(bool boolean) const { return boolean ? "true" : "false"; }
    std::string operator()(std::int64_t integer) const { return std::to_string(integer); }
    std::string operator()(double number) const { return format_number(number); }
    std::string operator()(const std::vector<double>& numbers) const { return format_array(numbers, format_number); }
    std::string operator()(const std::vector<std::int64_t>& integers) const {
      return format_array(integers, [](std::int64_t element) { return std::to_string(element); });
    }
    std::string operator()(const std::vector<std::string>& texts) const {
      return format_array(texts, [](const std::string& element) { return quote_toml(element); });
    }
    std::string operator()(const std::string& text) const { return quote_toml(text); }
  };
  return std::visit(Format{}, value);
}

std::string allowed_values(const Field& field) {
  std::string names;
  if (field.names) {
    const std::vector<std::string_view> all = field.names();
    const bool complete = field.type != FieldType::integer_or_name;
    for (std::size_t i = 0; i < all.size(); ++i)
      names += concat(i == 0 ? "" : complete && i + 1 == all.size() ? " or " : ", ", '"', all[i], '"');
  }
  switch (field.type) {
    case FieldType::boolean:
      return "true or false";
    case FieldType::integer:
      return concat("an integer, ", describe_range(field.range));
    case FieldType::number:
      return concat("a number, ", describe_range(field.range));
    case FieldType::numbers:
      return concat("an array of ", field.length, " numbers, ", describe_range(field.range));
    case FieldType::integers:
      return concat("an array of integers, ", describe_range(field.range));
    case FieldType::texts:
      return concat("an array of ", names.empty() ? "strings" : names);
    case FieldType::text:
      return names.empty() ? "a string" : names;
    case FieldType::integer_or_name:
      return concat(names, " or an integer, ", describe_range(field.range));
  }
  return {};
}

}  // namespace cosformer
