#pragma once
/// \file
/// What the tests of labelled data sets share.

#include <vector>

#include "data/labelled_sequences.h"
#include "tests/data/data_support.h"

namespace cosformer::test {

using Tokens = std::vector<std::int32_t>;

inline Tokens tokens_of(const LabelledSequences& sequences, std::int64_t example, int text = 0,
                        std::int64_t max_length = 1 << 24) {
  Tokens tokens;
  sequences.read(example, text, max_length, tokens);
  return tokens;
}

/// Requires that every example can be read and keeps what the interface promises. Examples by class.
inline std::vector<std::int64_t> check_promises(const LabelledSequences& sequences, std::int64_t max_length = 1 << 24) {
  std::vector<std::int64_t> by_class(static_cast<std::size_t>(sequences.num_classes()));
  Tokens tokens;
  for (std::int64_t i = 0; i < sequences.size(); ++i) {
    const std::int32_t label = sequences.label(i);
    if (label < 0 || label >= sequences.num_classes()) FAIL("label " << label << " of example " << i);
    ++by_class[static_cast<std::size_t>(label)];
    for (int text = 0; text < sequences.texts(); ++text) {
      sequences.read(i, text, max_length, tokens);
      if (tokens.empty()) FAIL("example " << i << " has no tokens");
      for (const std::int32_t id : tokens) {
        if (id < 0 || id >= sequences.vocab_size()) FAIL("id " << id << " in example " << i);
      }
    }
  }
  return by_class;
}

}  // namespace cosformer::test
