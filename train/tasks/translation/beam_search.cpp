#include "train/tasks/translation/beam_search.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "core/error.h"

namespace cosformer {

namespace {

struct Beginning {
  std::size_t sentence = 0;
  std::vector<std::int32_t> tokens;
  double log_probability = 0;
};

struct Continuation {
  double log_probability = 0;
  std::int64_t row = 0;
  std::int32_t token = 0;
};

/// The likelier first.
bool precedes(const Continuation& a, const Continuation& b) {
  return std::tuple(-a.log_probability, a.row, a.token) < std::tuple(-b.log_probability, b.row, b.token);
}

/// The best of what is added, in order.
class Best {
 public:
  explicit Best(std::size_t count) : count_(count) {}

  void add(const Continuation& continuation) {
    if (kept_.size() == count_ && !precedes(continuation, kept_.back())) return;
    if (kept_.size() == count_) kept_.pop_back();
    kept_.insert(std::ranges::upper_bound(kept_, continuation, precedes), continuation);
  }
  const std::vector<Continuation>& in_order() const { return kept_; }

 private:
  std::size_t count_;
  std::vector<Continuation> kept_;
};

double log_sum_exp(std::span<const float> scores) {
  const auto largest = static_cast<double>(std::ranges::max(scores));
  double sum = 0;
  for (const float score : scores) sum += std::exp(static_cast<double>(score) - largest);
  return largest + std::log(sum);
}

class Search {
 public:
  Search(NextTokens& next, std::span<const std::int64_t> max_lengths, const SearchOptions& options)
      : next_(next), max_lengths_(max_lengths), options_(options), finished_(max_lengths.size()) {
    for (std::size_t sentence = 0; sentence < max_lengths.size(); ++sentence) live_.push_back({sentence, {}, 0});
  }

  std::vector<std::vector<Hypothesis>> run() {
    while (!live_.empty()) step();
    for (auto& hypotheses : finished_) std::ranges::stable_sort(hypotheses, std::greater<>(), &Hypothesis::score);
    return std::move(finished_);
  }

 private:
  void step() {
    std::vector<std::int32_t> newest;
    for (const Beginning& beginning : live_)
      newest.push_back(beginning.tokens.empty() ? options_.begin : beginning.tokens.back());
    const Tensor scores = next_.read(newest);
    check<Error>(
        scores.rank() == 2 && scores.dim(0) == static_cast<std::int64_t>(live_.size()) && scores.dim(1) > options_.end,
        "[beam_search] scores of shape ", scores.shape(), " for ", live_.size(), " beginnings");
    std::vector<Beginning> grown;
    std::vector<std::int64_t> rows;
    // A sentence's beginnings are neighbours.
    for (std::size_t first = 0, end = 0; first < live_.size(); first = end) {
      while (end < live_.size() && live_[end].sentence == live_[first].sentence) ++end;
      const Best best = continuations(scores, first, end);
      grow(best.in_order(), live_[first].sentence, grown, rows);
    }
    live_ = std::move(grown);
    if (!live_.empty()) next_.select(rows);
  }

  Best continuations(const Tensor& scores, std::size_t first, std::size_t end) const {
    Best best(static_cast<std::size_t>(2 * options_.beam));
    const auto vocab = static_cast<std::size_t>(scores.dim(1));
    for (std::size_t row = first; row < end; ++row) {
      const Beginning& beginning = live_[row];
      const std::span<const float> own = scores.span<float>().subspan(row * vocab, vocab);
      const double base = beginning.log_probability - log_sum_exp(own);
      const auto add = [&](std::int32_t token) {
        best.add({base + static_cast<double>(own[static_cast<std::size_t>(token)]), static_cast<std::int64_t>(row), token});
      };
      const bool must_end = std::cmp_greater_equal(beginning.tokens.size() + 1, max_lengths_[beginning.sentence]);
      const std::int32_t tokens = must_end ? 0 : std::min(options_.vocab_size, static_cast<std::int32_t>(vocab));
      for (std::int32_t token = 0; token < tokens; ++token) {
        if (token != options_.end) add(token);
      }
      add(options_.end);
    }
    return best;
  }

  /// Finishes or continues the beginnings of a sentence.
  void grow(const std::vector<Continuation>& best, std::size_t sentence, std::vector<Beginning>& grown,
            std::vector<std::int64_t>& rows) {
    std::vector<Hypothesis>& finished = finished_[sentence];
    const auto beam = static_cast<std::size_t>(options_.beam);
    const std::size_t before = grown.size();
    for (std::size_t i = 0; i < best.size(); ++i) {
      const Continuation& continuation = best[i];
      std::vector<std::int32_t> tokens = live_[static_cast<std::size_t>(continuation.row)].tokens;
      tokens.push_back(continuation.token);
      if (continuation.token != options_.end) {
        if (grown.size() - before == beam) continue;
        grown.push_back({sentence, std::move(tokens), continuation.log_probability});
        rows.push_back(continuation.row);
      } else if (i < beam && finished.size() < beam) {
        const double length = static_cast<double>(tokens.size());
        const double score = continuation.log_probability / std::pow(length, options_.length_penalty);
        finished.push_back({std::move(tokens), continuation.log_probability, score});
      }
    }
    if (finished.size() < beam) return;
    grown.resize(before);
    rows.resize(before);
  }

  NextTokens& next_;
  std::span<const std::int64_t> max_lengths_;
  SearchOptions options_;
  std::vector<Beginning> live_;
  std::vector<std::vector<Hypothesis>> finished_;
};

}  // namespace

std::vector<std::vector<Hypothesis>> beam_search(NextTokens& next, std::span<const std::int64_t> max_lengths,
                                                 const SearchOptions& options) {
  check<Error>(options.beam >= 1, "[beam_search] a beam of ", options.beam);
  check<Error>(std::ranges::all_of(max_lengths, [](std::int64_t length) { return length >= 1; }),
               "[beam_search] a sentence has at least its end");
  return Search(next, max_lengths, options).run();
}

}  // namespace cosformer
