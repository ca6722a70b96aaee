// A generator that is stopped.
#include <csignal>

#include "tests/catch.h"
#include "tests/integration/program.h"

namespace cosformer {
namespace {

TEST_CASE("A generator that is stopped leaves nothing behind") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const test::TemporaryFolder folder;
    test::Program program({"data", "make", "pathfinder", "set", "--count", "1000000"}, {.folder = folder.path()});
    REQUIRE(test::wait_until([&] { return !test::names_in(folder.path()).empty(); }, std::chrono::seconds(60)));
    program.send(signal);
    const test::Outcome outcome = program.wait();
    CHECK(outcome.code == 128 + signal);
    CHECK(outcome.output.empty());
    CHECK(test::names_in(folder.path()).empty());
  }
}

}  // namespace
}  // namespace cosformer
