#pragma once
/// \file
/// How a text is cut into parts: see README.md.

#include <algorithm>
#include <cstdint>

#include "autograd/step_tree.h"

namespace cosformer {

/// Neighbouring parts of a text of `length` tokens. The length and the chunk size alone decide, never who computes them.
class SequenceGrid {
 public:
  SequenceGrid(std::int64_t length, std::int64_t chunk_size);

  std::int64_t length() const { return length_; }
  std::int64_t count() const { return (length_ + part_tokens_ - 1) / part_tokens_; }
  std::int64_t first(std::int64_t part) const { return part * part_tokens_; }
  std::int64_t tokens(std::int64_t part) const { return std::min(part_tokens_, length_ - first(part)); }
  /// Of all parts but the last, which may be shorter.
  std::int64_t part_tokens() const { return part_tokens_; }
  /// The parts of one of `members` ranks: neighbours, and nearly as many for each.
  LeafRange parts_of(int member, int members) const { return leaves_of_rank(count(), members, member); }

 private:
  std::int64_t length_, part_tokens_;
};

}  // namespace cosformer
