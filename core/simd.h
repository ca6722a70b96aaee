#pragma once
/// \file
/// Loops over one row of numbers: the only place that knows instruction sets.
///
/// The float versions exist for the baseline of the target, AVX2 + FMA and AVX-512; the best one that the processor has
/// is chosen once, at the first call (docs/reproducibility.md; environment variable COSFORMER_ISA = baseline | avx2 | avx512
/// forces one). The double versions are plain loops over the C library: they serve gradient checks, not speed. A sum's order
/// depends on the instruction set and the length alone.

#include <cstdint>

namespace cosformer {

/// "baseline", "avx2" or "avx512": what the float loops use in this process. Throws InputError where COSFORMER_ISA
/// names an unknown set or one that this processor lacks.
const char* instruction_set();

/// max_i x_i; -infinity where n = 0.
template <class T>
T row_max(const T* x, std::int64_t n);

/// y_i = exp(scale · x_i - shift); returns Σ y_i. y may be x. exp(-infinity) is 0. Float: at most 3 ULP.
template <class T>
T row_exp_sum(const T* x, T scale, T shift, T* y, std::int64_t n);

/// Σ x_i y_i.
template <class T>
T row_dot(const T* x, const T* y, std::int64_t n);

/// Σ x_i.
template <class T>
T row_sum(const T* x, std::int64_t n);

/// y_i += alpha · x_i.
template <class T>
void row_add_scaled(T alpha, const T* x, T* y, std::int64_t n);

/// y_i = alpha · x_i. y may be x.
template <class T>
void row_scale(T alpha, const T* x, T* y, std::int64_t n);

/// y_i = x_i Φ(x_i), Φ the normal distribution function (the exact erf form of GELU). y may be x.
/// Float: absolute error at most 5e-7, relative error at most 5e-6 down to x = -13.
template <class T>
void row_gelu(const T* x, T* y, std::int64_t n);

/// dx_i = dy_i · (Φ(x_i) + x_i φ(x_i)). dx may be dy. Float: absolute error at most 5e-7 · |dy_i|.
template <class T>
void row_gelu_backward(const T* x, const T* dy, T* dx, std::int64_t n);

/// y_i = x_i Φ(x_i) and slope_i = its derivative, with one exponential for both. y or slope may be x. Accuracy as above.
template <class T>
void row_gelu_with_slope(const T* x, T* y, T* slope, std::int64_t n);

/// Mean and variance (divided by n) of x.
template <class T>
void row_mean_variance(const T* x, std::int64_t n, T* mean, T* variance);

/// y_i = (x_i - mean) · inverse_deviation · weight_i + bias_i.
template <class T>
void row_normalize(const T* x, T mean, T inverse_deviation, const T* weight, const T* bias, T* y, std::int64_t n);

/// Layer norm's input gradient, with x̂_i = (x_i - mean) · inverse_deviation and g_i = dy_i · weight_i:
/// dx_i += inverse_deviation · (g_i - mean(g) - x̂_i · mean(g · x̂)); dweight_i += dy_i x̂_i; dbias_i += dy_i.
template <class T>
void row_normalize_backward(const T* x, T mean, T inverse_deviation, const T* weight, const T* dy, T* dx, T* dweight,
                            T* dbias, std::int64_t n);

/// One AdamW update (Loshchilov and Hutter, 2019) of n parameters with their moments:
/// m = β₁ m + (1 - β₁) g; v = β₂ v + (1 - β₂) g²; p -= step_size · m / (sqrt(v) / sqrt_correction + eps) + decay · p
/// with g = gradient_scale · gradient.
struct AdamWStep {
  double beta1, beta2, eps;
  double step_size;        ///< learning_rate / (1 - β₁^t)
  double sqrt_correction;  ///< sqrt(1 - β₂^t)
  double decay;            ///< learning_rate · weight_decay
  double gradient_scale;   ///< what clipping multiplies the gradient by
};
template <class T>
void row_adamw(const AdamWStep& step, const T* gradient, T* parameter, T* m, T* v, std::int64_t n);

/// Which elements of a tensor a dropout sets to 0, as a function of the element's index: element e takes word
/// (e / 16) mod 4 of the Philox block with counter 16 (e / 64) + e mod 16, and is dropped where word < threshold.
/// (Elements 16 apart share a block, so that a vector of them needs no shuffle.)
struct DropoutMask {
  std::uint32_t key[2];
  std::uint32_t threshold;  ///< probability · 2^32
  double scale;             ///< what the others are multiplied by, 1 / (1 - probability)
};
/// y_i = 0 where element `first` + i is dropped, else scale · x_i. y may be x. first ≥ 0.
template <class T>
void row_dropout(const DropoutMask& mask, std::int64_t first, const T* x, T* y, std::int64_t n);

}  // namespace cosformer
