#include "data/text_windows.h"

#include <algorithm>

#include "core/error.h"
#include "core/random.h"
#include "data/permutation.h"

namespace cosformer {

TextWindows::TextWindows(std::int64_t size, std::int64_t length, std::uint64_t seed)
    : size_(size), length_(length), seed_(seed) {
  check<InputError>(length >= 1, "seq_len must be at least 1, not ", length);
  const std::int64_t full = size / length;
  const std::int64_t rest = size % length;
  if (full == 0) {
    least_first_ = most_first_ = size;
    return;
  }
  if (length == 1) {
    least_first_ = most_first_ = 1;
    windows_in_epoch_ = full;
    return;
  }
  // Two ways to have the same number of windows whatever the shift: one window more than the full ones, if first
  // and last together have length + rest positions, or two more, if together they have `rest`. The way with the
  // larger choice of shifts is taken.
  const std::int64_t least = std::max<std::int64_t>(rest, 1);
  const std::int64_t most = rest == 0 ? length - 1 : length;
  const bool one_more = most - least + 1 >= rest - 1;
  least_first_ = one_more ? least : 1;
  most_first_ = one_more ? most : rest - 1;
  windows_in_epoch_ = full + (one_more ? 1 : 2);
}

std::int64_t TextWindows::first_length(std::int64_t epoch) const {
  const auto choices = static_cast<std::uint64_t>(most_first_ - least_first_ + 1);
  const Random random(seed_, "data/shift");
  return least_first_ + static_cast<std::int64_t>(random.below(choices, static_cast<std::uint64_t>(epoch)));
}

TextWindow TextWindows::operator()(std::int64_t number) const {
  const std::int64_t epoch = number / windows_in_epoch_, first = first_length(epoch);
  const Permutation order(windows_in_epoch_, seed_, "data/order", epoch);
  const std::int64_t window = order(number % windows_in_epoch_);
  return {epoch, window == 0 ? 0 : first + (window - 1) * length_, std::min(first + window * length_, size_)};
}

}  // namespace cosformer
