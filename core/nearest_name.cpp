#include "core/nearest_name.h"

#include <algorithm>
#include <vector>

#include "core/error.h"

namespace cosformer {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the table: distances of the prefixes of `b` to the prefixes of `a` of length i - 2, i - 1 and i.
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1] ? 1 : 0)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::optional<std::string_view> nearest_name(std::string_view name, std::span<const std::string_view> candidates) {
  constexpr std::size_t kLongestName = 64;
  if (name.size() > kLongestName) return std::nullopt;
  std::optional<std::string_view> nearest;
  std::size_t least = 0;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kLongestName) continue;
    const std::size_t distance = edit_distance(name, candidate);
    if (distance > (std::max(name.size(), candidate.size()) + 2) / 3 || (nearest && distance >= least)) continue;
    nearest = candidate;
    least = distance;
  }
  return nearest;
}

std::string name_hint(std::string_view name, std::span<const std::string_view> candidates) {
  if (const auto nearest = nearest_name(name, candidates)) return concat("; did you mean \"", *nearest, "\"?");
  std::string hint = "; expected one of ";
  for (std::size_t i = 0; i < candidates.size(); ++i) hint += concat(i == 0 ? "" : ", ", candidates[i]);
  return hint;
}

}  // namespace cosformer
