#include "data/mapped_file.h"

#include <sys/stat.h>

#include <string>
#include <utility>

#include "tests/data/data_support.h"

using namespace cosformer;
using namespace cosformer::test;
using test::Contains;

TEST_CASE("a mapped file shows the bytes of the file") {
  const ScratchFolder folder;
  const std::string content("a\0b\n", 4);
  const MappedFile file(folder.write("x", content));
  CHECK(file.bytes() == content);
}

TEST_CASE("an empty file maps to no bytes") {
  const ScratchFolder folder;
  CHECK(MappedFile(folder.write("x", "")).bytes().empty());
}

TEST_CASE("a moved mapping stays readable and leaves nothing behind") {
  const ScratchFolder folder;
  MappedFile first(folder.write("x", "first"));
  MappedFile second(std::move(first));
  CHECK(second.bytes() == "first");
  CHECK(first.bytes().empty());
  MappedFile third(folder.write("y", "third"));
  third = std::move(second);
  CHECK(third.bytes() == "first");
}

TEST_CASE("what is no readable regular file is refused with its path") {
  const ScratchFolder folder;
  const auto absent = folder.path() / "absent.txt";
  CHECK_THAT(input_error([&] { MappedFile{absent}; }), Contains(absent.string()) && Contains("No such file"));
  CHECK_THAT(input_error([&] { MappedFile{folder.path()}; }), Contains("is a folder"));
  const auto pipe = folder.path() / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THAT(input_error([&] { MappedFile{pipe}; }), Contains("not a regular file"));
}
