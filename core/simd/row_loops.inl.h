/// \file
/// The float loops, written once on vectors of `kLanes` numbers (GCC's and Clang's vector extension).
///
/// Included at the end of each instruction set's file, after that file has defined, in an anonymous namespace: kLanes,
/// kLaneIndex, Floats, Ints, Wide, load_partial, store_partial (the first n < kLanes elements; others read as 0),
/// square_root and multiply_low_halves (of 64-bit lanes). The last elements of a row pass through the same vector code as
/// all others.

namespace {

using cosformer::AdamWStep;
using cosformer::DropoutMask;
using std::int64_t;

constexpr float kInfinity = __builtin_inff();

/// Elements that a sum adds in float before it goes on in double, so that a sum of a million is as accurate as one of
/// a thousand.
constexpr int64_t kSumBlock = 4096;

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

Floats splat(float x) { return Floats{} + x; }

Floats load(const float* p) {
  Floats v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

void store(float* p, Floats v) { __builtin_memcpy(p, &v, sizeof v); }

/// v with the lanes from n on set to 0.
Floats first_of(Floats v, int64_t n) { return kLaneIndex < static_cast<std::int32_t>(n) ? v : Floats{}; }

float add_lanes(Floats v) {
  float s[kLanes];
  __builtin_memcpy(s, &v, sizeof v);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) s[j] += s[j + half];
  }
  return s[0];
}

/// Calls full(i) for each whole vector of n elements and partial(i, rest) for what is left.
template <class Full, class Partial>
inline __attribute__((always_inline)) void for_each_vector(int64_t n, Full full, Partial partial) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) full(i);
  if (i < n) partial(i, n - i);
}

/// y_i = function(x_i), vector by vector. y may be x.
template <class Function>
inline __attribute__((always_inline)) void map_row(const float* x, float* y, int64_t n, Function function) {
  for_each_vector(
      n, [&](int64_t i) { store(y + i, function(load(x + i))); },
      [&](int64_t i, int64_t rest) { store_partial(y + i, function(load_partial(x + i, rest)), rest); });
}

/// Σ term(i, load) over a row: four chains of vectors a block, blocks in double. `term` is given a loader that reads
/// kLanes elements, zeros beyond the end; terms of zeros have to be 0.
template <class Term>
inline __attribute__((always_inline)) double sum_row(int64_t n, Term term) {
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

constexpr float kLog2E = 1.44269504F;
constexpr float kLn2High = 0.693145752F;  // 16 bits, so that its product with an exponent is exact
constexpr float kLn2Low = 1.42860677e-6F;
constexpr float kRound = 12582912.0F;  // 1.5 · 2^23: adding it rounds to an integer, in the sum's last bits

/// exp(x) = 2^k (1 + r + r² g(r)) with k = round(x / ln 2), |r| ≤ ln 2 / 2 and g of least relative error (8e-9).
/// `k` and the significand, for x within [-104, 89].
inline __attribute__((always_inline)) Floats exp_significand(Floats x, Ints* k) {
  const Floats shifted = x * kLog2E + kRound;
  const Floats rounded = shifted - kRound;
  *k = reinterpret_cast<Ints>(shifted) - reinterpret_cast<Ints>(splat(kRound));
  const Floats r = (x - rounded * kLn2High) - rounded * kLn2Low;
  Floats g = r * 0.00139013095F + 0.00836320006F;
  g = g * r + 0.0416668541F;
  g = g * r + 0.16666577F;
  g = g * r + 0.499999996F;
  return (g * (r * r) + r) + 1.0F;
}

Floats power_of_two(Ints k) { return reinterpret_cast<Floats>((k + 127) << 23); }

/// exp of any float: underflows gradually to 0, overflows to infinity, keeps NaN.
inline __attribute__((always_inline)) Floats exponential(Floats x) {
  x = x < -104.0F ? splat(-104.0F) : x;
  x = x > 89.0F ? splat(89.0F) : x;
  Ints k;
  const Floats significand = exp_significand(x, &k);
  const Ints half = k >> 1;  // 2^k itself may be out of range
  return significand * power_of_two(half) * power_of_two(k - half);
}

/// The upper tail of the normal distribution at a ≥ 0, Q(a) = exp(-a²/2) · t · p(t) with t = 1 / (1 + 0.2316419 a) (the
/// form of Abramowitz and Stegun 26.2.17, with p of least relative error on [0, 13], 2e-7), and its density.
/// Both are taken as 0 beyond a = 13 (6e-39 there).
inline __attribute__((always_inline)) void normal_tail(Floats a, Floats* tail, Floats* density) {
  Ints k;
  const Floats bounded = a > 13.0F ? splat(13.0F) : a;
  const Floats e = exp_significand(bounded * bounded * -0.5F, &k) * power_of_two(k);
  const Floats bell = a > 13.0F ? Floats{} : e;
  const Floats t = 1.0F / (bounded * 0.2316419F + 1.0F);
  Floats p = t * -0.0697259556F + 0.244697923F;
  p = p * t - 0.196342288F;
  p = p * t + 0.220167153F;
  p = p * t + 0.0163686319F;
  p = p * t + 0.10174912F;
  p = p * t + 0.0905740744F;
  p = p * t + 0.092511425F;
  *tail = bell * (t * p);
  *density = bell * 0.398942280F;
}

Floats absolute(Floats x) { return reinterpret_cast<Floats>(reinterpret_cast<Ints>(x) & 0x7fffffff); }

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

/// x Φ(x) = max(x, 0) - |x| Q(|x|); the product with an infinite |x| would be NaN.
inline __attribute__((always_inline)) Floats gelu_value(Floats v, Floats tail) {
  const Floats a = absolute(v);
  return (v > 0.0F ? v : Floats{}) - (a > 13.0F ? splat(13.0F) : a) * tail;
}

/// Φ(x) + x φ(x).
inline __attribute__((always_inline)) Floats gelu_slope(Floats v, Floats tail, Floats density) {
  const Floats bounded = v > 13.0F ? splat(13.0F) : v < -13.0F ? splat(-13.0F) : v;
  return (v > 0.0F ? 1.0F - tail : tail) + bounded * density;
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

typedef std::uint32_t Words __attribute__((vector_size(sizeof(Floats))));

/// The high and low halves of factor · x, lane by lane.
inline __attribute__((always_inline)) void multiply_wide(std::uint32_t factor, Words x, Words* high, Words* low) {
  constexpr std::uint64_t kLow = 0xffffffffU;
  const Wide even = multiply_low_halves(reinterpret_cast<Wide>(x), factor);
  const Wide odd = multiply_low_halves(reinterpret_cast<Wide>(x) >> 32, factor);
  *high = reinterpret_cast<Words>((even >> 32) | (odd & ~kLow));
  *low = reinterpret_cast<Words>((even & kLow) | (odd << 32));
}

/// kLanes Philox blocks side by side: words[w] holds word w of the blocks with the counters `block` + lane.
inline __attribute__((always_inline)) void philox_blocks(const DropoutMask& mask, std::uint64_t block, Words (&words)[4]) {
  // Counters start at a multiple of 16, so that their lower halves do not overflow within a vector.
  words[0] = reinterpret_cast<Words>(kLaneIndex) + static_cast<std::uint32_t>(block);
  words[1] = Words{} + static_cast<std::uint32_t>(block >> 32);
  words[2] = words[3] = Words{};
  std::uint32_t key0 = mask.key[0], key1 = mask.key[1];
  for (int round = 0; round < 10; ++round) {
    Words high0, low0, high1, low1;
    multiply_wide(0xD2511F53U, words[0], &high0, &low0);
    multiply_wide(0xCD9E8D57U, words[2], &high1, &low1);
    words[0] = high1 ^ words[1] ^ key0;
    words[1] = low1;
    words[2] = high0 ^ words[3] ^ key1;
    words[3] = low0;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
}

/// x · factor, and 0 where the factor is 0, whatever x is.
Floats dropped(Floats x, Floats factor) { return factor == 0.0F ? Floats{} : x * factor; }

void row_dropout(const DropoutMask& mask, int64_t first, const float* x, float* y, int64_t n) {
  const float scale = static_cast<float>(mask.scale);
  for (int64_t i = 0; i < n;) {
    // 64 elements share 16 blocks; `skip` of them lie before this row.
    const int64_t skip = (first + i) % 64, count = smaller(64 - skip, n - i);
    const std::uint64_t block = static_cast<std::uint64_t>((first + i) / 64) * 16;
    float factors[64];
    for (std::uint64_t part = 0; part < 16; part += kLanes) {
      Words words[4];
      philox_blocks(mask, block + part, words);
      for (std::uint64_t w = 0; w < 4; ++w)
        store(factors + 16 * w + part, words[w] < mask.threshold ? Floats{} : splat(scale));
    }
    if (count == 64) {
      for (int64_t j = 0; j < 64; j += kLanes) store(y + i + j, dropped(load(x + i + j), load(factors + j)));
    } else {
      for (int64_t j = 0; j < count; ++j) y[i + j] = factors[skip + j] == 0.0F ? 0.0F : x[i + j] * factors[skip + j];
    }
    i += count;
  }
}

constexpr cosformer::simd::RowLoops make_row_loops(const char* name) {
  return {name,
          row_max,
          row_exp_sum,
          row_dot,
          row_sum,
          row_add_scaled,
          row_scale,
          row_gelu,
          row_gelu_backward,
          row_gelu_with_slope,
          row_mean_variance,
          row_normalize,
          row_normalize_backward,
          row_adamw,
          row_dropout};
}

}  // namespace
