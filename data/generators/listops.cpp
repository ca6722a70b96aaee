#include "data/generators/listops.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "data/generators/draws.h"
#include "data/lra/listops_tokens.h"
#include "data/lra/listops_value.h"

namespace cosformer {

namespace {

constexpr double kOperatorProbability = 0.25;
constexpr std::int64_t kCandidatesPerRound = 4096;
constexpr std::int64_t kCandidatesPerPiece = 64;
constexpr std::int64_t kMaxFruitlessCandidates = std::int64_t{1} << 20;

/// Adds a random node at `depth` to `tokens` and gives its value; nothing if the expression is too long already.
std::optional<int> grow(Draws& draws, const ListopsOptions& options, std::int64_t depth, std::vector<std::uint8_t>& tokens) {
  if (static_cast<std::int64_t>(tokens.size()) >= options.max_length) return std::nullopt;
  if (depth >= options.max_depth || draws.uniform() > kOperatorProbability) {
    const auto digit = static_cast<std::uint8_t>(draws.below(10));
    tokens.push_back(static_cast<std::uint8_t>(kListopsFirstDigit + digit));
    return digit;
  }
  const std::uint64_t operation = draws.below(kListopsOperators);
  tokens.push_back(static_cast<std::uint8_t>(kListopsFirstOperator + operation));
  std::vector<int> arguments(2 + draws.below(static_cast<std::uint64_t>(options.max_args) - 1));
  for (int& argument : arguments) {
    const auto value = grow(draws, options, depth + 1, tokens);
    if (!value) return std::nullopt;
    argument = *value;
  }
  tokens.push_back(kListopsClose);
  return apply_listops(operation, arguments);
}

/// An expression of a fitting length.
struct Expression {
  std::string tokens;
  std::string row;
  int label = 0;
};

std::optional<Expression> make_candidate(const Random& random, const ListopsOptions& options, std::int64_t number) {
  Draws draws(random, static_cast<std::uint64_t>(number));
  std::vector<std::uint8_t> tokens;
  const auto label = grow(draws, options, 1, tokens);
  const auto length = static_cast<std::int64_t>(tokens.size());
  if (!label || length <= options.min_length || length >= options.max_length) return std::nullopt;
  return Expression{
      .tokens = {tokens.begin(), tokens.end()}, .row = concat(listops_text(tokens), '\t', *label, "\r\n"), .label = *label};
}

void check_options(const ListopsOptions& options) {
  constexpr std::int64_t kMaxCount = 100'000'000, kMaxLength = 1 << 20, kMaxDepth = 100, kMaxArgs = 1000;
  for (const auto& [name, count] : {std::pair{"train", options.train}, {"valid", options.valid}, {"test", options.test}}) {
    check<InputError>(count >= 1 && count <= kMaxCount, name, ": expected 1 to ", kMaxCount, " expressions, found ", count);
  }
  check<InputError>(options.max_length >= 2 && options.max_length <= kMaxLength, "max_length: expected 2 to ", kMaxLength,
                    ", found ", options.max_length);
  check<InputError>(options.min_length >= 0 && options.min_length <= options.max_length - 2,
                    "min_length: expected 0 to max_length - 2 = ", options.max_length - 2, ", found ", options.min_length);
  check<InputError>(options.max_depth >= 1 && options.max_depth <= kMaxDepth, "max_depth: expected 1 to ", kMaxDepth,
                    ", found ", options.max_depth);
  check<InputError>(options.max_args >= 2 && options.max_args <= kMaxArgs, "max_args: expected 2 to ", kMaxArgs, ", found ",
                    options.max_args);
}

/// Writes rows to the three files, one after another.
class Rows {
 public:
  Rows(const ListopsOptions& options, GeneratedFiles& files)
      : files_(files), left_{options.train, options.valid, options.test} {}

  void add(std::string_view row) {
    while (left_[file_] == 0) {
      ++file_;
      is_begun_ = false;
    }
    if (!is_begun_) files_.append(kNames[file_], concat(kListopsHeader, "\r\n"));
    is_begun_ = true;
    files_.append(kNames[file_], row);
    --left_[file_];
  }

 private:
  static constexpr std::array<const char*, 3> kNames{"basic_train.tsv", "basic_val.tsv", "basic_test.tsv"};
  GeneratedFiles& files_;
  std::array<std::int64_t, 3> left_;
  std::size_t file_ = 0;
  bool is_begun_ = false;
};

void set_lengths(std::vector<std::int64_t> lengths, ListopsStatistics& statistics) {
  std::ranges::sort(lengths);
  const std::size_t count = lengths.size();
  statistics.mean_length =
      static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0})) / static_cast<double>(count);
  statistics.min_length = lengths.front();
  statistics.median_length = lengths[count / 2];
  statistics.p90_length = lengths[count * 9 / 10];
  statistics.max_length = lengths.back();
}

}  // namespace

ListopsStatistics make_listops(const ListopsOptions& options, GeneratedFiles& files, const GeneratorProgress& progress) {
  check_options(options);
  const std::int64_t total = options.train + options.valid + options.test;
  const Random random(options.seed, "listops");
  Rows rows(options, files);
  ListopsStatistics statistics;
  std::unordered_set<std::string> seen;
  std::vector<std::int64_t> lengths;
  std::vector<std::optional<Expression>> round(kCandidatesPerRound);
  std::int64_t last_fruitful = 0;
  while (statistics.accepted < total) {
    const std::int64_t first = statistics.candidates;
    parallel_ranges(kCandidatesPerRound, kCandidatesPerPiece, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        round[static_cast<std::size_t>(i)] = make_candidate(random, options, first + i);
    });
    for (auto& candidate : round) {
      if (statistics.accepted == total) break;
      ++statistics.candidates;
      if (!candidate) continue;
      const auto length = static_cast<std::int64_t>(candidate->tokens.size());
      if (!seen.insert(std::move(candidate->tokens)).second) {
        ++statistics.duplicates;
        continue;
      }
      rows.add(candidate->row);
      lengths.push_back(length);
      ++statistics.labels[static_cast<std::size_t>(candidate->label)];
      ++statistics.accepted;
      last_fruitful = statistics.candidates;
    }
    check<InputError>(statistics.candidates - last_fruitful < kMaxFruitlessCandidates, "no new expression among the last ",
                      kMaxFruitlessCandidates, " candidates after ", statistics.accepted, " of ", total,
                      ": the lengths, depth and arguments allow too few");
    progress(statistics.accepted, total);
  }
  set_lengths(std::move(lengths), statistics);
  return statistics;
}

std::string listops_text(std::span<const std::uint8_t> tokens) {
  // One parenthesis opens for each argument and one for the closing bracket.
  std::vector<std::size_t> arguments(tokens.size()), open;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool closes = tokens[i] == kListopsClose;
    check<Error>(tokens[i] >= 1 && tokens[i] < kListopsVocabSize && !(closes && open.empty()), "token ", int{tokens[i]},
                 " of ListOps in a wrong place");
    if (closes) open.pop_back();
    if (!closes && !open.empty()) ++arguments[open.back()];
    if (tokens[i] < kListopsClose) open.push_back(i);
  }
  check<Error>(open.empty(), "a ListOps expression without its closing bracket");
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = kListopsTokens[tokens[i] - std::size_t{1}];
    if (i > 0) text += ' ';
    if (tokens[i] < kListopsClose) {
      for (std::size_t opened = 0; opened <= arguments[i]; ++opened) text += "( ";
      text += token;
      continue;
    }
    text += token;
    // A digit or bracket ends an argument; a bracket also ends its operator's last application.
    const bool is_root = i + 1 == tokens.size();
    if (tokens[i] == kListopsClose) text += " )";
    if (!is_root) text += " )";
  }
  return text;
}

}  // namespace cosformer
