#include "data/tokenizers/bpe_tokenizer.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>

#include "core/error.h"
#include "core/printable.h"
#include "data/tokenizers/bpe_trainer.h"
#include "data/tokenizers/pieces.h"
#include "data/tokenizers/vocabulary.h"

namespace cosformer {

namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(left) << 32) | static_cast<std::uint64_t>(right);
}

/// A token of a word that is being merged, at the place of its first byte.
struct Symbol {
  std::int32_t id;  // -1 once merged into its left neighbour
  std::uint32_t previous, next;
};

/// A possible merge, stale once one of its two tokens has changed.
struct Candidate {
  std::uint32_t rank, place;
  std::int32_t left, right;
  bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : place > other.place; }
};

}  // namespace

struct BpeTokenizer::Scratch {
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

std::size_t BpeTokenizer::PairHash::operator()(std::uint64_t pair) const {
  pair = (pair ^ (pair >> 30)) * 0xbf58476d1ce4e5b9ULL;
  return pair ^ (pair >> 31);
}

BpeTokenizer::BpeTokenizer(BpeModel model) : model_(std::move(model)) {
  const auto ids = ids_of(model_.tokens);
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(static_cast<unsigned char>(byte));
    const std::string spelling = spell_bytes({&c, 1});
    const auto entry = ids.find(spelling);
    if (entry == ids.end()) {
      throw InputError(concat("a vocabulary of byte-level BPE needs the token ", printable(spelling), " of byte ", byte));
    }
    byte_ids_[byte] = entry->second;
  }
  ranks_.reserve(model_.merges.size());
  for (std::size_t rank = 0; rank < model_.merges.size(); ++rank) {
    const BpeMerge& merge = model_.merges[rank];
    ranks_.emplace(pair_key(merge.left, merge.right), static_cast<std::uint32_t>(rank));
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

void BpeTokenizer::encode_word(std::string_view word, Scratch& scratch, std::vector<std::int32_t>& ids) const {
  check<InputError>(word.size() < kNone, "a word of ", word.size(), " bytes is too long to encode");
  const auto size = static_cast<std::uint32_t>(word.size());
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  symbols.clear();
  heap.clear();
  const auto find_candidate = [&](std::uint32_t place) -> std::optional<Candidate> {
    const std::int32_t left = symbols[place].id;
    const std::int32_t right = symbols[symbols[place].next].id;
    const auto entry = ranks_.find(pair_key(left, right));
    if (entry == ranks_.end()) return std::nullopt;
    return Candidate{entry->second, place, left, right};
  };
  const auto push = [&](std::uint32_t place) {
    if (const auto candidate = find_candidate(place)) {
      heap.push_back(*candidate);
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  };

  for (std::uint32_t i = 0; i < size; ++i) {
    symbols.push_back(
        {byte_ids_[static_cast<unsigned char>(word[i])], i == 0 ? kNone : i - 1, i + 1 == size ? kNone : i + 1});
  }
  for (std::uint32_t i = 0; i + 1 < size; ++i) {
    if (const auto candidate = find_candidate(i)) heap.push_back(*candidate);
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const Candidate best = heap.back();
    heap.pop_back();
    Symbol& left = symbols[best.place];
    if (left.id != best.left || left.next == kNone || symbols[left.next].id != best.right) continue;
    Symbol& right = symbols[left.next];
    left.id = model_.merges[best.rank].merged;
    left.next = right.next;
    right.id = -1;
    if (left.next != kNone) {
      symbols[left.next].previous = best.place;
      push(best.place);
    }
    if (left.previous != kNone) push(left.previous);
  }
  for (std::uint32_t i = 0; i != kNone; i = symbols[i].next) ids.push_back(symbols[i].id);
}

std::vector<std::int32_t> BpeTokenizer::encode_piece(std::string_view piece) const {
  struct Range {
    std::size_t begin, end;
  };
  std::vector<std::int32_t> ids;
  // A word met before is copied from where its tokens stand already.
  std::unordered_map<std::string_view, Range> encoded;
  Scratch scratch;
  for (const std::string_view word : pre_tokenizer_.split(piece)) {
    const auto [entry, is_new] = encoded.try_emplace(word, Range{ids.size(), 0});
    if (is_new) {
      encode_word(word, scratch, ids);
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

std::string BpeTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string text;
  for (const std::int32_t id : ids) {
    check_token_id(id, vocab_size());
    const std::string& spelling = model_.tokens[static_cast<std::size_t>(id)];
    // A special token may have characters that stand for no byte.
    text += bytes_of_spelling(spelling).value_or(spelling);
  }
  return text;
}

TokenizerFiles BpeTokenizer::files() const { return files_of(model_); }

}  // namespace cosformer
