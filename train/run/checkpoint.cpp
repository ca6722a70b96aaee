#include "train/run/checkpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/strict_json.h"
#include "train/run/atomic_file.h"

namespace cosformer {

namespace {

using nlohmann::json;

constexpr std::string_view kFormat = "cosformer";
constexpr std::uint64_t kMaxStateBytes = std::uint64_t{1} << 20;
constexpr std::array kTensorFiles = {kModelFile, kOptimizerFile};
constexpr std::size_t kChecksumDigits = 32;

/// The keys of the document, with the format that each came with. `checksum`, `format` and `format_version` are in all
/// formats for ever: they tell a newer document from a damaged one.
struct DocumentKey {
  const char* name;
  std::uint64_t since;
};
constexpr DocumentKey kDocumentKeys[] = {{"checksum", 1}, {"format", 1}, {"format_version", 1}, {"files", 1}, {"state", 1}};

/// Checksum of the document's text as it was before the checksum was put in at `position`.
std::string document_checksum(std::string text, std::size_t position) {
  text.replace(position, kChecksumDigits, kChecksumDigits, '0');
  return checksum_hex(text);
}

const json& require_key(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  check<InputError>(found != object.end(), where, ": the key ", key, " is missing");
  return *found;
}

/// The version of a document that fits its checksum and that this program can read.
std::uint64_t check_version(const json& content, std::string_view text, const std::string& where) {
  const json& version = require_key(content, "format_version", where);
  const json& checksum = require_key(content, "checksum", where);
  const std::string digits = checksum.is_string() ? checksum.get<std::string>() : std::string();
  const std::size_t position = digits.size() == kChecksumDigits ? text.find(digits) : std::string_view::npos;
  check<InputError>(position != std::string_view::npos && document_checksum(std::string(text), position) == digits, where,
                    ": the contents do not fit the checksum in it");
  check<InputError>(version.is_number_unsigned() && version > 0, where, ": format_version: expected 1 to ",
                    kStateFormatVersion, ", found ", printable(version.dump()));
  check<NewerFormatError>(version <= kStateFormatVersion, where, ": format_version ", version.dump(),
                          " is of a newer cosformer; this one reads up to ", kStateFormatVersion);
  return version.get<std::uint64_t>();
}

FileDigest parse_digest(const json& entry, const std::string& where) {
  const bool valid = entry.is_object() && entry.size() == 2 && entry.contains("bytes") && entry.contains("xxh3_128") &&
                     entry["bytes"].is_number_unsigned() && entry["xxh3_128"].is_string();
  check<InputError>(valid, where, ": files: expected bytes and xxh3_128 of each file");
  return {entry["bytes"].get<std::uint64_t>(), entry["xxh3_128"].get<std::string>()};
}

void verify_file(const std::filesystem::path& path, const FileDigest& expected) {
  const FileDigest found = digest_file(path);
  check<InputError>(found.bytes == expected.bytes, path.string(), ": ", found.bytes, " bytes, expected ", expected.bytes);
  check<InputError>(found.xxh3_128 == expected.xxh3_128, path.string(),
                    ": the contents do not fit the checksum in state.json");
}

FileDigest write_tensors(FileSystem& files, const std::filesystem::path& path, const TensorMap& tensors,
                         const Metadata& metadata) {
  FileWriter writer(files, path);
  write_safetensors(writer, tensors, metadata);
  writer.finish();
  return {writer.bytes_written(), writer.checksum().hex()};
}

}  // namespace

std::string encode_state_document(const StateDocument& document) {
  const std::string zeros(kChecksumDigits, '0');
  nlohmann::ordered_json files = nlohmann::ordered_json::object();
  for (const auto& [name, digest] : document.files) {
    files[name] = {{"bytes", digest.bytes}, {"xxh3_128", digest.xxh3_128}};
  }
  const nlohmann::ordered_json content = {{"checksum", zeros},
                                          {"format", kFormat},
                                          {"format_version", kStateFormatVersion},
                                          {"files", files},
                                          {"state", to_json(document.state)}};
  std::string text = content.dump(2) + "\n";
  const std::string checksum = checksum_hex(text);
  return text.replace(text.find(zeros), kChecksumDigits, checksum);
}

StateDocument parse_state_document(std::string_view text, const std::string& where) {
  check<InputError>(text.size() <= kMaxStateBytes, where, ": ", text.size(), " bytes, expected at most ", kMaxStateBytes);
  const json content = parse_strict_json(text, where);
  check<InputError>(content.is_object(), where, ": expected an object");
  check<InputError>(require_key(content, "format", where) == kFormat, where, ": format: expected ", printable(kFormat));
  const std::uint64_t version = check_version(content, text, where);
  for (const DocumentKey& key : kDocumentKeys) {
    if (key.since <= version) require_key(content, key.name, where);
  }
  for (const auto& [name, value] : content.items()) {
    const bool known = std::ranges::any_of(
        kDocumentKeys, [&name = name, version](const DocumentKey& key) { return key.name == name && key.since <= version; });
    check<InputError>(known, where, ": unknown key ", printable(name));
  }

  StateDocument document;
  const json& files = require_key(content, "files", where);
  check<InputError>(files.is_object() && files.size() == kTensorFiles.size(), where, ": files: expected an object of ",
                    kTensorFiles.size(), " files");
  for (const std::string_view name : kTensorFiles) {
    document.files[std::string(name)] = parse_digest(require_key(files, std::string(name).c_str(), where), where);
  }
  document.state = run_state_from_json(require_key(content, "state", where), where, version);
  return document;
}

void write_checkpoint(FileSystem& files, const std::filesystem::path& folder, const Checkpoint& checkpoint) {
  StagedFolder staged(files, folder);
  const Metadata metadata = {
      {"format", std::string(kFormat)}, {"config", checkpoint.config}, {"step", std::to_string(checkpoint.state.step)}};
  StateDocument document{checkpoint.state, {}};
  document.files[std::string(kModelFile)] =
      write_tensors(files, staged.path() / kModelFile, checkpoint.parameters, metadata);
  document.files[std::string(kOptimizerFile)] =
      write_tensors(files, staged.path() / kOptimizerFile, checkpoint.optimizer, {{"format", std::string(kFormat)}});
  FileWriter writer(files, staged.path() / kStateFile);
  writer.write(encode_state_document(document));
  writer.finish();
  staged.commit();
}

void verify_checkpoint(const std::filesystem::path& folder) {
  for (const auto& [name, digest] : read_state_document(folder).files) verify_file(folder / name, digest);
}

Checkpoint read_checkpoint(const std::filesystem::path& folder) {
  const StateDocument document = read_state_document(folder);
  for (const auto& [name, digest] : document.files) verify_file(folder / name, digest);
  Checkpoint checkpoint;
  TensorFile model = read_safetensors(folder / kModelFile);
  checkpoint.parameters = std::move(model.tensors);
  checkpoint.config = std::move(model.metadata["config"]);
  checkpoint.optimizer = read_safetensors(folder / kOptimizerFile).tensors;
  checkpoint.state = document.state;
  return checkpoint;
}

StateDocument read_state_document(const std::filesystem::path& folder) {
  const auto path = folder / kStateFile;
  return parse_state_document(read_text_file(path, kMaxStateBytes), path.string());
}

std::optional<std::int64_t> step_of(const Metadata& metadata) {
  const auto found = metadata.find("step");
  if (found == metadata.end()) return {};
  const std::string& digits = found->second;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value < 0) return {};
  return value;
}

Weights read_weights(const std::filesystem::path& path) {
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  const auto file = is_folder ? path / kModelFile : path;
  if (is_folder && std::filesystem::exists(path / kStateFile, ignored)) {
    verify_file(file, read_state_document(path).files.at(std::string(kModelFile)));
  }
  TensorFile contents = read_safetensors(file);
  Weights weights{std::move(contents.tensors), {}, {}};
  if (const auto config = contents.metadata.find("config"); config != contents.metadata.end())
    weights.config = config->second;
  weights.step = step_of(contents.metadata);
  return weights;
}

}  // namespace cosformer
