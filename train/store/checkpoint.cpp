#include "train/store/checkpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/strict_json.h"
#include "train/store/atomic_file.h"
#include "train/store/sealed_json.h"

namespace cosformer {

namespace {

using nlohmann::json;

constexpr std::string_view kFormat = "cosformer";
constexpr std::uint64_t kMaxStateBytes = std::uint64_t{1} << 20;
constexpr std::array kTensorFiles = {kModelFile, kOptimizerFile};

/// The keys of the document, with the format that each came with. `checksum`, `format` and `format_version` are in all
/// formats for ever: they tell a newer document from a damaged one.
struct DocumentKey {
  const char* name;
  std::uint64_t since;
};
constexpr DocumentKey kDocumentKeys[] = {{"checksum", 1}, {"format", 1},   {"format_version", 1}, {"files", 1},
                                         {"state", 1},    {"identity", 2}, {"metrics", 2}};

const json& require_key(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  check<InputError>(found != object.end(), where, ": the key ", key, " is missing");
  return *found;
}

/// The version of a document that fits its checksum and that this program can read.
std::uint64_t check_version(const json& content, std::string_view text, const std::string& where) {
  const json& version = require_key(content, "format_version", where);
  check_seal(content, text, where);
  check<InputError>(version.is_number_unsigned() && version > 0, where, ": format_version: expected 1 to ",
                    kStateFormatVersion, ", found ", printable(version.dump()));
  check<NewerFormatError>(version <= kStateFormatVersion, where, ": format_version ", version.dump(),
                          " is of a newer cosformer; this one reads up to ", kStateFormatVersion);
  return version.get<std::uint64_t>();
}

void verify_file(const std::filesystem::path& path, const Digest& expected) {
  const Digest found = digest_file(path);
  check<InputError>(found.bytes == expected.bytes, path.string(), ": ", found.bytes, " bytes, expected ", expected.bytes);
  check<InputError>(found.xxh3_128 == expected.xxh3_128, path.string(),
                    ": the contents do not fit the checksum in state.json");
}

Digest write_tensors(FileSystem& files, const std::filesystem::path& path, const TensorMap& tensors,
                     const Metadata& metadata) {
  FileWriter writer(files, path);
  write_safetensors(writer, tensors, metadata);
  writer.finish();
  return {writer.bytes_written(), writer.checksum().hex()};
}

}  // namespace

std::string encode_state_document(const StateDocument& document) {
  nlohmann::ordered_json files = nlohmann::ordered_json::object();
  for (const auto& [name, digest] : document.files) files[name] = to_json(digest);
  return seal({{"format", kFormat},
               {"format_version", kStateFormatVersion},
               {"files", files},
               {"state", to_json(document.state)},
               {"identity", to_json(document.identity)},
               {"metrics", to_json(document.metrics)}},
              2);
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
    document.files[std::string(name)] =
        digest_from_json(require_key(files, std::string(name).c_str(), where), where + ": files");
  }
  document.state = run_state_from_json(require_key(content, "state", where), where, version);
  if (version >= 2) {
    document.identity = run_identity_from_json(require_key(content, "identity", where), where);
    document.metrics = digest_from_json(require_key(content, "metrics", where), where + ": metrics");
  }
  return document;
}

void write_checkpoint(FileSystem& files, const std::filesystem::path& folder, const Checkpoint& checkpoint) {
  StagedFolder staged(files, folder);
  const Metadata metadata = {
      {"format", std::string(kFormat)}, {"config", checkpoint.config}, {"step", std::to_string(checkpoint.state.step)}};
  StateDocument document{checkpoint.state, {}, checkpoint.identity, checkpoint.metrics};
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
  TensorFile optimizer = read_safetensors(folder / kOptimizerFile);
  check_all_usable(model, (folder / kModelFile).string());
  check_all_usable(optimizer, (folder / kOptimizerFile).string());
  checkpoint.parameters = std::move(model.tensors);
  checkpoint.config = std::move(model.metadata["config"]);
  checkpoint.optimizer = std::move(optimizer.tensors);
  checkpoint.state = document.state;
  checkpoint.identity = document.identity;
  checkpoint.metrics = document.metrics;
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
  Weights weights;
  if (is_folder && std::filesystem::exists(path / kStateFile, ignored)) {
    StateDocument document = read_state_document(path);
    verify_file(file, document.files.at(std::string(kModelFile)));
    weights.identity = std::move(document.identity);
  }
  TensorFile contents = read_safetensors(file);
  weights.parameters = std::move(contents.tensors);
  weights.unusable = std::move(contents.unusable);
  if (const auto config = contents.metadata.find("config"); config != contents.metadata.end())
    weights.config = config->second;
  weights.step = step_of(contents.metadata);
  return weights;
}

}  // namespace cosformer
