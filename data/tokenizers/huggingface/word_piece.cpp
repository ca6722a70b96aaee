#include <utility>

#include "core/error.h"
#include "data/tokenizers/huggingface/token_model.h"
#include "data/tokenizers/huggingface/unicode.h"
#include "data/tokenizers/vocabulary.h"

namespace cosformer {

namespace {

/// Always the longest token that the rest of the word begins with; a word of which a rest has none is unknown as a whole.
class WordPiece final : public TokenModel {
 public:
  WordPiece(TokenIds ids, std::int32_t unknown, std::string prefix, std::int64_t most_characters)
      : TokenModel(std::move(ids)), unknown_(unknown), prefix_(std::move(prefix)), most_characters_(most_characters) {}

  void encode(std::string_view word, std::vector<std::int32_t>& ids) const override {
    std::vector<std::size_t> ends;  // of the characters
    std::size_t end = 0;
    unicode::for_each(word, [&](char32_t, std::string_view bytes) { ends.push_back(end += bytes.size()); });
    if (static_cast<std::int64_t>(ends.size()) > most_characters_) {
      ids.push_back(unknown_);
      return;
    }
    const std::size_t before = ids.size();
    for (std::size_t begin = 0, first = 0; begin < word.size();) {
      std::size_t last = ends.size();
      std::int32_t id = -1;
      for (; last > first; --last) {
        const std::size_t length = ends[last - 1] - begin;
        if (length > kMaxTokenBytes) continue;
        id = id_of((begin > 0 ? prefix_ : "") + std::string(word.substr(begin, length)));
        if (id >= 0) break;
      }
      if (id < 0) {
        ids.resize(before);
        ids.push_back(unknown_);
        return;
      }
      ids.push_back(id);
      begin = ends[last - 1];
      first = last;
    }
  }

 private:
  std::int32_t unknown_;
  std::string prefix_;
  std::int64_t most_characters_;
};

}  // namespace

std::unique_ptr<const TokenModel> read_word_piece(const JsonPart& part) {
  part.allow({"unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"});
  TokenIds ids = read_token_ids(part);
  const std::int32_t unknown = named_token(part, "unk_token", ids);
  const std::int64_t most = part.integer("max_input_chars_per_word", 100);
  if (most < 1 || most > (1 << 16)) part.refuse("max_input_chars_per_word", "expected 1 to 65536");
  return std::make_unique<WordPiece>(std::move(ids), unknown, part.text("continuing_subword_prefix", "##"), most);
}

}  // namespace cosformer
