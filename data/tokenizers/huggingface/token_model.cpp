#include "data/tokenizers/huggingface/token_model.h"

#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/printable.h"
#include "data/tokenizers/vocabulary.h"

namespace cosformer {

namespace {

/// A word is a token, or unknown.
class WordLevel final : public TokenModel {
 public:
  WordLevel(TokenIds ids, std::int32_t unknown) : TokenModel(std::move(ids)), unknown_(unknown) {}

  void encode(std::string_view word, std::vector<std::int32_t>& ids) const override {
    const std::int32_t id = id_of(std::string(word));
    ids.push_back(id >= 0 ? id : unknown_);
  }

 private:
  std::int32_t unknown_;
};

}  // namespace

TokenIds read_token_ids(const JsonPart& part) {
  const nlohmann::json* vocabulary = part.find("vocab");
  if (vocabulary == nullptr || !vocabulary->is_object()) part.refuse("vocab", "expected an object of tokens and ids");
  TokenIds ids;
  std::unordered_set<std::int64_t> seen;
  for (const auto& [token, id] : vocabulary->items()) {
    const bool is_id = id.is_number_integer() && id >= 0 && id < kMaxVocabSize;
    if (!is_id) part.refuse("vocab", concat("token ", printable(token), ": expected an id, 0 to ", kMaxVocabSize - 1));
    if (token.size() > kMaxTokenBytes) part.refuse("vocab", concat("a token has over ", kMaxTokenBytes, " bytes"));
    if (!seen.insert(id.get<std::int64_t>()).second) part.refuse("vocab", concat("the id ", id.dump(), " is given twice"));
    ids.emplace(token, id.get<std::int32_t>());
  }
  return ids;
}

std::int32_t named_token(const JsonPart& part, std::string_view key, const TokenIds& ids) {
  const std::string token = part.text(key);
  const auto entry = ids.find(token);
  if (entry == ids.end()) part.refuse(key, concat("the token ", printable(token), " is not in the vocabulary"));
  return entry->second;
}

std::unique_ptr<const TokenModel> read_token_model(const JsonPart& part) {
  // Files of before 2021 leave the type of byte-pair encoding out.
  const std::string type = part.has("type") ? part.type() : part.has("merges") ? "BPE" : part.type();
  if (type == "BPE") return read_bpe(part);
  if (type == "WordPiece") return read_word_piece(part);
  if (type == "WordLevel") {
    part.allow({"vocab", "unk_token"});
    TokenIds ids = read_token_ids(part);
    const std::int32_t unknown = named_token(part, "unk_token", ids);
    return std::make_unique<WordLevel>(std::move(ids), unknown);
  }
  part.refuse();
}

}  // namespace cosformer
