#pragma once
/// \file
/// The text that an epoch of training reads.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/corpus/token_array.h"

namespace cosformer {

/// The documents of a corpus one behind the other: as they stand, or in an order that is a pure function of (seed, epoch)
/// and is looked up where it is needed. Memory is a number for each 32 documents. Copies share it; several threads may
/// read.
class EpochText {
 public:
  /// As they stand, in every epoch.
  EpochText(TokenArray tokens, DocumentStarts starts = std::vector<std::int64_t>{0});
  EpochText(std::vector<std::int32_t> tokens) : EpochText(TokenArray(std::move(tokens))) {}
  /// In a random order.
  EpochText(TokenArray tokens, DocumentStarts starts, std::uint64_t seed);

  /// Tokens, which are as many in every epoch.
  std::int64_t size() const { return tokens_.size(); }
  /// The tokens [first, first + to.size()) of an epoch's text.
  void copy(std::int64_t epoch, std::int64_t first, std::span<std::int32_t> to) const;
  /// Where documents begin in [first, first + count), rising, counted from `first`; one that begins at `first` is not
  /// named.
  std::vector<std::int64_t> starts(std::int64_t epoch, std::int64_t first, std::int64_t count) const;

 private:
  struct Order;   ///< of an epoch's documents
  struct Orders;  ///< those that were asked for last
  /// [begin, end) of a document in the corpus.
  struct Document {
    std::int64_t begin, end;
  };

  Document document(std::int64_t number) const;
  std::shared_ptr<const Order> order_of(std::int64_t epoch) const;
  /// Calls visit(document, its place in the epoch's text) for those that have tokens in [first, first + count).
  template <class Visit>
  void for_each_document(std::int64_t epoch, std::int64_t first, std::int64_t count, const Visit& visit) const;

  TokenArray tokens_;
  DocumentStarts starts_;
  std::shared_ptr<Orders> orders_;  ///< null: as they stand
};

}  // namespace cosformer
