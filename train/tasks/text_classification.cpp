#include "train/tasks/text_classification.h"

#include <array>

#include "core/error.h"
#include "data/texts/tokenized_texts.h"
#include "train/tasks/classification.h"
#include "train/tasks/task_tokenizer.h"

namespace cosformer {

namespace {

std::string joined(const LabelledTexts& texts) {
  std::string text;
  for (const LabelledTexts::Example& example : texts.examples) text += example.first + '\n' + example.second + '\n';
  return text;
}

}  // namespace

std::unique_ptr<Task> make_text_classification(const Config& config) {
  const LabelledTextFormat* format = find_labelled_text_format(config.task.name);
  check<InputError>(format != nullptr, "task.name: no format of texts is called \"", config.task.name, '"');
  check<InputError>(!config.task.class_token, "task.class_token: sequences of ", format->name, " begin with <s> already");
  constexpr std::int64_t kLeastLength = 8;  // the special tokens of a pair, and two tokens of each text
  check<InputError>(config.task.seq_len >= kLeastLength, "task.seq_len: ", format->name, " needs at least ", kLeastLength,
                    ", found ", config.task.seq_len);
  const LabelledTextOptions options{config.task.rating_classes};
  SplitSet<LabelledTexts> texts;
  for (const Split split : kAllSplits) {
    const std::string& path = data_path(config.task, split);
    if (!path.empty()) texts[split] = format->load(path, split, options);
  }
  const bool is_made = !has_tokenizer_files(config.task);
  check<InputError>(!is_made || !config.task.train.empty(), "task.tokenizer_folder: a \"", config.task.tokenizer,
                    "\" tokenizer needs its files, or task.train to be made from");
  const std::shared_ptr<const Tokenizer> tokenizer =
      make_tokenizer(config.task, is_made ? joined(texts[Split::train]) : std::string());
  LabelledSplits splits;
  for (const Split split : kAllSplits) {
    const std::string& path = data_path(config.task, split);
    if (path.empty()) continue;
    splits[split] =
        tokenize_texts(texts[split], *tokenizer,
                       {format->num_classes(options), format->pairs, special_tokens_of(config.task, *tokenizer)}, path);
    texts[split] = {};
  }
  return make_classification(config, std::move(splits), {tokenizer, format->positive_class});
}

}  // namespace cosformer
