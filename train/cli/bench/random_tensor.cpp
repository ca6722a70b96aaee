#include "train/cli/bench/random_tensor.h"

#include "core/parallel.h"
#include "core/random.h"

namespace cosformer {

Tensor normal_tensor(const Shape& shape, std::string_view purpose) {
  Tensor values = Tensor::empty(shape);
  const Random random(1, purpose);
  float* x = values.data<float>();
  parallel_ranges(values.size(), kElementwiseGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) x[i] = static_cast<float>(random.normal(static_cast<std::uint64_t>(i)));
  });
  return values;
}

}  // namespace cosformer
