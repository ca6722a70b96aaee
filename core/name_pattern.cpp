#include "core/name_pattern.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/printable.h"

namespace cosformer {

namespace {

/// The fewest bytes to insert, delete or replace in `name` so that `pattern` stands for it. O(|pattern| · |name|) time.
std::size_t edits_to_match(std::string_view pattern, std::string_view name) {
  std::vector<std::size_t> row(name.size() + 1);
  for (std::size_t j = 0; j <= name.size(); ++j) row[j] = j;
  for (const char p : pattern) {
    std::size_t diagonal = row[0];
    if (p != '*') ++row[0];
    for (std::size_t j = 1; j <= name.size(); ++j) {
      const std::size_t above = row[j];
      if (p == '*') {
        row[j] = std::min(above, row[j - 1]);
      } else {
        const std::size_t replaced = diagonal + (p == '?' || p == name[j - 1] ? 0 : 1);
        row[j] = std::min({replaced, above + 1, row[j - 1] + 1});
      }
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view name) { return edits_to_match(pattern, name) == 0; }

bool matches_any(std::span<const std::string> patterns, std::string_view name) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) { return matches_pattern(pattern, name); });
}

void check_patterns(std::span<const std::string> patterns, std::span<const std::string> names, std::string_view key,
                    std::string_view what) {
  for (const std::string& pattern : patterns) {
    if (std::ranges::any_of(names, [&](const std::string& name) { return matches_pattern(pattern, name); })) continue;
    const auto nearest =
        std::ranges::min_element(names, {}, [&](const std::string& name) { return edits_to_match(pattern, name); });
    throw InputError(concat(key, ": no ", what, " of the model is called ", printable(pattern),
                            nearest == names.end() ? "" : concat("; the nearest name is \"", *nearest, '"')));
  }
}

}  // namespace cosformer
