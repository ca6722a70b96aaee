#include "data/lra/packed_sequences.h"

#include <algorithm>

#include "core/error.h"

namespace cosformer {

void PackedExamples::add(std::span<const std::uint8_t> sequence, std::uint8_t label) {
  values.insert(values.end(), sequence.begin(), sequence.end());
  ends.push_back(values.size());
  labels.push_back(label);
}

void PackedExamples::append(const PackedExamples& others) {
  const std::size_t offset = values.size();
  values.insert(values.end(), others.values.begin(), others.values.end());
  for (const std::size_t end : others.ends) ends.push_back(offset + end);
  labels.insert(labels.end(), others.labels.begin(), others.labels.end());
}

std::int32_t PackedSequences::label(std::int64_t example) const {
  check<Error>(example >= 0 && example < size(), "example ", example, " of ", size());
  return examples_.labels[static_cast<std::size_t>(example)];
}

void PackedSequences::read(std::int64_t example, int text, std::int64_t max_length,
                           std::vector<std::int32_t>& tokens) const {
  check<Error>(example >= 0 && example < size() && text == 0, "sequence ", text, " of example ", example, " of ", size());
  const auto index = static_cast<std::size_t>(example);
  const std::size_t begin = index == 0 ? 0 : examples_.ends[index - 1];
  write_tokens({examples_.values.data() + begin, examples_.ends[index] - begin}, format_.first_id, max_length, tokens);
}

void write_tokens(std::span<const std::uint8_t> values, std::int32_t first_id, std::int64_t max_length,
                  std::vector<std::int32_t>& tokens) {
  check<Error>(max_length >= 1, "sequences of at most ", max_length, " tokens");
  const std::size_t length = std::min(values.size(), static_cast<std::size_t>(max_length));
  tokens.resize(length);
  std::ranges::transform(values.first(length), tokens.begin(), [&](std::uint8_t value) { return first_id + value; });
}

}  // namespace cosformer
