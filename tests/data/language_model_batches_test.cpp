#include "data/language_model_batches.h"

#include <numeric>
#include <set>

#include "tests/data/data_support.h"

using namespace cosformer;
using namespace cosformer::test;
using test::Contains;

namespace {

std::vector<std::int32_t> counting_tokens(std::int64_t size) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(size));
  std::iota(tokens.begin(), tokens.end(), 0);
  return tokens;
}

/// Of a text whose tokens are 0, 1, 2 ...: how often each target occurs in a batch. Checks the form of each row.
void count_targets(const TokenBatch& batch, std::vector<int>& times) {
  REQUIRE(static_cast<std::int64_t>(batch.inputs.size()) == batch.rows * batch.length);
  REQUIRE(batch.targets.size() == batch.inputs.size());
  std::int64_t predicted = 0;
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    bool ended = false;
    for (std::int64_t t = 0; t < batch.length; ++t) {
      const auto i = static_cast<std::size_t>(row * batch.length + t);
      if (batch.targets[i] == kIgnoredTarget) {
        ended = true;
        REQUIRE(batch.inputs[i] == 0);
        continue;
      }
      REQUIRE_FALSE(ended);
      REQUIRE(batch.targets[i] == batch.inputs[i] + 1);
      if (t > 0) REQUIRE(batch.inputs[i] == batch.targets[i - 1]);
      ++times.at(static_cast<std::size_t>(batch.targets[i]));
      ++predicted;
    }
    REQUIRE(batch.targets[static_cast<std::size_t>(row * batch.length)] != kIgnoredTarget);
  }
  REQUIRE(batch.predicted == predicted);
}

std::vector<std::int32_t> sequence_starts(const LanguageModelBatches& batches, std::int64_t first, std::int64_t count) {
  std::vector<std::int32_t> starts;
  for (std::int64_t i = 0; i < count; ++i) starts.push_back(batches.batch(first + i, 1).inputs[0]);
  return starts;
}

}  // namespace

TEST_CASE("every epoch predicts every token but the first exactly once") {
  for (const std::int64_t size : {2, 3, 7, 8, 9, 16, 17, 33, 100, 101}) {
    for (const std::int64_t seq_len : {1, 2, 3, 7, 8, 16, 40, 200}) {
      CAPTURE(size, seq_len);
      const auto tokens = counting_tokens(size);
      const LanguageModelBatches batches(tokens, seq_len, 5);
      const std::int64_t sequences = batches.sequences_in_epoch();
      REQUIRE(batches.targets() == size - 1);
      for (std::int64_t epoch = 0; epoch < 12; ++epoch) {
        std::vector<int> times(static_cast<std::size_t>(size), 0);
        count_targets(batches.batch(epoch * sequences, sequences), times);
        REQUIRE(times[0] == 0);
        REQUIRE(std::count(times.begin() + 1, times.end(), 1) == size - 1);
      }
    }
  }
}

TEST_CASE("few short windows are cut") {
  const auto tokens = counting_tokens(1001);
  for (std::int64_t seq_len = 1; seq_len <= 1000; ++seq_len) {
    const LanguageModelBatches batches(tokens, seq_len, 1);
    REQUIRE(batches.sequences_in_epoch() >= batches.evaluation_windows());
    REQUIRE(batches.sequences_in_epoch() <= 1000 / seq_len + 2);
  }
  CHECK(LanguageModelBatches(tokens, 1, 1).sequences_in_epoch() == 1000);
  CHECK(LanguageModelBatches(tokens, 2000, 1).sequences_in_epoch() == 1);
}

TEST_CASE("batches that span epochs hold every target once an epoch") {
  const auto tokens = counting_tokens(101);
  const LanguageModelBatches batches(tokens, 8, 5);
  const std::int64_t sequences = batches.sequences_in_epoch();
  std::vector<int> times(101, 0);
  std::int64_t position = 0;
  for (; position + 5 <= 5 * sequences; position += 5) count_targets(batches.batch(position, 5), times);
  REQUIRE(position == 5 * sequences);
  CHECK(std::count(times.begin() + 1, times.end(), 5) == 100);
}

TEST_CASE("a sequence depends on text, length, seed and number alone") {
  const auto tokens = counting_tokens(500);
  const LanguageModelBatches batches(tokens, 16, 9), again(tokens, 16, 9), other(tokens, 16, 10);
  const TokenBatch whole = batches.batch(20, 30);
  for (std::int64_t row = 29; row >= 0; --row) {
    const TokenBatch single = again.batch(20 + row, 1);
    REQUIRE(std::equal(single.targets.begin(), single.targets.end(), whole.targets.begin() + row * 16));
    REQUIRE(std::equal(single.inputs.begin(), single.inputs.end(), whole.inputs.begin() + row * 16));
  }
  CHECK(other.batch(20, 30).inputs != whole.inputs);
}

TEST_CASE("epochs differ in their order and in where they cut") {
  const auto tokens = counting_tokens(5000);
  const LanguageModelBatches batches(tokens, 64, 3);
  const std::int64_t sequences = batches.sequences_in_epoch();
  const auto first = sequence_starts(batches, 0, sequences), second = sequence_starts(batches, sequences, sequences);
  CHECK(first != second);
  CHECK_FALSE(std::is_sorted(first.begin(), first.end()));
  std::set<std::int32_t> shifts;
  for (std::int64_t epoch = 0; epoch < 200; ++epoch) {
    auto starts = sequence_starts(batches, epoch * sequences, sequences);
    std::sort(starts.begin(), starts.end());
    shifts.insert(starts[1]);
  }
  CHECK(shifts.size() > 20);
}

TEST_CASE("evaluation windows follow one another without overlap") {
  for (const std::int64_t size : {2, 9, 16, 17, 18, 100}) {
    for (const std::int64_t seq_len : {1, 4, 8, 99, 300}) {
      CAPTURE(size, seq_len);
      const auto tokens = counting_tokens(size);
      const LanguageModelBatches batches(tokens, seq_len, 0);
      std::vector<int> times(static_cast<std::size_t>(size), 0);
      for (std::int64_t window = 0; window < batches.evaluation_windows(); window += 3) {
        const TokenBatch batch = batches.evaluation_batch(window, 3);
        REQUIRE(batch.length == seq_len);
        REQUIRE(batch.rows == std::min<std::int64_t>(3, batches.evaluation_windows() - window));
        for (std::int64_t row = 0; row < batch.rows; ++row) {
          REQUIRE(batch.inputs[static_cast<std::size_t>(row * seq_len)] == (window + row) * seq_len);
        }
        count_targets(batch, times);
      }
      REQUIRE(std::count(times.begin() + 1, times.end(), 1) == size - 1);
    }
  }
}

TEST_CASE("evaluation windows with a context overlap, and every target is scored once, behind that much context") {
  for (const std::int64_t size : {2, 9, 16, 17, 18, 100}) {
    for (const std::int64_t seq_len : {2, 4, 8, 99, 300}) {
      for (const std::int64_t context : {std::int64_t{1}, seq_len / 2, seq_len - 1}) {
        CAPTURE(size, seq_len, context);
        const auto tokens = counting_tokens(size);
        const LanguageModelBatches batches(tokens, seq_len, 0, {.context = context});
        std::vector<int> times(static_cast<std::size_t>(size), 0);
        for (std::int64_t window = 0; window < batches.evaluation_windows(); ++window) {
          const TokenBatch batch = batches.evaluation_batch(window, 1);
          REQUIRE(batch.inputs.front() == window * (seq_len - context));
          std::int64_t scored = 0;
          for (std::int64_t t = 0; t < seq_len; ++t) {
            const auto i = static_cast<std::size_t>(t);
            const bool is_context = window > 0 && t < context;
            if (batch.targets[i] == kIgnoredTarget) continue;
            REQUIRE_FALSE(is_context);
            REQUIRE(batch.targets[i] == window * (seq_len - context) + t + 1);
            REQUIRE(batch.inputs[i] == batch.targets[i] - 1);
            ++times.at(static_cast<std::size_t>(batch.targets[i]));
            ++scored;
          }
          REQUIRE(scored >= 1);
          REQUIRE(batch.predicted == scored);
        }
        REQUIRE(std::count(times.begin() + 1, times.end(), 1) == size - 1);
      }
    }
  }
}

TEST_CASE("texts and lengths that give no window are refused") {
  const auto all = counting_tokens(10);
  CHECK_THAT(input_error([&] { LanguageModelBatches(counting_tokens(0), 4, 0); }), Contains("found 0"));
  CHECK_THAT(input_error([&] { LanguageModelBatches(counting_tokens(1), 4, 0); }), Contains("found 1"));
  CHECK_THAT(input_error([&] { LanguageModelBatches(all, 0, 0); }), Contains("seq_len must be at least 1"));
  CHECK_THAT(input_error([&] { LanguageModelBatches(all, -3, 0); }), Contains("not -3"));
  CHECK_THAT(input_error([&] { LanguageModelBatches(all, 4, 0, {.context = 4}); }),
             Contains("context_window must be from 0 to below"));
  const LanguageModelBatches batches(all, 4, 0);
  CHECK_THROWS_AS(batches.batch(-1, 1), ShapeError);
  CHECK_THROWS_AS(batches.batch(0, 0), ShapeError);
  CHECK_THROWS_AS(batches.evaluation_batch(3, 1), ShapeError);
  CHECK_THROWS_AS(batches.evaluation_batch(0, 0), ShapeError);
}
