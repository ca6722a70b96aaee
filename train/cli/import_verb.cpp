#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/printable.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/exchange/import.h"

namespace cosformer {

namespace {

std::int64_t elements_of(const TensorMap& parameters) {
  std::int64_t elements = 0;
  for (const auto& [name, tensor] : parameters) elements += tensor.size();
  return elements;
}

}  // namespace

int run_import(int argc, char** argv) {
  CommandLine line("cosformer import", "Makes a checkpoint of another program's model.");
  line.positional("source", "SOURCE",
                  "a folder of Hugging Face's transformers (config.json, model.safetensors), or with --config a safetensors "
                  "file with fairseq's names");
  line.options()("o,output", "the folder to make", cxxopts::value<std::string>(), "CHECKPOINT");
  line.options()("config", "what model a file of weights is of", cxxopts::value<std::string>(), "CONFIG.toml");
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  check<InputError>(given->count("output") > 0, "--output: name the folder to make");
  const std::filesystem::path output = (*given)["output"].as<std::string>();
  std::optional<std::filesystem::path> config;
  if (given->count("config")) config = (*given)["config"].as<std::string>();

  const ImportedModel model = import_model((*given)["source"].as<std::string>(), config);
  write_imported(model, output);
  const std::string tokenizer = model.tokenizer.empty() ? "none" : model.config.task.tokenizer;
  if (given->count("json")) {
    print_json({{"checkpoint", output.string()},
                {"architecture", model.architecture},
                {"parameters", elements_of(model.parameters)},
                {"tokenizer", tokenizer},
                {"left_out", model.left_out},
                {"remarks", model.remarks}});
    return 0;
  }
  std::cout << fmt::format("{:<14}{}\n{:<14}{}\n{:<14}{}\n", "architecture", model.architecture, "parameters",
                           elements_of(model.parameters), "tokenizer", tokenizer);
  for (const std::string& names : model.left_out) std::cout << fmt::format("{:<14}{}\n", "left out", visible(names));
  for (const std::string& remark : model.remarks) std::cout << fmt::format("{:<14}{}\n", "remark", visible(remark));
  std::cout << fmt::format("{:<14}{}\n", "checkpoint", visible(output.string()));
  return 0;
}

}  // namespace cosformer
