#pragma once
/// \file
/// The three parts of a data set.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"

namespace cosformer {

enum class Split : std::uint8_t { train, valid, test };
inline constexpr std::array<Split, 3> kAllSplits = {Split::train, Split::valid, Split::test};

/// "train", "valid" or "test".
const char* split_name(Split split);
/// The split of a name. Throws InputError that begins with `key`, what gave the name, for another name.
Split find_split(std::string_view name, std::string_view key);

/// Something for each split, in the order of `kAllSplits`.
template <class T>
struct SplitSet : std::array<T, 3> {
  T& operator[](Split split) { return std::array<T, 3>::operator[](static_cast<std::size_t>(split)); }
  const T& operator[](Split split) const { return std::array<T, 3>::operator[](static_cast<std::size_t>(split)); }
};

/// What a set of pointers or optionals holds for a split. Throws InputError with the split's key if it holds nothing; `what`
/// is what the config should name: "text".
template <class T>
const auto& require_split(const SplitSet<T>& set, Split split, const char* what) {
  const T& found = set[split];
  check<InputError>(static_cast<bool>(found), "task.", split_name(split), ": the config names no ", what, " for this split");
  return *found;
}

}  // namespace cosformer
