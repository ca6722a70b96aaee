#include "data/lra/listops_value.h"

#include <algorithm>
#include <sstream>
#include <vector>

#include "data/lra/listops_tokens.h"
#include "tests/catch.h"

namespace cosformer::test {

namespace {

ListopsValue value_of(const std::string& text) {
  std::vector<std::int32_t> ids;
  std::istringstream words(text);
  for (std::string word; words >> word;)
    ids.push_back(static_cast<std::int32_t>(1 + (std::ranges::find(kListopsTokens, word) - kListopsTokens.begin())));
  return evaluate_listops(ids);
}

}  // namespace

TEST_CASE("ListOps expressions come to what their operators say") {
  CHECK(value_of("[MIN 4 2 9 ]").value == 2);
  CHECK(value_of("[MAX 4 2 9 ]").value == 9);
  CHECK(value_of("[MED 4 2 9 ]").value == 4);
  CHECK(value_of("[MED 1 4 9 2 ]").value == 3);
  CHECK(value_of("[MED 1 2 ]").value == 1);
  CHECK(value_of("[SM 4 7 9 ]").value == 0);
  CHECK(value_of("7").value == 7);
  CHECK(value_of("[MAX 2 9 [MIN 4 7 ] 0 ]").value == 9);
  // The example of Nangia and Bowman (2018): [MAX 2 9 [MIN 4 7 ] 0 ] as an argument.
  CHECK(value_of("[SM [MAX 2 9 [MIN 4 7 ] 0 ] [MED 1 5 8 ] ]").value == 4);
}

TEST_CASE("malformed ListOps expressions have no value, and the reason is said") {
  CHECK(value_of("[MIN 4 2").fault == "1 bracket is not closed");
  CHECK(value_of("[MIN 4 [MAX 2 ]").fault == "1 bracket is not closed");
  CHECK(value_of("[MIN [SM").fault == "2 brackets are not closed");
  CHECK(value_of("4 ]").fault == "a bracket closes that none has opened");
  CHECK(value_of("[MIN ]").fault == "an operator without arguments");
  CHECK(value_of("4 2").fault == "expected one expression, found 2");
  CHECK(value_of("").fault == "expected one expression, found 0");
  CHECK(evaluate_listops(std::vector<std::int32_t>{0}).fault == "token 0 is none of ListOps");
  CHECK(value_of("[MIN 4 2").value < 0);
}

}  // namespace cosformer::test
