#include "data/generators/sequence_pairs.h"

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.h"
#include "data/generators/draws.h"

namespace cosformer {

namespace {

constexpr std::int64_t kMostPairs = 100'000'000;
constexpr std::int64_t kLongest = 1 << 20;
constexpr std::int64_t kPairsPerRound = 4096;

void check_options(const SequencePairsOptions& options) {
  const auto check_range = [](const char* name, std::int64_t value, std::int64_t low, std::int64_t high) {
    check<InputError>(value >= low && value <= high, name, ": expected ", low, " to ", high, ", found ", value);
  };
  check_range("train", options.train, 0, kMostPairs);
  check_range("valid", options.valid, 0, kMostPairs);
  check_range("test", options.test, 0, kMostPairs);
  check_range("max_length", options.max_length, 1, kLongest);
  check_range("min_length", options.min_length, 1, options.max_length);
  check_range("symbols", options.symbols, 1, kLongest);
}

std::vector<std::string> draw_sequence(const Random& random, std::int64_t number, const SequencePairsOptions& options) {
  Draws draws(random, static_cast<std::uint64_t>(number));
  const auto lengths = static_cast<std::uint64_t>(options.max_length - options.min_length + 1);
  std::vector<std::string> symbols(static_cast<std::size_t>(options.min_length) + draws.below(lengths));
  for (std::string& symbol : symbols) symbol = std::to_string(draws.below(static_cast<std::uint64_t>(options.symbols)));
  return symbols;
}

std::string line_of(const std::vector<std::string>& symbols) {
  std::string line;
  for (const std::string& symbol : symbols) line.append(line.empty() ? "" : " ").append(symbol);
  return line + '\n';
}

}  // namespace

SequencePairsStatistics make_sequence_pairs(const SequencePairsOptions& options, GeneratedFiles& files,
                                            const GeneratorProgress& progress) {
  check_options(options);
  const struct {
    const char* name;
    std::int64_t pairs;
  } parts[] = {{"train", options.train}, {"valid", options.valid}, {"test", options.test}};
  const Random random(options.seed, "sequence pairs");
  const std::int64_t total = options.train + options.valid + options.test;
  SequencePairsStatistics made;
  for (const auto& [name, pairs] : parts) {
    // One file after the other: a part is drawn twice rather than held in memory.
    for (const bool target : {false, true}) {
      const std::string file = concat(name, target ? ".tgt" : ".src");
      for (std::int64_t begin = 0; begin < pairs; begin += kPairsPerRound) {
        progress(made.pairs, total);
        std::string lines;
        const std::int64_t count = std::min(kPairsPerRound, pairs - begin);
        for (std::int64_t i = 0; i < count; ++i) {
          std::vector<std::string> symbols = draw_sequence(random, made.pairs + i, options);
          if (target) made.symbols += static_cast<std::int64_t>(symbols.size());
          if (target && options.reversed) std::ranges::reverse(symbols);
          lines += line_of(symbols);
        }
        files.append(file, lines);
        made.pairs += count;
      }
      if (!target) made.pairs -= pairs;
    }
  }
  progress(total, total);
  return made;
}

}  // namespace cosformer
