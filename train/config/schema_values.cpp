#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/nearest_name.h"
#include "train/config/schema.h"

namespace cosformer {

namespace {

std::string_view table_of(std::string_view key) { return key.substr(0, key.find('.')); }
std::string_view name_of(std::string_view key) { return key.substr(key.find('.') + 1); }

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

/// Numbers as a TOML array.
template <class Number, class Format>
std::string format_array(const std::vector<Number>& numbers, Format&& format) {
  std::string text = "[";
  for (std::size_t i = 0; i < numbers.size(); ++i) text += concat(i == 0 ? "" : ", ", format(numbers[i]));
  return text + "]";
}

/// What other programs call a key.
struct OtherName {
  std::string_view name, key;
};
constexpr OtherName kOtherNames[] = {{"lr", "optimizer.learning_rate"},
                                     {"wd", "optimizer.weight_decay"},
                                     {"clip", "optimizer.clip_norm"},
                                     {"grad_clip", "optimizer.clip_norm"},
                                     {"max_grad_norm", "optimizer.clip_norm"},
                                     {"warmup", "schedule.warmup_steps"},
                                     {"scheduler", "schedule.name"},
                                     {"lr_scheduler", "schedule.name"},
                                     {"dropout_rate", "model.dropout"},
                                     {"dropout_prob", "model.dropout"},
                                     {"hidden_dropout_prob", "model.dropout"},
                                     {"attention_dropout", "attention.dropout"},
                                     {"attn_dropout", "attention.dropout"},
                                     {"num_warmup_steps", "schedule.warmup_steps"},
                                     {"eval_interval", "train.eval_every"},
                                     {"log_interval", "train.log_every"},
                                     {"num_train_epochs", "train.max_steps"},
                                     {"per_device_train_batch_size", "train.batch_size"},
                                     {"n_positions", "model.max_length"},
                                     {"max_position_embeddings", "model.max_length"},
                                     {"steps", "train.max_steps"},
                                     {"iterations", "train.max_steps"},
                                     {"max_iters", "train.max_steps"},
                                     {"epochs", "train.max_steps"},
                                     {"num_epochs", "train.max_steps"},
                                     {"bs", "train.batch_size"},
                                     {"batch", "train.batch_size"},
                                     {"gradient_accumulation_steps", "train.accumulation"},
                                     {"save_every", "checkpoint.every"},
                                     {"d_model", "model.embed_dim"},
                                     {"dim", "model.embed_dim"},
                                     {"hidden_size", "model.embed_dim"},
                                     {"n_embd", "model.embed_dim"},
                                     {"layers", "model.num_layers"},
                                     {"n_layer", "model.num_layers"},
                                     {"depth", "model.num_layers"},
                                     {"heads", "model.num_heads"},
                                     {"n_head", "model.num_heads"},
                                     {"nhead", "model.num_heads"},
                                     {"d_ff", "model.ffn_dim"},
                                     {"dim_feedforward", "model.ffn_dim"},
                                     {"intermediate_size", "model.ffn_dim"},
                                     {"context_length", "task.seq_len"},
                                     {"block_size", "task.seq_len"},
                                     {"sequence_length", "task.seq_len"},
                                     {"data", "task.train"},
                                     {"dataset", "task.train"}};

std::string wrong_value(const Field& field, const TomlValue& value) {
  return concat(field.key, " must be ", allowed_values(field), ", not ", describe(value));
}

}  // namespace

std::vector<std::string_view> config_tables() {
  std::vector<std::string_view> tables;
  for (const Field& field : config_fields())
    if (tables.empty() || tables.back() != table_of(field.key)) tables.push_back(table_of(field.key));
  return tables;
}

const Field* find_field(std::string_view key) {
  const auto fields = config_fields();
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.key == key; });
  return found == fields.end() ? nullptr : &*found;
}

std::string unknown_key_hint(std::string_view key) {
  const auto suggest = [](std::string_view name) { return concat("; did you mean \"", name, "\"?"); };
  const std::vector<std::string_view> tables = config_tables();
  const std::string_view table = table_of(key), name = name_of(key);
  for (const Field& field : config_fields())
    if (name_of(field.key) == name) return suggest(field.key);
  const bool names_table = std::find(tables.begin(), tables.end(), key) != tables.end();
  for (const OtherName& other : kOtherNames)
    if (!names_table && other.name == name) return suggest(other.key);
  if (std::find(tables.begin(), tables.end(), table) == tables.end()) {
    const auto nearest = nearest_name(table, tables);
    if (nearest && key == table) return suggest(*nearest);
    if (nearest) return unknown_key_hint(concat(*nearest, ".", name));
  }
  std::vector<std::string_view> names;
  for (const Field& field : config_fields())
    if (table_of(field.key) == table || table == key) names.push_back(name_of(field.key));
  if (const auto nearest = nearest_name(name, names))
    for (const Field& field : config_fields())
      if (name_of(field.key) == *nearest && (table_of(field.key) == table || table == key)) return suggest(field.key);
  return "; \"cosformer config list\" shows all keys";
}

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
    case FieldType::text:
      break;
  }
  if (!text) return wrong_value(field, value);
  if (field.names) {
    const std::vector<std::string_view> names = field.names();
    if (std::find(names.begin(), names.end(), *text) == names.end()) {
      const auto nearest = nearest_name(*text, names);
      return wrong_value(field, value) + (nearest ? concat("; did you mean \"", *nearest, "\"?") : "");
    }
  }
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
    std::string operator()(const std::string& text) const { return quote_toml(text); }
  };
  return std::visit(Format{}, value);
}

std::string allowed_values(const Field& field) {
  std::string names;
  if (field.names) {
    const std::vector<std::string_view> all = field.names();
    const bool complete = field.type == FieldType::text;
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
    case FieldType::text:
      return names.empty() ? "a string" : names;
    case FieldType::integer_or_name:
      return concat(names, " or an integer, ", describe_range(field.range));
  }
  return {};
}

}  // namespace cosformer
