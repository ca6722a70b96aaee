#include "train/loop/peak.h"

#include <algorithm>
#include <chrono>

#include "core/kernels/matmul/gemm.h"
#include "core/tensor.h"

namespace cosformer {

double measure_matmul_peak(double seconds) {
  constexpr std::int64_t kSize = 1024;
  const Tensor a = Tensor::full({kSize, kSize}, 0.5), b = Tensor::full({kSize, kSize}, 0.25);
  Tensor c = Tensor::empty({kSize, kSize});
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto elapsed = [&](auto since) { return std::chrono::duration<double>(now() - since).count(); };
  double best = 0;
  for (const auto start = now(); elapsed(start) < seconds;) {
    const auto begin = now();
    gemm<float>(Transpose::no, Transpose::no, kSize, kSize, kSize, a.data<float>(), kSize, b.data<float>(), kSize, false,
                c.data<float>(), kSize);
    best = std::max(best, 2.0 * kSize * kSize * kSize / elapsed(begin));
  }
  return best;
}

}  // namespace cosformer
