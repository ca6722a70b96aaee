#pragma once
/// \file
/// Patterns of names, as a shell has them for files.

#include <span>
#include <string>
#include <string_view>

namespace cosformer {

/// Whether a name is one of those that `pattern` stands for: * for any characters, dots among them, or none, and ? for one.
bool matches_pattern(std::string_view pattern, std::string_view name);

/// Whether it is one of those that any of `patterns` stands for.
bool matches_any(std::span<const std::string> patterns, std::string_view name);

/// Throws InputError, one line that begins with `key` and names the nearest of `names`, if one of the patterns stands for
/// none of them. `what` is what the names are of: "parameter".
void check_patterns(std::span<const std::string> patterns, std::span<const std::string> names, std::string_view key,
                    std::string_view what);

}  // namespace cosformer
