#pragma once
/// \file
/// From variables to the strided operands that the attention kernels take.

#include "autograd/ops.h"
#include "core/kernels/attention/attention_types.h"
#include "core/kernels/attention/end_states.h"

namespace cosformer {

/// Sizes of query [B, T, H, D], key [B, S, H, D], value [B, S, H, E]. Throws ShapeError, tagged with `operation`, if
/// these or the masks do not fit together, or a causal mask meets T ≠ S.
AttentionSizes attention_sizes(const char* operation, const Variable& query, const Variable& key, const Variable& value,
                               const AttentionMask& mask);

/// The kernels' view of a mask; valid as long as the mask is.
AttentionVisibility visibility_of(const AttentionMask& mask, std::int64_t window = -1);
/// The same for softmax; valid as long as mask and options are.
AttentionVisibility visibility_of(const AttentionMask& mask, const SoftmaxAttentionOptions& options);

/// `x` if its last axis is contiguous, else a contiguous copy.
Tensor inner_contiguous(const Tensor& x);

/// The numbers of a contiguous tensor; null if it is undefined.
template <class T>
const T* numbers_of(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

/// The states that an attention of `sizes` is carried on between, with `numbers` of each head.
struct EndTensors {
  Tensor before, behind;  ///< undefined if there is none, or if it is not wanted

  template <class T>
  EndStates<T> states() {
    return {numbers_of<T>(before), behind.defined() ? behind.data<T>() : nullptr};
  }
};
/// Throws ShapeError, tagged with `operation`, if the state before is not one of these sizes and type.
EndTensors end_tensors(const char* operation, const CarriedState& carried, const AttentionSizes& sizes, std::int64_t numbers,
                       DType dtype);

template <class T>
Heads<const T> heads_of(const Tensor& x) {
  return {x.data<T>(), x.stride(0), x.stride(1), x.stride(2)};
}

template <class T>
Heads<T> mutable_heads_of(Tensor& x) {
  return {x.data<T>(), x.stride(0), x.stride(1), x.stride(2)};
}

}  // namespace cosformer
