#include "data/tokenizers/registry.h"

#include <array>

#include "core/error.h"
#include "core/nearest_name.h"
#include "data/tokenizers/bpe_tokenizer.h"
#include "data/tokenizers/byte_tokenizer.h"
#include "data/tokenizers/char_tokenizer.h"
#include "data/tokenizers/word_tokenizer.h"

namespace cosformer {

namespace {

struct Kind {
  std::string_view name;
  bool has_files;
  std::unique_ptr<Tokenizer> (*load)(const std::filesystem::path& folder);
  std::unique_ptr<Tokenizer> (*train)(std::string_view text, const TokenizerOptions& options);
};

std::unique_ptr<Tokenizer> load_bytes(const std::filesystem::path&) { return std::make_unique<ByteTokenizer>(); }

std::unique_ptr<Tokenizer> train_bytes(std::string_view, const TokenizerOptions&) {
  return std::make_unique<ByteTokenizer>();
}

constexpr std::array<Kind, 4> kKinds{{
    {"byte", false, &load_bytes, &train_bytes},
    {"char", true, &CharTokenizer::load, &CharTokenizer::train},
    {"word", true, &WordTokenizer::load, &WordTokenizer::train},
    {"bpe", true, &BpeTokenizer::load, &BpeTokenizer::train},
}};

constexpr auto kNames = [] {
  std::array<std::string_view, kKinds.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kKinds[i].name;
  return names;
}();

const Kind& find_kind(std::string_view name) {
  for (const Kind& kind : kKinds) {
    if (kind.name == name) return kind;
  }
  throw InputError(concat("unknown tokenizer \"", name, "\"", name_hint(name, kNames)));
}

}  // namespace

std::span<const std::string_view> tokenizer_kinds() { return kNames; }

bool tokenizer_has_files(std::string_view kind) { return find_kind(kind).has_files; }

std::unique_ptr<Tokenizer> load_tokenizer(std::string_view kind, const std::filesystem::path& folder) {
  return find_kind(kind).load(folder);
}

std::unique_ptr<Tokenizer> train_tokenizer(std::string_view kind, std::string_view text, const TokenizerOptions& options) {
  return find_kind(kind).train(text, options);
}

}  // namespace cosformer
