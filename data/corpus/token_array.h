#pragma once
/// \file
/// Token ids of a text, in memory or in files, and where its documents begin.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "data/corpus/stored_numbers.h"

namespace cosformer {

/// Numbers that are held in memory or lie in files. Copies share them; they are never changed, and several threads may read
/// them at once.
template <class T>
class NumberArray {
 public:
  NumberArray() = default;
  NumberArray(std::vector<T> numbers) : held_(std::make_shared<const std::vector<T>>(std::move(numbers))) {}
  explicit NumberArray(StoredNumbers numbers) : stored_(std::make_shared<const StoredNumbers>(std::move(numbers))) {}

  std::int64_t size() const { return stored_ ? stored_->size() : held_ ? std::ssize(*held_) : 0; }

  /// Numbers [first, first + to.size()), which have to be there. Throws Error if a file cannot be read.
  void copy(std::int64_t first, std::span<T> to) const {
    if (stored_) return stored_->read(first, to);
    if (!to.empty()) std::copy_n(held_->begin() + first, to.size(), to.begin());
  }
  std::vector<T> part(std::int64_t first, std::int64_t count) const {
    std::vector<T> numbers(static_cast<std::size_t>(count));
    copy(first, numbers);
    return numbers;
  }

 private:
  std::shared_ptr<const std::vector<T>> held_;
  std::shared_ptr<const StoredNumbers> stored_;
};

using TokenArray = NumberArray<std::int32_t>;
/// The first token of each document, by its place in the text. Documents without tokens begin where the next one does.
using DocumentStarts = NumberArray<std::int64_t>;

}  // namespace cosformer
