#include <cstdlib>
#include <string_view>
#include <type_traits>

#include "core/error.h"
#include "core/simd.h"
#include "core/simd/row_loops.h"
#include "core/simd/row_loops_double.h"

namespace cosformer {

namespace simd {

namespace {

/// The best set of this processor, or what COSFORMER_ISA asks for.
const RowLoops& choose_row_loops() {
  if (const char* wanted = std::getenv("COSFORMER_ISA"); wanted != nullptr && *wanted != '\0') {
    const std::string_view name = wanted;
    check<InputError>(name == "baseline" || name == "avx2" || name == "avx512",
                      "COSFORMER_ISA: expected baseline, avx2 or avx512, found '", name, "'");
    const RowLoops* loops = row_loops(wanted);
    check<InputError>(loops != nullptr, "COSFORMER_ISA: this processor or build does not support ", name);
    return *loops;
  }
  for (const char* name : {"avx512", "avx2"}) {
    if (const RowLoops* loops = row_loops(name)) return *loops;
  }
  return baseline_row_loops();
}

}  // namespace

const RowLoops* row_loops(const char* instruction_set) {
  const std::string_view name = instruction_set;
  if (name == "baseline") return &baseline_row_loops();
#ifdef COSFORMER_X86_ROW_LOOPS
  // What x86-64-v3 and v4 consist of, as far as it does not come with these.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2");
  if (name == "avx2" && avx2) return &avx2_row_loops();
  if (name == "avx512" && avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return &avx512_row_loops();
  }
#endif
  return nullptr;
}

const RowLoops& row_loops() {
  static const RowLoops& chosen = choose_row_loops();
  return chosen;
}

}  // namespace simd

namespace {

/// The double loops or the float table, both called by the same names.
template <class T>
decltype(auto) loops() {
  if constexpr (std::is_same_v<T, float>) {
    return simd::row_loops();
  } else {
    return simd::DoubleRowLoops{};
  }
}

}  // namespace

const char* instruction_set() { return simd::row_loops().name; }

template <class T>
T row_max(const T* x, std::int64_t n) {
  return loops<T>().max(x, n);
}

template <class T>
T row_exp_sum(const T* x, T scale, T shift, T* y, std::int64_t n) {
  return loops<T>().exp_sum(x, scale, shift, y, n);
}

template <class T>
T row_dot(const T* x, const T* y, std::int64_t n) {
  return loops<T>().dot(x, y, n);
}

template <class T>
T row_sum(const T* x, std::int64_t n) {
  return loops<T>().sum(x, n);
}

template <class T>
void row_add_scaled(T alpha, const T* x, T* y, std::int64_t n) {
  loops<T>().add_scaled(alpha, x, y, n);
}

template <class T>
void row_scale(T alpha, const T* x, T* y, std::int64_t n) {
  loops<T>().scale(alpha, x, y, n);
}

template <class T>
void row_gelu(const T* x, T* y, std::int64_t n) {
  loops<T>().gelu(x, y, n);
}

template <class T>
void row_gelu_backward(const T* x, const T* dy, T* dx, std::int64_t n) {
  loops<T>().gelu_backward(x, dy, dx, n);
}

template <class T>
void row_gelu_with_slope(const T* x, T* y, T* slope, std::int64_t n) {
  loops<T>().gelu_with_slope(x, y, slope, n);
}

template <class T>
void row_mean_variance(const T* x, std::int64_t n, T* mean, T* variance) {
  loops<T>().mean_variance(x, n, mean, variance);
}

template <class T>
void row_normalize(const T* x, T mean, T inverse_deviation, const T* weight, const T* bias, T* y, std::int64_t n) {
  loops<T>().normalize(x, mean, inverse_deviation, weight, bias, y, n);
}

template <class T>
void row_normalize_backward(const T* x, T mean, T inverse_deviation, const T* weight, const T* dy, T* dx, T* dweight,
                            T* dbias, std::int64_t n) {
  loops<T>().normalize_backward(x, mean, inverse_deviation, weight, dy, dx, dweight, dbias, n);
}

template <class T>
void row_adamw(const AdamWStep& step, const T* gradient, T* parameter, T* m, T* v, std::int64_t n) {
  loops<T>().adamw(step, gradient, parameter, m, v, n);
}

template <class T>
void row_dropout(const DropoutMask& mask, std::int64_t first, const T* x, T* y, std::int64_t n) {
  loops<T>().dropout(mask, first, x, y, n);
}

#define COSFORMER_INSTANTIATE(T)                                                                         \
  template T row_max<T>(const T*, std::int64_t);                                                         \
  template T row_exp_sum<T>(const T*, T, T, T*, std::int64_t);                                           \
  template T row_dot<T>(const T*, const T*, std::int64_t);                                               \
  template T row_sum<T>(const T*, std::int64_t);                                                         \
  template void row_add_scaled<T>(T, const T*, T*, std::int64_t);                                        \
  template void row_scale<T>(T, const T*, T*, std::int64_t);                                             \
  template void row_gelu<T>(const T*, T*, std::int64_t);                                                 \
  template void row_gelu_backward<T>(const T*, const T*, T*, std::int64_t);                              \
  template void row_gelu_with_slope<T>(const T*, T*, T*, std::int64_t);                                  \
  template void row_mean_variance<T>(const T*, std::int64_t, T*, T*);                                    \
  template void row_normalize<T>(const T*, T, T, const T*, const T*, T*, std::int64_t);                  \
  template void row_normalize_backward<T>(const T*, T, T, const T*, const T*, T*, T*, T*, std::int64_t); \
  template void row_adamw<T>(const AdamWStep&, const T*, T*, T*, T*, std::int64_t);                      \
  template void row_dropout<T>(const DropoutMask&, std::int64_t, const T*, T*, std::int64_t);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
