#include "layers/attention/text_positions.h"

#include <numeric>
#include <vector>

#include "core/error.h"

namespace cosformer {

Tensor text_positions(std::int64_t batch, std::int64_t length, const SharedPaddingMask& mask, std::int64_t most,
                      const char* reader) {
  const std::int64_t longest = mask ? mask->full_length() : length;
  check<InputError>(longest <= most, "model.max_length: ", reader, ' ', most, " positions, and a text has ", longest);
  if (mask && !mask->positions.empty()) return Tensor::from<std::int32_t>({batch, length}, mask->positions);
  std::vector<std::int32_t> positions(static_cast<std::size_t>(batch * length));
  for (std::int64_t b = 0; b < batch; ++b) {
    const auto begin = positions.begin() + b * length;
    std::iota(begin, begin + length, 0);
  }
  return Tensor::from<std::int32_t>({batch, length}, positions);
}

}  // namespace cosformer
