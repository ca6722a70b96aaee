#include "data/translation_batches.h"

#include <algorithm>
#include <map>

#include "tests/catch.h"

namespace cosformer::test {

namespace {

const TranslationTokens kSpecial(10);

/// Pairs of which number i has 1 + i·7 mod 13 target tokens and 1 + i·5 mod 11 source tokens, the end included.
SentencePairs some_pairs(std::int64_t count) {
  SentencePairs pairs;
  for (std::int64_t i = 0; i < count; ++i) {
    pairs.source.emplace_back(static_cast<std::size_t>(i * 5 % 11), static_cast<std::int32_t>(i % 10));
    pairs.target.emplace_back(static_cast<std::size_t>(i * 7 % 13), static_cast<std::int32_t>(i * 3 % 10));
    pairs.source.back().push_back(kSpecial.end);
    pairs.target.back().push_back(kSpecial.end);
    pairs.lines.push_back(i);
  }
  return pairs;
}

std::vector<std::int64_t> sorted(std::vector<std::int64_t> values) {
  std::ranges::sort(values);
  return values;
}

}  // namespace

TEST_CASE("every epoch of sentence pairs holds each pair once, whatever the batches, and orders differ") {
  for (const std::int64_t count : {1, 3, 8, 50, 1000}) {
    for (const std::int64_t batch_size : {1, 4, 7}) {
      CAPTURE(count, batch_size);
      const SentencePairs pairs = some_pairs(count);
      const TranslationBatches batches(pairs, kSpecial, batch_size, 3);
      std::vector<std::vector<std::int64_t>> epochs;
      for (std::int64_t epoch = 0; epoch < 9; ++epoch) {
        std::vector<std::int64_t> seen;
        for (std::int64_t place = 0; place < count; ++place) {
          seen.push_back(batches.training_batch(epoch * count + place, 1).pairs.at(0));
        }
        std::vector<std::int64_t> all(static_cast<std::size_t>(count));
        for (std::int64_t i = 0; i < count; ++i) all[static_cast<std::size_t>(i)] = i;
        CHECK(sorted(seen) == all);
        epochs.push_back(std::move(seen));
      }
      if (count >= 50) CHECK(epochs[0] != epochs[1]);
      if (count >= 50)
        CHECK(TranslationBatches(pairs, kSpecial, batch_size, 4).training_batch(0, 50).pairs !=
              batches.training_batch(0, 50).pairs);
    }
  }
}

TEST_CASE("a batch of sentence pairs is made of its numbers alone, in one piece or several, also across epochs") {
  const SentencePairs pairs = some_pairs(53);
  const TranslationBatches batches(pairs, kSpecial, 8, 1);
  for (std::int64_t step = 0; step < 20; ++step) {
    const TranslationBatch whole = batches.training_batch(step * 8, 8);
    std::vector<std::int64_t> pieces = batches.training_batch(step * 8, 3).pairs;
    std::ranges::copy(batches.training_batch(step * 8 + 3, 5).pairs, std::back_inserter(pieces));
    CHECK(sorted(pieces) == sorted(whole.pairs));
    std::int64_t source = 0, target = 0;
    for (const std::int64_t pair : whole.pairs) {
      source += pair * 5 % 11 + 1;
      target += pair * 7 % 13 + 1;
    }
    CHECK((whole.source_tokens == source && whole.target_tokens == target));
  }
}

TEST_CASE("batches hold pairs of similar lengths in every epoch, in no order of length") {
  const SentencePairs pairs = some_pairs(1003);
  const TranslationBatches batches(pairs, kSpecial, 10, 1);
  const auto length = [&](std::int64_t pair) { return pairs.target[static_cast<std::size_t>(pair)].size(); };
  std::int64_t mixed = 0, rises = 0, falls = 0;
  std::size_t before = 0;
  constexpr std::int64_t kSteps = 500;  // five epochs, which end within batches
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const TranslationBatch batch = batches.training_batch(step * 10, 10);
    const std::size_t longest = length(batch.pairs.front()), shortest = length(batch.pairs.back());
    CHECK(std::ranges::is_sorted(batch.pairs, std::greater<>(), length));
    mixed += longest - shortest > 2;
    rises += longest > before;
    falls += longest < before;
    before = longest;
  }
  // The seams of the epochs, and the ends of the pools.
  CHECK(mixed <= 15);
  CHECK((rises > 150 && falls > 150));
}

TEST_CASE("evaluation reads each pair once, in the order of the text") {
  const SentencePairs pairs = some_pairs(10);
  const TranslationBatches batches(pairs, kSpecial, 4, 1);
  CHECK(sorted(batches.evaluation_batch(0, 4).pairs) == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(sorted(batches.evaluation_batch(8, 4).pairs) == std::vector<std::int64_t>{8, 9});
}

TEST_CASE("padded pairs shift the target by one token and mask what is not there") {
  SentencePairs pairs;
  pairs.source = {{4, kSpecial.end}, {1, 2, 3, kSpecial.end}};
  pairs.target = {{7, 8, kSpecial.end}, {9, kSpecial.end}};
  pairs.lines = {0, 1};
  const TranslationBatches batches(pairs, kSpecial, 2, 1);
  const TranslationBatch batch = batches.evaluation_batch(0, 2);
  REQUIRE(batch.pairs == std::vector<std::int64_t>{0, 1});
  const std::int32_t pad = kSpecial.padding, begin = kSpecial.begin, end = kSpecial.end;
  CHECK((pad == 10 && begin == 11 && end == 12 && kSpecial.vocab_size == 13));
  const PaddedPairs padded = batches.pad(batch, 0, 2);
  CHECK((padded.pairs == 2 && padded.source_length == 4 && padded.target_length == 3));
  CHECK(padded.source == std::vector<std::int32_t>{4, end, pad, pad, 1, 2, 3, end});
  CHECK(padded.inputs == std::vector<std::int32_t>{begin, 7, 8, begin, 9, pad});
  CHECK(padded.targets == std::vector<std::int32_t>{7, 8, end, 9, end, -1});
  REQUIRE(padded.source_mask);
  CHECK(padded.source_mask->real == std::vector<std::uint8_t>{1, 1, 0, 0, 1, 1, 1, 1});
  REQUIRE(padded.target_mask);
  CHECK(padded.target_mask->real == std::vector<std::uint8_t>{1, 1, 1, 1, 1, 0});
  const PaddedPairs alone = batches.pad(batch, 1, 1);
  CHECK((alone.source_length == 4 && alone.target_length == 2));
  CHECK((alone.source_mask == nullptr && alone.target_mask == nullptr));
}

}  // namespace cosformer::test
