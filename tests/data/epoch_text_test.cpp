// The order of documents in an epoch, and what windows of it say of their boundaries.
#include "data/corpus/epoch_text.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>

#include "data/language_model_batches.h"
#include "data/masked_token_batches.h"
#include "tests/catch.h"
#include "tests/data/data_support.h"

namespace cosformer::test {

namespace {

/// Documents of random lengths, some empty, whose tokens are 0, 1, 2 ... over all of them.
struct Documents {
  explicit Documents(std::int64_t count, std::uint64_t seed = 7) {
    std::mt19937_64 random(seed);
    std::int64_t next = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      starts.push_back(next);
      next += static_cast<std::int64_t>(random() % 12);
    }
    tokens.resize(static_cast<std::size_t>(next));
    std::iota(tokens.begin(), tokens.end(), 0);
  }
  bool begins(std::int32_t token) const { return std::ranges::binary_search(starts, std::int64_t{token}); }

  std::vector<std::int32_t> tokens;
  std::vector<std::int64_t> starts;
};

std::vector<std::int32_t> text_of(const EpochText& text, std::int64_t epoch, std::int64_t first, std::int64_t count) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  text.copy(epoch, first, tokens);
  return tokens;
}

}  // namespace

TEST_CASE("an epoch's text has every document once and whole, in an order of seed and epoch") {
  for (const std::int64_t count : {1, 2, 31, 32, 33, 255, 256, 257, 3000}) {
    CAPTURE(count);
    const Documents documents(count);
    if (documents.tokens.empty()) continue;
    const EpochText text(documents.tokens, documents.starts, 5), again(documents.tokens, documents.starts, 5),
        other(documents.tokens, documents.starts, 6);
    for (const std::int64_t epoch : {0, 1, 2, 0}) {
      const std::vector<std::int32_t> whole = text_of(text, epoch, 0, text.size());
      CHECK(whole == text_of(again, epoch, 0, text.size()));
      std::vector<std::int32_t> sorted = whole;
      std::ranges::sort(sorted);
      CHECK(sorted == documents.tokens);
      for (std::size_t i = 1; i < whole.size(); ++i)
        if (whole[i] != whole[i - 1] + 1) REQUIRE(documents.begins(whole[i]));
      if (count < 200) continue;
      CHECK(whole != documents.tokens);
      CHECK(whole != text_of(text, epoch + 1, 0, text.size()));
      CHECK(whole != text_of(other, epoch, 0, text.size()));
    }
  }
}

TEST_CASE("any part of an epoch's text is that part of the whole, and says where documents begin in it") {
  const Documents documents(900);
  const EpochText shuffled(documents.tokens, documents.starts, 5), plain(documents.tokens, documents.starts);
  std::mt19937_64 random(3);
  for (const EpochText* text : {&shuffled, &plain}) {
    const std::vector<std::int32_t> whole = text_of(*text, 4, 0, text->size());
    if (text == &plain) CHECK(whole == documents.tokens);
    for (int time = 0; time < 300; ++time) {
      const auto first = static_cast<std::int64_t>(random() % documents.tokens.size());
      const std::int64_t count = std::min<std::int64_t>(static_cast<std::int64_t>(random() % 700), text->size() - first);
      const std::vector<std::int32_t> part = text_of(*text, 4, first, count);
      REQUIRE(std::equal(part.begin(), part.end(), whole.begin() + first));
      std::vector<std::int64_t> expected;
      for (std::int64_t i = 1; i < count; ++i)
        if (documents.begins(part[static_cast<std::size_t>(i)])) expected.push_back(i);
      REQUIRE(text->starts(4, first, count) == expected);
    }
  }
}

TEST_CASE("windows of shuffled documents predict every token of an epoch but its first") {
  const Documents documents(400);
  const EpochText text(documents.tokens, documents.starts, 5);
  const LanguageModelBatches batches(text, 16, 5);
  const std::int64_t sequences = batches.sequences_in_epoch();
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    const TokenBatch batch = batches.batch(epoch * sequences, sequences);
    std::map<std::int32_t, int> times;
    for (const std::int32_t target : batch.targets) times[target] += target != kIgnoredTarget;
    times.erase(kIgnoredTarget);
    CHECK(std::ssize(times) == text.size() - 1);
    CHECK(std::ranges::all_of(times, [](const auto& entry) { return entry.second == 1; }));
    CHECK(!times.contains(text_of(text, epoch, 0, 1).front()));
  }
}

TEST_CASE("windows with boundaries name where documents begin and do not predict what begins them") {
  const Documents documents(400);
  for (const EpochText& text :
       {EpochText(documents.tokens, documents.starts, 5), EpochText(documents.tokens, documents.starts)}) {
    const LanguageModelBatches batches(text, 16, 5, {.document_boundaries = true}), plain(text, 16, 5);
    const TokenBatch batch = batches.batch(3, 40), without = plain.batch(3, 40);
    REQUIRE(std::ssize(batch.starts) == 40);
    CHECK(without.starts.empty());
    CHECK(batch.inputs == without.inputs);
    std::int64_t predicted = 0;
    for (std::size_t row = 0; row < 40; ++row) {
      std::vector<std::int64_t> expected;
      for (std::size_t t = 0; t < 16; ++t) {
        const std::int32_t input = batch.inputs[row * 16 + t], target = without.targets[row * 16 + t];
        if (target == kIgnoredTarget) {
          CHECK(batch.targets[row * 16 + t] == kIgnoredTarget);
          continue;
        }
        if (t > 0 && documents.begins(input)) expected.push_back(static_cast<std::int64_t>(t));
        CHECK(batch.targets[row * 16 + t] == (documents.begins(target) ? kIgnoredTarget : target));
        predicted += !documents.begins(target);
      }
      CHECK(batch.starts[row] == expected);
    }
    CHECK(batch.predicted == predicted);
    CHECK(batch.predicted < without.predicted);
  }
}

TEST_CASE("evaluation windows with boundaries and a context score every token once that begins no document") {
  const Documents documents(200);
  const LanguageModelBatches batches(EpochText(documents.tokens, documents.starts), 16, 0,
                                     {.context = 5, .document_boundaries = true});
  std::map<std::int32_t, int> times;
  std::int64_t predicted = 0;
  for (std::int64_t window = 0; window < batches.evaluation_windows(); ++window) {
    const TokenBatch batch = batches.evaluation_batch(window, 1);
    predicted += batch.predicted;
    for (const std::int32_t target : batch.targets)
      if (target != kIgnoredTarget) ++times[target];
  }
  CHECK(predicted == std::ssize(times));
  for (const std::int32_t token : documents.tokens) CHECK(times.contains(token) == (token > 0 && !documents.begins(token)));
}

TEST_CASE("masked blocks of shuffled documents hold every token of an epoch once") {
  const Documents documents(300);
  std::vector<std::int32_t> tokens = documents.tokens;
  for (std::int32_t& token : tokens) token %= 50;
  const MaskedTokenBatches batches(EpochText(tokens, documents.starts, 5), SpecialTokens(50), 17, 0.15, 5);
  std::map<std::int32_t, int> expected, found;
  for (const std::int32_t token : tokens) ++expected[token];
  const MaskedTokenBatch batch = batches.batch(0, batches.sequences_in_epoch());
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    for (std::int64_t t = 1; t < batch.lengths[static_cast<std::size_t>(row)]; ++t) {
      const auto place = static_cast<std::size_t>(row * batch.length + t);
      ++found[batch.targets[place] == kIgnoredTarget ? batch.inputs[place] : batch.targets[place]];
    }
  }
  CHECK(found == expected);
}

}  // namespace cosformer::test
