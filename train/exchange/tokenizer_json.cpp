#include "train/exchange/tokenizer_json.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "data/tokenizers/bpe_pre_tokenizer.h"

namespace cosformer {

namespace {

using nlohmann::ordered_json;

/// Vocabulary and merges of a BPE tokenizer; those of a tokenizer of bytes are the 256 bytes and no merge.
struct BpeParts {
  ordered_json vocabulary = ordered_json::object();
  ordered_json merges = ordered_json::array();
};

BpeParts parts_of_bytes() {
  BpeParts parts;
  for (int byte = 0; byte < 256; ++byte) parts.vocabulary[spell_bytes(std::string(1, static_cast<char>(byte)))] = byte;
  return parts;
}

BpeParts parts_of_bpe(const TokenizerFiles& files) {
  BpeParts parts;
  parts.vocabulary = ordered_json::parse(files.at("vocab.json"));
  std::string_view lines = files.at("merges.txt");
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    if (!line.empty() && !line.starts_with("#version")) parts.merges.push_back(line);
  }
  return parts;
}

/// The text of tokenizer.json.
std::string byte_level_json(const BpeParts& parts) {
  const ordered_json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  const ordered_json json = {{"version", "1.0"},
                             {"truncation", nullptr},
                             {"padding", nullptr},
                             {"added_tokens", ordered_json::array()},
                             {"normalizer", nullptr},
                             {"pre_tokenizer", byte_level},
                             {"post_processor", nullptr},
                             {"decoder", byte_level},
                             {"model",
                              {{"type", "BPE"},
                               {"dropout", nullptr},
                               {"unk_token", nullptr},
                               {"continuing_subword_prefix", nullptr},
                               {"end_of_word_suffix", nullptr},
                               {"fuse_unk", false},
                               {"byte_fallback", false},
                               {"ignore_merges", false},
                               {"vocab", parts.vocabulary},
                               {"merges", parts.merges}}}};
  return json.dump(1) + '\n';
}

}  // namespace

std::optional<std::map<std::string, std::string>> tokenizer_json_files(const Tokenizer& tokenizer, std::int64_t max_length) {
  const std::string_view kind = tokenizer.kind();
  if (kind != "byte" && kind != "bpe" && kind != "huggingface") return std::nullopt;
  const std::string json = kind == "byte"  ? byte_level_json(parts_of_bytes())
                           : kind == "bpe" ? byte_level_json(parts_of_bpe(tokenizer.files()))
                                           : tokenizer.files().at("tokenizer.json");
  const ordered_json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                               {"model_max_length", max_length},
                               {"clean_up_tokenization_spaces", false}};
  return std::map<std::string, std::string>{{"tokenizer.json", json}, {"tokenizer_config.json", config.dump(2) + '\n'}};
}

}  // namespace cosformer
