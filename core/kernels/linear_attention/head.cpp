#include "core/kernels/linear_attention/head.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer::detail {

void fill_factors(const ReweightingKind& kind, double step, std::int64_t first, std::int64_t length, float* const* rows) {
  kind.factors_in_float(step, first, length, rows);
}
void fill_factors(const ReweightingKind& kind, double step, std::int64_t first, std::int64_t length, double* const* rows) {
  kind.factors_in_double(step, first, length, rows);
}

namespace {

/// Rows whose reciprocals are on the stack at once.
constexpr std::int64_t kGradientRows = 64;

/// Sets the rows whose mask is 0 to 0.
template <class T>
void zero_masked_rows(std::int64_t count, std::int64_t width, const std::uint8_t* mask, MatrixView<T> target) {
  if (mask == nullptr) return;
  for (std::int64_t i = 0; i < count; ++i) {
    if (mask[i] == 0) zero_rows(1, width, target.from(i));
  }
}

std::vector<std::int64_t> index_of_distinct(std::span<const double> steps, std::vector<double>* distinct) {
  std::vector<std::int64_t> indices;
  for (const double step : steps) {
    const auto found = std::ranges::find(*distinct, step);
    indices.push_back(found - distinct->begin());
    if (found == distinct->end()) distinct->push_back(step);
  }
  return indices;
}

/// The factors of positions first to first + length - 1 for each step, in rows that follow one another.
template <class T>
ScratchMatrix<T> consecutive_factors(const ReweightingKind& kind, std::span<const double> steps, std::int64_t first,
                                     std::int64_t length) {
  const auto count = static_cast<std::int64_t>(steps.size());
  ScratchMatrix<T> rows(kind.parts * count, length);
  parallel_for(count, [&](std::int64_t row) {
    T* parts[Factors<T>::kMostParts] = {};
    for (std::int64_t part = 0; part < kind.parts; ++part) parts[part] = rows[kind.parts * row + part];
    fill_factors(kind, steps[static_cast<std::size_t>(row)], first, length, parts);
  });
  return rows;
}

/// The longest distance whose weight a form reads.
std::int64_t longest_distance(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                              const LinearAttentionOptions& options) {
  const auto last = [&](const std::int32_t* positions, std::int64_t length) -> std::int64_t {
    if (positions == nullptr || sizes.batch * length == 0) return length;
    return *std::max_element(positions, positions + sizes.batch * length);
  };
  const std::int64_t whole =
      std::max(last(visibility.query_positions, sizes.queries), last(visibility.key_positions, sizes.keys));
  return options.form == LinearAttentionForm::chunked ? std::min(whole, options.chunk_size) : whole;
}

}  // namespace

template <class T>
ReweightingTables<T>::Side::Side(const ReweightingKind& kind, std::span<const double> steps, const AttentionSizes& sizes,
                                 std::int64_t length, const std::int32_t* positions, std::int64_t first_position)
    : parts_(kind.parts), rows_(0, 0) {
  if (parts_ == 0) return;
  std::vector<double> distinct;
  const std::vector<std::int64_t> row_of_step = index_of_distinct(steps, &distinct);
  if (positions == nullptr || sizes.batch * length == 0) {
    (kind.of_heads ? per_head_ : per_item_) = 1;
    row_of_slot_ = row_of_step;
    rows_ = consecutive_factors<T>(kind, distinct, first_position, length);
    return;
  }
  // Every item has positions of its own.
  const std::int64_t heads = kind.of_heads ? sizes.heads : 1;
  per_item_ = heads;
  per_head_ = kind.of_heads ? 1 : 0;
  row_of_slot_.resize(static_cast<std::size_t>(sizes.batch * heads));
  const std::int64_t last = *std::max_element(positions, positions + sizes.batch * length);
  const ScratchMatrix<T> consecutive = consecutive_factors<T>(kind, distinct, 0, last + 1);
  rows_ = ScratchMatrix<T>(parts_ * sizes.batch * heads, length);
  parallel_for(sizes.batch * heads, [&](std::int64_t slot) {
    const std::int64_t b = slot / heads;
    const std::int64_t from = row_of_step[static_cast<std::size_t>(kind.of_heads ? slot % heads : b)];
    row_of_slot_[static_cast<std::size_t>(slot)] = slot;
    for (std::int64_t part = 0; part < parts_; ++part) {
      const T* factors = consecutive[parts_ * from + part];
      for (std::int64_t i = 0; i < length; ++i) rows_[parts_ * slot + part][i] = factors[positions[b * length + i]];
    }
  });
}

template <class T>
Factors<T> ReweightingTables<T>::Side::of(std::int64_t b, std::int64_t h) const {
  if (parts_ == 0) return {};
  const std::int64_t row = row_of_slot_[static_cast<std::size_t>(b * per_item_ + h * per_head_)];
  Factors<T> factors{{}, parts_};
  for (std::int64_t part = 0; part < parts_; ++part) factors.rows[part] = rows_[parts_ * row + part];
  return factors;
}

template <class T>
ReweightingTables<T>::ReweightingTables(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                        const LinearAttentionOptions& options)
    : of_heads_(reweighting_kind(options.reweighting).of_heads),
      queries_(reweighting_kind(options.reweighting), options.steps.query, sizes, sizes.queries, visibility.query_positions,
               options.first_position),
      keys_(reweighting_kind(options.reweighting), options.steps.key, sizes, sizes.keys, visibility.key_positions,
            options.first_position),
      weights_(0, 0) {
  const ReweightingKind& kind = reweighting_kind(options.reweighting);
  // Other forms of what is rotated read the factors alone.
  if (kind.weight == nullptr || (!kind.is_carried() && options.form != LinearAttentionForm::chunked)) return;
  std::vector<double> distinct;
  row_of_step_ = index_of_distinct(options.steps.query, &distinct);
  const std::int64_t count = longest_distance(sizes, visibility, options) + 1;
  weights_ = ScratchMatrix<T>(std::ssize(distinct), count);
  parallel_for(std::ssize(distinct), [&](std::int64_t row) {
    for (std::int64_t d = 0; d < count; ++d) {
      weights_[row][d] = static_cast<T>(kind.weight(static_cast<double>(d) * distinct[static_cast<std::size_t>(row)]));
    }
  });
}

template <class T>
void feature_rows(ScalarFunction map, std::int64_t count, std::int64_t width, MatrixView<const T> source,
                  const std::uint8_t* mask, MatrixView<T> target) {
  function_rows(map, count, width, source.data, source.stride, target.data, target.stride);
  zero_masked_rows(count, width, mask, target);
}

template <class T>
void feature_gradient_rows(ScalarFunction map, std::int64_t count, std::int64_t width, MatrixView<const T> x,
                           const std::uint8_t* mask, MatrixView<const T> dfeature, MatrixView<T> dx) {
  function_gradient_rows(map, count, width, x.data, x.stride, dfeature.data, dfeature.stride, dx.data, dx.stride);
  zero_masked_rows(count, width, mask, dx);
}

template <class T>
void rotate_rows(std::int64_t count, std::int64_t width, MatrixView<const T> x, const Factors<T>& factors,
                 MatrixView<T> target) {
  if (!factors) return copy_rows<T>(count, width, x, nullptr, target);
  for (std::int64_t part = 0; part < factors.parts; ++part) {
    scale_rows(count, width, factors.rows[part], x, target.from(0, part * width));
  }
}

template <class T>
void rotate_extended_rows(std::int64_t count, std::int64_t width, MatrixView<const T> x, const Factors<T>& factors,
                          MatrixView<T> target) {
  rotate_rows(count, width, x, factors, target);
  for (std::int64_t i = 0; i < count; ++i) {
    const T last = x[i][width];
    if (!factors) target[i][width] = last;
    T* to = target[i] + factors.parts * width;
    for (std::int64_t part = 0; part < factors.parts; ++part) to[part] = last * factors.rows[part][i];
  }
}

template <class T>
void carry_rows(T factor, std::int64_t rows, std::int64_t width, MatrixView<T> sums) {
  if (factor == T{1}) return;
  for (std::int64_t i = 0; i < rows; ++i) loops<T>().scale(factor, sums[i], sums[i], width);
}

template <class T>
void normalizer_gradients(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                          std::int64_t value_dim, T* target) {
  row_dots<T>(count, value_dim, gradients.dout.from(begin), gradients.out.from(begin), target);
  for (std::int64_t i = 0; i < count; ++i) {
    const T normalizer = *gradients.normalizer[begin + i];
    target[i] = !gradients.divides || guard_is_active(normalizer) ? T{0} : -target[i] / guarded(normalizer);
  }
}

template <class T>
void extended_gradient_rows(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                            std::int64_t value_dim, const T* normalizer_gradients, MatrixView<T> target) {
  T inverses[kGradientRows];
  for (std::int64_t first = 0; first < count; first += kGradientRows) {
    const std::int64_t rows = std::min(kGradientRows, count - first);
    for (std::int64_t i = 0; i < rows; ++i) {
      inverses[i] = 1 / guarded(*gradients.normalizer[begin + first + i]);
      target[first + i][value_dim] = normalizer_gradients[first + i];
    }
    scale_rows<T>(rows, value_dim, inverses, gradients.dout.from(begin + first), target.from(first));
  }
}

template <class T>
void extended_gradient_rows(const LinearHeadGradients<T>& gradients, std::int64_t begin, std::int64_t count,
                            std::int64_t value_dim, MatrixView<T> target) {
  T b[kGradientRows];
  for (std::int64_t first = 0; first < count; first += kGradientRows) {
    const std::int64_t rows = std::min(kGradientRows, count - first);
    normalizer_gradients(gradients, begin + first, rows, value_dim, b);
    extended_gradient_rows<T>(gradients, begin + first, rows, value_dim, b, target.from(first));
  }
}

template <class T>
void extended_value_rows(std::int64_t count, std::int64_t value_dim, MatrixView<const T> value, const std::uint8_t* mask,
                         MatrixView<T> target) {
  copy_rows<T>(count, value_dim, value, mask, target);
  for (std::int64_t i = 0; i < count; ++i) target[i][value_dim] = mask != nullptr && mask[i] == 0 ? T{0} : T{1};
}

#define COSFORMER_INSTANTIATE(T)                                                                                            \
  template class ReweightingTables<T>;                                                                                      \
  template void feature_rows<T>(ScalarFunction, std::int64_t, std::int64_t, MatrixView<const T>, const std::uint8_t*,       \
                                MatrixView<T>);                                                                             \
  template void feature_gradient_rows<T>(ScalarFunction, std::int64_t, std::int64_t, MatrixView<const T>,                   \
                                         const std::uint8_t*, MatrixView<const T>, MatrixView<T>);                          \
  template void rotate_rows<T>(std::int64_t, std::int64_t, MatrixView<const T>, const Factors<T>&, MatrixView<T>);          \
  template void rotate_extended_rows<T>(std::int64_t, std::int64_t, MatrixView<const T>, const Factors<T>&, MatrixView<T>); \
  template void carry_rows<T>(T, std::int64_t, std::int64_t, MatrixView<T>);                                                \
  template void normalizer_gradients<T>(const LinearHeadGradients<T>&, std::int64_t, std::int64_t, std::int64_t, T*);       \
  template void extended_gradient_rows<T>(const LinearHeadGradients<T>&, std::int64_t, std::int64_t, std::int64_t,          \
                                          const T*, MatrixView<T>);                                                         \
  template void extended_gradient_rows<T>(const LinearHeadGradients<T>&, std::int64_t, std::int64_t, std::int64_t,          \
                                          MatrixView<T>);                                                                   \
  template void extended_value_rows<T>(std::int64_t, std::int64_t, MatrixView<const T>, const std::uint8_t*, MatrixView<T>);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer::detail
