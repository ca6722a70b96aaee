#pragma once
/// \file
/// Labelled sequences that a test lists itself.

#include <algorithm>
#include <utility>

#include "data/labelled_sequences.h"
#include "tests/support/random_values.h"

namespace cosformer::test {

struct ListedSequences : LabelledSequences {
  struct Example {
    std::int32_t label = 0;
    std::vector<std::vector<std::int32_t>> texts;
  };
  std::vector<Example> examples;
  std::int64_t ids = 7, classes = 3;
  int texts_of_example = 1;

  explicit ListedSequences(std::vector<Example> listed = {}) : examples(std::move(listed)) {
    if (!examples.empty()) texts_of_example = static_cast<int>(examples.front().texts.size());
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(examples.size()); }
  std::int32_t label(std::int64_t example) const override { return examples[static_cast<std::size_t>(example)].label; }
  int texts() const override { return texts_of_example; }
  void read(std::int64_t example, int text, std::int64_t max_length, std::vector<std::int32_t>& tokens) const override {
    const auto& whole = examples[static_cast<std::size_t>(example)].texts[static_cast<std::size_t>(text)];
    const auto count = std::min(max_length, static_cast<std::int64_t>(whole.size()));
    tokens.assign(whole.begin(), whole.begin() + count);
  }
  std::int64_t vocab_size() const override { return ids; }
  std::int64_t num_classes() const override { return classes; }
};

/// `count` examples of 2 to `longest` tokens from 1 to 6, labelled by whether the token before the last of the first text is
/// small, medium or large.
inline ListedSequences random_sequences(std::int64_t count, std::uint64_t seed, int texts = 1, std::int64_t longest = 12) {
  ListedSequences data;
  data.texts_of_example = texts;
  for (std::int64_t i = 0; i < count; ++i) {
    ListedSequences::Example example;
    for (int text = 0; text < texts; ++text) {
      const std::uint64_t own = seed + 1000 * static_cast<std::uint64_t>(i * texts + text);
      const auto length =
          static_cast<std::int64_t>(random_values<double>(1, own, 2, static_cast<double>(longest) + 1).front());
      std::vector<std::int32_t>& tokens = example.texts.emplace_back();
      for (const double x : random_values<double>(length, own + 1, 1, 7)) tokens.push_back(static_cast<std::int32_t>(x));
    }
    const auto& first = example.texts.front();
    example.label = (first[first.size() - 2] - 1) / 2;
    data.examples.push_back(std::move(example));
  }
  return data;
}

}  // namespace cosformer::test
