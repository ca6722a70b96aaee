#include "data/tokenizers/huggingface/huggingface_tokenizer.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "data/mapped_file.h"
#include "data/strict_json.h"
#include "data/tokenizers/huggingface/unicode.h"
#include "data/tokenizers/pieces.h"
#include "data/tokenizers/vocabulary.h"

namespace cosformer {

namespace {

constexpr const char* kFile = "tokenizer.json";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// Before a blank that stands between two letters.
bool stands_between_letters(std::string_view text, std::size_t p) {
  return text[p] == ' ' && p + 1 < text.size() && is_letter(text[p - 1]) && is_letter(text[p + 1]);
}

/// Whether a text can be cut before a blank between letters: each component looks at words alone, and no added token
/// reaches over a blank.
bool cuts_at_blanks(const JsonPart& root, const std::vector<AddedToken>& tokens) {
  const bool reaches = std::ranges::any_of(tokens, [](const AddedToken& token) {
    return token.takes_left || token.takes_right || token.content.find(' ') != std::string::npos;
  });
  if (reaches || !root.has("pre_tokenizer")) return false;
  const JsonPart cutter = root.part("pre_tokenizer");
  if (cutter.type() == "ByteLevel") {
    const bool has_normal_form = !root.has("normalizer") || root.part("normalizer").type() == "NFC";
    return has_normal_form && !cutter.boolean("add_prefix_space", true) && cutter.boolean("use_regex", true);
  }
  return cutter.type() == "BertPreTokenizer" &&
         (!root.has("normalizer") || root.part("normalizer").type() == "BertNormalizer");
}

}  // namespace

HuggingFaceTokenizer::HuggingFaceTokenizer(std::string json, const std::string& source) : json_(std::move(json)) {
  const nlohmann::json document = parse_strict_json(json_, source);
  const JsonPart root(document, source);
  root.allow({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
              "model"});
  if (root.has("normalizer")) normalizer_ = read_normalizer(root.part("normalizer"));
  if (root.has("pre_tokenizer")) pre_tokenizer_ = read_pre_tokenizer(root.part("pre_tokenizer"));
  if (root.has("decoder")) decoder_ = read_token_decoder(root.part("decoder"));
  model_ = read_token_model(root.part("model"));
  const std::vector<AddedToken> added = read_added_tokens(root);
  raw_tokens_.emplace(added, false, normalizer_);
  normalized_tokens_.emplace(added, true, normalizer_);
  const auto put = [&](std::int32_t id, const std::string& token) {
    if (static_cast<std::size_t>(id) >= tokens_.size()) tokens_.resize(static_cast<std::size_t>(id) + 1);
    tokens_[static_cast<std::size_t>(id)] = token;
  };
  for (const auto& [token, id] : model_->ids()) put(id, token);
  // That library, too, shows a token that is searched for in the normalised text as it stands there.
  for (const AddedToken& token : added)
    put(token.id, token.normalized && normalizer_ ? normalizer_(token.content) : token.content);
  check<InputError>(!tokens_.empty(), source, ": has no tokens");
  may_cut_ = cuts_at_blanks(root, added);
}

std::unique_ptr<Tokenizer> HuggingFaceTokenizer::load(const std::filesystem::path& folder) {
  const MappedFile file(folder / kFile);
  return std::make_unique<HuggingFaceTokenizer>(std::string(file.bytes()), (folder / kFile).string());
}

void HuggingFaceTokenizer::encode_words(std::string_view text, bool is_first, std::vector<std::int32_t>& ids) const {
  std::vector<TextPiece> words = {{std::string(text), is_first}};
  if (pre_tokenizer_) words = pre_tokenizer_(std::move(words));
  // A word met before is copied from where its tokens stand already.
  std::unordered_map<std::string_view, std::pair<std::size_t, std::size_t>> encoded;
  for (const TextPiece& word : words) {
    if (word.text.empty()) continue;
    const auto [entry, is_new] = encoded.try_emplace(word.text, ids.size(), 0);
    if (is_new) {
      model_->encode(word.text, ids);
      entry->second.second = ids.size();
    } else {
      for (std::size_t i = entry->second.first; i < entry->second.second; ++i) ids.push_back(ids[i]);
    }
  }
}

std::vector<std::int32_t> HuggingFaceTokenizer::encode_piece(std::string_view given, bool is_first) const {
  const std::string text = unicode::replace_invalid(given);
  std::vector<std::int32_t> ids;
  bool is_at_begin = is_first;
  for (const TextPart& raw : raw_tokens_->parts(text)) {
    const bool begins = std::exchange(is_at_begin, false);
    if (raw.id >= 0) {
      ids.push_back(raw.id);
      continue;
    }
    const std::string normalized = normalizer_ ? normalizer_(raw.text) : std::string(raw.text);
    bool begins_part = begins;
    for (const TextPart& part : normalized_tokens_->parts(normalized)) {
      const bool is_at_front = std::exchange(begins_part, false);
      if (part.id >= 0) {
        ids.push_back(part.id);
      } else {
        encode_words(part.text, is_at_front, ids);
      }
    }
  }
  return ids;
}

std::vector<std::int32_t> HuggingFaceTokenizer::encode(std::string_view text) const {
  if (!may_cut_) return encode_piece(text, true);
  return encode_pieces(cut_into_pieces(text, kPieceBytes, stands_between_letters),
                       [&](std::string_view piece) { return encode_piece(piece, piece.data() == text.data()); });
}

bool HuggingFaceTokenizer::may_cut(std::string_view text, std::size_t p) const {
  return may_cut_ && stands_between_letters(text, p);
}

std::string HuggingFaceTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::vector<std::string> spellings;
  for (const std::int32_t id : ids) {
    check_token_id(id, vocab_size());
    spellings.push_back(tokens_[static_cast<std::size_t>(id)]);
  }
  std::string text;
  if (decoder_) spellings = decoder_(std::move(spellings));
  for (const std::string& spelling : spellings) text += (decoder_ || text.empty() ? "" : " ") + spelling;
  return text;
}

std::optional<std::int32_t> HuggingFaceTokenizer::find_token(std::string_view name) const {
  const auto found = name.empty() ? tokens_.end() : std::ranges::find(tokens_, name);
  if (found == tokens_.end()) return {};
  return static_cast<std::int32_t>(found - tokens_.begin());
}

TokenizerFiles HuggingFaceTokenizer::files() const { return {{kFile, json_}}; }

}  // namespace cosformer
