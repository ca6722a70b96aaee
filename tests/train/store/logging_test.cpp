#include "train/store/logging.h"

#include <spdlog/spdlog.h>

#include <sstream>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/train/run_support.h"

namespace cosformer {
namespace {

TEST_CASE("Messages go to the console with a label for what is wrong, and with time to the end of run.log") {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "run.log", "earlier\n");
  std::ostringstream stream;
  Console console(stream, {});
  const auto logger = make_logger(console, folder / "run.log");
  logger->debug("unseen");
  logger->info("step {}", 3);
  logger->warn("loss is not finite");
  logger->error("stopped");
  CHECK(stream.str() == "step 3\nwarning: loss is not finite\nerror: stopped\n");
  const std::string log = test::read_bytes(folder / "run.log");
  CHECK(log.starts_with("earlier\n"));
  CHECK(log.find(" info step 3\n") != std::string::npos);
  CHECK(log.find(" warning loss is not finite\n") != std::string::npos);
  CHECK(log.find(" debug unseen") != std::string::npos);
}

TEST_CASE("Labels are coloured on a terminal only") {
  std::ostringstream stream;
  Console console(stream, {.rewrites = true, .colors = true, .columns = 80});
  make_logger(console)->warn("x");
  CHECK(stream.str() == "\x1b[33mwarning: \x1b[0mx\n");
}

TEST_CASE("A status of several lines is erased whole, and each line is cut to the terminal") {
  std::ostringstream stream;
  Console console(stream, {.rewrites = true, .colors = false, .columns = 8});
  console.set_status("2/9 runs\n  softmax\n  ä");
  CHECK(stream.str() == "2/9 run\n  softm\n  ä");
  stream.str("");
  console.print("done");
  CHECK(stream.str() == "\r\x1b[K\x1b[A\x1b[K\x1b[A\x1b[Kdone\n2/9 run\n  softm\n  ä");
  stream.str("");
  console.clear_status();
  CHECK(stream.str() == "\r\x1b[K\x1b[A\x1b[K\x1b[A\x1b[K");
}

TEST_CASE("Making a logger leaves spdlog's registry alone") {
  std::ostringstream stream;
  Console console(stream, {});
  const auto before = spdlog::default_logger();
  const auto logger = make_logger(console);
  CHECK(spdlog::default_logger() == before);
  CHECK(spdlog::get("cosformer") == nullptr);
}

TEST_CASE("A log file that cannot be opened is an error") {
  const test::TemporaryFolder folder;
  std::ostringstream stream;
  Console console(stream, {});
  CHECK_THROWS_AS(make_logger(console, folder.path()), Error);
}

}  // namespace
}  // namespace cosformer
