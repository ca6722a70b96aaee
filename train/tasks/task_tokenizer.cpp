#include "train/tasks/task_tokenizer.h"

#include <algorithm>

#include "core/error.h"
#include "data/text_corpus.h"
#include "data/tokenizers/registry.h"
#include "train/store/atomic_file.h"
#include "train/tasks/corpora.h"

namespace cosformer {

bool has_tokenizer_files(const TaskConfig& config) {
  return !config.tokenizer_folder.empty() || !find_tokenizer_kind(config.tokenizer).has_files;
}

std::unique_ptr<Tokenizer> make_tokenizer(const TaskConfig& config) {
  if (has_tokenizer_files(config)) return load_tokenizer(config.tokenizer, config.tokenizer_folder);
  check<InputError>(!config.train.empty(), "task.tokenizer_folder: a \"", config.tokenizer,
                    "\" tokenizer needs its files, or task.train to be made from");
  const std::string text = read_whole_text(corpus_files(config, Split::train));
  try {
    return make_tokenizer(config, text);
  } catch (const InputError& error) {
    throw InputError(text_error(config.train, error.what()));
  }
}

std::unique_ptr<Tokenizer> make_tokenizer(const TaskConfig& config, std::string_view text) {
  if (has_tokenizer_files(config)) return load_tokenizer(config.tokenizer, config.tokenizer_folder);
  constexpr std::int64_t kDefaultBpeVocabSize = 8192;
  TokenizerOptions options{config.tokenizer_vocab_size, config.tokenizer_min_count};
  if (config.tokenizer == "bpe" && options.vocab_size == 0) options.vocab_size = kDefaultBpeVocabSize;
  return train_tokenizer(config.tokenizer, text, options);
}

SpecialTokens special_tokens_of(const TaskConfig& config, const Tokenizer& tokenizer) {
  return config.special_tokens == SpecialTokenIds::added ? SpecialTokens(tokenizer.vocab_size())
                                                         : SpecialTokens::of(tokenizer);
}

void save_tokenizer(const TokenizerFiles& tokenizer, const std::filesystem::path& run) {
  const std::filesystem::path folder = run / kTokenizerFolder;
  const bool is_there = std::ranges::all_of(tokenizer, [&](const auto& file) {
    const std::filesystem::path path = folder / file.first;
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored) && digest_file(path) == digest_of(file.second);
  });
  if (is_there) return;
  FileSystem files;
  StagedFolder staged(files, folder);
  for (const auto& [name, content] : tokenizer) {
    FileWriter file(files, staged.path() / name);
    file.write(content);
    file.finish();
  }
  staged.commit();
}

}  // namespace cosformer
