#pragma once
/// \file
/// Linear attention: out_i = Σ_j s_ij v_j / guard(D_i), D_i = Σ_j s_ij, Σ_j |s_ij| or 1, with s_ij = φ(q_i)·φ(k_j) · r(i −
/// j), r the re-weighting (reweighting.h).
///
/// Four equal forms (quadratic, linear, chunked, recurrent); derivations in core/kernels/README.md.
/// Source: Qin et al., cosFormer, ICLR 2022, eq. 10-12; chunks after Yang et al., 2024.

#include <cstdint>
#include <span>
#include <string_view>

#include "core/kernels/attention/attention_types.h"
#include "core/kernels/linear_attention/reweighting.h"
#include "core/kernels/scalar_function.h"

namespace cosformer {

/// How the sums are computed. `automatic`: quadratic for short sequences, else linear (not causal) or chunked (causal).
enum class LinearAttentionForm : std::uint8_t { automatic, quadratic, linear, chunked, recurrent };

/// The forms by their names in configs.
struct LinearAttentionFormName {
  std::string_view name;
  LinearAttentionForm value;
};
std::span<const LinearAttentionFormName> linear_attention_forms();

/// What the normaliser D_i of a row of similarities is: their sum with its sign, Σ_j s_ij, or their L1 norm, Σ_j |s_ij|. The
/// two are equal if no similarity is negative. Absolute values do not come apart into features: `l1` has the quadratic
/// form only. Or D_i is 1, for a layer that norms the output instead (Qin et al., The Devil in Linear Transformer, 2022).
enum class AttentionNormalization : std::uint8_t { sum, l1, one };

/// The normalisers by their names in configs.
struct AttentionNormalizationName {
  std::string_view name;
  AttentionNormalization value;
};
std::span<const AttentionNormalizationName> attention_normalizations();

/// Whether a normaliser can be had from a form.
bool has_form(AttentionNormalization normalization, LinearAttentionForm form);

struct LinearAttentionOptions {
  ScalarFunction feature_map = ScalarFunction::relu;  ///< φ, element by element
  Reweighting reweighting = Reweighting::cos;
  /// Of the re-weighting; cos takes π / (2M). Ignored if there is none.
  ReweightingSteps steps;
  LinearAttentionForm form = LinearAttentionForm::automatic;
  std::int64_t chunk_size = 48;
  AttentionNormalization normalization = AttentionNormalization::sum;
  /// Where the first query and key stand in their text, of operands that are a part of it; positions of a mask count from
  /// the text's beginning in any case.
  std::int64_t first_position = 0;
};

/// The guard of the normaliser D keeps its sign: sign(D) · max(|D|, 1e-6), with sign(0) = +1. A row
/// without any similarity gives exactly 0.
inline constexpr double kNormalizerFloor = 1e-6;

/// Elements a head of what the forward pass leaves for the backward pass beside the normaliser; 0 in all forms but the
/// linear one, whose sums over the keys both passes need.
std::int64_t linear_attention_saved_size(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                         const LinearAttentionOptions& options);

/// Elements that a thread holds while it runs its heads of an item through the backward pass, the larger of the two: about
/// the square of a chunk in the chunked form, the keys times the widths in the quadratic one.
std::int64_t linear_attention_working_size(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                           const LinearAttentionOptions& options);

/// Writes `out` [B, T, H, E], `normalizer` [B, T, H] (D before the guard) and `saved` [B, H, saved size], which the backward
/// pass needs; a forward pass that none follows may have a null `saved`. float or double. `key_mask` of `visibility` is
/// honoured, `window` is not supported; with positions the re-weighting goes by these. Throws
/// ShapeError if the form does not fit (causal with T ≠ S or unequal steps, linear with causal, chunked or recurrent
/// without causal, chunked with re-weighting and positions, any but automatic and quadratic with `l1`, linear with a
/// re-weighting that has no such form). What has no linear form counts |i − j| if attention is not causal.
template <class T>
void linear_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                              const LinearAttentionOptions& options, Heads<const T> query, Heads<const T> key,
                              Heads<const T> value, Heads<T> out, T* normalizer, T* saved);

/// The gradients of the three inputs. Nothing of size T×S (but in the quadratic form, one
/// head at a time) or T×D×E is stored. Masked keys and values get gradients of exactly 0.
template <class T>
void linear_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                               const LinearAttentionOptions& options, Heads<const T> query, Heads<const T> key,
                               Heads<const T> value, Heads<const T> out, const T* normalizer, const T* saved,
                               Heads<const T> dout, const Gradient<T>& dquery, const Gradient<T>& dkey,
                               const Gradient<T>& dvalue);

/// Elements of the recurrent state of one head: parts·D × (E + 1), the last column the normaliser's.
std::int64_t linear_attention_state_size(const AttentionSizes& sizes, const LinearAttentionOptions& options);

/// One token for every item and head, causal: adds this token's key and value to `state` [B, H, state size] and
/// writes its output. `query`, `key`, `value`, `out` have T = S = 1. `position` counts from 0. O(D·E) time. Throws
/// ShapeError for `l1`, which has no such state.
template <class T>
void linear_attention_step(const AttentionSizes& sizes, const LinearAttentionOptions& options, std::int64_t position,
                           Heads<const T> query, Heads<const T> key, Heads<const T> value, T* state, Heads<T> out);

}  // namespace cosformer
