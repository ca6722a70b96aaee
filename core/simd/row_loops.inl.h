#pragma once
/// \file
/// The float loops, written once on vectors of `kLanes` numbers (GCC's and Clang's vector extension).
///
/// Included at the end of each instruction set's file, after that file has defined, in an anonymous namespace: kLanes,
/// kLaneIndex, Floats, Ints, Wide, load_partial, store_partial (the first n < kLanes elements; others read as 0),
/// square_root, clamp (keeps NaN), multiply_low_halves (of 64-bit lanes) and, of 16 lanes, scale_by_power. The last elements
/// of a row pass through the same vector code as all others.

#include "core/simd/dropout_loop.inl.h"
#include "core/simd/functions.inl.h"
#include "core/simd/vectors.inl.h"

namespace {

using cosformer::AdamWStep;

constexpr float kInfinity = __builtin_inff();

/// Elements that a sum adds in float before it goes on in double, so that a sum of a million is as accurate as one of
/// a thousand.
constexpr int64_t kSumBlock = 4096;

/// v with the lanes from n on set to 0.
Floats first_of(Floats v, int64_t n) { return kLaneIndex < static_cast<std::int32_t>(n) ? v : Floats{}; }

/// Calls full(i) for each whole vector of n elements and partial(i, rest) for what is left.
template <class Full, class Partial>
COSFORMER_INLINE void for_each_vector(int64_t n, Full full, Partial partial) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) full(i);
  if (i < n) partial(i, n - i);
}

/// y_i = function(x_i), vector by vector. y may be x.
template <class Function>
COSFORMER_INLINE void map_row(const float* x, float* y, int64_t n, Function function) {
  for_each_vector(
      n, [&](int64_t i) { store(y + i, function(load(x + i))); },
      [&](int64_t i, int64_t rest) { store_partial(y + i, function(load_partial(x + i, rest)), rest); });
}

/// Σ term(i, load) over a row: four chains of vectors a block, blocks in double. `term` is given a loader that reads
/// kLanes elements, zeros beyond the end; terms of zeros have to be 0.
template <class Term>
COSFORMER_INLINE double sum_row(int64_t n, Term term) {
  const auto whole = [](const float* p) { return load(p); };
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kSumBlock) {
    const int64_t end = smaller(begin + kSumBlock, n);
    Floats a = {}, b = {}, c = {}, d = {};
    int64_t i = begin;
    for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
      a += term(i, whole);
      b += term(i + kLanes, whole);
      c += term(i + 2 * kLanes, whole);
      d += term(i + 3 * kLanes, whole);
    }
    for (; i + kLanes <= end; i += kLanes) a += term(i, whole);
    if (i < end) {
      const int64_t rest = end - i;
      b += term(i, [rest](const float* p) { return load_partial(p, rest); });
    }
    total += static_cast<double>(add_lanes((a + b) + (c + d)));
  }
  return total;
}

float row_max(const float* x, int64_t n) {
  Floats a = splat(-kInfinity), b = a, c = a, d = a;
  const auto larger = [](Floats p, Floats q) { return p > q ? p : q; };
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    a = larger(load(x + i), a);
    b = larger(load(x + i + kLanes), b);
    c = larger(load(x + i + 2 * kLanes), c);
    d = larger(load(x + i + 3 * kLanes), d);
  }
  for (; i + kLanes <= n; i += kLanes) a = larger(load(x + i), a);
  if (i < n) {
    const Floats last = load_partial(x + i, n - i);
    b = larger(kLaneIndex < static_cast<std::int32_t>(n - i) ? last : splat(-kInfinity), b);
  }
  float lanes[kLanes];
  const Floats all = larger(larger(a, b), larger(c, d));
  __builtin_memcpy(lanes, &all, sizeof all);
  float largest = -kInfinity;
  for (const float lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}

float row_exp_sum(const float* x, float scale, float shift, float* y, int64_t n) {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kSumBlock) {
    Floats sum = {};
    for_each_vector(
        smaller(kSumBlock, n - begin),
        [&](int64_t i) {
          const Floats e = exponential(load(x + begin + i) * scale - shift);
          store(y + begin + i, e);
          sum += e;
        },
        [&](int64_t i, int64_t rest) {
          const Floats e = exponential(load_partial(x + begin + i, rest) * scale - shift);
          store_partial(y + begin + i, e, rest);
          sum += first_of(e, rest);
        });
    total += static_cast<double>(add_lanes(sum));
  }
  return static_cast<float>(total);
}

void row_softmax_gradient(const float* p, float delta, float* dp, int64_t n) {
  for_each_vector(
      n, [&](int64_t i) { store(dp + i, load(p + i) * (load(dp + i) - delta)); },
      [&](int64_t i, int64_t rest) {
        store_partial(dp + i, load_partial(p + i, rest) * (load_partial(dp + i, rest) - delta), rest);
      });
}

float row_dot(const float* x, const float* y, int64_t n) {
  return static_cast<float>(sum_row(n, [&](int64_t i, auto read) { return read(x + i) * read(y + i); }));
}

float row_sum(const float* x, int64_t n) {
  return static_cast<float>(sum_row(n, [&](int64_t i, auto read) { return read(x + i); }));
}

void row_add_scaled(float alpha, const float* x, float* y, int64_t n) {
  for_each_vector(
      n, [&](int64_t i) { store(y + i, load(x + i) * alpha + load(y + i)); },
      [&](int64_t i, int64_t rest) {
        store_partial(y + i, load_partial(x + i, rest) * alpha + load_partial(y + i, rest), rest);
      });
}

void row_scale(float alpha, const float* x, float* y, int64_t n) {
  map_row(x, y, n, [&](Floats v) { return v * alpha; });
}

void row_gelu(const float* x, float* y, int64_t n) {
  map_row(
      x, y, n, [](Floats v) __attribute__((always_inline)) {
        Floats tail, density;
        normal_tail(absolute(v), &tail, &density);
        return gelu_value(v, tail);
      });
}

void row_gelu_backward(const float* x, const float* dy, float* dx, int64_t n) {
  const auto gradient = [](Floats v, Floats dv) __attribute__((always_inline)) {
    Floats tail, density;
    normal_tail(absolute(v), &tail, &density);
    return dv * gelu_slope(v, tail, density);
  };
  for_each_vector(
      n, [&](int64_t i) { store(dx + i, gradient(load(x + i), load(dy + i))); },
      [&](int64_t i, int64_t rest) {
        store_partial(dx + i, gradient(load_partial(x + i, rest), load_partial(dy + i, rest)), rest);
      });
}

void row_gelu_with_slope(const float* x, float* y, float* slope, int64_t n) {
  const auto update = [&](int64_t i, auto read, auto write) __attribute__((always_inline)) {
    const Floats v = read(x + i);
    Floats tail, density;
    normal_tail(absolute(v), &tail, &density);
    write(y + i, gelu_value(v, tail));
    write(slope + i, gelu_slope(v, tail, density));
  };
  for_each_vector(
      n, [&](int64_t i) { update(i, load, store); },
      [&](int64_t i, int64_t rest) {
        update(
            i, [rest](const float* p) { return load_partial(p, rest); },
            [rest](float* p, Floats w) { store_partial(p, w, rest); });
      });
}

void row_mean_variance(const float* x, int64_t n, float* mean, float* variance) {
  if (n <= 0) {
    *mean = *variance = 0.0F;
    return;
  }
  const double exact_mean = sum_row(n, [&](int64_t i, auto read) { return read(x + i); }) / static_cast<double>(n);
  const float center = static_cast<float>(exact_mean);
  // Σ (x - c)² over whole vectors; elements beyond the end read as 0 and are taken out again by their mask.
  const double squares = sum_row(n, [&](int64_t i, auto read) {
    const Floats deviation = first_of(read(x + i) - center, n - i < kLanes ? n - i : kLanes);
    return deviation * deviation;
  });
  const double offset = exact_mean - static_cast<double>(center);
  const double spread = squares / static_cast<double>(n) - offset * offset;
  *mean = center;
  *variance = static_cast<float>(spread > 0 || spread != spread ? spread : 0.0);
}

void row_normalize(const float* x, float mean, float inverse_deviation, const float* weight, const float* bias, float* y,
                   int64_t n) {
  for_each_vector(
      n, [&](int64_t i) { store(y + i, (load(x + i) - mean) * inverse_deviation * load(weight + i) + load(bias + i)); },
      [&](int64_t i, int64_t rest) {
        const Floats normalized = (load_partial(x + i, rest) - mean) * inverse_deviation;
        store_partial(y + i, normalized * load_partial(weight + i, rest) + load_partial(bias + i, rest), rest);
      });
}

void row_normalize_backward(const float* x, float mean, float inverse_deviation, const float* weight, const float* dy,
                            float* dx, float* dweight, float* dbias, int64_t n) {
  if (n <= 0) return;
  const double count = static_cast<double>(n);
  const float mean_g =
      static_cast<float>(sum_row(n, [&](int64_t i, auto read) { return read(dy + i) * read(weight + i); }) / count);
  const float mean_gx = static_cast<float>(sum_row(n,
                                                   [&](int64_t i, auto read) {
                                                     const Floats normalized = (read(x + i) - mean) * inverse_deviation;
                                                     return read(dy + i) * read(weight + i) * normalized;
                                                   }) /
                                           count);
  const auto update = [&](int64_t i, auto read, auto write) __attribute__((always_inline)) {
    const Floats normalized = (read(x + i) - mean) * inverse_deviation;
    const Floats d = read(dy + i);
    const Floats g = d * read(weight + i);
    write(dx + i, ((g - mean_g) - normalized * mean_gx) * inverse_deviation + read(dx + i));
    write(dweight + i, d * normalized + read(dweight + i));
    write(dbias + i, d + read(dbias + i));
  };
  for_each_vector(
      n, [&](int64_t i) { update(i, load, store); },
      [&](int64_t i, int64_t rest) {
        update(
            i, [rest](const float* p) { return load_partial(p, rest); },
            [rest](float* p, Floats v) { store_partial(p, v, rest); });
      });
}

void row_adamw(const AdamWStep& step, const float* gradient, float* parameter, float* m, float* v, int64_t n) {
  const float beta1 = static_cast<float>(step.beta1), rest1 = static_cast<float>(1.0 - step.beta1);
  const float beta2 = static_cast<float>(step.beta2), rest2 = static_cast<float>(1.0 - step.beta2);
  const float inverse_correction = static_cast<float>(1.0 / step.sqrt_correction);
  const float eps = static_cast<float>(step.eps), step_size = static_cast<float>(step.step_size);
  const float kept = static_cast<float>(1.0 - step.decay), gradient_scale = static_cast<float>(step.gradient_scale);
  const auto update = [&](int64_t i, auto read, auto write) __attribute__((always_inline)) {
    const Floats g = read(gradient + i) * gradient_scale;
    const Floats first = read(m + i) * beta1 + g * rest1;
    const Floats second = read(v + i) * beta2 + g * g * rest2;
    const Floats change = first / (square_root(second) * inverse_correction + eps);
    write(m + i, first);
    write(v + i, second);
    write(parameter + i, read(parameter + i) * kept - change * step_size);
  };
  for_each_vector(
      n, [&](int64_t i) { update(i, load, store); },
      [&](int64_t i, int64_t rest) {
        update(
            i, [rest](const float* p) { return load_partial(p, rest); },
            [rest](float* p, Floats w) { store_partial(p, w, rest); });
      });
}

constexpr cosformer::RowLoops<float> make_row_loops(const char* name) {
  return {
      .name = name,
      .max = row_max,
      .exp_sum = row_exp_sum,
      .softmax_gradient = row_softmax_gradient,
      .dot = row_dot,
      .sum = row_sum,
      .add_scaled = row_add_scaled,
      .scale = row_scale,
      .gelu = row_gelu,
      .gelu_backward = row_gelu_backward,
      .gelu_with_slope = row_gelu_with_slope,
      .mean_variance = row_mean_variance,
      .normalize = row_normalize,
      .normalize_backward = row_normalize_backward,
      .adamw = row_adamw,
      .dropout = row_dropout,
  };
}

}  // namespace

#undef COSFORMER_INLINE
