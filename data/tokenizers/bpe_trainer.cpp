#include "data/tokenizers/bpe_trainer.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "data/tokenizers/bpe_pre_tokenizer.h"
#include "data/tokenizers/pieces.h"
#include "data/tokenizers/vocabulary.h"

namespace cosformer {

namespace {

using WordCounts = std::unordered_map<std::string_view, std::int64_t>;

/// The different words of the text in byte order, with how often each occurs.
std::vector<std::pair<std::string_view, std::int64_t>> count_words(std::string_view text) {
  const BpePreTokenizer pre_tokenizer;
  const auto pieces = cut_into_pieces(text, kPieceBytes, &BpePreTokenizer::may_cut);
  std::vector<WordCounts> parts(pieces.size());
  parallel_for(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t i) {
    const auto piece = static_cast<std::size_t>(i);
    for (const std::string_view word : pre_tokenizer.split(pieces[piece])) ++parts[piece][word];
  });
  WordCounts total;
  for (const WordCounts& part : parts) {
    for (const auto& [word, count] : part) total[word] += count;
  }
  std::vector<std::pair<std::string_view, std::int64_t>> words(total.begin(), total.end());
  std::sort(words.begin(), words.end());
  return words;
}

/// All different words as one array of linked symbols, with the count and the places of every pair of neighbours.
///
/// A pair's places are ascending: they are all entered before the first merge, or all by the one merge that made the
/// younger of its two tokens. Places where the pair no longer stands remain listed.
class PairTable {
 public:
  explicit PairTable(std::string_view text) {
    for (const auto& [word, count] : count_words(text)) append_word(word, count);
    for (const auto& [pair, entry] : pairs_) queue_.push({entry.count, pair});
  }

  /// Takes out the most frequent pair. False if none is left.
  bool pop(std::uint64_t& pair, std::int64_t& count) {
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const auto entry = pairs_.find(best.pair);
      if (entry == pairs_.end() || entry->second.count == 0) continue;
      if (entry->second.count == best.count) {
        pair = best.pair;
        count = best.count;
        return true;
      }
      // Counts only fall, so an outdated candidate stands before its due place in the queue.
      queue_.push({entry->second.count, best.pair});
    }
    return false;
  }

  /// Replaces every occurrence of the pair, from left to right in each word, by the new token `merged`.
  void merge(std::uint64_t pair, std::int32_t merged) {
    const auto left = static_cast<std::int32_t>(pair >> 32);
    const auto right = static_cast<std::int32_t>(pair & 0xFFFFFFFFu);
    const std::vector<std::uint32_t> places = std::move(pairs_.extract(pair).mapped().places);
    std::unordered_set<std::uint64_t> made;
    for (const std::uint32_t place : places) {
      const std::uint32_t second = ids_[place] == left ? next_[place] : kNone;
      if (second == kNone || ids_[second] != right) continue;
      const std::int64_t count = counts_[word_of_[place]];
      const std::uint32_t before = previous_[place], after = next_[second];
      ids_[place] = merged;
      ids_[second] = -1;
      next_[place] = after;
      if (after != kNone) previous_[after] = place;
      if (before != kNone) {
        remove(ids_[before], left, count);
        made.insert(add(before, count));
      }
      if (after != kNone) {
        remove(right, ids_[after], count);
        made.insert(add(place, count));
      }
    }
    for (const std::uint64_t new_pair : made) {
      if (const auto entry = pairs_.find(new_pair); entry != pairs_.end()) queue_.push({entry->second.count, new_pair});
    }
  }

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  struct Pair {
    std::int64_t count = 0;
    std::vector<std::uint32_t> places;
  };

  struct Candidate {
    std::int64_t count;
    std::uint64_t pair;
    bool operator<(const Candidate& other) const { return count != other.count ? count < other.count : pair > other.pair; }
  };

  void append_word(std::string_view word, std::int64_t count) {
    const std::size_t begin = ids_.size();
    check<InputError>(word.size() < kNone - begin, "the different words of the text have 4 GiB or more");
    for (std::size_t i = 0; i < word.size(); ++i) {
      const auto place = static_cast<std::uint32_t>(begin + i);
      ids_.push_back(static_cast<unsigned char>(word[i]));
      previous_.push_back(i == 0 ? kNone : place - 1);
      next_.push_back(i + 1 == word.size() ? kNone : place + 1);
      word_of_.push_back(static_cast<std::uint32_t>(counts_.size()));
    }
    counts_.push_back(count);
    for (std::size_t i = 0; i + 1 < word.size(); ++i) add(static_cast<std::uint32_t>(begin + i), count);
  }

  /// Enters the pair that stands at `place` -> the pair.
  std::uint64_t add(std::uint32_t place, std::int64_t count) {
    const std::uint64_t pair = key(ids_[place], ids_[next_[place]]);
    Pair& entry = pairs_[pair];
    entry.count += count;
    entry.places.push_back(place);
    return pair;
  }

  void remove(std::int32_t left, std::int32_t right, std::int64_t count) {
    // The pair that is being merged has been taken out already.
    const auto entry = pairs_.find(key(left, right));
    if (entry != pairs_.end() && (entry->second.count -= count) == 0) pairs_.erase(entry);
  }

  static std::uint64_t key(std::int32_t left, std::int32_t right) {
    return (static_cast<std::uint64_t>(left) << 32) | static_cast<std::uint64_t>(right);
  }

  std::vector<std::int32_t> ids_;  // -1 if merged into the left neighbour
  std::vector<std::uint32_t> previous_, next_, word_of_;
  std::vector<std::int64_t> counts_;  // by word
  std::unordered_map<std::uint64_t, Pair> pairs_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

BpeModel train_bpe(std::string_view text, std::int64_t vocab_size, std::int64_t min_count) {
  check<InputError>(vocab_size >= 256 && vocab_size <= kMaxVocabSize, "vocab_size of byte-level BPE must be from 256 to ",
                    kMaxVocabSize, ", not ", vocab_size);
  check<InputError>(min_count >= 1, "min_count must be at least 1, not ", min_count);
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(static_cast<unsigned char>(byte)));
  std::unordered_set<std::string> known(tokens.begin(), tokens.end());
  BpeModel model;

  PairTable pairs(text);
  std::uint64_t pair = 0;
  std::int64_t count = 0;
  while (static_cast<std::int64_t>(tokens.size()) < vocab_size && pairs.pop(pair, count)) {
    if (count < std::max<std::int64_t>(2, min_count)) break;
    const auto left = static_cast<std::int32_t>(pair >> 32);
    const auto right = static_cast<std::int32_t>(pair & 0xFFFFFFFFu);
    std::string joined = tokens[static_cast<std::size_t>(left)] + tokens[static_cast<std::size_t>(right)];
    if (joined.size() > kMaxTrainedTokenBytes || !known.insert(joined).second) continue;
    const auto merged = static_cast<std::int32_t>(tokens.size());
    tokens.push_back(std::move(joined));
    model.merges.push_back({left, right, merged});
    pairs.merge(pair, merged);
  }
  for (const std::string& token : tokens) model.tokens.push_back(spell_bytes(token));
  return model;
}

}  // namespace cosformer
