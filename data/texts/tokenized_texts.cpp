#include "data/texts/tokenized_texts.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

struct TokenizedExample {
  std::int32_t label = 0;
  std::array<std::vector<std::int32_t>, 2> texts;
};

/// How much of two texts stays if they have `room` together.
std::array<std::size_t, 2> shares(std::size_t first, std::size_t second, std::size_t room) {
  if (first + second <= room) return {first, second};
  const std::size_t half = room / 2;
  if (first <= half) return {first, room - first};
  if (second <= half) return {room - second, second};
  return {room - half, half};
}

class TokenizedTexts : public LabelledSequences {
 public:
  TokenizedTexts(std::vector<TokenizedExample> examples, const SpecialTokens& special, const TokenizedTextOptions& options,
                 std::int64_t skipped, Digest content)
      : examples_(std::move(examples)),
        special_(special),
        options_(options),
        skipped_(skipped),
        content_(std::move(content)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(examples_.size()); }
  std::int32_t label(std::int64_t example) const override { return at(example).label; }
  void read(std::int64_t example, int, std::int64_t max_length, std::vector<std::int32_t>& tokens) const override {
    const auto& [first, second] = at(example).texts;
    const std::int64_t specials = options_.pairs ? 4 : 2;
    const auto room = static_cast<std::size_t>(std::max<std::int64_t>(max_length - specials, 0));
    const std::array<std::size_t, 2> kept = shares(first.size(), second.size(), room);
    const auto append = [&](const std::vector<std::int32_t>& text, std::size_t count) {
      tokens.insert(tokens.end(), text.begin(), text.begin() + static_cast<std::ptrdiff_t>(count));
      tokens.push_back(special_.separator);
    };
    tokens.assign(1, special_.class_token);
    append(first, kept[0]);
    if (options_.pairs) {
      tokens.push_back(special_.separator);
      append(second, kept[1]);
    }
    if (static_cast<std::int64_t>(tokens.size()) > max_length) tokens.resize(static_cast<std::size_t>(max_length));
  }
  std::int64_t vocab_size() const override { return special_.vocab_size; }
  std::int64_t num_classes() const override { return options_.num_classes; }
  std::int32_t padding_id() const override { return -1; }
  std::int64_t skipped() const override { return skipped_; }
  /// Of the texts: another tokenizer leaves it as it is.
  Digest content() const override { return content_; }

 private:
  const TokenizedExample& at(std::int64_t example) const {
    check<Error>(example >= 0 && example < size(), "example ", example, " of ", size());
    return examples_[static_cast<std::size_t>(example)];
  }

  std::vector<TokenizedExample> examples_;
  SpecialTokens special_;
  TokenizedTextOptions options_;
  std::int64_t skipped_;
  Digest content_;
};

}  // namespace

std::unique_ptr<LabelledSequences> tokenize_texts(const LabelledTexts& texts, const Tokenizer& tokenizer,
                                                  const TokenizedTextOptions& options, const std::string& source) {
  const auto count = static_cast<std::int64_t>(texts.examples.size());
  std::vector<TokenizedExample> examples(texts.examples.size());
  std::vector<std::string> problems(texts.examples.size());
  parallel_for(count, [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    const LabelledTexts::Example& text = texts.examples[place];
    try {
      examples[place] = {text.label, {tokenizer.encode(text.first), tokenizer.encode(text.second)}};
    } catch (const InputError& error) {
      problems[place] = error.what();
    }
  });
  for (std::size_t i = 0; i < problems.size(); ++i) {
    check<InputError>(problems[i].empty(), source, ": example ", i + 1, ": ", problems[i]);
  }
  return std::make_unique<TokenizedTexts>(std::move(examples),
                                          options.special.value_or(SpecialTokens(tokenizer.vocab_size())), options,
                                          texts.skipped, content_of(texts));
}

}  // namespace cosformer
