#pragma once
/// \file
/// The parts of sparse sinkhorn attention (Tay et al., ICML 2020): blocks of a text, their sums, a sorting matrix of weights
/// between them, and the sorted text.
///
/// Letters: B batch, S tokens, H heads, D width, N blocks of the batch's longest text.

#include <cstdint>
#include <vector>

#include "core/kernels/attention/attention_types.h"

namespace cosformer {

/// A batch of texts cut into blocks by position.
struct TextBlocks {
  std::int64_t batch = 0, length = 0, block_size = 1, blocks = 0;
  const std::uint8_t* real = nullptr;       ///< [B, S]; null: all tokens are
  const std::int32_t* positions = nullptr;  ///< [B, S]; null: 0, 1, 2, ...

  bool is_real(std::int64_t b, std::int64_t t) const { return real == nullptr || real[b * length + t] != 0; }
  std::int64_t position(std::int64_t b, std::int64_t t) const {
    return positions == nullptr ? t : positions[b * length + t];
  }
};

/// out [B, N, H, D]: the sum over the real tokens of each block or, if `earlier`, over those of the blocks before it.
template <class T>
void sum_blocks_forward(const TextBlocks& text, std::int64_t heads, std::int64_t width, bool earlier, Heads<const T> x,
                        T* out);
template <class T>
void sum_blocks_backward(const TextBlocks& text, std::int64_t heads, std::int64_t width, bool earlier, const T* dout,
                         const Gradient<T>& dx);

struct SinkhornOptions {
  std::int64_t iterations = 7;
  double temperature = 0.75;
  /// A block is sorted behind those before it alone: row i has columns j < i, and what a column is divided by is the sum of
  /// its rows up to i (section 3.3, causal sinkhorn balancing).
  bool causal = false;
};

/// out [B, H, N, N] = what is left of exp(logits / temperature) after rows and columns were divided by their sums in turn.
/// logits [B, N, H, columns] with columns ≥ N; of item b rows and columns from counts[b] on are 0.
template <class T>
void sinkhorn_forward(const SinkhornOptions& options, std::int64_t batch, std::int64_t blocks, std::int64_t heads,
                      std::int64_t columns, const std::vector<std::int64_t>& counts, const T* logits, T* out);
template <class T>
void sinkhorn_backward(const SinkhornOptions& options, std::int64_t batch, std::int64_t blocks, std::int64_t heads,
                       std::int64_t columns, const std::vector<std::int64_t>& counts, const T* logits, const T* dout,
                       const Gradient<T>& dlogits);

/// out [B, N · block_size, H, D]: place r of block i is Σ_j weights_ij x at place r of block j, over real tokens; weights
/// [B, H, N, N].
template <class T>
void mix_blocks_forward(const TextBlocks& text, std::int64_t heads, std::int64_t width, const T* weights, Heads<const T> x,
                        T* out);
template <class T>
void mix_blocks_backward(const TextBlocks& text, std::int64_t heads, std::int64_t width, const T* weights, Heads<const T> x,
                         const T* dout, const Gradient<T>& dweights, const Gradient<T>& dx);

}  // namespace cosformer
