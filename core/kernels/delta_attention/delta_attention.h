#pragma once
/// \file
/// The delta rule, causal: a state S that is corrected to give v_t for k_t, by the share β_t, and that may decay by α_t
/// before (the gated delta rule),
///
///     S_t = α_t S_(t−1) + β_t k_tᵀ (v_t − α_t k_t S_(t−1))
///     o_t = scale · q_t S_t
///
/// in chunks: with the state S before a chunk and α = 1 its corrections U solve (I + diag(β) tril(K Kᵀ, −1)) U = β ∘ (V −
/// K S), its outputs are scale · (Q S + tril(Q Kᵀ) U), and the state behind it is S + Kᵀ U. With b_t = Σ_(s ≤ t) log α_s,
/// what goes from token s to token t is multiplied by e^(b_t − b_s), and what goes from S to t by e^(b_t). Sources: Yang et
/// al., Parallelizing Linear Transformers with the Delta Rule over Sequence Length, NeurIPS 2024, eq. 3 to 11; Yang et al.,
/// Gated Delta Networks, ICLR 2025, section 3. A key that is masked has β = 0 and α = 1: the state passes it unchanged.

#include "core/kernels/attention/attention_types.h"
#include "core/kernels/attention/end_states.h"

namespace cosformer {

/// Writes `out` [B, T, H, E]: query and key are [B, T, H, D], value [B, T, H, E], beta [B, T, H], contiguous.
/// `decay` [B, T, H] holds log α; null: nothing decays. float or double. Nothing of size T×T or T×D×E is stored. `ends`
/// holds states [B, H, D, E]. Throws ShapeError if attention is not causal, T ≠ S, or a window is given.
template <class T>
void delta_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                             Heads<const T> query, Heads<const T> key, Heads<const T> value, const T* beta, const T* decay,
                             Heads<T> out, const EndStates<T>& ends = {});

/// The gradients of the inputs. Those of masked keys, values, betas and decays are exactly 0. The states before the chunks
/// are computed anew, and held for one head at a time per thread: T / 64 of them. The first, `before`, is a constant.
template <class T>
void delta_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                              Heads<const T> query, Heads<const T> key, Heads<const T> value, const T* beta, const T* decay,
                              Heads<const T> dout, const Gradient<T>& dquery, const Gradient<T>& dkey,
                              const Gradient<T>& dvalue, const Gradient<T>& dbeta, const Gradient<T>& ddecay,
                              const T* before = nullptr);

/// One token for every item and head: moves `state` [B, H, D, E] on and writes its output. All operands have T = S = 1.
template <class T>
void delta_attention_step(const AttentionSizes& sizes, T scale, Heads<const T> query, Heads<const T> key,
                          Heads<const T> value, const T* beta, const T* decay, T* state, Heads<T> out);

/// Numbers that a thread holds while it runs one head of `length` tokens through the backward pass.
std::int64_t delta_attention_working_size(std::int64_t length, std::int64_t head_dim, std::int64_t value_dim);

}  // namespace cosformer
