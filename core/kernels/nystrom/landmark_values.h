#pragma once
/// \file
/// What Nyström attention's queries read: a text's values, moved to its landmarks.
///
///     A = softmax(scale · Q̃ K̃ᵀ)    u = A⁺ w
///
/// with landmarks Q̃ of queries and K̃ of keys and, in w, what attention from Q̃ to all keys gives. Source: Xiong et al.,
/// Nyströmformer, AAAI 2021, eq. 13 to 15. The pseudo-inverse A⁺ is the iteration of its section 3.4,
///
///     Z ← ¼ Z (13 I − A Z (15 I − A Z (7 I − A Z)))    Z₀ = Aᵀ / (‖A‖₁ ‖A‖∞)
///
/// with each matrix's own norms, not the largest of a batch, so that no item depends on its neighbours.

#include <span>

#include "core/kernels/attention/attention_types.h"

namespace cosformer {

/// The rows of one item that are landmarks; those behind them count for nothing, and give 0.
struct LandmarkCounts {
  std::int64_t queries = 0;
  std::int64_t keys = 0;
};

struct LandmarkOptions {
  double scale = 1.0;           ///< above 0
  std::int64_t iterations = 6;  ///< of the pseudo-inverse, at least 1
};

/// Writes `out` [B, S, H, E]: query [B, T, H, D], key [B, S, H, D] and summary w [B, T, H, E], all of landmarks; one count
/// for each item. An item with 0 landmarks on one side gives 0. float or double.
template <class T>
void landmark_values_forward(const AttentionSizes& sizes, std::span<const LandmarkCounts> counts,
                             const LandmarkOptions& options, Heads<const T> query, Heads<const T> key,
                             Heads<const T> summary, Heads<T> out);

/// The gradients of the three inputs, through all iterations, which are computed again.
template <class T>
void landmark_values_backward(const AttentionSizes& sizes, std::span<const LandmarkCounts> counts,
                              const LandmarkOptions& options, Heads<const T> query, Heads<const T> key,
                              Heads<const T> summary, Heads<const T> dout, const Gradient<T>& dquery,
                              const Gradient<T>& dkey, const Gradient<T>& dsummary);

/// Numbers that each thread holds meanwhile.
std::int64_t landmark_working_size(std::int64_t queries, std::int64_t keys, const LandmarkOptions& options);

}  // namespace cosformer
