#pragma once
/// \file
/// Linear attention of a text that is cut into parts: each part gives the sums of its keys, and its queries read the sums of
/// other parts' keys as a state. See layers/sequence/README.md.
///
/// A state is Σ_j [v_j | 1]~ᵀ φ(k_j) of some keys, [B, H, X, D] with X = parts · (E + 1) for each item and head, as
/// `linear_attention_state_size` counts. Operands are those of one part; `first_position` says where it stands. Shapes,
/// masks and errors as in linear_attention.h: causal attention takes the chunked form, other attention the linear one.

#include "core/kernels/linear_attention/linear_attention.h"

namespace cosformer {

/// Writes the state of a part's own keys. A re-weighting that is carried takes them to the position behind the part.
template <class T>
void linear_attention_key_sums(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                               const LinearAttentionOptions& options, Heads<const T> key, Heads<const T> value, T* sums);

/// The gradients of keys and values from that of the state.
template <class T>
void linear_attention_key_sums_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                        const LinearAttentionOptions& options, Heads<const T> key, Heads<const T> value,
                                        const T* dsums, const Gradient<T>& dkey, const Gradient<T>& dvalue);

/// What a state is multiplied by, head by head, as it moves on by `length` positions.
std::vector<double> linear_attention_carry(const LinearAttentionOptions& options, std::int64_t heads, std::int64_t length);

/// The states of the recurrent form (`linear_attention_step`, which carries a state before it adds a key) as a part reads
/// them, [B, H, X, D], and back. What is carried is divided by what one position carries, which must not be 0.
template <class T>
void linear_attention_state_to_part(const AttentionSizes& sizes, const LinearAttentionOptions& options, const T* state,
                                    T* of_part);
template <class T>
void linear_attention_state_from_part(const AttentionSizes& sizes, const LinearAttentionOptions& options, const T* of_part,
                                      T* state);

/// Outputs and normalisers of a part. `state` is that of all keys before the part, to which a causal query adds its own
/// part's keys up to its own; without causality it is that of the whole text, and `key` and `value` are not read.
template <class T>
void linear_attention_part_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                   const LinearAttentionOptions& options, Heads<const T> query, Heads<const T> key,
                                   Heads<const T> value, const T* state, Heads<T> out, T* normalizer);

/// The gradients of the queries and the state, and of keys and values as far as their own part's queries see them by
/// themselves: none without causality, which then are not written.
template <class T>
void linear_attention_part_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                    const LinearAttentionOptions& options, Heads<const T> query, Heads<const T> key,
                                    Heads<const T> value, const T* state, Heads<const T> out, const T* normalizer,
                                    Heads<const T> dout, const Gradient<T>& dquery, const Gradient<T>& dkey,
                                    const Gradient<T>& dvalue, T* dstate);

}  // namespace cosformer
