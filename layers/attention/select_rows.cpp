#include "layers/attention/select_rows.h"

#include <vector>

namespace cosformer {

Tensor select_rows(const Tensor& x, std::span<const std::int64_t> rows) {
  Tensor selected = Tensor::empty(x.shape().with_dim(0, static_cast<std::int64_t>(rows.size())), x.dtype());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    selected.narrow(0, static_cast<std::int64_t>(i), 1).copy_from(x.narrow(0, rows[i], 1));
  }
  return selected;
}

namespace {

/// The rows rows[0], rows[1], ... of an array [batch, length]; nothing of an empty one.
template <class T>
std::vector<T> rows_of(const std::vector<T>& all, std::int64_t length, std::span<const std::int64_t> rows) {
  std::vector<T> chosen;
  if (all.empty()) return chosen;
  for (const std::int64_t row : rows) {
    const auto begin = all.begin() + row * length;
    chosen.insert(chosen.end(), begin, begin + length);
  }
  return chosen;
}

}  // namespace

SharedPaddingMask select_rows(const PaddingMask& mask, std::span<const std::int64_t> rows) {
  return std::make_shared<const PaddingMask>(PaddingMask{.batch = static_cast<std::int64_t>(rows.size()),
                                                         .length = mask.length,
                                                         .real = rows_of(mask.real, mask.length, rows),
                                                         .positions = rows_of(mask.positions, mask.length, rows),
                                                         .padded_length = mask.padded_length});
}

}  // namespace cosformer
