#include "core/kernels/sinkhorn/sinkhorn.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel.h"

namespace cosformer {

namespace {

/// A square of logarithms of weights, row by row.
using Square = std::vector<double>;

/// One item and head: which elements count, and the steps of the balancing.
class Balance {
 public:
  Balance(std::int64_t size, bool causal) : n_(static_cast<std::size_t>(size)), causal_(causal) {}

  std::size_t size() const { return n_; }
  /// Columns of row i that count: the first so many.
  std::size_t columns(std::size_t i) const { return causal_ ? i : n_; }

  void divide_rows(Square& x) const {
    for (std::size_t i = 0; i < n_; ++i) {
      const double sum = log_sum(columns(i), [&](std::size_t j) { return x[i * n_ + j]; });
      for (std::size_t j = 0; j < columns(i); ++j) x[i * n_ + j] -= sum;
    }
  }
  /// `y` is the result, `d` the gradient of it and, afterwards, that of what it was made from.
  void divide_rows_backward(const Square& y, Square& d) const {
    for (std::size_t i = 0; i < n_; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < columns(i); ++j) sum += d[i * n_ + j];
      for (std::size_t j = 0; j < columns(i); ++j) d[i * n_ + j] -= sum * std::exp(y[i * n_ + j]);
    }
  }

  void divide_columns(Square& x) const {
    for (std::size_t j = 0; j < n_; ++j) {
      // From the last row up: what a row is divided by holds the rows above it as they were.
      const std::size_t first = first_row(j);
      for (std::size_t i = n_; i-- > first;) {
        if (!causal_ && i + 1 < n_) break;
        const double sum = log_sum(i + 1 - first, [&](std::size_t k) { return x[(first + k) * n_ + j]; });
        if (causal_) {
          x[i * n_ + j] -= sum;
        } else {
          for (std::size_t k = 0; k < n_; ++k) x[k * n_ + j] -= sum;
        }
      }
    }
  }
  /// `x` is what the columns were made from.
  void divide_columns_backward(const Square& x, const Square& y, Square& d) const {
    for (std::size_t j = 0; j < n_; ++j) {
      const std::size_t first = first_row(j);
      if (!causal_) {
        double sum = 0;
        for (std::size_t i = 0; i < n_; ++i) sum += d[i * n_ + j];
        for (std::size_t i = 0; i < n_; ++i) d[i * n_ + j] -= sum * std::exp(y[i * n_ + j]);
        continue;
      }
      // Row k is part of the sums of all rows from it on; those above it do not change any more.
      for (std::size_t k = first; k < n_; ++k) {
        double sum = 0;
        for (std::size_t i = k; i < n_; ++i) {
          sum += d[i * n_ + j] * std::exp(x[k * n_ + j] - (x[i * n_ + j] - y[i * n_ + j]));
        }
        d[k * n_ + j] -= sum;
      }
    }
  }

 private:
  std::size_t first_row(std::size_t column) const { return causal_ ? column + 1 : 0; }

  template <class Element>
  static double log_sum(std::size_t count, Element&& element) {
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::size_t k = 0; k < count; ++k) largest = std::max(largest, element(k));
    for (std::size_t k = 0; k < count; ++k) sum += std::exp(element(k) - largest);
    return count == 0 ? 0 : largest + std::log(sum);
  }

  std::size_t n_;
  bool causal_;
};

/// The logits of one item and head over the temperature.
template <class T>
Square read_logits(const Balance& balance, double temperature, const T* logits, std::int64_t row_stride) {
  const std::size_t n = balance.size();
  Square x(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < balance.columns(i); ++j) {
      x[i * n + j] = static_cast<double>(logits[static_cast<std::int64_t>(i) * row_stride + static_cast<std::int64_t>(j)]) /
                     temperature;
    }
  }
  return x;
}

}  // namespace

template <class T>
void sinkhorn_forward(const SinkhornOptions& options, std::int64_t batch, std::int64_t blocks, std::int64_t heads,
                      std::int64_t columns, const std::vector<std::int64_t>& counts, const T* logits, T* out) {
  std::fill_n(out, batch * heads * blocks * blocks, T{0});
  parallel_for(batch * heads, [&](std::int64_t task) {
    const std::int64_t b = task / heads, h = task % heads;
    const Balance balance(counts[static_cast<std::size_t>(b)], options.causal);
    Square x = read_logits(balance, options.temperature, logits + (b * blocks * heads + h) * columns, heads * columns);
    for (std::int64_t step = 0; step < options.iterations; ++step) {
      balance.divide_rows(x);
      balance.divide_columns(x);
    }
    for (std::size_t i = 0; i < balance.size(); ++i) {
      T* row = out + (task * blocks + static_cast<std::int64_t>(i)) * blocks;
      for (std::size_t j = 0; j < balance.columns(i); ++j) row[j] = static_cast<T>(std::exp(x[i * balance.size() + j]));
    }
  });
}

template <class T>
void sinkhorn_backward(const SinkhornOptions& options, std::int64_t batch, std::int64_t blocks, std::int64_t heads,
                       std::int64_t columns, const std::vector<std::int64_t>& counts, const T* logits, const T* dout,
                       const Gradient<T>& dlogits) {
  T* sums = begin_sum(dlogits, batch * blocks * heads * columns);
  if (sums == nullptr) return;
  parallel_for(batch * heads, [&](std::int64_t task) {
    const std::int64_t b = task / heads, h = task % heads, first = (b * blocks * heads + h) * columns;
    const Balance balance(counts[static_cast<std::size_t>(b)], options.causal);
    const std::size_t n = balance.size();
    std::vector<Square> steps{read_logits(balance, options.temperature, logits + first, heads * columns)};
    for (std::int64_t step = 0; step < options.iterations; ++step) {
      balance.divide_rows(steps.emplace_back(Square(steps.back())));
      balance.divide_columns(steps.emplace_back(Square(steps.back())));
    }
    Square d(n * n);
    for (std::size_t i = 0; i < n; ++i) {
      const T* row = dout + (task * blocks + static_cast<std::int64_t>(i)) * blocks;
      for (std::size_t j = 0; j < balance.columns(i); ++j) {
        d[i * n + j] = static_cast<double>(row[j]) * std::exp(steps.back()[i * n + j]);
      }
    }
    for (std::size_t step = steps.size() - 1; step > 0; step -= 2) {
      balance.divide_columns_backward(steps[step - 1], steps[step], d);
      balance.divide_rows_backward(steps[step - 1], d);
    }
    for (std::size_t i = 0; i < n; ++i) {
      T* row = sums + first + static_cast<std::int64_t>(i) * heads * columns;
      for (std::size_t j = 0; j < balance.columns(i); ++j) row[j] += static_cast<T>(d[i * n + j] / options.temperature);
    }
  });
}

#define COSFORMER_INSTANTIATE(T)                                                                                     \
  template void sinkhorn_forward<T>(const SinkhornOptions&, std::int64_t, std::int64_t, std::int64_t, std::int64_t,  \
                                    const std::vector<std::int64_t>&, const T*, T*);                                 \
  template void sinkhorn_backward<T>(const SinkhornOptions&, std::int64_t, std::int64_t, std::int64_t, std::int64_t, \
                                     const std::vector<std::int64_t>&, const T*, const T*, const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer
