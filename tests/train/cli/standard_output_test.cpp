#include "train/cli/standard_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <ostream>
#include <thread>

#include "tests/catch.h"
#include "tests/train/run_support.h"

namespace cosformer {
namespace {

using Mode = StandardOutput::Mode;

/// What reaches the descriptor when `pieces` are written one by one, each flushed.
std::string written(Mode mode, const std::vector<std::string>& pieces) {
  const test::TemporaryFolder folder;
  const int file = ::open((folder / "out").c_str(), O_WRONLY | O_CREAT, 0600);
  REQUIRE(file >= 0);
  StandardOutput buffer(file, mode);
  std::ostream stream(&buffer);
  for (const std::string& piece : pieces) stream << piece << std::flush;
  CHECK(buffer.finish());
  CHECK(stream.good());
  ::close(file);
  return test::read_bytes(folder / "out");
}

TEST_CASE("Tables show control characters as escapes, whatever pieces they are written in") {
  CHECK(written(Mode::visible, {"a\x1b[31m\tb\n", "Gr", "\xc3", "\xb6", "ße\n"}) == "a\\u001b[31m\tb\nGröße\n");
  CHECK(written(Mode::visible, {"\xc2",
                                "\x9b"
                                "31m"}) == "\\u009b31m");
  CHECK(written(Mode::visible, {"\xf0\x9f", "\x99\x82", "\xe6\x9d"}) == "🙂\\xe6\\x9d");
  CHECK(written(Mode::visible, {"one\r", "\ntwo\r\nthree\rfour\r"}) == "one\r\ntwo\r\nthree\\rfour\\r");
  const std::string all = written(Mode::visible, {std::string(100'000, 'x') + "\x7f"});
  CHECK(all == std::string(100'000, 'x') + "\\u007f");
}

TEST_CASE("Text for a file or a pipe stays as it is") {
  const std::string text = "a\x1b[31m\x9b\xc3\r\x7f\n";
  CHECK(written(Mode::as_is, {text, text}) == text + text);
}

TEST_CASE("A device that is full, or a descriptor that takes nothing, is noticed at the end") {
  for (const char* path : {"/dev/full", "/dev/null"}) {
    const bool is_full = std::string_view(path) == "/dev/full";
    const int file = ::open(path, is_full ? O_WRONLY : O_RDONLY);
    StandardOutput buffer(file, Mode::visible);
    std::ostream stream(&buffer);
    stream << "text";
    CHECK_FALSE(buffer.finish());
    ::close(file);
  }
}

TEST_CASE("A full pipe that does not block is waited for") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_NONBLOCK) == 0);
  const std::string text(300'000, 'x');
  std::string read;
  std::thread reader([&] {
    std::array<char, 4096> block{};
    while (read.size() < text.size()) {
      const ssize_t count = ::read(ends[0], block.data(), block.size());
      if (count > 0) read.append(block.data(), static_cast<std::size_t>(count));
    }
  });
  StandardOutput buffer(ends[1], Mode::visible);
  std::ostream stream(&buffer);
  stream << text;
  CHECK(buffer.finish());
  reader.join();
  CHECK(read == text);
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace cosformer
