#include "core/padding_mask.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace cosformer {

std::int64_t PaddingMask::item_length(std::int64_t b) const {
  const std::uint8_t* row = real.data() + b * length;
  std::int64_t end = length;
  while (end > 0 && row[end - 1] == 0) --end;
  return positions.empty() || end == 0 ? end : positions[static_cast<std::size_t>(b * length + end - 1)] + 1;
}

std::int64_t PaddingMask::count(std::int64_t b) const {
  const auto begin = real.begin() + b * length;
  return std::count_if(begin, begin + length, [](std::uint8_t flag) { return flag != 0; });
}

SharedPaddingMask slice(const SharedPaddingMask& mask, std::int64_t first, std::int64_t length) {
  if (!mask) return nullptr;
  PaddingMask part{mask->batch, length, {}, {}, mask->full_length()};
  for (std::int64_t b = 0; b < mask->batch; ++b) {
    const auto begin = b * mask->length + first;
    part.real.insert(part.real.end(), mask->real.begin() + begin, mask->real.begin() + begin + length);
    if (mask->positions.empty()) continue;
    part.positions.insert(part.positions.end(), mask->positions.begin() + begin, mask->positions.begin() + begin + length);
  }
  return std::make_shared<const PaddingMask>(std::move(part));
}

SharedPaddingMask padding_mask_from_lengths(std::span<const std::int64_t> lengths, std::int64_t length) {
  PaddingMask mask{static_cast<std::int64_t>(lengths.size()), length, {}};
  mask.real.resize(lengths.size() * static_cast<std::size_t>(length));
  auto row = mask.real.begin();
  for (const std::int64_t item : lengths) {
    check<ShapeError>(item >= 0 && item <= length, "an item of ", item, " tokens in a batch padded to ", length);
    std::fill_n(row, item, std::uint8_t{1});
    row += length;
  }
  return std::make_shared<const PaddingMask>(std::move(mask));
}

}  // namespace cosformer
