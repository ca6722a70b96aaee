#include "train/config/config_builder.h"

#include <algorithm>

#include "core/error.h"
#include "core/printable.h"
#include "data/utf8.h"
#include "train/config/schema.h"

namespace cosformer {

namespace {

constexpr std::size_t kMaxExtendsDepth = 8;
constexpr int kMaxFiles = 64;
constexpr std::string_view kSetFlag = "--set";

bool is_bare_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

/// The key as it would have to be written in TOML, so that "model.kind" in quotes is not the key kind of the table model.
std::string written_key(const std::string& key) { return is_bare_key(key) ? key : quote_toml(key); }

bool is_table_name(std::string_view key) {
  const auto tables = config_tables();
  return std::find(tables.begin(), tables.end(), key) != tables.end();
}

struct ExtendedFile {
  std::filesystem::path path;
  TomlPosition position;  ///< where it is named
};

/// The files that a table's `extends` names, relative to `folder`.
std::vector<ExtendedFile> extended_files(const TomlTable& table, const std::filesystem::path& folder,
                                         const std::string& source) {
  std::vector<ExtendedFile> files;
  for (const TomlEntry& entry : table) {
    if (entry.key != "extends") continue;
    const auto add = [&](const TomlValue& value) {
      const auto* text = std::get_if<std::string>(&value.data);
      check<InputError>(text != nullptr && !text->empty() && text->find('\0') == std::string::npos,
                        error_at(source, value.position,
                                 concat("extends must be the path of a file or an array of paths, not ", describe(value))));
      files.push_back({folder / *text, value.position});
    };
    if (const auto* array = std::get_if<TomlArray>(&entry.value.data)) {
      for (const TomlValue& element : *array) add(element);
    } else {
      add(entry.value);
    }
  }
  return files;
}

/// The value of an override: TOML, or for fields that take strings the text as it is.
TomlValue override_value(const Field& field, const std::string& text, const std::string& source) {
  const bool takes_text = field.type == FieldType::text || field.type == FieldType::integer_or_name;
  const bool quoted = !text.empty() && (text.front() == '"' || text.front() == '\'');
  if (field.type == FieldType::text && !quoted) return {text, {}};
  try {
    TomlTable table = parse_toml("value = " + text, source);
    if (table.size() == 1) return std::move(table.front().value);
  } catch (const InputError&) {
    // Answered below: the position in a text of one value would only confuse.
  }
  if (takes_text && !quoted) return {text, {}};
  throw InputError(error_at(source, {}, concat(field.key, " must be ", allowed_values(field), ", not ", text)));
}

}  // namespace

void ConfigBuilder::add_file(const std::filesystem::path& path) {
  std::error_code failure;
  std::filesystem::path canonical = std::filesystem::weakly_canonical(path, failure);
  if (failure) canonical = path;
  const std::string source = path.string();
  check<InputError>(std::find(open_files_.begin(), open_files_.end(), canonical) == open_files_.end(),
                    error_at(source, {}, "the file extends itself, by way of the files that it extends"));
  check<InputError>(open_files_.size() < kMaxExtendsDepth,
                    error_at(source, {}, concat("more than ", kMaxExtendsDepth, " files extend each other")));
  check<InputError>(++files_read_ <= kMaxFiles,
                    error_at(source, {}, concat("more than ", kMaxFiles, " files are extended")));
  const TomlTable table = read_toml(path);
  open_files_.push_back(std::move(canonical));
  for (const auto& [base, position] : extended_files(table, path.parent_path(), source)) {
    try {
      add_file(base);
    } catch (const InputError& error) {
      // Whoever reads of the other file has not named it on the command line.
      throw InputError(concat(error.what(), "; extended by ", source, ':', position.line, ':', position.column));
    }
  }
  open_files_.pop_back();
  TomlTable own = table;
  std::erase_if(own, [](const TomlEntry& entry) { return entry.key == "extends"; });
  add_table(own, source);
}

void ConfigBuilder::add_table(const TomlTable& table, const std::string& source) {
  for (const TomlEntry& entry : table) {
    const std::string key = written_key(entry.key);
    const auto* inner = std::get_if<TomlTable>(&entry.value.data);
    if (!is_table_name(key))
      throw InputError(
          error_at(source, entry.position, concat("unknown key '", visible_start(key), "'", unknown_key_hint(key))));
    check<InputError>(inner != nullptr,
                      error_at(source, entry.value.position, concat(key, " must be a table, not ", describe(entry.value))));
    for (const TomlEntry& field : *inner)
      set(concat(key, ".", written_key(field.key)), field.value, {source, field.position});
  }
}

void ConfigBuilder::add_override(const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  check<InputError>(equals != std::string::npos && equals > 0,
                    error_at(concat(kSetFlag, " ", visible_start(assignment)), {}, "expected key=value"));
  const std::string key = assignment.substr(0, equals);
  const std::string source = concat(kSetFlag, " ", visible_start(key));
  check<InputError>(find_invalid_utf8(assignment) == std::string_view::npos, error_at(kSetFlag, {}, "not UTF-8 text"));
  check<InputError>(!is_table_name(key), error_at(source, {}, concat(key, " is a table; set one of its keys")));
  const Field* field = find_field(key);
  if (!field)
    throw InputError(error_at(source, {}, concat("unknown key '", visible_start(key), "'", unknown_key_hint(key))));
  set(key, override_value(*field, assignment.substr(equals + 1), source), {source, {}});
}

void ConfigBuilder::set(const std::string& key, const TomlValue& value, const Origin& key_origin) {
  const Field* field = find_field(key);
  if (!field)
    throw InputError(error_at(key_origin.source, key_origin.position,
                              concat("unknown key '", visible_start(key), "'", unknown_key_hint(key))));
  if (const auto problem = assign(config_, *field, value))
    throw InputError(error_at(key_origin.source, value.position, *problem));
  origins_[key] = key_origin;
}

const Config& ConfigBuilder::finish() {
  // What was the default of all models before fixed_length was.
  AttentionConfig& attention = config_.model.attention;
  if (config_.model.kind != ModelKind::encoder_decoder && attention.cross_reweighting == CrossReweighting::shared_length)
    attention.cross_reweighting = AttentionConfig().cross_reweighting;
  if (const auto problem = find_problem(config_)) {
    const auto origin = origins_.find(problem->key);
    throw InputError(origin == origins_.end() ? error_at(problem->key, {}, problem->message)
                                              : error_at(origin->second.source, origin->second.position, problem->message));
  }
  return config_;
}

std::string ConfigBuilder::origin(std::string_view key) const {
  const auto found = origins_.find(key);
  if (found == origins_.end()) return "default";
  const auto& [source, position] = found->second;
  if (position.line > 0) return concat(source, ':', position.line, ':', position.column);
  return source.starts_with(kSetFlag) ? std::string(kSetFlag) : source;
}

Config load_config(const std::filesystem::path& path, std::span<const std::string> overrides) {
  ConfigBuilder builder;
  builder.add_file(path);
  for (const std::string& assignment : overrides) builder.add_override(assignment);
  return builder.finish();
}

Config config_from_overrides(std::span<const std::string> overrides) {
  ConfigBuilder builder;
  for (const std::string& assignment : overrides) builder.add_override(assignment);
  return builder.finish();
}

}  // namespace cosformer
