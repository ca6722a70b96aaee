#include "data/tokenizers/bpe_tokenizer.h"

#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/printable.h"
#include "data/tokenizers/bpe_trainer.h"
#include "data/tokenizers/pieces.h"
#include "data/tokenizers/vocabulary.h"

namespace cosformer {

BpeTokenizer::BpeTokenizer(BpeModel model) : tokens_(std::move(model.tokens)), merges_(std::move(model.merges)) {
  const auto ids = ids_of(tokens_);
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(static_cast<unsigned char>(byte));
    const std::string spelling = spell_bytes({&c, 1});
    const auto entry = ids.find(spelling);
    if (entry == ids.end()) {
      throw InputError(concat("a vocabulary of byte-level BPE needs the token ", printable(spelling), " of byte ", byte));
    }
    byte_ids_[byte] = entry->second;
  }
}

std::unique_ptr<Tokenizer> BpeTokenizer::load(const std::filesystem::path& folder) {
  BpeModel model = read_bpe_model(folder);
  try {
    return std::make_unique<BpeTokenizer>(std::move(model));
  } catch (const InputError& error) {
    throw InputError(concat((folder / "vocab.json").string(), ": ", error.what()));
  }
}

std::unique_ptr<Tokenizer> BpeTokenizer::train(std::string_view text, const TokenizerOptions& options) {
  check<InputError>(options.vocab_size != 0, "a tokenizer of kind \"bpe\" needs vocab_size to be trained");
  return std::make_unique<BpeTokenizer>(train_bpe(text, options.vocab_size, options.min_count));
}

std::vector<std::int32_t> BpeTokenizer::encode_piece(std::string_view piece) const {
  struct Range {
    std::size_t begin, end;
  };
  std::vector<std::int32_t> ids;
  // A word met before is copied from where its tokens stand already.
  std::unordered_map<std::string_view, Range> encoded;
  BpeMerges::Scratch scratch;
  std::vector<std::int32_t> bytes;
  for (const std::string_view word : pre_tokenizer_.split(piece)) {
    const auto [entry, is_new] = encoded.try_emplace(word, Range{ids.size(), 0});
    if (is_new) {
      bytes.clear();
      for (const char c : word) bytes.push_back(byte_ids_[static_cast<unsigned char>(c)]);
      merges_.join(bytes, scratch, ids);
      entry->second.end = ids.size();
    } else {
      for (std::size_t i = entry->second.begin; i < entry->second.end; ++i) ids.push_back(ids[i]);
    }
  }
  return ids;
}

std::vector<std::int32_t> BpeTokenizer::encode(std::string_view text) const {
  return encode_pieces(cut_into_pieces(text, kPieceBytes, &BpePreTokenizer::may_cut),
                       [&](std::string_view piece) { return encode_piece(piece); });
}

bool BpeTokenizer::may_cut(std::string_view text, std::size_t p) const { return BpePreTokenizer::may_cut(text, p); }

std::string BpeTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    check_token_id(id, vocab_size());
    const std::string& spelling = tokens_[static_cast<std::size_t>(id)];
    // A special token may have characters that stand for no byte.
    text += bytes_of_spelling(spelling).value_or(spelling);
  }
  return text;
}

TokenizerFiles BpeTokenizer::files() const { return files_of({tokens_, merges_.rules()}); }

}  // namespace cosformer
