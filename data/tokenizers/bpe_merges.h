#pragma once
/// \file
/// The merging of a word's tokens by the rules of byte-pair encoding.

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "data/tokenizers/bpe_model.h"

namespace cosformer {

/// Joins neighbouring tokens by the rules: always the rule that comes first, at its leftmost place. Immutable.
class BpeMerges {
 public:
  /// What is used again from word to word; one per thread.
  struct Scratch {
    /// A token at the place of its first part.
    struct Symbol {
      std::int32_t id;  ///< -1 once merged into its left neighbour
      std::uint32_t previous, next;
    };
    /// A possible merge, stale once one of its two tokens has changed.
    struct Candidate {
      std::uint32_t rank, place;
      std::int32_t left, right;
      bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : place > other.place; }
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  explicit BpeMerges(std::vector<BpeMerge> rules);

  /// Appends what `parts`, the tokens of a word's smallest parts, become. O(n log n) time. Throws InputError for a word of
  /// 2^32 parts.
  void join(std::span<const std::int32_t> parts, Scratch& scratch, std::vector<std::int32_t>& ids) const;

  const std::vector<BpeMerge>& rules() const { return rules_; }

 private:
  struct PairHash {
    std::size_t operator()(std::uint64_t pair) const;
  };
  std::vector<BpeMerge> rules_;
  std::unordered_map<std::uint64_t, std::uint32_t, PairHash> ranks_;  ///< (left, right) -> index of the rule
};

}  // namespace cosformer
