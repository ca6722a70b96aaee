#include "core/missing_path.h"

#include <unistd.h>

#include <fstream>

#include "core/error.h"
#include "tests/catch.h"

namespace cosformer::test {

TEST_CASE("A missing path is explained by where it was looked for and by a neighbour of nearly its name") {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / concat("cosformer-missing-path-", ::getpid());
  std::filesystem::create_directory(folder);
  std::ofstream(folder / "train.txt") << "text";
  CHECK(missing_path_hint(folder / "trian.txt") == "; did you mean \"" + (folder / "train.txt").string() + "\"?");
  CHECK(missing_path_hint(folder / "weights").empty());
  std::filesystem::remove_all(folder);
  CHECK(missing_path_hint("/nowhere/at/all").empty());
  CHECK(missing_path_hint("") == " (looked for in " + std::filesystem::current_path().string() + ")");
  const std::string relative = missing_path_hint("no-such-folder/x");
  CHECK(relative == " (looked for in " + std::filesystem::current_path().string() + ")");
}

}  // namespace cosformer::test
