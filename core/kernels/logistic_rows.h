#pragma once
/// \file
/// Rows of the logistic function and of what is made with it. Internal to scalar_function.cpp.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "core/kernels/scratch_matrix.h"
#include "core/simd/row_loops.h"

namespace cosformer::detail {

/// Elements that a pass over temporary arrays handles at a time.
inline constexpr std::int64_t kLogisticPiece = 512;

/// The logistic function s of F::argument of each number, which has the number's sign, and 1 − s, neither by a difference:
/// calls `body(row, begin, count, s, 1 − s)` for pieces of rows.
template <class F, class T, class Body>
void for_each_logistic(std::int64_t rows, std::int64_t width, MatrixView<const T> x, Body&& body) {
  std::array<T, kLogisticPiece> shares, rests;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t begin = 0; begin < width; begin += kLogisticPiece) {
      const auto count = static_cast<std::size_t>(std::min(kLogisticPiece, width - begin));
      const T* from = x[i] + begin;
      for (std::size_t j = 0; j < count; ++j) {
        const T argument = F::argument(from[j]);
        shares[j] = from[j] > 0 ? -argument : argument;
      }
      loops<T>().exp_sum(shares.data(), T{1}, T{0}, shares.data(), static_cast<std::int64_t>(count));
      for (std::size_t j = 0; j < count; ++j) {
        const T large = 1 / (1 + shares[j]), small = shares[j] * large;
        shares[j] = from[j] > 0 ? large : small;
        rests[j] = from[j] > 0 ? small : large;
      }
      body(i, begin, count, shares.data(), rests.data());
    }
  }
}

struct Sigmoid {
  template <class T>
  static T argument(T x) {
    return x;
  }
  template <class T>
  static T value(T, T share, T) {
    return share;
  }
  template <class T>
  static T slope(T, T share, T rest) {
    return share * rest;
  }
};

struct Silu {
  template <class T>
  static T argument(T x) {
    return x;
  }
  // An infinite x times a share of 0 would be no number.
  template <class T>
  static T value(T x, T share, T) {
    return share == 0 ? T{0} : x * share;
  }
  template <class T>
  static T slope(T x, T share, T rest) {
    return share == 0 || rest == 0 ? share : share * (1 + x * rest);
  }
};

/// (1 + tanh(u)) / 2 is the logistic function of 2 u.
struct GeluTanh {
  template <class T>
  static constexpr T kScale = static_cast<T>(1.5957691216057308);  ///< 2 sqrt(2 / π)
  template <class T>
  static constexpr T kCubic = static_cast<T>(0.044715);

  template <class T>
  static T argument(T x) {
    return kScale<T> * x * (1 + kCubic<T> * x * x);
  }
  template <class T>
  static T value(T x, T share, T) {
    return share == 0 ? T{0} : x * share;
  }
  template <class T>
  static T slope(T x, T share, T rest) {
    if (share == 0 || rest == 0) return share;
    return share * (1 + x * rest * kScale<T> * (1 + 3 * kCubic<T> * x * x));
  }
};

template <class F, class T>
void logistic_rows(std::int64_t rows, std::int64_t width, MatrixView<const T> x, MatrixView<T> y) {
  for_each_logistic<F>(rows, width, x,
                       [&](std::int64_t i, std::int64_t begin, std::size_t count, const T* share, const T* rest) {
                         const T* from = x[i] + begin;
                         T* to = y[i] + begin;
                         for (std::size_t j = 0; j < count; ++j) to[j] = F::value(from[j], share[j], rest[j]);
                       });
}

template <class F, class T>
void logistic_gradient_rows(std::int64_t rows, std::int64_t width, MatrixView<const T> x, MatrixView<const T> dy,
                            MatrixView<T> dx) {
  for_each_logistic<F>(rows, width, x,
                       [&](std::int64_t i, std::int64_t begin, std::size_t count, const T* share, const T* rest) {
                         const T *from = x[i] + begin, *gradient = dy[i] + begin;
                         T* to = dx[i] + begin;
                         for (std::size_t j = 0; j < count; ++j) to[j] = F::slope(from[j], share[j], rest[j]) * gradient[j];
                       });
}

template <class F, class T>
void logistic_with_slope(const T* x, T* y, T* slope, std::int64_t n) {
  for_each_logistic<F, T>(1, n, {x, 0},
                          [&](std::int64_t, std::int64_t begin, std::size_t count, const T* share, const T* rest) {
                            for (std::size_t j = 0; j < count; ++j) {
                              const T own = x[begin + static_cast<std::int64_t>(j)];
                              y[begin + static_cast<std::int64_t>(j)] = F::value(own, share[j], rest[j]);
                              slope[begin + static_cast<std::int64_t>(j)] = F::slope(own, share[j], rest[j]);
                            }
                          });
}

}  // namespace cosformer::detail
