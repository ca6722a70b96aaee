#pragma once
/// \file
/// Gated linear attention, causal: a state S that forgets by a gate of each head, channel and token,
///
///     S_t = Diag(α_t) S_(t−1) + k_tᵀ v_t        α_t = σ(z_t)^(1/16)
///     o_t = scale · q_t S_t
///
/// Source: Yang et al., Gated Linear Attention Transformers with Hardware-Efficient Training, ICML 2024, eq. 3 to 6; τ = 16
/// is theirs. A key that is masked counts as 0, and its token's gate as open (α = 1).

#include "core/kernels/attention/attention_types.h"
#include "core/kernels/attention/end_states.h"

namespace cosformer {

/// Writes `out` [B, T, H, E]: query, key and the gate z are [B, T, H, D], value [B, T, H, E]. float or double. Nothing of
/// size T×T or T×D×E is stored. `ends` holds states [B, H, D, E]. Throws ShapeError if attention is not causal, T ≠ S, or a
/// window is given.
template <class T>
void gated_linear_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                                    Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> gate,
                                    Heads<T> out, const EndStates<T>& ends = {});

/// The gradients of the four inputs. Those of masked keys, values and gates are exactly 0. The state `before` is a constant.
template <class T>
void gated_linear_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility, T scale,
                                     Heads<const T> query, Heads<const T> key, Heads<const T> value, Heads<const T> gate,
                                     Heads<const T> dout, const Gradient<T>& dquery, const Gradient<T>& dkey,
                                     const Gradient<T>& dvalue, const Gradient<T>& dgate, const T* before = nullptr);

/// One token for every item and head: moves `state` [B, H, D, E] on and writes its output. All operands have T = S = 1.
template <class T>
void gated_linear_attention_step(const AttentionSizes& sizes, T scale, Heads<const T> query, Heads<const T> key,
                                 Heads<const T> value, Heads<const T> gate, T* state, Heads<T> out);

}  // namespace cosformer
