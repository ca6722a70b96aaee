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

void check_corpus(const CorpusFacts& facts, std::int64_t tokens, const CorpusFiles& files) {
  check<InputError>(facts.statistics.bytes > 0, name_of(files),
                    files.files.size() == 1 ? ": the file is empty" : ": the files are empty");
  check<InputError>(tokens >= 2, name_of(files), ": language modelling needs two tokens or more, found ", tokens);
}

TextCorpus load_text_corpus(const CorpusFiles& files, const Tokenizer& tokenizer) {
  std::vector<std::int32_t> tokens;
  std::vector<std::int64_t> starts;
  TokenReader reader(files, tokenizer);
  while (const auto part = reader.next()) {
    for (const std::int64_t start : part->starts) starts.push_back(std::ssize(tokens) + start);
    tokens.insert(tokens.end(), part->ids.begin(), part->ids.end());
  }
  TextCorpus corpus{reader.facts(), {}, {}, {}};
  check_corpus(corpus, std::ssize(tokens), files);
  tokens.shrink_to_fit();
  corpus.remark = corpus_remark(corpus, files);
  corpus.tokens = TokenArray(std::move(tokens));
  corpus.starts = DocumentStarts(std::move(starts));
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
