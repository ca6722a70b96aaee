#include "train/tasks/translation/translator.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "data/parallel_text.h"

namespace cosformer {

namespace {

/// Beginnings that one thread works on together.
constexpr std::int64_t kGroupRows = 64;

class ModelNextTokens : public NextTokens {
 public:
  ModelNextTokens(const Model& model, const EncoderOutput& encoder)
      : model_(model), state_(model.decoder().start(encoder)) {}

  Tensor read(std::span<const std::int32_t> tokens) override {
    const auto rows = static_cast<std::int64_t>(tokens.size());
    const Tensor hidden = model_.decoder().step(Tensor::from<std::int32_t>({rows, 1}, tokens), state_);
    const Tensor logits = model_.logits(Variable(hidden.reshape({rows, hidden.dim(2)})), Pass{}).value();
    return logits.to(DType::float32);
  }
  void select(std::span<const std::int64_t> rows) override { state_.select(rows); }

 private:
  const Model& model_;
  DecoderState state_;
};

/// Sources that are padded to the longest of them.
EncoderOutput encode(const Model& model, std::span<const std::vector<std::int32_t>* const> sources, std::int32_t padding) {
  std::int64_t longest = 0;
  std::vector<std::int64_t> lengths;
  for (const auto* source : sources) lengths.push_back(static_cast<std::int64_t>(source->size()));
  for (const std::int64_t length : lengths) longest = std::max(longest, length);
  std::vector<std::int32_t> ids;
  for (const auto* source : sources) {
    ids.insert(ids.end(), source->begin(), source->end());
    ids.resize(ids.size() + static_cast<std::size_t>(longest) - source->size(), padding);
  }
  const SharedPaddingMask mask = padding_mask_from_lengths(lengths, longest);
  const auto rows = static_cast<std::int64_t>(sources.size());
  return {model.encode(Tensor::from<std::int32_t>({rows, longest}, std::span<const std::int32_t>(ids)), mask, Pass{}), mask};
}

}  // namespace

Translator::Translator(const Model& model, const Tokenizer& tokenizer, const DecodingConfig& decoding,
                       std::int64_t max_length)
    : model_(model), tokenizer_(tokenizer), decoding_(decoding), max_length_(max_length), special_(tokenizer.vocab_size()) {}

std::vector<Hypothesis> Translator::translate_tokens(std::span<const std::vector<std::int32_t>> sources) const {
  std::vector<std::size_t> order(sources.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // The longest first: the heaviest groups do not come last.
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return sources[i].size(); });
  const SearchOptions options{decoding_.beam, decoding_.length_penalty, special_.begin, special_.end,
                              static_cast<std::int32_t>(tokenizer_.vocab_size())};
  const auto group_size = static_cast<std::size_t>(std::max<std::int64_t>(kGroupRows / decoding_.beam, 1));
  const std::size_t groups = (sources.size() + group_size - 1) / group_size;
  std::vector<Hypothesis> best(sources.size());
  const auto translate_group = [&](std::int64_t group) {
    const std::size_t first = static_cast<std::size_t>(group) * group_size,
                      end = std::min(first + group_size, sources.size());
    std::vector<const std::vector<std::int32_t>*> own;
    std::vector<std::int64_t> max_lengths;
    for (std::size_t i = first; i < end; ++i) {
      own.push_back(&sources[order[i]]);
      const double bound = decoding_.max_length_ratio * static_cast<double>(own.back()->size()) +
                           static_cast<double>(decoding_.max_length_extra);
      max_lengths.push_back(std::max<std::int64_t>(
          static_cast<std::int64_t>(std::min(std::floor(bound), static_cast<double>(max_length_))), 1));
    }
    ModelNextTokens next(model_, encode(model_, own, special_.padding));
    auto found = beam_search(next, max_lengths, options);
    for (std::size_t i = first; i < end; ++i) best[order[i]] = std::move(found[i - first].front());
  };
  // A single group runs outside the loop, so that its operators are split over the threads.
  groups == 1 ? translate_group(0) : parallel_for(static_cast<std::int64_t>(groups), translate_group);
  return best;
}

std::string Translator::text_of(const Hypothesis& hypothesis) const {
  return tokenizer_.decode(std::span(hypothesis.tokens).first(hypothesis.tokens.size() - 1));
}

std::vector<std::string> Translator::translate(std::span<const std::string> sentences) const {
  std::vector<std::vector<std::int32_t>> sources;
  for (const std::string& sentence : sentences) sources.push_back(source_sentence(sentence, tokenizer_, max_length_));
  std::vector<std::string> translations;
  for (const Hypothesis& hypothesis : translate_tokens(sources)) translations.push_back(text_of(hypothesis));
  return translations;
}

}  // namespace cosformer
