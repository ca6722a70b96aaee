#pragma once
/// \file
/// The states of linear attention, as they move from one part of a text to the next.

#include <vector>

#include "core/kernels/linear_attention/linear_attention.h"
#include "core/tensor.h"
#include "layers/attention/carried_attention.h"

namespace cosformer {

/// state = factors ∘ state + sums, with a factor for each head, axis 1.
void add_carried(Tensor& state, const std::vector<double>& factors, const Tensor& sums);

/// The outputs [B, T, H, E] of causal linear attention for the T positions from `options.first_position` on, whose keys a
/// recurrent state [B, H, state size] (linear_attention_step) does not have yet. They go into it.
Tensor attend_to_state(const Tensor& query, const Tensor& key, const Tensor& value, const LinearAttentionOptions& options,
                       Tensor& state);

/// CarriedAttention::go_on of linear attention between the features `query` and `key`, from the sums of all keys before
/// `options.first_position`, as a part of a text reads them (core/kernels/linear_attention/part.h), to those behind the
/// window.
CarriedResult go_on_from_sums(const Variable& query, const Variable& key, const Variable& value, const Tensor& sums,
                              const AttentionMask& mask, const LinearAttentionOptions& options);

/// Whether attend_to_state can be: a decay that leaves next to nothing of a key after one position could not be taken back.
bool reads_parts(const LinearAttentionOptions& options, std::int64_t heads);

}  // namespace cosformer
