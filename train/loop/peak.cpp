#include "train/loop/peak.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "core/kernels/matmul/gemm.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"
#include "core/simd/tile_loops.h"
#include "core/tensor.h"

namespace cosformer {

namespace {

/// The highest rate of the calls that fit into `seconds`, at least one. `call()` returns how many operations it did.
template <class Call>
double best_rate(double seconds, const Call& call) {
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto elapsed = [&](auto since) { return std::chrono::duration<double>(now() - since).count(); };
  double best = 0;
  const auto start = now();
  do {
    const auto begin = now();
    const double operations = call();
    best = std::max(best, operations / elapsed(begin));
  } while (elapsed(start) < seconds);
  return best;
}

}  // namespace

double measure_matmul_peak(double seconds) {
  constexpr std::int64_t kSize = 1024;
  const Tensor a = Tensor::full({kSize, kSize}, 0.5), b = Tensor::full({kSize, kSize}, 0.25);
  Tensor c = Tensor::empty({kSize, kSize});
  return best_rate(seconds, [&] {
    gemm<float>(Transpose::no, Transpose::no, kSize, kSize, kSize, a.data<float>(), kSize, b.data<float>(), kSize, false,
                c.data<float>(), kSize);
    return 2.0 * kSize * kSize * kSize;
  });
}

double measure_fma_peak(double seconds) {
  constexpr std::int64_t kRounds = 100'000;  // below a millisecond
  const std::int64_t threads = num_threads();
  const simd::TileLoops& loops = *simd::tile_loops(simd::widest_instruction_set());
  std::vector<double> operations(static_cast<std::size_t>(threads));
  return best_rate(seconds, [&] {
    parallel_for(threads, [&](std::int64_t i) {
      operations[static_cast<std::size_t>(i)] = static_cast<double>(loops.multiply_adds(kRounds));
    });
    return std::accumulate(operations.begin(), operations.end(), 0.0);
  });
}

}  // namespace cosformer
