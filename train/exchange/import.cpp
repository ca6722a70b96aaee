#include "train/exchange/import.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"
#include "core/missing_path.h"
#include "core/nearest_name.h"
#include "core/printable.h"
#include "data/special_tokens.h"
#include "data/tokenizers/registry.h"
#include "layers/attention/reweighting_length.h"
#include "layers/model.h"
#include "train/exchange/fairseq.h"
#include "train/exchange/plain_checkpoint.h"
#include "train/store/model_parameters.h"
#include "train/tasks/loaded_model.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

/// Tokens of a sequence that the config of an imported model proposes; a user sets another number.
constexpr std::int64_t kProposedLength = 1024;

const ForeignFamily& find_family(const ForeignConfig& config) {
  const std::string type = config.text("model_type", "");
  std::vector<std::string_view> names;
  for (const ForeignFamily& family : foreign_families()) {
    if (family.model_type == type) return family;
    names.emplace_back(family.model_type);
  }
  throw InputError(concat(config.source(), ": model_type: no blocks for ", printable(type), name_hint(type, names)));
}

/// The kinds of tokenizer that a folder may hold, the surest first, and the files that show it.
constexpr struct {
  const char* kind;
  std::array<const char*, 2> files;
} kTokenizers[] = {{"huggingface", {"tokenizer.json", "tokenizer.json"}},
                   {"bpe", {"vocab.json", "merges.txt"}},
                   {"sentencepiece", {"tokenizer.model", "tokenizer.model"}}};

/// The tokenizer of a folder, if there is one that this program reads; says in remarks why not.
void add_tokenizer(const fs::path& folder, ImportedModel& model) {
  model.config.task.tokenizer = "byte";
  for (const auto& [kind, names] : kTokenizers) {
    const bool is_there = std::ranges::all_of(names, [&](const char* name) {
      std::error_code ignored;
      return fs::exists(folder / name, ignored);
    });
    if (!is_there) continue;
    try {
      const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(kind, folder);
      check<InputError>(tokenizer->vocab_size() <= model.config.model.vocab_size, "it has ", tokenizer->vocab_size(),
                        " tokens, the model ", model.config.model.vocab_size);
      model.config.task.tokenizer = kind;
      model.tokenizer = tokenizer->files();
      if (model.config.model.kind == ModelKind::encoder && has_special_tokens(*tokenizer))
        model.config.task.special_tokens = SpecialTokenIds::tokenizer;
      return;
    } catch (const InputError& error) {
      model.remarks.push_back(concat("the folder's tokenizer of kind ", kind, " is left out: ", error.what()));
    }
  }
  model.remarks.push_back("no tokenizer that this program reads: task.tokenizer says \"byte\"");
}

ImportedModel import_folder(const fs::path& folder, ForeignTensors& tensors) {
  ImportedModel model;
  const ForeignConfig config = ForeignConfig::read(folder / "config.json");
  const ForeignFamily& family = find_family(config);
  model.architecture = family.model_type;
  TranslatedModel translated = family.translate(config, tensors);
  model.config.model = std::move(translated.config);
  model.config.model.attention.kind = "softmax";
  model.parameters = std::move(translated.parameters);
  model.remarks = std::move(translated.remarks);
  const std::int64_t longest = model.config.model.max_length;
  model.config.task.name = model.config.model.kind == ModelKind::encoder ? "masked_language_modeling" : "language_modeling";
  model.config.task.seq_len = longest > 0 ? std::min(longest, kProposedLength) : kProposedLength;
  // As in the checkpoint of a run: what the longest text decides is settled.
  model.config.model.attention = settle_reweighting_length(model.config.model.attention, model.config.model.kind,
                                                           {.seq_len = longest > 0 ? longest : model.config.task.seq_len});
  // The ranges of all keys.
  model.config = config_from_json(to_json(model.config), {}, config.source());
  add_tokenizer(folder, model);
  return model;
}

ImportedModel import_fairseq(const fs::path& config_file, ForeignTensors& tensors) {
  ImportedModel model;
  model.architecture = "fairseq";
  model.config = load_config(config_file);
  ModelConfig& own = model.config.model;
  if (own.max_length == 0) own.max_length = model.config.task.seq_len;
  TranslatedModel translated = translate_fairseq(own, tensors);
  own = std::move(translated.config);
  model.parameters = std::move(translated.parameters);
  model.remarks = std::move(translated.remarks);
  return model;
}

/// The parameters, tied copies removed, after a check of all of them. Throws InputError.
TensorMap checked_parameters(ImportedModel& model, const std::string& source) {
  ModelConfig config = model.config.model;
  if (config.max_length == 0) config.max_length = model.config.task.seq_len;
  const Model shapes(config, 0, DType::float32, ParameterValues::shapes_only);
  ModelFile file;
  file.weights = source;
  file.parameters = std::move(model.parameters);
  TensorMap parameters = weights_by_parameter(file, shapes);
  check_usable(shapes.parameters(), parameters, source);
  return parameters;
}

}  // namespace

ImportedModel import_model(const fs::path& source, const std::optional<fs::path>& config_file) {
  std::error_code ignored;
  check<InputError>(fs::exists(source, ignored), source.string(),
                    ": does not exist, expected a folder or a safetensors file", missing_path_hint(source));
  const bool is_folder = fs::is_directory(source, ignored) && !config_file;
  check<InputError>(is_folder || config_file, source.string(),
                    ": a file of tensors alone needs --config CONFIG.toml, which says what model they are of");
  if (is_folder)
    check<InputError>(fs::exists(source / "config.json", ignored), source.string(),
                      ": has no config.json; weights with fairseq's names need --config CONFIG.toml");
  ForeignTensors tensors = ForeignTensors::read(source);
  ImportedModel model = is_folder ? import_folder(source, tensors) : import_fairseq(*config_file, tensors);
  model.parameters = checked_parameters(model, tensors.source());
  model.left_out = grouped_names(tensors.names());
  return model;
}

void write_imported(const ImportedModel& model, const fs::path& folder) {
  write_plain_checkpoint(model.config, model.parameters, model.tokenizer, folder);
}

}  // namespace cosformer
