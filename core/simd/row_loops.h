#pragma once
/// \file
/// Loops over one row of numbers, as tables of functions. With tile_loops.h the only place that knows instruction sets.
///
/// There is a float table for the baseline of the target, for AVX2 + FMA and for AVX-512. The best one that the processor
/// has is chosen once, at the first call (docs/reproducibility.md; the environment variable COSFORMER_ISA = baseline | avx2
/// | avx512 forces one). The double table holds plain loops over the C library: they serve gradient checks, not speed. A
/// sum's order depends on the instruction set and the length alone.
///
/// The files of an instruction set are compiled with flags of their own. They may include only this header, <cstdint> and
/// intrinsics: an inline function of the standard library compiled there could replace the one that the rest of the
/// program links, and crash on processors without the instructions.

#include <cstdint>

namespace cosformer {

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

/// Which elements of a tensor a dropout sets to 0, as a function of the element's index: element e takes word
/// (e / 16) mod 4 of the Philox block with counter 16 (e / 64) + e mod 16, and is dropped if word < threshold.
/// (Elements 16 apart share a block, so that a vector of them needs no shuffle.)
struct DropoutMask {
  std::uint32_t key[2];
  std::uint32_t threshold;  ///< probability · 2^32
  double scale;             ///< what the others are multiplied by, 1 / (1 - probability)
};

/// A new loop is a member here, a function and a line of the table in row_loops.inl.h (float), and the same in
/// row_loops_double.cpp. T: float or double.
template <class T>
struct RowLoops {
  const char* name;
  /// max_i x_i; -infinity if n = 0.
  T (*max)(const T* x, std::int64_t n);
  /// y_i = exp(scale · x_i - shift); returns Σ y_i. y may be x. exp(-infinity) is 0. Float: at most 3 ULP.
  T (*exp_sum)(const T* x, T scale, T shift, T* y, std::int64_t n);
  /// dp_i = p_i · (dp_i - delta): the gradient of scores from that of their probabilities p, delta = Σ p_j dp_j.
  void (*softmax_gradient)(const T* p, T delta, T* dp, std::int64_t n);
  /// Σ x_i y_i.
  T (*dot)(const T* x, const T* y, std::int64_t n);
  /// Σ x_i.
  T (*sum)(const T* x, std::int64_t n);
  /// y_i += alpha · x_i.
  void (*add_scaled)(T alpha, const T* x, T* y, std::int64_t n);
  /// y_i = alpha · x_i. y may be x.
  void (*scale)(T alpha, const T* x, T* y, std::int64_t n);
  /// y_i = x_i Φ(x_i), Φ the normal distribution function (the exact erf form of GELU). y may be x.
  /// Float: absolute error at most 5e-7, relative error at most 5e-6 down to x = -13.
  void (*gelu)(const T* x, T* y, std::int64_t n);
  /// dx_i = dy_i · (Φ(x_i) + x_i φ(x_i)). dx may be dy. Float: absolute error at most 5e-7 · |dy_i|.
  void (*gelu_backward)(const T* x, const T* dy, T* dx, std::int64_t n);
  /// y_i = x_i Φ(x_i) and slope_i = its derivative, with one exponential for both. y or slope may be x. Accuracy as above.
  void (*gelu_with_slope)(const T* x, T* y, T* slope, std::int64_t n);
  /// Mean and variance (divided by n) of x.
  void (*mean_variance)(const T* x, std::int64_t n, T* mean, T* variance);
  /// y_i = (x_i - mean) · inverse_deviation · weight_i + bias_i.
  void (*normalize)(const T* x, T mean, T inverse_deviation, const T* weight, const T* bias, T* y, std::int64_t n);
  /// Layer norm's input gradient, with x̂_i = (x_i - mean) · inverse_deviation and g_i = dy_i · weight_i:
  /// dx_i += inverse_deviation · (g_i - mean(g) - x̂_i · mean(g · x̂)); dweight_i += dy_i x̂_i; dbias_i += dy_i.
  void (*normalize_backward)(const T* x, T mean, T inverse_deviation, const T* weight, const T* dy, T* dx, T* dweight,
                             T* dbias, std::int64_t n);
  /// See AdamWStep.
  void (*adamw)(const AdamWStep& step, const T* gradient, T* parameter, T* m, T* v, std::int64_t n);
  /// y_i = 0 if element `first` + i is dropped, else scale · x_i. y may be x. first ≥ 0.
  void (*dropout)(const DropoutMask& mask, std::int64_t first, const T* x, T* y, std::int64_t n);
};

/// The loops in use for T. Throws InputError if COSFORMER_ISA names an unknown set or one that this processor lacks.
template <class T>
const RowLoops<T>& loops();
template <>
const RowLoops<float>& loops<float>();
template <>
const RowLoops<double>& loops<double>();

/// One of `simd::kInstructionSets`: what the float loops use in this process. Throws as `loops` does.
const char* instruction_set();

namespace simd {

/// All sets that there are loops for, the widest first. A processor has some of them, the last in any case.
inline constexpr const char* kInstructionSets[] = {"avx512", "avx2", "neon", "baseline"};

/// The first of them that this processor and build have.
const char* widest_instruction_set();

/// The table of one of `kInstructionSets`; null for another name, or if this processor or build lacks the set.
const RowLoops<float>* row_loops(const char* instruction_set);

const RowLoops<float>& baseline_row_loops();
#ifdef COSFORMER_X86_ROW_LOOPS
const RowLoops<float>& avx2_row_loops();
const RowLoops<float>& avx512_row_loops();
#endif
#ifdef __aarch64__
const RowLoops<float>& neon_row_loops();
#endif

}  // namespace simd

}  // namespace cosformer
