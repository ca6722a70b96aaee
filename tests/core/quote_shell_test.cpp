#include "core/quote_shell.h"

#include "tests/catch.h"

namespace cosformer::test {

TEST_CASE("A word for a shell is quoted where it has to be") {
  CHECK(quote_shell("runs/a-b_c.toml") == "runs/a-b_c.toml");
  CHECK(quote_shell("") == "''");
  CHECK(quote_shell("a b") == "'a b'");
  CHECK(quote_shell("it's $x") == "'it'\\''s $x'");
}

}  // namespace cosformer::test
