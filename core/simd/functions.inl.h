#pragma once
/// \file
/// exp, the normal distribution's tail and GELU on vectors; included by row_loops.inl.h.

#include "core/simd/vectors.inl.h"

namespace {

constexpr float kLog2E = 1.44269504F;
constexpr float kLn2High = 0.693145752F;  // 16 bits, so that its product with an exponent is exact
constexpr float kLn2Low = 1.42860677e-6F;
constexpr float kRound = 12582912.0F;  // 1.5 · 2^23: adding it rounds to an integer, in the sum's last bits

/// exp(x) = 2^k (1 + r + r² g(r)) with k = round(x / ln 2), |r| ≤ ln 2 / 2 and g of least relative error (8e-9).
/// `k` and the significand, for x within [-104, 89]. The last bits of k + kRound are k as an integer.
COSFORMER_INLINE Floats exp_significand(Floats x, Floats* k) {
  *k = (x * kLog2E + kRound) - kRound;
  const Floats r = (x - *k * kLn2High) - *k * kLn2Low;
  Floats g = r * 0.00139013095F + 0.00836320006F;
  g = g * r + 0.0416668541F;
  g = g * r + 0.16666577F;
  g = g * r + 0.499999996F;
  return (g * (r * r) + r) + 1.0F;
}

COSFORMER_INLINE Ints integers(Floats whole) {
  return reinterpret_cast<Ints>(whole + kRound) - reinterpret_cast<Ints>(splat(kRound));
}

COSFORMER_INLINE Floats power_of_two(Ints k) { return reinterpret_cast<Floats>((k + 127) << 23); }

/// significand · 2^k, both factors and the product within a float's range.
template <class Vector>
COSFORMER_INLINE Vector join_power(Vector significand, Vector k) {
  if constexpr (sizeof k == 64) {
    return scale_by_power(significand, k);
  } else {
    return significand * power_of_two(integers(k));
  }
}

/// exp of any float: underflows gradually to 0, overflows to infinity, keeps NaN.
template <class Vector>
COSFORMER_INLINE Vector exponential(Vector x) {
  Vector power;
  const Vector significand = exp_significand(clamp(x, splat(-104.0F), splat(89.0F)), &power);
  if constexpr (sizeof x == 64) {
    return scale_by_power(significand, power);
  } else {
    const Ints k = integers(power), half = k >> 1;  // 2^k itself may be out of range
    return significand * power_of_two(half) * power_of_two(k - half);
  }
}

/// The upper tail of the normal distribution at a ≥ 0, Q(a) = exp(-a²/2) · t · p(t) with t = 1 / (1 + 0.2316419 a) (the
/// form of Abramowitz and Stegun 26.2.17, with p of least relative error on [0, 13], 2e-7), and its density.
/// Both are taken as 0 beyond a = 13 (6e-39 there).
COSFORMER_INLINE void normal_tail(Floats a, Floats* tail, Floats* density) {
  Floats k;
  const Floats bounded = a > 13.0F ? splat(13.0F) : a;
  const Floats significand = exp_significand(bounded * bounded * -0.5F, &k);
  const Floats e = join_power(significand, k);
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

COSFORMER_INLINE Floats absolute(Floats x) { return reinterpret_cast<Floats>(reinterpret_cast<Ints>(x) & 0x7fffffff); }

/// x Φ(x) = max(x, 0) - |x| Q(|x|); the product with an infinite |x| would be NaN.
COSFORMER_INLINE Floats gelu_value(Floats v, Floats tail) {
  const Floats a = absolute(v);
  return (v > 0.0F ? v : Floats{}) - (a > 13.0F ? splat(13.0F) : a) * tail;
}

/// Φ(x) + x φ(x).
COSFORMER_INLINE Floats gelu_slope(Floats v, Floats tail, Floats density) {
  const Floats bounded = v > 13.0F ? splat(13.0F) : v < -13.0F ? splat(-13.0F) : v;
  return (v > 0.0F ? 1.0F - tail : tail) + bounded * density;
}

}  // namespace
