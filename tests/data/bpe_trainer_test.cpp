#include "data/tokenizers/bpe_trainer.h"

#include <map>
#include <set>

#include "core/parallel.h"
#include "data/tokenizers/bpe_pre_tokenizer.h"
#include "data/tokenizers/bpe_tokenizer.h"
#include "tests/data/data_support.h"

using namespace cosformer;
using namespace cosformer::test;
using test::Contains;
using Ids = std::vector<std::int32_t>;

namespace {

/// Training by the definition: all pairs are counted anew for every merge.
struct ReferenceTraining {
  std::vector<BpeMerge> merges;
  std::size_t tokens_of_text = 0;
};

ReferenceTraining reference_train(std::string_view text, std::size_t vocab_size, std::int64_t min_count) {
  std::vector<Ids> words;
  for (const std::string_view word : BpePreTokenizer().split(text)) {
    words.emplace_back();
    for (const char c : word) words.back().push_back(static_cast<unsigned char>(c));
  }
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(static_cast<unsigned char>(byte)));
  std::set<std::string> known(tokens.begin(), tokens.end());
  ReferenceTraining training;
  while (tokens.size() < vocab_size) {
    std::map<std::pair<std::int32_t, std::int32_t>, std::int64_t> counts;
    for (const Ids& word : words) {
      for (std::size_t i = 0; i + 1 < word.size(); ++i) ++counts[{word[i], word[i + 1]}];
    }
    std::pair<std::int32_t, std::int32_t> best{-1, -1};
    std::int64_t most = std::max<std::int64_t>(min_count, 2) - 1;
    for (const auto& [pair, count] : counts) {  // ascending, so the first of equals stays
      const std::string joined =
          tokens[static_cast<std::size_t>(pair.first)] + tokens[static_cast<std::size_t>(pair.second)];
      if (count <= most || known.count(joined) || joined.size() > kMaxTrainedTokenBytes) continue;
      best = pair;
      most = count;
    }
    if (best.first < 0) break;
    const auto merged = static_cast<std::int32_t>(tokens.size());
    tokens.push_back(tokens[static_cast<std::size_t>(best.first)] + tokens[static_cast<std::size_t>(best.second)]);
    known.insert(tokens.back());
    training.merges.push_back({best.first, best.second, merged});
    for (Ids& word : words) {
      Ids shorter;
      for (std::size_t i = 0; i < word.size(); ++i) {
        const bool here = i + 1 < word.size() && word[i] == best.first && word[i + 1] == best.second;
        shorter.push_back(here ? merged : word[i]);
        i += here;
      }
      word = std::move(shorter);
    }
  }
  for (const Ids& word : words) training.tokens_of_text += word.size();
  return training;
}

}  // namespace

TEST_CASE("training finds the same merges as counting all pairs anew") {
  std::mt19937_64 random(41);
  for (int repetition = 0; repetition < 60; ++repetition) {
    std::string text;
    if (repetition % 3 == 0) {
      text = random_text(random, 300);
    } else {  // few letters: many ties, runs and overlaps
      for (int i = 0; i < 400; ++i) text += "aab "[random() % (repetition % 3 == 1 ? 4 : 3)];
    }
    const auto min_count = static_cast<std::int64_t>(1 + random() % 4);
    const ReferenceTraining expected = reference_train(text, 330, min_count);
    const BpeModel model = train_bpe(text, 330, min_count);
    REQUIRE(model.merges == expected.merges);
    REQUIRE(model.tokens.size() == 256 + model.merges.size());
    // The tokenizer cuts the training text as training did.
    REQUIRE(BpeTokenizer(model).encode(text).size() == expected.tokens_of_text);
  }
}

TEST_CASE("equally frequent pairs are merged in the order of their ids") {
  const BpeModel model = train_bpe("dc dc ba ba", 400);
  // " b" and "ba" and " d" (once: no), "dc" ... each twice but " d"; the blank has the lowest id.
  REQUIRE(model.merges.size() >= 2);
  CHECK(model.merges[0] == BpeMerge{' ', 'b', 256});
  CHECK(model.merges[1] == BpeMerge{'d', 'c', 257});
  CHECK(model.merges[2] == BpeMerge{256, 'a', 258});
}

TEST_CASE("training ends where no pair occurs twice, and tokens stay short") {
  CHECK(train_bpe("", 1000).merges.empty());
  CHECK(train_bpe("abcdef", 1000).merges.empty());
  const BpeModel model = train_bpe(std::string(100'000, 'a'), 1000);
  std::size_t longest = 0;
  for (const std::string& token : model.tokens) longest = std::max(longest, token.size());
  CHECK(longest == kMaxTrainedTokenBytes);
  CHECK(train_bpe("aaaa", 256).tokens.size() == 256);
}

TEST_CASE("training refuses impossible sizes") {
  CHECK_THAT(input_error([] { train_bpe("a", 255); }), Contains("from 256 to 1048576, not 255"));
  CHECK_THAT(input_error([] { train_bpe("a", (1 << 20) + 1); }), Contains("vocab_size"));
  CHECK_THAT(input_error([] { train_bpe("a", 300, 0); }), Contains("min_count"));
}

TEST_CASE("training gives the same merges on any number of threads") {
  std::mt19937_64 random(43);
  std::string text;
  while (text.size() < 2'500'000) text += concat(" w", random() % 1000);
  const int threads = num_threads();
  set_num_threads(1);
  const BpeModel one = train_bpe(text, 600);
  set_num_threads(3);
  const BpeModel three = train_bpe(text, 600);
  set_num_threads(threads);
  CHECK(one.merges == three.merges);
  CHECK(one.tokens.size() == 600);
}

TEST_CASE("WikiText-2 trains a vocabulary of eight thousand that shortens its text") {
  if (const auto text = kit_xz("wikitext-2/wiki.train.tokens.xz")) {
    const BpeTokenizer tokenizer(train_bpe(*text, 8000));
    CHECK(tokenizer.vocab_size() == 8000);
    const Ids ids = tokenizer.encode(*text);
    CHECK(ids.size() * 7 < text->size() * 2);  // more than 3.5 bytes per token
    CHECK(tokenizer.decode(ids) == *text);
  } else {
    SUCCEED();
  }
}
