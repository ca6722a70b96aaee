#include "data/tokenizers/registry.h"

#include "core/error.h"
#include "core/named_table.h"
#include "data/tokenizers/bpe_tokenizer.h"
#include "data/tokenizers/byte_tokenizer.h"
#include "data/tokenizers/char_tokenizer.h"
#include "data/tokenizers/huggingface/huggingface_tokenizer.h"
#include "data/tokenizers/sentencepiece_tokenizer.h"
#include "data/tokenizers/word_tokenizer.h"

namespace cosformer {

namespace {

std::unique_ptr<Tokenizer> load_bytes(const std::filesystem::path&) { return std::make_unique<ByteTokenizer>(); }

std::unique_ptr<Tokenizer> train_bytes(std::string_view, const TokenizerOptions&) {
  return std::make_unique<ByteTokenizer>();
}

constexpr TokenizerKind kKinds[] = {
    {"byte", false, load_bytes, train_bytes},
    {"char", true, CharTokenizer::load, CharTokenizer::train},
    {"word", true, WordTokenizer::load, WordTokenizer::train},
    {"bpe", true, BpeTokenizer::load, BpeTokenizer::train},
    {"huggingface", true, HuggingFaceTokenizer::load, nullptr},
    {"sentencepiece", true, SentencePieceTokenizer::load, nullptr},
};

}  // namespace

std::span<const TokenizerKind> tokenizer_kinds() { return kKinds; }

const TokenizerKind& find_tokenizer_kind(std::string_view name) { return find_named(kKinds, name, "tokenizer"); }

std::unique_ptr<Tokenizer> load_tokenizer(std::string_view kind, const std::filesystem::path& folder) {
  return find_tokenizer_kind(kind).load(folder);
}

std::unique_ptr<Tokenizer> train_tokenizer(std::string_view kind, std::string_view text, const TokenizerOptions& options) {
  const TokenizerKind& found = find_tokenizer_kind(kind);
  check<InputError>(found.train != nullptr, "a tokenizer of kind \"", kind,
                    "\" is not made from a text; task.tokenizer_folder names its folder");
  return found.train(text, options);
}

}  // namespace cosformer
