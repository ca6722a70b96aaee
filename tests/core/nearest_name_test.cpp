#include "core/nearest_name.h"

#include <array>

#include "tests/catch.h"

using namespace cosformer;

TEST_CASE("edit distance counts insertions, deletions, replacements and swaps of neighbours") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("adamw", "adma") == 2);
  CHECK(edit_distance("byte", "btye") == 1);
  CHECK(edit_distance("ca", "abc") == 3);  // the unrestricted distance would be 2
}

TEST_CASE("the nearest name is the least distant candidate and the first of equals") {
  constexpr std::array<std::string_view, 4> names{"byte", "char", "word", "bpe"};
  CHECK(nearest_name("btye", names) == "byte");
  CHECK(nearest_name("words", names) == "word");
  CHECK(nearest_name("cord", std::array<std::string_view, 2>{"word", "card"}) == "word");
}

TEST_CASE("a name unlike every candidate has no nearest name") {
  constexpr std::array<std::string_view, 2> names{"learning_rate", "seed"};
  CHECK_FALSE(nearest_name("momentum", names));
  CHECK_FALSE(nearest_name("", names));
  CHECK_FALSE(nearest_name(std::string(100'000, 'x'), names));
  CHECK_FALSE(nearest_name("seed", {}));
}

TEST_CASE("the hint names the nearest candidate or lists them all") {
  constexpr std::array<std::string_view, 2> names{"learning_rate", "seed"};
  CHECK(name_hint("learning_rte", names) == "; did you mean \"learning_rate\"?");
  CHECK(name_hint("momentum", names) == "; expected one of learning_rate, seed");
}
