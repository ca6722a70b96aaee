#include "train/tasks/translation/beam_search.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/random.h"
#include "tests/catch.h"
#include "tests/support/require_close.h"

namespace cosformer::test {

namespace {

using Tokens = std::vector<std::int32_t>;
/// Scores of all tokens behind a beginning of a sentence.
using Scores = std::function<std::vector<float>(std::int64_t sentence, const Tokens& beginning)>;

constexpr std::int32_t kBegin = 4, kEnd = 3, kVocabulary = 5;

/// A model that is a function.
class FunctionTokens : public NextTokens {
 public:
  FunctionTokens(Scores scores, std::int64_t sentences) : scores_(std::move(scores)) {
    for (std::int64_t sentence = 0; sentence < sentences; ++sentence) rows_.push_back({sentence, {}});
  }
  Tensor read(std::span<const std::int32_t> tokens) override {
    REQUIRE(tokens.size() == rows_.size());
    std::vector<float> all;
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      auto& [sentence, beginning] = rows_[row];
      beginning.push_back(tokens[row]);
      CHECK(beginning.front() == kBegin);
      const std::vector<float> own = scores_(sentence, Tokens(beginning.begin() + 1, beginning.end()));
      all.insert(all.end(), own.begin(), own.end());
    }
    most_rows = std::max(most_rows, rows_.size());
    return Tensor::from<float>({static_cast<std::int64_t>(rows_.size()), kVocabulary}, std::span<const float>(all));
  }
  void select(std::span<const std::int64_t> rows) override {
    std::vector<std::pair<std::int64_t, Tokens>> selected;
    for (const std::int64_t row : rows) selected.push_back(rows_.at(static_cast<std::size_t>(row)));
    rows_ = std::move(selected);
  }

  std::size_t most_rows = 0;

 private:
  Scores scores_;
  std::vector<std::pair<std::int64_t, Tokens>> rows_;
};

std::vector<float> random_scores(std::int64_t sentence, const Tokens& beginning) {
  std::uint64_t index = static_cast<std::uint64_t>(sentence) + 1;
  for (const std::int32_t token : beginning) index = index * 7 + static_cast<std::uint64_t>(token) + 1;
  const Random random(11, "scores");
  std::vector<float> scores;
  for (std::uint64_t token = 0; token < kVocabulary; ++token)
    scores.push_back(static_cast<float>(3 * random.normal(index, token)));
  return scores;
}

double log_probability(const std::vector<float>& scores, std::int32_t token) {
  double sum = 0;
  for (const float score : scores) sum += std::exp(static_cast<double>(score));
  return static_cast<double>(scores[static_cast<std::size_t>(token)]) - std::log(sum);
}

/// Every sequence of at most `max_length` tokens that ends, with its log-probability.
void enumerate(std::int64_t sentence, std::int64_t max_length, const Tokens& beginning, double sum,
               std::vector<Hypothesis>& found) {
  const std::vector<float> scores = random_scores(sentence, beginning);
  Tokens ended = beginning;
  ended.push_back(kEnd);
  found.push_back({ended, sum + log_probability(scores, kEnd), 0});
  if (static_cast<std::int64_t>(ended.size()) == max_length) return;
  for (std::int32_t token = 0; token < kEnd; ++token) {
    Tokens longer = beginning;
    longer.push_back(token);
    enumerate(sentence, max_length, longer, sum + log_probability(scores, token), found);
  }
}

std::vector<Hypothesis> all_hypotheses(std::int64_t sentence, std::int64_t max_length, double penalty) {
  std::vector<Hypothesis> found;
  enumerate(sentence, max_length, {}, 0, found);
  for (Hypothesis& each : found)
    each.score = each.log_probability / std::pow(static_cast<double>(each.tokens.size()), penalty);
  std::ranges::sort(found, std::greater<>(), &Hypothesis::score);
  return found;
}

SearchOptions options_of(std::int64_t beam, double penalty) { return {beam, penalty, kBegin, kEnd, kEnd}; }

std::vector<std::vector<Hypothesis>> search(std::int64_t sentences, std::int64_t max_length, std::int64_t beam,
                                            double penalty) {
  FunctionTokens next(random_scores, sentences);
  const std::vector<std::int64_t> max_lengths(static_cast<std::size_t>(sentences), max_length);
  return beam_search(next, max_lengths, options_of(beam, penalty));
}

}  // namespace

TEST_CASE("a beam as wide as all there is finds every sequence in its order, as exhaustive search does") {
  for (const double penalty : {0.0, 1.0, 2.0}) {
    for (const std::int64_t max_length : {1, 2, 4}) {
      const auto found = search(3, max_length, 200, penalty);
      for (std::int64_t sentence = 0; sentence < 3; ++sentence) {
        CAPTURE(penalty, max_length, sentence);
        const std::vector<Hypothesis> expected = all_hypotheses(sentence, max_length, penalty);
        const std::vector<Hypothesis>& actual = found[static_cast<std::size_t>(sentence)];
        REQUIRE(actual.size() == expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
          CHECK(actual[i].tokens == expected[i].tokens);
          require_close("log-probability", expected[i].log_probability, actual[i].log_probability, {.rel = 1e-10});
          require_close("score", expected[i].score, actual[i].score, {.rel = 1e-10});
        }
      }
    }
  }
}

TEST_CASE("a beam of one takes the likeliest token until the end or the greatest length") {
  for (const std::int64_t max_length : {1, 3, 8}) {
    const auto found = search(20, max_length, 1, 1.0);
    for (std::int64_t sentence = 0; sentence < 20; ++sentence) {
      CAPTURE(max_length, sentence);
      Tokens expected;
      while (expected.empty() || expected.back() != kEnd) {
        std::vector<float> scores = random_scores(sentence, expected);
        scores.resize(kEnd + 1);
        const auto likeliest = static_cast<std::int32_t>(std::ranges::max_element(scores) - scores.begin());
        expected.push_back(static_cast<std::int64_t>(expected.size()) + 1 == max_length ? kEnd : likeliest);
      }
      REQUIRE(found[static_cast<std::size_t>(sentence)].size() == 1);
      CHECK(found[static_cast<std::size_t>(sentence)][0].tokens == expected);
    }
  }
}

TEST_CASE("a wider beam finds what the likeliest token hides, and no more beginnings than the beam are kept") {
  // Token 0 is likeliest at first, but leads nowhere; behind 1 everything is certain.
  const auto scores = [](std::int64_t, const Tokens& beginning) -> std::vector<float> {
    if (beginning.empty()) return {1.0F, 0.8F, -9, -9, -9};
    if (beginning.front() == 0) return {0, 0, 0, 0, 0};
    return {-9, -9, -9, 9, -9};
  };
  const std::vector<std::int64_t> max_lengths = {5};
  FunctionTokens one(scores, 1), two(scores, 1);
  CHECK(beam_search(one, max_lengths, options_of(1, 0))[0][0].tokens.front() == 0);
  const auto found = beam_search(two, max_lengths, options_of(2, 0))[0];
  CHECK(found[0].tokens == Tokens{1, kEnd});
  CHECK(found.size() == 2);
  CHECK(two.most_rows == 2);
}

TEST_CASE("a sentence's translation does not depend on the sentences beside it, nor their greatest lengths on its own") {
  for (const std::int64_t beam : {1, 2, 5}) {
    const auto together = search(12, 7, beam, 1.0);
    FunctionTokens next(random_scores, 12);
    std::vector<std::int64_t> max_lengths(12, 3);
    max_lengths[5] = 7;
    const auto mixed = beam_search(next, max_lengths, options_of(beam, 1.0));
    for (std::int64_t sentence = 0; sentence < 12; ++sentence) {
      CAPTURE(beam, sentence);
      FunctionTokens alone([sentence](std::int64_t, const Tokens& beginning) { return random_scores(sentence, beginning); },
                           1);
      const std::vector<std::int64_t> own_length = {7};
      const auto expected = beam_search(alone, own_length, options_of(beam, 1.0))[0];
      const auto& actual = together[static_cast<std::size_t>(sentence)];
      REQUIRE(actual.size() == expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) CHECK(actual[i].tokens == expected[i].tokens);
      if (sentence == 5) CHECK(mixed[5][0].tokens == expected[0].tokens);
      if (sentence != 5) CHECK(mixed[static_cast<std::size_t>(sentence)][0].tokens.size() <= 3);
    }
  }
}

}  // namespace cosformer::test
