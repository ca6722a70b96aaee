#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/printable.h"
#include "train/cli/model_argument.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/exchange/export.h"
#include "train/store/console.h"
#include "train/tasks/language_modeling.h"

namespace cosformer {

int run_export(int argc, char** argv) {
  CommandLine line("cosformer export", "Writes a decoder as a folder that another program loads.");
  line.positional("model", "RUN|CHECKPOINT", "a run folder, a checkpoint folder or a .safetensors file");
  line.options()("format", "huggingface: for AutoModelForCausalLM and AutoTokenizer of transformers",
                 cxxopts::value<std::string>()->default_value("huggingface"), "FORMAT");
  line.options()("o,output", "the folder to make", cxxopts::value<std::string>(), "FOLDER");
  line.options()("config", "a config for weights that hold none", cxxopts::value<std::string>(), "CONFIG.toml");
  add_set_option(line);
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const auto format = (*given)["format"].as<std::string>();
  check<InputError>(format == "huggingface", "--format: expected huggingface, found ", printable(format));
  check<InputError>(given->count("output") > 0, "--output: name the folder to make");
  const std::filesystem::path output = (*given)["output"].as<std::string>();

  Console console(std::cerr, terminal_features(STDERR_FILENO));
  std::vector<std::string> remarks;
  const Warn warn = [&](const std::string& message) {
    remarks.push_back(message);
    console.print("warning: " + message);
  };
  ModelFile file = given_model_file(*given, warn);
  check<InputError>(file.config.model.kind == ModelKind::decoder && file.config.task.name == "language_modeling",
                    file.weights.string(), ": expected a decoder of task.name = \"language_modeling\" to export");
  const std::shared_ptr<const Tokenizer> tokenizer = tokenizer_of(file, warn);
  const std::unique_ptr<Task> task = make_language_modeling(file.config, tokenizer);
  const std::unique_ptr<Model> model = make_model(file, task->complete(file.config.model));
  TensorMap parameters;
  for (const Parameter& parameter : model->parameters()) parameters[parameter.name] = parameter.variable.value();
  const ExportedModel exported = export_model(model->config(), parameters, *tokenizer);
  write_exported(exported, output);
  remarks.insert(remarks.end(), exported.remarks.begin(), exported.remarks.end());
  if (given->count("json")) {
    print_json({{"folder", output.string()},
                {"architecture", exported.architecture},
                {"parameters", count_elements(model->parameters())},
                {"remarks", remarks}});
    return 0;
  }
  std::cout << fmt::format("{:<14}{}\n{:<14}{}\n", "architecture", exported.architecture, "parameters",
                           count_elements(model->parameters()));
  for (const std::string& remark : exported.remarks) std::cout << fmt::format("{:<14}{}\n", "remark", visible(remark));
  std::cout << fmt::format("{:<14}{}\n", "folder", visible(output.string()));
  return 0;
}

}  // namespace cosformer
