#include "layers/attention/select_rows.h"

#include <numeric>
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

/// [batch, length] -> the rows rows[0], rows[1], ... and of them the columns first ... first + count - 1; of nothing,
/// nothing.
template <class T>
std::vector<T> part_of(const std::vector<T>& all, std::int64_t length, std::span<const std::int64_t> rows,
                       std::int64_t first, std::int64_t count) {
  std::vector<T> part;
  if (all.empty()) return part;
  for (const std::int64_t row : rows) {
    const auto begin = all.begin() + row * length + first;
    part.insert(part.end(), begin, begin + count);
  }
  return part;
}

SharedPaddingMask part_of(const PaddingMask& mask, std::span<const std::int64_t> rows, std::int64_t first,
                          std::int64_t count) {
  return std::make_shared<const PaddingMask>(
      PaddingMask{.batch = static_cast<std::int64_t>(rows.size()),
                  .length = count,
                  .real = part_of(mask.real, mask.length, rows, first, count),
                  .positions = part_of(mask.positions, mask.length, rows, first, count),
                  .padded_length = mask.padded_length});
}

}  // namespace

SharedPaddingMask select_rows(const PaddingMask& mask, std::span<const std::int64_t> rows) {
  return part_of(mask, rows, 0, mask.length);
}

SharedPaddingMask narrow_columns(const PaddingMask& mask, std::int64_t first, std::int64_t length) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(mask.batch));
  std::iota(rows.begin(), rows.end(), 0);
  return part_of(mask, rows, first, length);
}

}  // namespace cosformer
