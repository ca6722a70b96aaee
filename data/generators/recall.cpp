#include "data/generators/recall.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/error.h"
#include "data/generators/draws.h"
#include "data/recall_sequences.h"

namespace cosformer {

namespace {

constexpr std::int64_t kMostSequences = 100'000'000;
constexpr std::int64_t kLongest = 1 << 20;
constexpr std::int64_t kSequencesPerRound = 1024;

void check_range(const char* name, std::int64_t value, std::int64_t low, std::int64_t high) {
  check<InputError>(value >= low && value <= high, name, ": expected ", low, " to ", high, ", found ", value);
}

/// `least_length` and `least_vocab` are what the test needs.
void check_options(const RecallOptions& options, std::int64_t least_length, std::int64_t least_vocab) {
  check_range("train", options.train, 0, kMostSequences);
  check_range("valid", options.valid, 0, kMostSequences);
  check_range("test", options.test, 0, kMostSequences);
  check_range("length", options.length, least_length, kLongest);
  check_range("vocab-size", options.vocab_size, least_vocab, kLongest);
}

/// `count` different numbers of [first, first + range), in random order.
std::vector<std::int32_t> draw_different(Draws& draws, std::int64_t first, std::int64_t range, std::int64_t count) {
  std::vector<std::int32_t> numbers;
  std::unordered_set<std::int32_t> seen;
  while (std::ssize(numbers) < count) {
    const auto number =
        static_cast<std::int32_t>(first + static_cast<std::int64_t>(draws.below(static_cast<std::uint64_t>(range))));
    if (seen.insert(number).second) numbers.push_back(number);
  }
  return numbers;
}

/// `count` different indices of `weights`, one after the other in proportion to the weights that are left.
std::vector<std::size_t> draw_weighted(Draws& draws, std::vector<double> weights, std::int64_t count) {
  std::vector<std::size_t> chosen;
  while (std::ssize(chosen) < count) {
    double rest = draws.uniform() * std::accumulate(weights.begin(), weights.end(), 0.0);
    std::size_t place = 0, last = 0;
    for (; place < weights.size(); ++place) {
      if (weights[place] == 0) continue;
      last = place;
      if (rest < weights[place]) break;
      rest -= weights[place];
    }
    // Rounding may leave a rest behind the last weight.
    chosen.push_back(last);
    weights[last] = 0;
  }
  return chosen;
}

/// Writes the sequences that `draw` makes of their own random numbers.
RecallStatistics write_parts(const RecallOptions& options, const char* purpose, GeneratedFiles& files,
                             const GeneratorProgress& progress, const std::function<RecallSequence(Draws&)>& draw) {
  const struct {
    const char* name;
    std::int64_t sequences;
  } parts[] = {{"train.tsv", options.train}, {"valid.tsv", options.valid}, {"test.tsv", options.test}};
  const Random random(options.seed, purpose);
  const std::int64_t total = options.train + options.valid + options.test;
  RecallStatistics made;
  for (const auto& [name, sequences] : parts) {
    files.append(name, recall_header(options.vocab_size));
    for (std::int64_t begin = 0; begin < sequences; begin += kSequencesPerRound) {
      progress(made.sequences, total);
      std::string rows;
      for (std::int64_t i = begin; i < std::min(begin + kSequencesPerRound, sequences); ++i) {
        Draws draws(random, static_cast<std::uint64_t>(made.sequences++));
        const RecallSequence sequence = draw(draws);
        made.targets += std::ssize(sequence.targets);
        rows += recall_row(sequence);
      }
      files.append(name, rows);
    }
  }
  progress(total, total);
  return made;
}

}  // namespace

RecallStatistics make_mqar(const MqarOptions& options, GeneratedFiles& files, const GeneratorProgress& progress) {
  check_range("pairs", options.pairs, 1, kLongest / 4);
  check_options(options, 4 * options.pairs, 2 * options.pairs + 2);
  check<InputError>(options.power > 0 && options.power <= 1, "power: expected a number above 0, to 1, found ",
                    options.power);
  const std::int64_t context = 2 * options.pairs, keys = options.vocab_size / 2;
  std::vector<double> weights;
  for (std::int64_t place = 1; place <= (options.length - context) / 2; ++place) {
    weights.push_back(std::pow(static_cast<double>(place), options.power - 1));
  }
  return write_parts(options, "mqar", files, progress, [&](Draws& draws) {
    RecallSequence sequence;
    const std::vector<std::int32_t> own_keys = draw_different(draws, 1, keys - 1, options.pairs),
                                    values = draw_different(draws, keys, options.vocab_size - keys, options.pairs);
    const std::vector<std::size_t> places = draw_weighted(draws, weights, options.pairs);
    sequence.tokens.assign(static_cast<std::size_t>(options.length), 0);
    for (std::size_t pair = 0; pair < own_keys.size(); ++pair) {
      sequence.tokens[2 * pair] = own_keys[pair];
      sequence.tokens[2 * pair + 1] = values[pair];
      const std::size_t query = static_cast<std::size_t>(context) + 2 * places[pair];
      sequence.tokens[query] = own_keys[pair];
      sequence.targets.push_back({static_cast<std::int64_t>(query), values[pair]});
    }
    std::ranges::sort(sequence.targets, {}, &RecallTarget::position);
    for (std::int32_t& token : sequence.tokens) {
      if (token == 0 && options.random_filling) {
        token = static_cast<std::int32_t>(draws.below(static_cast<std::uint64_t>(options.vocab_size)));
      }
    }
    return sequence;
  });
}

RecallStatistics make_selective_copy(const SelectiveCopyOptions& options, GeneratedFiles& files,
                                     const GeneratorProgress& progress) {
  check_range("symbols", options.symbols, 1, kLongest / 2);
  check_options(options, 2 * options.symbols, 3);
  const std::int64_t memory = options.length - options.symbols;
  return write_parts(options, "selective copy", files, progress, [&](Draws& draws) {
    RecallSequence sequence;
    sequence.tokens.assign(static_cast<std::size_t>(options.length), 0);
    std::vector<std::int32_t> places = draw_different(draws, 0, memory, options.symbols);
    std::ranges::sort(places);
    for (std::int64_t i = 0; i < options.symbols; ++i) {
      const auto symbol = static_cast<std::int32_t>(1 + draws.below(static_cast<std::uint64_t>(options.vocab_size - 2)));
      sequence.tokens[static_cast<std::size_t>(places[static_cast<std::size_t>(i)])] = symbol;
      sequence.tokens[static_cast<std::size_t>(memory + i)] = static_cast<std::int32_t>(options.vocab_size - 1);
      sequence.targets.push_back({memory + i, symbol});
    }
    return sequence;
  });
}

RecallStatistics make_induction(const InductionOptions& options, GeneratedFiles& files, const GeneratorProgress& progress) {
  check_options(options, 3, 2);
  const auto special = static_cast<std::int32_t>(options.vocab_size - 1);
  return write_parts(options, "induction heads", files, progress, [&](Draws& draws) {
    RecallSequence sequence;
    for (std::int64_t i = 0; i < options.length; ++i) {
      sequence.tokens.push_back(static_cast<std::int32_t>(draws.below(static_cast<std::uint64_t>(special))));
    }
    const auto place = static_cast<std::size_t>(draws.below(static_cast<std::uint64_t>(options.length - 2)));
    sequence.tokens[place] = sequence.tokens.back() = special;
    sequence.targets.push_back({options.length - 1, sequence.tokens[place + 1]});
    return sequence;
  });
}

RecallStatistics make_needle(const NeedleOptions& options, GeneratedFiles& files, const GeneratorProgress& progress) {
  check_range("needles", options.needles, 1, kLongest / 4);
  check_options(options, 2 * options.needles + 1, 4 * options.needles + 4);
  const std::int64_t keys = options.vocab_size / 2, values = keys + options.vocab_size / 4;
  const std::int64_t slots = (options.length - 1) / 2;
  return write_parts(options, "needle", files, progress, [&](Draws& draws) {
    RecallSequence sequence;
    for (std::int64_t i = 0; i < options.length; ++i) {
      sequence.tokens.push_back(static_cast<std::int32_t>(draws.below(static_cast<std::uint64_t>(keys))));
    }
    const std::vector<std::int32_t> own_keys = draw_different(draws, keys, values - keys, options.needles),
                                    own_values = draw_different(draws, values, options.vocab_size - values, options.needles),
                                    places = draw_different(draws, 0, slots, options.needles);
    for (std::size_t needle = 0; needle < own_keys.size(); ++needle) {
      const auto place = 2 * static_cast<std::size_t>(places[needle]);
      sequence.tokens[place] = own_keys[needle];
      sequence.tokens[place + 1] = own_values[needle];
    }
    const auto asked = static_cast<std::size_t>(draws.below(static_cast<std::uint64_t>(options.needles)));
    sequence.tokens.back() = own_keys[asked];
    sequence.targets.push_back({options.length - 1, own_values[asked]});
    return sequence;
  });
}

}  // namespace cosformer
