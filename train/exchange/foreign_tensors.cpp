#include "train/exchange/foreign_tensors.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/printable.h"
#include "data/strict_json.h"
#include "train/store/checkpoint.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr const char* kIndexFile = "model.safetensors.index.json";

/// The shards of an index and the tensors that it says each of them holds. Throws InputError.
std::map<std::string, std::set<std::string>> read_index(const fs::path& path) {
  const nlohmann::json index = read_strict_json(path);
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  check<InputError>(index.is_object() && map != index.end() && map->is_object(), path.string(),
                    ": expected an object \"weight_map\" of tensor names and their files");
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [name, file] : map->items()) {
    check<InputError>(file.is_string(), path.string(), ": weight_map: ", printable(name), ": expected a file's name");
    const auto& shard = file.get_ref<const std::string&>();
    // A shard lies beside its index: a path that leads elsewhere is somebody's trick.
    check<InputError>(fs::path(shard).filename().string() == shard && shard.ends_with(".safetensors"), path.string(),
                      ": weight_map: ", printable(name),
                      ": expected the name of a .safetensors file beside the index, found ", printable(shard));
    shards[shard].insert(name);
  }
  return shards;
}

TensorFile read_shards(const fs::path& folder) {
  TensorFile whole;
  for (const auto& [shard, names] : read_index(folder / kIndexFile)) {
    TensorFile part = read_safetensors(folder / shard);
    for (const std::string& name : names) {
      check<InputError>(part.tensors.contains(name) || part.unusable.contains(name), (folder / shard).string(),
                        ": has no tensor ", printable(name), ", which ", kIndexFile, " says is there");
    }
    for (const auto& [name, tensor] : part.tensors) {
      check<InputError>(names.contains(name), (folder / shard).string(), ": has a tensor ", printable(name), " of which ",
                        kIndexFile, " knows nothing");
    }
    whole.tensors.merge(part.tensors);
    whole.unusable.merge(part.unusable);
  }
  return whole;
}

}  // namespace

ForeignTensors::ForeignTensors(TensorFile contents, std::string source)
    : contents_(std::move(contents)), source_(std::move(source)) {}

ForeignTensors ForeignTensors::read(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return {read_safetensors(path), path.string()};
  if (fs::exists(path / kModelFile, ignored)) return {read_safetensors(path / kModelFile), (path / kModelFile).string()};
  check<InputError>(fs::exists(path / kIndexFile, ignored), path.string(), ": has neither ", kModelFile, " nor ", kIndexFile,
                    fs::exists(path / "pytorch_model.bin", ignored)
                        ? "; scripts/convert_pickled_weights makes the one from pytorch_model.bin"
                        : "");
  return {read_shards(path), path.string()};
}

bool ForeignTensors::has(const std::string& name) const {
  return contents_.tensors.contains(name) || contents_.unusable.contains(name);
}

std::vector<std::string> ForeignTensors::names() const {
  std::set<std::string> all;
  for (const auto& [name, tensor] : contents_.tensors) all.insert(name);
  for (const auto& [name, dtype] : contents_.unusable) all.insert(name);
  return {all.begin(), all.end()};
}

Tensor ForeignTensors::take(const std::string& name) {
  if (const auto unusable = contents_.unusable.find(name); unusable != contents_.unusable.end())
    throw InputError(concat(source_, ": ", unusable_dtype(name, unusable->second)));
  auto found = contents_.tensors.extract(name);
  check<InputError>(!found.empty(), source_, ": tensor ", printable(name), " is missing");
  check<InputError>(found.mapped().dtype() != DType::int32, source_, ": tensor ", printable(name),
                    " holds whole numbers, expected weights");
  return found.mapped().to(DType::float32);
}

Tensor ForeignTensors::take(const std::string& name, const Shape& shape) {
  Tensor tensor = take(name);
  check<InputError>(tensor.shape() == shape, source_, ": tensor ", printable(name), " has shape ", tensor.shape(),
                    ", the model's config asks for ", shape);
  return tensor;
}

void ForeignTensors::drop(const std::string& name) {
  contents_.tensors.erase(name);
  contents_.unusable.erase(name);
}

std::vector<std::string> grouped_names(const std::vector<std::string>& names) {
  std::map<std::string, std::size_t> counts;
  for (const std::string& name : names) {
    std::string pattern;
    for (std::string_view rest = name; !rest.empty();) {
      const std::string_view part = rest.substr(0, rest.find('.'));
      rest.remove_prefix(std::min(part.size() + 1, rest.size()));
      const bool is_number = !part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
      if (!pattern.empty()) pattern += '.';
      pattern += is_number ? std::string_view("*") : part;
    }
    ++counts[pattern];
  }
  std::vector<std::string> groups;
  for (const auto& [pattern, count] : counts)
    groups.push_back(count == 1 && pattern.find('*') == std::string::npos ? pattern : concat(pattern, " (", count, ")"));
  return groups;
}

}  // namespace cosformer
