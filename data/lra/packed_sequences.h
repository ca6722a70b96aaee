#pragma once
/// \file
/// Labelled sequences whose tokens fit into a byte each, in one block of memory.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "data/labelled_sequences.h"

namespace cosformer {

/// Examples as they are collected while a file is read.
struct PackedExamples {
  std::vector<std::uint8_t> values;
  std::vector<std::size_t> ends;     ///< where in `values` each example ends
  std::vector<std::uint8_t> labels;  ///< one per example

  void add(std::span<const std::uint8_t> sequence, std::uint8_t label);
  /// Adds all examples of another collection, in its order.
  void append(const PackedExamples& others);
};

/// What a format says of its tokens and labels.
struct PackedFormat {
  std::int64_t vocab_size;
  std::int64_t num_classes;
  std::int32_t first_id;  ///< id of the value 0
};

/// One sequence an example; a token's id is its value plus the format's `first_id`. Id 0 is padding.
class PackedSequences : public LabelledSequences {
 public:
  PackedSequences(PackedExamples examples, const PackedFormat& format, std::int64_t skipped = 0)
      : examples_(std::move(examples)), format_(format), skipped_(skipped) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(examples_.labels.size()); }
  std::int32_t label(std::int64_t example) const override;
  void read(std::int64_t example, int text, std::int64_t max_length, std::vector<std::int32_t>& tokens) const override;
  std::int64_t vocab_size() const override { return format_.vocab_size; }
  std::int64_t num_classes() const override { return format_.num_classes; }
  std::int64_t skipped() const override { return skipped_; }

 private:
  PackedExamples examples_;
  PackedFormat format_;
  std::int64_t skipped_;
};

/// Writes the first `max_length` values to `tokens`, each plus `first_id`. Throws Error if `max_length` < 1.
void write_tokens(std::span<const std::uint8_t> values, std::int32_t first_id, std::int64_t max_length,
                  std::vector<std::int32_t>& tokens);

}  // namespace cosformer
