#pragma once
/// \file
/// Bytes as tokens.

#include "data/tokenizers/tokenizer.h"

namespace cosformer {

/// id = byte value, 256 ids, no specials, no files.
class ByteTokenizer final : public Tokenizer {
 public:
  std::string_view kind() const override { return "byte"; }
  std::int64_t vocab_size() const override { return 256; }
  std::vector<std::int32_t> encode(std::string_view text) const override;
  bool may_cut(std::string_view text, std::size_t p) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  TokenizerFiles files() const override { return {}; }
};

}  // namespace cosformer
