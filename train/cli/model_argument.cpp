#include "train/cli/model_argument.h"

#include "core/parallel.h"
#include "train/tasks/task_tokenizer.h"

namespace cosformer {

ModelFile given_model_file(const cxxopts::ParseResult& given, const Warn& warn) {
  std::optional<std::filesystem::path> config_file;
  if (given.count("config")) config_file = given["config"].as<std::string>();
  ModelFile file = read_model_file(given["model"].as<std::string>(), config_file, given_overrides(given), warn);
  if (file.config.train.threads > 0) set_num_threads(static_cast<int>(file.config.train.threads));
  return file;
}

std::shared_ptr<const Tokenizer> tokenizer_of(ModelFile& file, const Warn& warn) {
  keep_needed_texts(file.config.task, std::nullopt);
  std::shared_ptr<const Tokenizer> tokenizer = make_tokenizer(file.config.task);
  warn_of_other_contents(file, make_identity({}, tokenizer->files(), {}), warn);
  file.config.task.train.clear();
  return tokenizer;
}

}  // namespace cosformer
