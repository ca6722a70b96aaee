#include "core/kernels/optimizer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <limits>
#include <type_traits>
#include <vector>

#include "core/parallel.h"

namespace cosformer {

template <class T>
void adamw_update(const AdamWStep& step, const T* gradient, T* parameter, T* m, T* v, std::int64_t n) {
  parallel_ranges(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
    loops<T>().adamw(step, gradient + begin, parameter + begin, m + begin, v + begin, end - begin);
  });
}

template <class T>
void sgd_update(const SgdStep& step, const T* gradient, T* parameter, T* velocity, std::int64_t n) {
  const T rate = static_cast<T>(step.learning_rate), momentum = static_cast<T>(step.momentum);
  const T decay = static_cast<T>(step.weight_decay), factor = static_cast<T>(step.gradient_scale);
  parallel_ranges(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
    if (velocity == nullptr) {
      for (std::int64_t i = begin; i < end; ++i) parameter[i] -= rate * (factor * gradient[i] + decay * parameter[i]);
      return;
    }
    for (std::int64_t i = begin; i < end; ++i) {
      const T g = factor * gradient[i] + decay * parameter[i];
      velocity[i] = momentum * velocity[i] + g;
      parameter[i] -= rate * (step.nesterov ? g + momentum * velocity[i] : velocity[i]);
    }
  });
}

/// -1, 0 or 1, by the bits: a comparison of floating-point numbers would keep the loop from being vectorised.
template <class T>
T sign_of(T x) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  const Bits bits = std::bit_cast<Bits>(x), sign = bits & std::bit_cast<Bits>(T{-0.0});
  return std::bit_cast<T>(sign | (bits != sign ? std::bit_cast<Bits>(T{1}) : Bits{0}));
}

/// Numbers by value: what a reference leads to could be one of the arrays, and the loop would not be vectorised.
template <class T>
void lion_loop(T factor, T beta1, T rest1, T beta2, T rest2, T rate, T decay, const T* gradient, T* parameter, T* m,
               std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T g = factor * gradient[i];
    parameter[i] -= rate * sign_of(beta1 * m[i] + rest1 * g) + decay * parameter[i];
    m[i] = beta2 * m[i] + rest2 * g;
  }
}

template <class T>
void lion_update(const LionStep& step, const T* gradient, T* parameter, T* m, std::int64_t n) {
  parallel_ranges(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
    lion_loop(static_cast<T>(step.gradient_scale), static_cast<T>(step.beta1), static_cast<T>(1 - step.beta1),
              static_cast<T>(step.beta2), static_cast<T>(1 - step.beta2), static_cast<T>(step.learning_rate),
              static_cast<T>(step.decay), gradient + begin, parameter + begin, m + begin, end - begin);
  });
}

template <class T>
void clip_elements(T scale, T limit, const T* x, T* y, std::int64_t n) {
  parallel_ranges(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = std::clamp(scale * x[i], -limit, limit);
  });
}

template <class T>
void piece_sums_of_squares(const T* x, std::int64_t n, double* sums_of_pieces) {
  parallel_ranges(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t kChains = 8;
    std::array<double, kChains> sums{};
    std::int64_t i = begin;
    for (; i + kChains <= end; i += kChains) {
      for (std::int64_t j = 0; j < kChains; ++j) {
        const double value = static_cast<double>(x[i + j]);
        sums[static_cast<std::size_t>(j)] += value * value;
      }
    }
    double total = 0;
    for (; i < end; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    for (const double sum : sums) total += sum;
    sums_of_pieces[begin / kElementwiseGrain] = total;
  });
}

template <class T>
double sum_of_squares(const T* x, std::int64_t n) {
  std::vector<double> pieces(static_cast<std::size_t>((n + kElementwiseGrain - 1) / kElementwiseGrain));
  piece_sums_of_squares(x, n, pieces.data());
  double total = 0;
  for (const double sum : pieces) total += sum;
  return total;
}

template <class T>
bool all_finite(const T* x, std::int64_t n) {
  std::atomic<bool> finite = true;
  parallel_ranges(n, kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
    // A loop over bits, without a branch, so that it is vectorised: all bits of the exponent set is infinity or NaN.
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    const Bits exponent = std::bit_cast<Bits>(std::numeric_limits<T>::infinity());
    Bits found = 0;
    for (std::int64_t i = begin; i < end; ++i) found |= (std::bit_cast<Bits>(x[i]) & exponent) == exponent;
    if (found) finite = false;
  });
  return finite;
}

#define COSFORMER_INSTANTIATE(T)                                                       \
  template void adamw_update<T>(const AdamWStep&, const T*, T*, T*, T*, std::int64_t); \
  template void sgd_update<T>(const SgdStep&, const T*, T*, T*, std::int64_t);         \
  template void lion_update<T>(const LionStep&, const T*, T*, T*, std::int64_t);       \
  template void clip_elements<T>(T, T, const T*, T*, std::int64_t);                    \
  template double sum_of_squares<T>(const T*, std::int64_t);                           \
  template void piece_sums_of_squares<T>(const T*, std::int64_t, double*);             \
  template bool all_finite<T>(const T*, std::int64_t);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
