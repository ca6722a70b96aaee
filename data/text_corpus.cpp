#include "data/text_corpus.h"

#include <string>

#include "core/error.h"
#include "data/mapped_file.h"
#include "data/tokenizers/words.h"

namespace cosformer {

TextStatistics text_statistics(std::string_view text) {
  TextStatistics statistics{.bytes = static_cast<std::int64_t>(text.size())};
  for_each_word(
      text, [&](std::string_view) { ++statistics.words; }, [&] { ++statistics.lines; });
  statistics.words += statistics.lines;
  return statistics;
}

TextCorpus load_text_corpus(const std::filesystem::path& path, const Tokenizer& tokenizer) {
  const MappedFile file(path);
  check<InputError>(!file.bytes().empty(), path.string(), ": the file is empty");
  TextCorpus corpus{.tokens = {}, .statistics = text_statistics(file.bytes()), .content = digest_of(file.bytes())};
  try {
    corpus.tokens = tokenizer.encode(file.bytes());
  } catch (const InputError& error) {
    throw InputError(concat(path.string(), ":", error.what()));
  }
  check<InputError>(corpus.tokens.size() >= 2, path.string(), ": language modelling needs two tokens or more, found ",
                    corpus.tokens.size());
  return corpus;
}

}  // namespace cosformer
