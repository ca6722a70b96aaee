#pragma once
/// \file
/// The states that causal attention with a state of each head begins and ends with.

#include <cstdint>

#include "core/kernels/scratch_matrix.h"

namespace cosformer {

/// States of all items and heads, [B, H, numbers], as the kernel's step keeps them. Both may be the same memory.
template <class T>
struct EndStates {
  const T* before = nullptr;  ///< before the first token; null: zeros
  T* behind = nullptr;        ///< gets that behind the last token; null: not wanted
};

namespace detail {

/// The state of head `head`, counted over all items, of `rows` rows; null data if there is none.
template <class T>
MatrixView<T> state_of_head(T* states, std::int64_t head, std::int64_t rows, std::int64_t columns) {
  return {states == nullptr ? nullptr : states + head * rows * columns, columns};
}

/// state = before, or zeros without.
template <class T>
void begin_state(std::int64_t rows, std::int64_t columns, MatrixView<const T> before, MatrixView<T> state) {
  if (before.data == nullptr) {
    zero_rows(rows, columns, state);
  } else {
    copy_rows<T>(rows, columns, before, nullptr, state);
  }
}

/// behind = state, if it is wanted.
template <class T>
void end_state(std::int64_t rows, std::int64_t columns, MatrixView<const T> state, MatrixView<T> behind) {
  if (behind.data != nullptr) copy_rows<T>(rows, columns, state, nullptr, behind);
}

}  // namespace detail

}  // namespace cosformer
