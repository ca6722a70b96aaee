#include "data/labelled_batches.h"

#include <algorithm>
#include <map>
#include <set>

#include "tests/catch.h"
#include "tests/support/listed_sequences.h"

namespace cosformer::test {

namespace {

std::vector<std::int64_t> examples_of(const LabelledBatch& batch) {
  std::vector<std::int64_t> examples;
  for (const LabelledBatch::Row& row : batch.rows) examples.push_back(row.example);
  return examples;
}

std::vector<int> mask_of(const PaddedTexts& padded) {
  REQUIRE(padded.mask);
  return {padded.mask->real.begin(), padded.mask->real.end()};
}

}  // namespace

TEST_CASE("every example occurs once an epoch, in an order of its own") {
  const ListedSequences data = random_sequences(23, 1);
  const LabelledBatches batches(data, {.seq_len = 12}, 5);
  std::vector<std::vector<std::int64_t>> orders;
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    std::set<std::int64_t> seen;
    std::vector<std::int64_t>& order = orders.emplace_back();
    for (std::int64_t i = 0; i < 23; ++i) order.push_back(examples_of(batches.training_batch(epoch * 23 + i, 1)).front());
    seen.insert(order.begin(), order.end());
    CHECK(seen.size() == 23);
    CHECK(*seen.begin() == 0);
    CHECK(*seen.rbegin() == 22);
  }
  CHECK(orders[0] != orders[1]);
  CHECK(orders[1] != orders[2]);
  const LabelledBatches other_seed(data, {.seq_len = 12}, 6);
  CHECK(examples_of(other_seed.training_batch(0, 23)) != examples_of(batches.training_batch(0, 23)));
}

TEST_CASE("a training batch is made of its numbers alone, also across epochs") {
  const ListedSequences data = random_sequences(7, 2);
  const LabelledBatches batches(data, {.seq_len = 12}, 5);
  const LabelledBatch whole = batches.training_batch(3, 11);
  std::map<std::int64_t, int> expected, found;
  for (std::int64_t number = 3; number < 14; ++number) ++expected[examples_of(batches.training_batch(number, 1)).front()];
  for (const std::int64_t example : examples_of(whole)) ++found[example];
  CHECK(found == expected);
  CHECK(examples_of(batches.training_batch(3, 11)) == examples_of(whole));
}

TEST_CASE("rows stand with the longest first and carry their own labels and tokens") {
  const ListedSequences data(
      {{2, {{1, 2}}}, {0, {{3, 4, 5, 6}}}, {1, {{1}}}, {1, {{6, 6, 6}}}, {0, {{1, 2, 3, 4, 5, 6, 1}}}});
  const LabelledBatches batches(data, {.seq_len = 5}, 1);
  for (const LabelledBatch& batch : {batches.evaluation_batch(0, 5), batches.training_batch(0, 5)}) {
    CHECK(examples_of(batch) == std::vector<std::int64_t>{4, 1, 3, 0, 2});
    CHECK(batch.rows[0].texts.front().tokens == std::vector<std::int32_t>{1, 2, 3, 4, 5});
    CHECK(batch.rows[0].label == 0);
    CHECK(batch.rows[3].label == 2);
    CHECK(batch.tokens == 5 + 4 + 3 + 2 + 1);
  }
}

TEST_CASE("an evaluation takes every example once, in an order that is not the data's and does not depend on the seed") {
  const ListedSequences data = random_sequences(23, 1);
  std::vector<std::int64_t> order;
  for (std::int64_t first = 0; first < 23; first += 4) {
    const auto part = examples_of(LabelledBatches(data, {.seq_len = 12}, 5).evaluation_batch(first, 4));
    CHECK(part == examples_of(LabelledBatches(data, {.seq_len = 12}, 6).evaluation_batch(first, 4)));
    order.insert(order.end(), part.begin(), part.end());
  }
  CHECK(order.size() == 23);
  CHECK(std::set<std::int64_t>(order.begin(), order.end()).size() == 23);
  CHECK(*std::max_element(order.begin(), order.begin() + 8) > 8);
}

TEST_CASE("rows are padded to the longest among them and to no other length") {
  const ListedSequences data({{0, {{1, 2}}}, {0, {{3, 4, 5}}}, {0, {{6}}}});
  const LabelledBatches batches(data, {.seq_len = 9}, 1);
  const LabelledBatch batch = batches.evaluation_batch(0, 3);
  const PaddedTexts all = batches.pad(batch, 0, 3), last = batches.pad(batch, 1, 2), one = batches.pad(batch, 1, 1);
  CHECK(all.length == 3);
  CHECK(all.ids == std::vector<std::int32_t>{3, 4, 5, 1, 2, 0, 6, 0, 0});
  CHECK(mask_of(all) == std::vector<int>{1, 1, 1, 1, 1, 0, 1, 0, 0});
  CHECK(last.length == 2);
  CHECK(last.ids == std::vector<std::int32_t>{1, 2, 6, 0});
  CHECK(one.ids == std::vector<std::int32_t>{1, 2});
  CHECK(one.mask == nullptr);
}

TEST_CASE("second texts follow all first ones, padded with them") {
  const ListedSequences data({{0, {{1, 2}, {3}}}, {1, {{4}, {5, 6, 1}}}});
  const LabelledBatches batches(data, {.seq_len = 9}, 1);
  const PaddedTexts padded = batches.pad(batches.evaluation_batch(0, 2), 0, 2);
  CHECK(padded.texts == 4);
  CHECK(padded.ids == std::vector<std::int32_t>{4, 0, 0, 1, 2, 0, 5, 6, 1, 3, 0, 0});
  CHECK(mask_of(padded) == std::vector<int>{1, 0, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0});
}

TEST_CASE("tokens with the padding id are read or left out as the options say") {
  const ListedSequences data({{0, {{0, 2, 0, 0, 5, 0}}}, {0, {{3, 0}}}, {0, {{4, 6}}}});
  const LabelledBatches reads(data, {.seq_len = 9}, 1), leaves(data, {.seq_len = 9, .mask_padding_id = true}, 1);
  const PaddedTexts read = reads.pad(reads.evaluation_batch(0, 3), 0, 3);
  CHECK(mask_of(read) == std::vector<int>{1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0});
  CHECK(read.mask->positions.empty());
  CHECK(read.mask->full_length() == 6);
  const LabelledBatch batch = leaves.evaluation_batch(0, 3);
  // The first token stays for models that read its hidden state, but as padding.
  CHECK(batch.rows[0].texts.front().tokens == std::vector<std::int32_t>{0, 2, 5});
  CHECK(batch.rows[0].texts.front().positions == std::vector<std::int32_t>{0, 1, 4});
  CHECK(batch.rows[0].texts.front().length == 6);
  CHECK(batch.tokens == 3 + 2 + 1);
  const PaddedTexts left = leaves.pad(batch, 0, 3);
  CHECK(left.ids == std::vector<std::int32_t>{0, 2, 5, 4, 6, 0, 3, 0, 0});
  CHECK(mask_of(left) == std::vector<int>{0, 1, 1, 1, 1, 0, 1, 0, 0});
  CHECK(left.mask->positions == std::vector<std::int32_t>{0, 1, 4, 0, 1, 1, 0, 0, 0});
  CHECK(left.mask->full_length() == 6);
  CHECK(left.mask->item_length(0) == 5);
  CHECK(left.mask->item_length(2) == 1);
  CHECK(leaves.pad(batch, 1, 1).mask == nullptr);
}

TEST_CASE("a text of nothing but padding keeps one token that is not read") {
  const ListedSequences data({{0, {{0, 0, 0}}}});
  const LabelledBatches batches(data, {.seq_len = 9, .mask_padding_id = true}, 1);
  const PaddedTexts padded = batches.pad(batches.training_batch(0, 1), 0, 1);
  CHECK(padded.ids == std::vector<std::int32_t>{0});
  CHECK(mask_of(padded) == std::vector<int>{0});
  CHECK(padded.mask->item_length(0) == 0);
  CHECK(padded.mask->full_length() == 3);
}

TEST_CASE("a class token stands before the tokens that seq_len counts") {
  const ListedSequences data({{0, {{1, 2, 3}}}, {0, {{4}}}});
  const LabelledBatches batches(data, {.seq_len = 2, .mask_padding_id = true, .class_token = true}, 1);
  const LabelledBatch batch = batches.evaluation_batch(0, 2);
  CHECK(batch.tokens == 5);
  CHECK(batches.pad(batch, 0, 2).ids == std::vector<std::int32_t>{7, 1, 2, 7, 4, 0});
}

}  // namespace cosformer::test
