#include "train/exchange/export.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "layers/attention/registry.h"
#include "train/exchange/architectures.h"
#include "train/exchange/tokenizer_json.h"
#include "train/store/atomic_file.h"
#include "train/store/checkpoint.h"

namespace cosformer {

std::span<const ExportArchitecture> export_architectures() {
  static const std::array<ExportArchitecture, 3> kAll = {kGpt2Export, kLlamaExport, kCosformerExport};
  return kAll;
}

std::optional<std::string> first_unmet(std::span<const Expectation> expectations) {
  const auto unmet = std::ranges::find(expectations, false, &Expectation::holds);
  if (unmet == expectations.end()) return std::nullopt;
  return concat(unmet->key, ": expected ", unmet->expected);
}

bool is_plain_softmax(const ModelConfig& config) {
  if (config.attention.output_gate != OutputGate::none || config.attention.short_convolution > 0) return false;
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    const std::string kind = attention_of_layer(config, AttentionPlace::decoder_self, layer).kind;
    if (find_attention_kind(kind).formula != AttentionFormula::softmax) return false;
  }
  return true;
}

ExportedModel export_model(const ModelConfig& config, const TensorMap& parameters, const Tokenizer& tokenizer) {
  ExportedModel model;
  std::string obstacle;
  for (const ExportArchitecture& architecture : export_architectures()) {
    const auto found = architecture.obstacle(config);
    obstacle = found.value_or("");
    if (found) continue;
    model.architecture = architecture.name;
    architecture.write(config, parameters, model);
    break;
  }
  check<InputError>(obstacle.empty(), obstacle, " of a model to export");
  model.config["torch_dtype"] = "float32";
  // No token of ours ends a text.
  for (const char* token : {"bos_token_id", "eos_token_id", "pad_token_id"}) model.config[token] = nullptr;
  if (const auto files = tokenizer_json_files(tokenizer, config.max_length)) {
    model.files.insert(files->begin(), files->end());
  } else {
    model.remarks.push_back(concat("no tokenizer: transformers have none of the kind \"", tokenizer.kind(), '"'));
  }
  return model;
}

void write_exported(const ExportedModel& model, const std::filesystem::path& folder) {
  std::error_code ignored;
  check<InputError>(!std::filesystem::exists(std::filesystem::symlink_status(folder, ignored)), folder.string(),
                    ": exists; an export writes a new folder");
  FileSystem files;
  StagedFolder staged(files, folder);
  write_safetensors(files, staged.path() / kModelFile, model.tensors, {{"format", "pt"}});
  const auto write = [&](const std::string& name, const std::string& text) {
    FileWriter writer(files, staged.path() / name);
    writer.write(text);
    writer.finish();
  };
  write("config.json", model.config.dump(2) + '\n');
  for (const auto& [name, text] : model.files) write(name, text);
  staged.commit();
}

}  // namespace cosformer
