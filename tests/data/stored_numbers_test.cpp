#include "data/corpus/stored_numbers.h"

#include <numeric>

#include "tests/catch.h"
#include "tests/data/data_support.h"

namespace cosformer::test {

namespace {

/// Numbers 0 ... count - 1, times `step`, in files of the given sizes.
StoredNumbers numbers_in(const ScratchFolder& folder, const std::vector<std::int64_t>& sizes, int width, std::int64_t step) {
  std::vector<std::filesystem::path> files;
  std::int64_t next = 0;
  for (const std::int64_t size : sizes) {
    std::vector<std::int64_t> numbers(static_cast<std::size_t>(size));
    for (std::int64_t& number : numbers) number = step * next++;
    files.push_back(folder.write(std::to_string(files.size()), stored_bytes(std::span<const std::int64_t>(numbers), width)));
  }
  return {files, width};
}

}  // namespace

TEST_CASE("numbers of every width are read from any place of several files") {
  const ScratchFolder folder;
  for (const auto& [width, step] :
       {std::pair{1, std::int64_t{11}}, {2, 3000}, {4, 100'000'000}, {8, std::int64_t{1} << 55}}) {
    CAPTURE(width);
    const StoredNumbers numbers = numbers_in(folder, {5, 0, 1, 14}, width, step);
    REQUIRE(numbers.size() == 20);
    for (std::int64_t first = 0; first <= 20; ++first) {
      for (std::int64_t count = 0; first + count <= 20; ++count) {
        std::vector<std::int64_t> found(static_cast<std::size_t>(count), -1), expected(found.size());
        numbers.read(first, found);
        std::iota(expected.begin(), expected.end(), first);
        for (std::int64_t& number : expected) number *= step;
        CHECK(found == expected);
        if (width == 8) continue;
        std::vector<std::int32_t> tokens(found.size(), -1);
        numbers.read(first, tokens);
        CHECK(std::equal(tokens.begin(), tokens.end(), expected.begin()));
      }
    }
  }
}

TEST_CASE("the width of numbers is the least of 1, 2, 4 and 8 bytes that holds the largest") {
  CHECK(number_width(0) == 1);
  CHECK(number_width(255) == 1);
  CHECK(number_width(256) == 2);
  CHECK(number_width(65'535) == 2);
  CHECK(number_width(65'536) == 4);
  CHECK(number_width(std::uint64_t{1} << 32) == 8);
}

TEST_CASE("files that hold half a number or are shortened meanwhile are refused with their path") {
  const ScratchFolder folder;
  const auto half = folder.write("half", "12345");
  CHECK_THAT(input_error([&] { StoredNumbers({half}, 4); }), Catch::Matchers::StartsWith(half.string() + ": 5 bytes"));
  const StoredNumbers numbers = numbers_in(folder, {8}, 2, 1);
  std::vector<std::int32_t> found(8);
  CHECK_THROWS_WITH(numbers.read(1, found), test::Contains("numbers 1 ... of 8"));
  std::filesystem::resize_file(folder.path() / "0", 6);
  CHECK_THROWS_WITH(numbers.read(0, found), test::Contains("was shortened to 6 bytes"));
  CHECK_THROWS_AS(numbers.read(1, found), Error);
}

}  // namespace cosformer::test
