#include "data/tokenizers/bpe_merges.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "core/error.h"

namespace cosformer {

namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(left) << 32) | static_cast<std::uint64_t>(right);
}

}  // namespace

std::size_t BpeMerges::PairHash::operator()(std::uint64_t pair) const {
  pair = (pair ^ (pair >> 30)) * 0xbf58476d1ce4e5b9ULL;
  return pair ^ (pair >> 31);
}

BpeMerges::BpeMerges(std::vector<BpeMerge> rules) : rules_(std::move(rules)) {
  ranks_.reserve(rules_.size());
  for (std::size_t rank = 0; rank < rules_.size(); ++rank)
    ranks_.emplace(pair_key(rules_[rank].left, rules_[rank].right), static_cast<std::uint32_t>(rank));
}

void BpeMerges::join(std::span<const std::int32_t> parts, Scratch& scratch, std::vector<std::int32_t>& ids) const {
  check<InputError>(parts.size() < kNone, "a word of ", parts.size(), " parts is too long to encode");
  const auto size = static_cast<std::uint32_t>(parts.size());
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  symbols.clear();
  heap.clear();
  const auto add_candidate = [&](std::uint32_t place) {
    const std::int32_t left = symbols[place].id, right = symbols[symbols[place].next].id;
    const auto entry = ranks_.find(pair_key(left, right));
    if (entry == ranks_.end()) return false;
    heap.push_back({entry->second, place, left, right});
    return true;
  };
  const auto push = [&](std::uint32_t place) {
    if (add_candidate(place)) std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };

  for (std::uint32_t i = 0; i < size; ++i)
    symbols.push_back({parts[i], i == 0 ? kNone : i - 1, i + 1 == size ? kNone : i + 1});
  for (std::uint32_t i = 0; i + 1 < size; ++i) add_candidate(i);
  std::make_heap(heap.begin(), heap.end(), std::greater<>());

  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const Scratch::Candidate best = heap.back();
    heap.pop_back();
    Scratch::Symbol& left = symbols[best.place];
    if (left.id != best.left || left.next == kNone || symbols[left.next].id != best.right) continue;
    Scratch::Symbol& right = symbols[left.next];
    left.id = rules_[best.rank].merged;
    left.next = right.next;
    right.id = -1;
    if (left.next != kNone) {
      symbols[left.next].previous = best.place;
      push(best.place);
    }
    if (left.previous != kNone) push(left.previous);
  }
  for (std::uint32_t i = size == 0 ? kNone : 0; i != kNone; i = symbols[i].next) ids.push_back(symbols[i].id);
}

}  // namespace cosformer
