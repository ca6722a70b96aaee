#pragma once
/// \file
/// The patterns of sparse attention as plain formulas, pair by pair: what the lists of core/kernels/sparse_attention are
/// held to.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/kernels/sparse_attention/patterns.h"
#include "tests/support/attention_reference.h"

namespace cosformer::test {

/// Whether head h has query position i look at key position j, in a text of `length` keys.
using SparseRule = std::function<bool(std::int64_t h, std::int64_t i, std::int64_t j, std::int64_t length)>;

/// A pattern, and the same as a formula.
struct NamedPattern {
  std::string name;
  SharedSparsePattern pattern;
  SparseRule rule;
};

inline NamedPattern window_pattern(std::int64_t window, std::int64_t global) {
  return {"window " + std::to_string(window) + ", global " + std::to_string(global),
          make_window_pattern({.window = window, .global_tokens = global}),
          [=](std::int64_t, std::int64_t i, std::int64_t j, std::int64_t) {
            return std::abs(i - j) <= window || i < global || j < global;
          }};
}

inline NamedPattern block_pattern(std::int64_t size, std::int64_t window, std::int64_t global, std::int64_t random,
                                  bool causal) {
  const BlockPatternOptions options{.block_size = size,
                                    .window_blocks = window,
                                    .global_blocks = global,
                                    .random_blocks = random,
                                    .random = Random(7, "blocks")};
  return {"blocks of " + std::to_string(size), make_block_pattern(options),
          [=](std::int64_t h, std::int64_t i, std::int64_t j, std::int64_t length) {
            const std::int64_t row = i / size, column = j / size;
            if (row < global || column < global || std::abs(row - column) <= window / 2) return true;
            const std::int64_t blocks = causal ? row + 1 : (length + size - 1) / size;
            return std::ranges::count(random_blocks(options, h, row, blocks), column) > 0;
          }};
}

inline NamedPattern strided_pattern(std::int64_t stride) {
  return {"strided " + std::to_string(stride), make_factorized_pattern({.strided = true, .stride = stride}),
          [=](std::int64_t, std::int64_t i, std::int64_t j, std::int64_t) {
            return std::abs(i - j) <= stride || (i - j) % stride == 0;
          }};
}

inline NamedPattern fixed_pattern(std::int64_t stride, std::int64_t summary) {
  return {"fixed " + std::to_string(stride) + ", " + std::to_string(summary),
          make_factorized_pattern({.strided = false, .stride = stride, .summary = summary}),
          [=](std::int64_t h, std::int64_t i, std::int64_t j, std::int64_t) {
            const std::int64_t part = h % (stride / summary), from_end = stride - 1 - j % stride;
            return i / stride == j / stride || from_end / summary == part;
          }};
}

/// Patterns whose parts all occur in short texts.
inline std::vector<NamedPattern> short_patterns(bool causal) {
  return {window_pattern(0, 0),
          window_pattern(1, 1),
          window_pattern(2, 0),
          window_pattern(1, 3),
          block_pattern(2, 1, 1, 1, causal),
          block_pattern(1, 3, 0, 2, causal),
          strided_pattern(2),
          strided_pattern(1),
          fixed_pattern(3, 1),
          fixed_pattern(2, 2)};
}

/// Sets which pairs of a case count.
inline void list_pairs(const SparseRule& rule, AttentionCase& shape) {
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(shape.batch));
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    for (std::int64_t j = 0; j < shape.keys; ++j) {
      const bool real = shape.key_mask.empty() || shape.key_mask[static_cast<std::size_t>(b * shape.keys + j)] != 0;
      if (real) lengths[static_cast<std::size_t>(b)] = shape.key_position(b, j) + 1;
    }
  }
  const AttentionCase places = shape;
  shape.listed = [rule, lengths, places](std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
    return rule(h, places.query_position(b, i), places.key_position(b, j), lengths[static_cast<std::size_t>(b)]);
  };
}

}  // namespace cosformer::test
