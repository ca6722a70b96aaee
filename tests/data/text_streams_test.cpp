#include "data/text_streams.h"

#include <numeric>
#include <set>
#include <vector>

#include "data/language_model_batches.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"

namespace cosformer::test {

TEST_CASE("a stream's windows follow one another, and streams stand side by side") {
  for (const std::int64_t size : {1, 2, 7, 40, 41, 100, 1001}) {
    for (const std::int64_t length : {1, 2, 5, 16}) {
      for (const std::int64_t count : {1, 2, 3, 8}) {
        if (size / count < length) continue;
        CAPTURE(size, length, count);
        const TextStreams streams(size, length, count, 3);
        const std::int64_t in_epoch = streams.windows_in_epoch();
        REQUIRE(in_epoch % count == 0);
        REQUIRE(streams.stream_length() == in_epoch / count * length);
        REQUIRE(streams.left_out() == size - in_epoch * length);
        REQUIRE(streams.left_out() < count * length);
        for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
          std::vector<int> times(static_cast<std::size_t>(size), 0);
          for (std::int64_t number = epoch * in_epoch; number < (epoch + 1) * in_epoch; ++number) {
            const TextWindow window = streams(number);
            REQUIRE(window.epoch == epoch);
            REQUIRE(window.end == window.begin + length);
            for (std::int64_t i = window.begin; i < window.end; ++i) ++times.at(static_cast<std::size_t>(i));
            const std::int64_t before = streams.before(number);
            if (number - epoch * in_epoch < count) {
              REQUIRE(before == 0);
            } else {
              REQUIRE(streams(number - count).end == window.begin);
              REQUIRE(before == streams.before(number - count) + length);
            }
          }
          // One stretch of the text, every position once.
          REQUIRE(std::accumulate(times.begin(), times.end(), 0) == size - streams.left_out());
          REQUIRE(std::set<int>(times.begin(), times.end()).count(2) == 0);
          const std::int64_t begin = streams(epoch * in_epoch).begin;
          REQUIRE(begin <= streams.left_out());
          REQUIRE(times[static_cast<std::size_t>(begin)] == 1);
          REQUIRE(streams((epoch + 1) * in_epoch - 1).end == begin + size - streams.left_out());
        }
      }
    }
  }
}

TEST_CASE("epochs leave out other ends of a text, by the seed") {
  const TextStreams streams(1000, 16, 3, 5), again(1000, 16, 3, 5), other(1000, 16, 3, 6);
  std::set<std::int64_t> begins;
  bool differs = false;
  for (std::int64_t epoch = 0; epoch < 300; ++epoch) {
    const std::int64_t number = epoch * streams.windows_in_epoch();
    begins.insert(streams(number).begin);
    REQUIRE(again(number).begin == streams(number).begin);
    differs = differs || other(number).begin != streams(number).begin;
  }
  CHECK(differs);
  CHECK(*begins.begin() == 0);
  CHECK(*begins.rbegin() == streams.left_out());
}

TEST_CASE("a text without a window for each stream is refused") {
  CHECK(input_error_of([] { TextStreams(11, 4, 3, 1); }) == "3 streams of a text of 11 targets have no window of 4 each");
  CHECK(TextStreams(12, 4, 3, 1).windows_in_epoch() == 3);
  CHECK_FALSE(input_error_of([] { TextStreams(11, 0, 3, 1); }).empty());
  CHECK_FALSE(input_error_of([] { TextStreams(11, 4, 0, 1); }).empty());
  CHECK_FALSE(input_error_of([] { TextStreams(1000, INT64_MAX, INT64_MAX, 1); }).empty());
}

TEST_CASE("batches of streams hold the next tokens of each") {
  std::vector<std::int32_t> tokens(60);
  std::iota(tokens.begin(), tokens.end(), 0);
  const LanguageModelBatches batches(tokens, 4, 7, {.streams = 3});
  REQUIRE(batches.streams().has_value());
  CHECK(batches.sequences_in_epoch() == 12);
  std::vector<std::int32_t> ends;
  for (std::int64_t step = 0; step < 9; ++step) {
    const TokenBatch batch = batches.batch(3 * step, 3);
    CHECK(batch.predicted == 12);
    for (std::int64_t row = 0; row < 3; ++row) {
      const std::int32_t begin = batch.inputs[static_cast<std::size_t>(4 * row)];
      for (std::int32_t t = 0; t < 4; ++t) {
        CHECK(batch.inputs[static_cast<std::size_t>(4 * row + t)] == begin + t);
        CHECK(batch.targets[static_cast<std::size_t>(4 * row + t)] == begin + t + 1);
      }
      if (step % 4 > 0) CHECK(begin == ends[static_cast<std::size_t>(3 * (step - 1) + row)]);
      ends.push_back(begin + 4);
    }
  }
  CHECK_FALSE(LanguageModelBatches(tokens, 4, 7).streams().has_value());
}

}  // namespace cosformer::test
