#include <array>
#include <cstdio>
#include <utility>

#include "core/error.h"
#include "core/printable.h"
#include "data/tokenizers/bpe_merges.h"
#include "data/tokenizers/huggingface/token_model.h"
#include "data/tokenizers/huggingface/unicode.h"
#include "data/tokenizers/vocabulary.h"

namespace cosformer {

namespace {

struct BpeSettings {
  std::int32_t unknown = -1;  ///< the id of characters outside the vocabulary; -1: they are left out
  bool fuses_unknown = false;
  bool falls_back_to_bytes = false;
  bool ignores_merges = false;  ///< of words that are tokens
  std::string prefix;           ///< of all characters of a word but the first
  std::string suffix;           ///< of the last
};

/// "<0x0A>"
std::string byte_token(unsigned byte) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "<0x%02X>", byte);
  return text.data();
}

/// Characters joined by merge rules; what is outside the vocabulary becomes bytes, the unknown token or nothing.
class Bpe final : public TokenModel {
 public:
  Bpe(TokenIds ids, std::vector<BpeMerge> merges, BpeSettings settings)
      : TokenModel(std::move(ids)), merges_(std::move(merges)), settings_(std::move(settings)) {
    byte_ids_.fill(-1);
    if (!settings_.falls_back_to_bytes) return;
    for (unsigned byte = 0; byte < byte_ids_.size(); ++byte) byte_ids_[byte] = id_of(byte_token(byte));
  }

  void encode(std::string_view word, std::vector<std::int32_t>& ids) const override {
    if (settings_.ignores_merges) {
      if (const std::int32_t whole = id_of(std::string(word)); whole >= 0) {
        ids.push_back(whole);
        return;
      }
    }
    std::vector<std::int32_t> parts;
    bool is_after_unknown = false;
    std::size_t at = 0;
    unicode::for_each(word, [&](char32_t, std::string_view bytes) {
      std::string character = (at > 0 ? settings_.prefix : "") + std::string(bytes);
      at += bytes.size();
      if (at == word.size()) character += settings_.suffix;
      if (const std::int32_t id = id_of(character); id >= 0) {
        parts.push_back(id);
        is_after_unknown = false;
      } else if (add_bytes(character, parts)) {
        is_after_unknown = false;
      } else if (settings_.unknown >= 0) {
        if (!is_after_unknown || !settings_.fuses_unknown) parts.push_back(settings_.unknown);
        is_after_unknown = true;
      }
    });
    BpeMerges::Scratch scratch;
    merges_.join(parts, scratch, ids);
  }

 private:
  bool add_bytes(std::string_view character, std::vector<std::int32_t>& parts) const {
    std::vector<std::int32_t> bytes;
    for (const char c : character) bytes.push_back(byte_ids_[static_cast<unsigned char>(c)]);
    for (const std::int32_t id : bytes) {
      if (id < 0) return false;
    }
    parts.insert(parts.end(), bytes.begin(), bytes.end());
    return true;
  }

  BpeMerges merges_;
  BpeSettings settings_;
  std::array<std::int32_t, 256> byte_ids_{};
};

/// A rule as "left right" or ["left", "right"].
std::pair<std::string, std::string> read_rule(const JsonPart& part, const nlohmann::json& rule, std::size_t number) {
  if (rule.is_array() && rule.size() == 2 && rule[0].is_string() && rule[1].is_string())
    return {rule[0].get<std::string>(), rule[1].get<std::string>()};
  const std::string line = rule.is_string() ? rule.get<std::string>() : std::string();
  const std::size_t blank = line.find(' ');
  if (blank == std::string::npos || line.find(' ', blank + 1) != std::string::npos)
    part.refuse("merges", concat("rule ", number, ": expected two tokens"));
  return {line.substr(0, blank), line.substr(blank + 1)};
}

std::vector<BpeMerge> read_rules(const JsonPart& part, const TokenIds& ids, const std::string& prefix) {
  const nlohmann::json* rules = part.find("merges");
  if (rules == nullptr || !rules->is_array() || static_cast<std::int64_t>(rules->size()) > kMaxMerges)
    part.refuse("merges", concat("expected an array of at most ", kMaxMerges, " rules"));
  std::vector<BpeMerge> merges;
  for (std::size_t number = 0; number < rules->size(); ++number) {
    const auto [left, right] = read_rule(part, (*rules)[number], number);
    if (left.size() + right.size() > kMaxTokenBytes)
      part.refuse("merges", concat("rule ", number, ": the merged token has over ", kMaxTokenBytes, " bytes"));
    const auto id = [&ids, &part, number](const std::string& token) {
      const auto entry = ids.find(token);
      if (entry == ids.end())
        part.refuse("merges", concat("rule ", number, ": the token ", printable(token), " is not in the vocabulary"));
      return entry->second;
    };
    const std::string merged = left + (right.starts_with(prefix) ? right.substr(prefix.size()) : right);
    merges.push_back({id(left), id(right), id(merged)});
  }
  return merges;
}

}  // namespace

std::unique_ptr<const TokenModel> read_bpe(const JsonPart& part) {
  part.allow({"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", "byte_fallback",
              "ignore_merges", "vocab", "merges"});
  if (part.has("dropout") && *part.find("dropout") != 0) part.refuse("dropout", "merges at random are not known here");
  TokenIds ids = read_token_ids(part);
  BpeSettings settings;
  if (part.has("unk_token")) settings.unknown = named_token(part, "unk_token", ids);
  settings.fuses_unknown = part.boolean("fuse_unk", false);
  settings.falls_back_to_bytes = part.boolean("byte_fallback", false);
  settings.ignores_merges = part.boolean("ignore_merges", false);
  settings.prefix = part.text("continuing_subword_prefix", "");
  settings.suffix = part.text("end_of_word_suffix", "");
  std::vector<BpeMerge> merges = read_rules(part, ids, settings.prefix);
  return std::make_unique<Bpe>(std::move(ids), std::move(merges), std::move(settings));
}

}  // namespace cosformer
