#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/named_table.h"
#include "core/printable.h"
#include "data/tokenizers/registry.h"
#include "train/cli/model_argument.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/exchange/export.h"
#include "train/exchange/plain_checkpoint.h"
#include "train/store/console.h"
#include "train/tasks/language_modeling.h"

namespace cosformer {

namespace {

/// What was written, for people and as JSON.
struct Exported {
  std::string architecture;
  std::int64_t parameters = 0;
  std::vector<std::string> remarks;  ///< beside what was warned of
};

TensorMap parameters_of(const Model& model) {
  TensorMap parameters;
  for (const Parameter& parameter : model.parameters()) parameters[parameter.name] = parameter.variable.value();
  return parameters;
}

Exported export_to_huggingface(ModelFile& file, const std::filesystem::path& folder, const Warn& warn) {
  check<InputError>(writes_text(file.config.task.name), file.weights.string(),
                    ": expected a decoder of task.name = \"language_modeling\" to export");
  const std::shared_ptr<const Tokenizer> tokenizer = tokenizer_of(file, warn);
  const std::unique_ptr<Task> task = make_language_modeling(file.config, tokenizer);
  const std::unique_ptr<Model> model = make_model(file, task->complete(file.config.model));
  const ExportedModel exported = export_model(model->config(), parameters_of(*model), *tokenizer);
  write_exported(exported, folder);
  return {exported.architecture, count_elements(model->parameters()), exported.remarks};
}

/// A model of any task as it is, but for adapters, which are merged, and what was frozen, which is forgotten.
Exported export_to_checkpoint(ModelFile& file, const std::filesystem::path& folder, const Warn&) {
  const std::unique_ptr<Model> model = make_model(file, file.config.model);
  Config config = file.config;
  config.model.adaptation = {};
  const TaskConfig& task = file.config.task;
  TokenizerFiles tokenizer;
  if (find_tokenizer_kind(task.tokenizer).has_files && !task.tokenizer_folder.empty()) {
    tokenizer = load_tokenizer(task.tokenizer, task.tokenizer_folder)->files();
    config.task.tokenizer_folder.clear();
  }
  write_plain_checkpoint(config, parameters_of(*model), tokenizer, folder);
  return {"cosformer", count_elements(model->parameters()), {}};
}

constexpr struct {
  std::string_view name;
  Exported (*write)(ModelFile& file, const std::filesystem::path& folder, const Warn& warn);
} kFormats[] = {{"huggingface", export_to_huggingface}, {"checkpoint", export_to_checkpoint}};

}  // namespace

int run_export(int argc, char** argv) {
  CommandLine line("cosformer export", "Writes a model as a folder: for another program, or with its adapters merged.");
  line.positional("model", "RUN|CHECKPOINT", "a run folder, a checkpoint folder or a .safetensors file");
  line.options()(
      "format",
      "huggingface: a decoder for AutoModelForCausalLM and AutoTokenizer of transformers; checkpoint: one of this "
      "program that stands alone, adapters (lora.rank) merged into the weights",
      cxxopts::value<std::string>()->default_value("huggingface"), "FORMAT");
  line.options()("o,output", "the folder to make", cxxopts::value<std::string>(), "FOLDER");
  line.options()("config", "a config for weights that hold none", cxxopts::value<std::string>(), "CONFIG.toml");
  add_set_option(line);
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const auto& format = find_named(kFormats, (*given)["format"].as<std::string>(), "--format");
  check<InputError>(given->count("output") > 0, "--output: name the folder to make");
  const std::filesystem::path output = (*given)["output"].as<std::string>();

  Console console(std::cerr, terminal_features(STDERR_FILENO));
  std::vector<std::string> remarks;
  const Warn warn = [&](const std::string& message) {
    remarks.push_back(message);
    console.print("warning: " + message);
  };
  ModelFile file = given_model_file(*given, warn);
  const Exported exported = format.write(file, output, warn);
  remarks.insert(remarks.end(), exported.remarks.begin(), exported.remarks.end());
  if (given->count("json")) {
    print_json({{"folder", output.string()},
                {"architecture", exported.architecture},
                {"parameters", exported.parameters},
                {"remarks", remarks}});
    return 0;
  }
  std::cout << fmt::format("{:<14}{}\n{:<14}{}\n", "architecture", exported.architecture, "parameters", exported.parameters);
  for (const std::string& remark : exported.remarks) std::cout << fmt::format("{:<14}{}\n", "remark", visible(remark));
  std::cout << fmt::format("{:<14}{}\n", "folder", visible(output.string()));
  return 0;
}

}  // namespace cosformer
