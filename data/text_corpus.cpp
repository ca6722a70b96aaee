#include "data/text_corpus.h"

#include <utility>
#include <vector>

#include "core/error.h"

namespace cosformer {

namespace {

std::string name_of(const CorpusFiles& files) {
  return files.files[0].string() + (files.files.size() == 1 ? "" : concat(" and ", files.files.size() - 1, " other files"));
}

}  // namespace

void check_corpus(const CorpusFacts& facts, std::size_t tokens, const CorpusFiles& files) {
  check<InputError>(facts.statistics.bytes > 0, name_of(files),
                    files.files.size() == 1 ? ": the file is empty" : ": the files are empty");
  check<InputError>(tokens >= 2, name_of(files), ": language modelling needs two tokens or more, found ", tokens);
}

TextCorpus load_text_corpus(const CorpusFiles& files, const Tokenizer& tokenizer) {
  std::vector<std::int32_t> tokens;
  TextCorpus corpus{
      read_tokens(files, tokenizer,
                  [&](std::span<const std::int32_t> ids) { tokens.insert(tokens.end(), ids.begin(), ids.end()); }),
      {}};
  check_corpus(corpus, tokens.size(), files);
  tokens.shrink_to_fit();
  corpus.tokens = TokenArray(std::move(tokens));
  return corpus;
}

std::string read_whole_text(const CorpusFiles& files) {
  std::string text;
  CorpusBlocks blocks(files, [](std::string_view, std::size_t) { return true; });
  while (const auto block = blocks.next()) text += block->text;
  check<InputError>(!text.empty(), name_of(files), ": the file is empty");
  return text;
}

}  // namespace cosformer
