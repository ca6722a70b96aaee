#include "data/tokenizers/byte_tokenizer.h"

#include "data/tokenizers/vocabulary.h"

namespace cosformer {

std::vector<std::int32_t> ByteTokenizer::encode(std::string_view text) const {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  return std::vector<std::int32_t>(bytes, bytes + text.size());
}

bool ByteTokenizer::may_cut(std::string_view text, std::size_t p) const { return text[p] == ' ' || text[p] == '\n'; }

std::string ByteTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  text.reserve(ids.size());
  for (const std::int32_t id : ids) {
    check_token_id(id, vocab_size());
    text += static_cast<char>(static_cast<unsigned char>(id));
  }
  return text;
}

}  // namespace cosformer
