#include "data/recall_sequences.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/kernels/cross_entropy.h"
#include "core/printable.h"
#include "data/lra/rows.h"
#include "data/mapped_file.h"
#include "data/permutation.h"

namespace cosformer {

namespace {

constexpr std::string_view kHeader = "Tokens\tTargets\tVocabulary=";
constexpr std::int64_t kLargestVocabulary = std::int64_t{1} << 24;

/// A whole number without a sign that is all of the text; -1 if it is none, or not below `bound`.
std::int64_t number_below(std::string_view text, std::int64_t bound) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size() && !text.starts_with('-');
  return whole && number < bound ? number : -1;
}

/// Throws InputError that begins with `where`.
RecallSequence parse_row(std::string_view row, std::int64_t vocab_size, const std::string& where) {
  const std::vector<std::string_view> columns = split_row(row, '\t');
  check<InputError>(columns.size() == 2, where, "expected tokens, one tab and targets, found ", columns.size() - 1, " tabs");
  RecallSequence sequence;
  for (const std::string_view text : split_row(columns[0], ' ')) {
    const std::int64_t id = number_below(text, vocab_size);
    check<InputError>(id >= 0, where, "expected a token id below ", vocab_size, ", found ", printable(text));
    sequence.tokens.push_back(static_cast<std::int32_t>(id));
  }
  for (const std::string_view text : split_row(columns[1], ' ')) {
    const std::size_t colon = std::min(text.find(':'), text.size());
    const std::int64_t position = number_below(text.substr(0, colon), std::ssize(sequence.tokens));
    const std::int64_t id = number_below(text.substr(std::min(colon + 1, text.size())), vocab_size);
    check<InputError>(position >= 0 && id >= 0, where, "expected a target POSITION:ID with a position below ",
                      sequence.tokens.size(), " and an id below ", vocab_size, ", found ", printable(text));
    check<InputError>(sequence.targets.empty() || sequence.targets.back().position < position, where,
                      "expected rising positions of targets, found ", position, " after ",
                      sequence.targets.empty() ? 0 : sequence.targets.back().position);
    sequence.targets.push_back({position, static_cast<std::int32_t>(id)});
  }
  return sequence;
}

}  // namespace

std::string recall_header(std::int64_t vocab_size) { return concat(kHeader, vocab_size, '\n'); }

std::string recall_row(const RecallSequence& sequence) {
  std::string row;
  for (const std::int32_t token : sequence.tokens) row += concat(row.empty() ? "" : " ", token);
  const char* separator = "\t";
  for (const auto& [position, token] : sequence.targets) {
    row += concat(separator, position, ':', token);
    separator = " ";
  }
  return row + '\n';
}

RecallSet load_recall_set(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::vector<std::string_view> lines = split_lines(file.bytes(), path);
  const std::string_view first = lines.empty() ? std::string_view() : lines[0];
  const std::int64_t vocab_size =
      first.starts_with(kHeader) ? number_below(first.substr(kHeader.size()), kLargestVocabulary + 1) : -1;
  check<InputError>(vocab_size > 0, at_row(path, 1), "expected the header Tokens<TAB>Targets<TAB>Vocabulary=V, found ",
                    printable(first));
  check<InputError>(lines.size() > 1, path.string(), ": no rows after the header");
  RecallSet set{.vocab_size = vocab_size, .sequences = {}, .longest = 0, .content = digest_of(file.bytes())};
  for (std::size_t i = 1; i < lines.size(); ++i) {
    set.sequences.push_back(parse_row(lines[i], vocab_size, at_row(path, static_cast<std::int64_t>(i) + 1)));
    set.longest = std::max<std::int64_t>(set.longest, std::ssize(set.sequences.back().tokens));
  }
  return set;
}

RecallBatch recall_batch(const RecallSet& set, std::span<const std::int64_t> numbers) {
  RecallBatch batch{.rows = std::ssize(numbers), .length = 0, .predicted = 0, .tokens = 0, .inputs = {}, .targets = {}};
  const auto sequence = [&](std::int64_t number) -> const RecallSequence& {
    return set.sequences[static_cast<std::size_t>(number)];
  };
  for (const std::int64_t number : numbers) {
    batch.length = std::max<std::int64_t>(batch.length, std::ssize(sequence(number).tokens));
  }
  const auto length = static_cast<std::size_t>(batch.length);
  batch.inputs.assign(numbers.size() * length, 0);
  batch.targets.assign(numbers.size() * length, kIgnoredTarget);
  for (std::size_t row = 0; row < numbers.size(); ++row) {
    const RecallSequence& own = sequence(numbers[row]);
    std::ranges::copy(own.tokens, batch.inputs.begin() + static_cast<std::ptrdiff_t>(row * length));
    for (const auto& [position, token] : own.targets)
      batch.targets[row * length + static_cast<std::size_t>(position)] = token;
    batch.predicted += std::ssize(own.targets);
    batch.tokens += std::ssize(own.tokens);
  }
  return batch;
}

std::int64_t recall_order(const RecallSet& set, std::uint64_t seed, std::int64_t number) {
  const std::int64_t size = std::ssize(set.sequences);
  return Permutation(size, seed, "recall order", number / size)(number % size);
}

}  // namespace cosformer
