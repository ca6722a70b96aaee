#include "train/store/run_identity.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "train/store/file_system.h"

namespace cosformer {

namespace {

using nlohmann::json;

std::vector<const DataFile*> files_of_split(const RunIdentity& identity, const std::string& split) {
  std::vector<const DataFile*> files;
  for (const DataFile& file : identity.data) {
    if (file.split == split) files.push_back(&file);
  }
  return files;
}

std::string difference(const Digest& run, const Digest& now) {
  return run.bytes == now.bytes ? concat("other contents of the same ", now.bytes, " bytes")
                                : concat(now.bytes, " bytes, ", run.bytes, " in the run");
}

/// An object whose keys are exactly `keys`.
const json& require_object(const json& value, std::initializer_list<const char*> keys, const std::string& where) {
  const bool valid = value.is_object() && value.size() == keys.size() &&
                     std::ranges::all_of(keys, [&](const char* key) { return value.contains(key); });
  std::string names;
  for (const char* key : keys) names += concat(names.empty() ? "" : ", ", key);
  check<InputError>(valid, where, ": expected an object with the keys ", names);
  return value;
}

std::string require_text(const json& object, const char* key, const std::string& where) {
  check<InputError>(object[key].is_string(), where, ": ", key, ": expected a string");
  return object[key].get<std::string>();
}

}  // namespace

RunIdentity make_identity(std::vector<DataFile> data, const TokenizerFiles& tokenizer, Arithmetic arithmetic) {
  RunIdentity identity{std::move(data), {}, std::move(arithmetic)};
  for (const auto& [name, content] : tokenizer) identity.tokenizer[name] = digest_of(content);
  return identity;
}

std::vector<std::string> content_differences(const RunIdentity& run, const RunIdentity& now,
                                             const std::string& tokenizer_folder) {
  std::vector<std::string> lines;
  if (!run.tokenizer.empty() && !now.tokenizer.empty()) {
    for (const auto& [name, content] : run.tokenizer) {
      const auto found = now.tokenizer.find(name);
      const Digest other = found == now.tokenizer.end() ? Digest{} : found->second;
      if (other != content) {
        lines.push_back(
            concat(tokenizer_folder, "/", name, ": is not the tokenizer of the run: ", difference(content, other)));
      }
    }
  }
  for (const char* split : {"train", "valid", "test", "teacher"}) {
    const auto before = files_of_split(run, split), after = files_of_split(now, split);
    for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
      if (before[i]->content == after[i]->content) continue;
      lines.push_back(concat(after[i]->path, ": is not the data of the run (task.", split,
                             "): ", difference(before[i]->content, after[i]->content)));
    }
  }
  return lines;
}

json to_json(const Digest& digest) { return {{"bytes", digest.bytes}, {"xxh3_128", digest.xxh3_128}}; }

Digest digest_from_json(const json& source, const std::string& where) {
  require_object(source, {"bytes", "xxh3_128"}, where);
  check<InputError>(source["bytes"].is_number_unsigned(), where, ": bytes: expected a number of bytes");
  return {source["bytes"].get<std::uint64_t>(), require_text(source, "xxh3_128", where)};
}

json to_json(const RunIdentity& identity) {
  json data = json::array(), tokenizer = json::object();
  for (const DataFile& file : identity.data) {
    data.push_back({{"split", file.split}, {"path", file.path}, {"content", to_json(file.content)}});
  }
  for (const auto& [name, content] : identity.tokenizer) tokenizer[name] = to_json(content);
  return {{"data", data},
          {"tokenizer", tokenizer},
          {"arithmetic",
           {{"instruction_set", identity.arithmetic.instruction_set},
            {"blas_library", identity.arithmetic.blas_library},
            {"blas_kernels", identity.arithmetic.blas_kernels}}}};
}

RunIdentity run_identity_from_json(const json& source, const std::string& where) {
  const std::string here = where + ": identity";
  require_object(source, {"data", "tokenizer", "arithmetic"}, here);
  RunIdentity identity;
  check<InputError>(source["data"].is_array(), here, ": data: expected an array");
  for (const json& entry : source["data"]) {
    const std::string place = here + ": data";
    require_object(entry, {"split", "path", "content"}, place);
    identity.data.push_back({require_text(entry, "split", place), require_text(entry, "path", place),
                             digest_from_json(entry["content"], place + ": content")});
  }
  check<InputError>(source["tokenizer"].is_object(), here, ": tokenizer: expected an object");
  for (const auto& [name, entry] : source["tokenizer"].items()) {
    identity.tokenizer[name] = digest_from_json(entry, concat(here, ": tokenizer: ", printable(name)));
  }
  const std::string place = here + ": arithmetic";
  const json& arithmetic = require_object(source["arithmetic"], {"instruction_set", "blas_library", "blas_kernels"}, place);
  identity.arithmetic = {require_text(arithmetic, "instruction_set", place), require_text(arithmetic, "blas_library", place),
                         require_text(arithmetic, "blas_kernels", place)};
  return identity;
}

}  // namespace cosformer
