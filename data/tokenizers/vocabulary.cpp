#include "data/tokenizers/vocabulary.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "core/printable.h"
#include "data/strict_json.h"

namespace cosformer {

using nlohmann::json;

namespace {

/// A JSON string; bytes that are not UTF-8 are replaced.
std::string json_string(std::string_view text) { return json(text).dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

std::vector<std::string> read_vocabulary(const std::filesystem::path& path) {
  const json document = read_strict_json(path);
  check<InputError>(document.is_object(), path.string(), ": expected an object from token to id, found ",
                    document.type_name());
  check<InputError>(!document.empty(), path.string(), ": the vocabulary is empty");
  const auto size = static_cast<std::int64_t>(document.size());
  check<InputError>(size <= kMaxVocabSize, path.string(), ": ", size, " tokens, at most ", kMaxVocabSize, " are allowed");
  std::vector<std::string> tokens(document.size());
  for (const auto& entry : document.items()) {
    // No structured binding: clang 14 does not let a lambda capture one.
    const std::string& token = entry.key();
    const json& id = entry.value();
    const auto refuse = [&](const auto&... what) {
      throw InputError(concat(path.string(), ": token ", printable(token), what...));
    };
    if (token.empty()) refuse(" is empty");
    if (token.size() > kMaxTokenBytes) refuse(" has ", token.size(), " bytes, at most ", kMaxTokenBytes, " are allowed");
    if (!id.is_number_unsigned()) refuse(": expected an id from 0 to ", size - 1, ", found ", printable(id.dump()));
    const auto index = id.get<std::uint64_t>();
    if (index >= tokens.size()) refuse(": id ", index, " of a vocabulary of ", size);
    if (!tokens[index].empty()) refuse(" has the id ", index, " of token ", printable(tokens[index]));
    tokens[index] = token;
  }
  return tokens;
}

std::string vocabulary_text(const std::vector<std::string>& tokens) {
  std::string content = "{";
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    content += concat(id == 0 ? "\n" : ",\n", json_string(tokens[id]), ": ", id);
  }
  return content + "\n}\n";
}

void write_files(const std::filesystem::path& folder, const TokenizerFiles& files) {
  for (const auto& [name, content] : files) {
    const std::filesystem::path path = folder / name;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    file.close();
    check<InputError>(file.good(), path.string(), ": cannot write");
  }
}

std::unordered_map<std::string_view, std::int32_t> ids_of(const std::vector<std::string>& tokens) {
  std::unordered_map<std::string_view, std::int32_t> ids;
  ids.reserve(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) ids.emplace(tokens[id], static_cast<std::int32_t>(id));
  return ids;
}

void check_token_id(std::int32_t id, std::int64_t vocab_size) {
  check<InputError>(id >= 0 && id < vocab_size, "token id ", id, " is outside the vocabulary of ", vocab_size);
}

std::vector<std::string> frequent_tokens(std::vector<TokenCount> counts, const TokenizerOptions& options,
                                         std::int64_t specials) {
  const std::int64_t most = options.vocab_size == 0 ? kMaxVocabSize : options.vocab_size;
  check<InputError>(options.min_count >= 1, "min_count must be at least 1, not ", options.min_count);
  check<InputError>(most > specials && most <= kMaxVocabSize, "vocab_size must be from ", specials + 1, " to ",
                    kMaxVocabSize, ", not ", options.vocab_size);
  std::erase_if(counts, [&](const TokenCount& entry) { return entry.count < options.min_count; });
  std::sort(counts.begin(), counts.end(), [](const TokenCount& a, const TokenCount& b) {
    return a.count != b.count ? a.count > b.count : a.token < b.token;
  });
  const auto room = static_cast<std::size_t>(most - specials);
  check<InputError>(options.vocab_size != 0 || counts.size() <= room, "the text has ", counts.size(),
                    " different tokens, at most ", room, " are allowed: set vocab_size or min_count");
  if (counts.size() > room) counts.resize(room);
  std::vector<std::string> tokens;
  tokens.reserve(counts.size());
  for (const TokenCount& entry : counts) tokens.emplace_back(entry.token);
  return tokens;
}

}  // namespace cosformer
