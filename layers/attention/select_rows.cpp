#include "layers/attention/select_rows.h"

#include <algorithm>

namespace cosformer {

Tensor select_rows(const Tensor& x, std::span<const std::int64_t> rows) {
  Tensor selected = Tensor::empty(x.shape().with_dim(0, static_cast<std::int64_t>(rows.size())), x.dtype());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    selected.narrow(0, static_cast<std::int64_t>(i), 1).copy_from(x.narrow(0, rows[i], 1));
  }
  return selected;
}

SharedPaddingMask select_rows(const PaddingMask& mask, std::span<const std::int64_t> rows) {
  PaddingMask selected{static_cast<std::int64_t>(rows.size()), mask.length, {}};
  for (const std::int64_t row : rows) {
    const auto begin = mask.real.begin() + row * mask.length;
    selected.real.insert(selected.real.end(), begin, begin + mask.length);
  }
  return std::make_shared<const PaddingMask>(std::move(selected));
}

SharedPaddingMask narrow_columns(const PaddingMask& mask, std::int64_t first, std::int64_t length) {
  PaddingMask narrow{mask.batch, length, {}};
  for (std::int64_t row = 0; row < mask.batch; ++row) {
    const auto begin = mask.real.begin() + row * mask.length + first;
    narrow.real.insert(narrow.real.end(), begin, begin + length);
  }
  return std::make_shared<const PaddingMask>(std::move(narrow));
}

}  // namespace cosformer
