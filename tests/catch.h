#pragma once
/// \file
/// Catch2, version 2 (Debian 12) or 3 (Debian 13), under the names of version 2.

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>

using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <string>

namespace cosformer::test {

/// Matches a text with this one in it.
inline auto Contains(const std::string& text) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(text);
#else
  return Catch::Matchers::Contains(text);
#endif
}

}  // namespace cosformer::test
