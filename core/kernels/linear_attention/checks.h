#pragma once
/// \file
/// What linear attention asks of its arguments, and which form it takes. Internal to this folder.

#include "core/kernels/linear_attention/linear_attention.h"

namespace cosformer::detail {

/// These throw ShapeError.
void check_sizes(const AttentionSizes& sizes);
void check_steps(const AttentionSizes& sizes, const LinearAttentionOptions& options, bool causal);
void check_arguments(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                     const LinearAttentionOptions& options);

/// The form asked for, else the one with the least arithmetic. (Causal: the chunked form with one chunk is the quadratic
/// one.)
LinearAttentionForm chosen_form(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                const LinearAttentionOptions& options);

/// Rows of a state for each feature.
std::int64_t state_parts(const LinearAttentionOptions& options);

}  // namespace cosformer::detail
