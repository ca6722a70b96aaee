#pragma once
/// \file
/// Attention by features of queries and keys that may have either sign, with a floor under its normaliser:
///
///     out_t = q_t S_t / max(q_t·z_t, floor)
///
/// with S = Σ k_jᵀ v_j and z = Σ k_j over all keys or, if causal, the keys so far. A causal state may forget by a scalar
/// gate g_t = σ(a_t) of each head and token:
///
///     S_t = g_t S_(t−1) + (1 − g_t) k_tᵀ v_t        z_t = g_t z_(t−1) + (1 − g_t) k_t
///
/// Source: Peng et al., Random Feature Attention, ICLR 2021, eq. 5 and 6; the floor is that of the authors' code. A masked
/// key counts as 0, and its token's gate as open (g = 1, and nothing is added).

#include "core/kernels/attention/attention_types.h"
#include "core/kernels/attention/end_states.h"

namespace cosformer {

/// Writes `out` [B, T, H, E] and `normalizer` [B, H, T] (q·z, before the floor): query [B, T, H, D], key [B, S, H, D], value
/// [B, S, H, E]; `gate` [B, T, H, 1] holds a, and its null data mean that there is none. float or double. Nothing of size
/// T×S or T×D×E is stored. `ends` holds states [B, H, D, E + 1] of [S | z]. Throws ShapeError for a window, a gate or states
/// without causal, causal with T ≠ S, or a floor of 0 or less.
template <class T>
void feature_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T floor,
                               Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> gate,
                               Heads<T> out, T* normalizer, const EndStates<T>& ends = {});

/// The gradients of the inputs; `dgate` is not read without a gate. Those of masked keys, values and gates are exactly 0.
/// The state `before` is a constant.
template <class T>
void feature_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T floor,
                                Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> gate,
                                Heads<const T> out, const T* normalizer, Heads<const T> dout, const Gradient<T>& dquery,
                                const Gradient<T>& dkey, const Gradient<T>& dvalue, const Gradient<T>& dgate,
                                const T* before = nullptr);

/// Numbers of a head's state, and those that a thread holds in the backward pass.
std::int64_t feature_attention_state_size(std::int64_t head_dim, std::int64_t value_dim);
std::int64_t feature_attention_working_size(std::int64_t head_dim, std::int64_t value_dim);

/// One token for every item and head: moves `state` [B, H, state size] on and writes its output. All operands have
/// T = S = 1.
template <class T>
void feature_attention_step(const AttentionSizes& sizes, T floor, Heads<const T> query, Heads<const T> key,
                            Heads<const T> value, Heads<const T> gate, T* state, Heads<T> out);

}  // namespace cosformer
