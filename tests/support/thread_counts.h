#pragma once
/// \file
/// Proof that a result does not depend on the number of threads.

#include <cstring>
#include <string_view>
#include <type_traits>

#include "core/parallel.h"
#include "tests/catch.h"

namespace cosformer::test {

/// Sets the number of threads back at the end of a scope.
class ThreadCountScope {
 public:
  ThreadCountScope() = default;
  explicit ThreadCountScope(int threads) { set_num_threads(threads); }
  ThreadCountScope(const ThreadCountScope&) = delete;
  ThreadCountScope& operator=(const ThreadCountScope&) = delete;
  ~ThreadCountScope() { set_num_threads(before_); }

 private:
  int before_ = num_threads();
};

/// Requires that `compute()`, a vector of numbers, has the same bits on 1, 2 and 3 threads.
template <class Compute>
void require_same_bits_on_any_threads(std::string_view name, Compute&& compute) {
  const ThreadCountScope scope(1);
  const auto expected = compute();
  using Value = typename std::decay_t<decltype(expected)>::value_type;
  REQUIRE(!expected.empty());
  for (const int threads : {2, 3}) {
    set_num_threads(threads);
    const auto actual = compute();
    CAPTURE(name, threads);
    REQUIRE(actual.size() == expected.size());
    REQUIRE(std::memcmp(actual.data(), expected.data(), expected.size() * sizeof(Value)) == 0);
  }
}

}  // namespace cosformer::test
