#include "data/masked_token_batches.h"

#include <cmath>
#include <map>
#include <set>
#include <string>

#include "core/kernels/cross_entropy.h"
#include "tests/catch.h"
#include "tests/data/data_support.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kOwnIds = 50;

std::vector<std::int32_t> text_of(std::int64_t size) {
  std::mt19937_64 random(11);
  std::vector<std::int32_t> tokens;
  for (std::int64_t i = 0; i < size; ++i) tokens.push_back(static_cast<std::int32_t>(random() % kOwnIds));
  return tokens;
}

MaskedTokenBatches batches_of(const std::vector<std::int32_t>& text, std::int64_t seq_len, std::uint64_t seed = 3) {
  return {text, SpecialTokens(kOwnIds), seq_len, 0.15, seed};
}

/// The token of the text that a real position stands for: the target if it is masked.
std::int32_t original(const MaskedTokenBatch& batch, std::size_t place) {
  return batch.targets[place] == kIgnoredTarget ? batch.inputs[place] : batch.targets[place];
}

}  // namespace

TEST_CASE("fifteen in a hundred tokens are chosen, of which 80 become the mask, 10 another token and 10 stay") {
  const std::vector<std::int32_t> text = text_of(40000);
  const MaskedTokenBatches batches = batches_of(text, 101);
  const MaskedTokenBatch batch = batches.batch(0, batches.sequences_in_epoch());
  double tokens = 0, chosen = 0, masked = 0, kept = 0, replaced = 0;
  for (std::size_t place = 0; place < batch.inputs.size(); ++place) {
    const auto row = static_cast<std::int64_t>(place) / batch.length,
               column = static_cast<std::int64_t>(place) % batch.length;
    if (column == 0) {
      CHECK(batch.inputs[place] == kOwnIds);
      CHECK(batch.targets[place] == kIgnoredTarget);
    }
    if (column == 0 || column >= batch.lengths[static_cast<std::size_t>(row)]) continue;
    ++tokens;
    if (batch.targets[place] == kIgnoredTarget) continue;
    ++chosen;
    masked += batch.inputs[place] == kOwnIds + 2;
    kept += batch.inputs[place] == batch.targets[place];
    replaced += batch.inputs[place] < kOwnIds && batch.inputs[place] != batch.targets[place];
  }
  CHECK(tokens == 40000);
  CHECK(static_cast<double>(batch.masked) == chosen);
  // Four standard deviations of a binomial count.
  const auto near = [](double found, double draws, double p) {
    return std::abs(found - draws * p) < 4 * std::sqrt(draws * p * (1 - p));
  };
  CHECK(near(chosen, tokens, 0.15));
  CHECK(near(masked, chosen, 0.8));
  // One random token in fifty is the one that stood there.
  CHECK(near(kept, chosen, 0.1 + 0.1 / kOwnIds));
  CHECK(near(replaced, chosen, 0.1 - 0.1 / kOwnIds));
  CHECK(masked + kept + replaced == chosen);
}

TEST_CASE("an epoch of blocks holds every token of the text once, and masks others than the epoch before") {
  const std::vector<std::int32_t> text = text_of(1003);
  const MaskedTokenBatches batches = batches_of(text, 17);
  std::set<std::vector<std::int32_t>> targets;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    const MaskedTokenBatch batch = batches.batch(epoch * batches.sequences_in_epoch(), batches.sequences_in_epoch());
    CHECK(batch.tokens == 1003 + batches.sequences_in_epoch());
    std::map<std::int32_t, int> expected, found;
    for (const std::int32_t token : text) ++expected[token];
    for (std::int64_t row = 0; row < batch.rows; ++row) {
      int to_predict = 0;
      for (std::int64_t i = 1; i < batch.lengths[static_cast<std::size_t>(row)]; ++i) {
        const auto place = static_cast<std::size_t>(row * batch.length + i);
        ++found[original(batch, place)];
        to_predict += batch.targets[place] != kIgnoredTarget;
      }
      CHECK(to_predict >= 1);
    }
    CHECK(found == expected);
    targets.insert(batch.targets);
  }
  CHECK(targets.size() == 3);
}

TEST_CASE("a masked sequence is a function of seed and number alone") {
  const std::vector<std::int32_t> text = text_of(500);
  const MaskedTokenBatches batches = batches_of(text, 17);
  const MaskedTokenBatch many = batches.batch(20, 40);
  for (std::int64_t row = 0; row < 40; ++row) {
    const MaskedTokenBatch one = batches_of(text, 17).batch(20 + row, 1);
    const auto first = static_cast<std::size_t>(row * 17);
    CHECK(std::equal(one.inputs.begin(), one.inputs.end(), many.inputs.begin() + static_cast<std::ptrdiff_t>(first)));
    CHECK(std::equal(one.targets.begin(), one.targets.end(), many.targets.begin() + static_cast<std::ptrdiff_t>(first)));
  }
  CHECK(batches_of(text, 17, 4).batch(20, 40).targets != many.targets);
}

TEST_CASE("evaluation blocks follow one another under masks that no seed changes") {
  const std::vector<std::int32_t> text = text_of(100);
  const MaskedTokenBatches batches = batches_of(text, 17, 1);
  CHECK(batches.evaluation_windows() == 7);
  const MaskedTokenBatch all = batches.evaluation_batch(0, 9), other_seed = batches_of(text, 17, 2).evaluation_batch(0, 9);
  CHECK(all.rows == 7);
  CHECK(all.inputs == other_seed.inputs);
  CHECK(all.targets == other_seed.targets);
  std::size_t next = 0;
  for (std::int64_t row = 0; row < all.rows; ++row) {
    for (std::int64_t i = 1; i < all.lengths[static_cast<std::size_t>(row)]; ++i) {
      CHECK(original(all, static_cast<std::size_t>(row * 17 + i)) == text[next++]);
    }
  }
  CHECK(next == 100);
  CHECK(all.lengths.back() == 5);
  CHECK(all.padding(0, 6) == nullptr);
  const SharedPaddingMask mask = all.padding(5, 2);
  REQUIRE(mask);
  CHECK(std::count(mask->real.begin(), mask->real.end(), 1) == 22);
  CHECK(mask->real[16] == 1);
  CHECK(mask->real[17 + 4] == 1);
  CHECK(mask->real[17 + 5] == 0);
}

TEST_CASE("a block in which no token was drawn still has one to predict") {
  const std::vector<std::int32_t> text = text_of(200);
  const MaskedTokenBatches batches(text, SpecialTokens(kOwnIds), 11, 1e-9, 3);
  const MaskedTokenBatch batch = batches.batch(0, batches.sequences_in_epoch());
  CHECK(batch.masked == batch.rows);
}

TEST_CASE("masking that cannot be done is refused with its key") {
  const std::vector<std::int32_t> text = text_of(20), empty;
  const auto message = [](const std::vector<std::int32_t>& tokens, std::int64_t seq_len, double probability) {
    return input_error([&] { MaskedTokenBatches(tokens, SpecialTokens(kOwnIds), seq_len, probability, 1); });
  };
  CHECK(message(text, 1, 0.1).starts_with("task.seq_len"));
  CHECK(message(text, 8, 0.0).starts_with("task.mask_probability"));
  CHECK(message(text, 8, 1.5).starts_with("task.mask_probability"));
  CHECK(message(empty, 8, 0.1).find("found none") != std::string::npos);
}

}  // namespace cosformer::test
