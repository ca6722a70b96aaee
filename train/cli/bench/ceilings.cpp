#include "train/cli/bench/ceilings.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/kernels/matmul/gemm.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"
#include "core/tensor.h"
#include "train/cli/bench/measure_in_child.h"
#include "train/cli/bench/timing.h"
#include "train/loop/peak.h"

namespace cosformer {

namespace {

struct Product {
  Transpose transpose_b;
  std::int64_t m, n, k;
};
/// Square, and the widest products of a language model of embed_dim 512 and 256.
constexpr Product kProducts[] = {
    {Transpose::no, 2048, 2048, 2048}, {Transpose::yes, 8192, 2048, 512}, {Transpose::yes, 4096, 1024, 256}};

/// The shortest of the calls that fit into `seconds`, at least two.
template <class Call>
double best_seconds(double seconds, Call&& call) {
  call();
  double best = 1e30;
  const auto start = std::chrono::steady_clock::now();
  do {
    const auto begin = std::chrono::steady_clock::now();
    call();
    best = std::min(best, seconds_since(begin));
  } while (seconds_since(start) < seconds);
  return best;
}

constexpr std::int64_t kPieceFloats = 1 << 16;
constexpr std::int64_t kPieces = 512;  // 128 MiB an array: more than any cache here

/// Calls `body(first)` for every piece of kPieceFloats elements.
template <class Body>
void for_pieces(Body&& body) {
  parallel_for(kPieces, [&](std::int64_t piece) { body(piece * kPieceFloats); });
}

}  // namespace

double matmul_ceiling(double seconds) {
  double best = 0;
  for (const auto& [transpose_b, m, n, k] : kProducts) {
    const Tensor a = Tensor::full({m, k}, 0.5), b = Tensor::full({k, n}, 0.25);
    Tensor c = Tensor::empty({m, n});
    const double once = best_seconds(seconds, [&, transpose_b = transpose_b, m = m, n = n, k = k] {
      gemm<float>(Transpose::no, transpose_b, m, n, k, a.data<float>(), k, b.data<float>(),
                  transpose_b == Transpose::yes ? k : n, false, c.data<float>(), n);
    });
    best = std::max(best, 2.0 * static_cast<double>(m * n * k) / once);
  }
  return best;
}

MemoryCeilings memory_ceilings(double seconds) {
  constexpr double kArrayBytes = 4.0 * kPieceFloats * kPieces;
  Tensor a = Tensor::full({kPieces, kPieceFloats}, 0), b = Tensor::full({kPieces, kPieceFloats}, 1),
         c = Tensor::full({kPieces, kPieceFloats}, 2);
  float* x = a.data<float>();
  const float* y = b.data<float>();
  const float* z = c.data<float>();
  std::vector<float> sums(static_cast<std::size_t>(kPieces));
  MemoryCeilings result;
  result.read = kArrayBytes / best_seconds(seconds, [&] {
                  for_pieces([&](std::int64_t first) {
                    sums[static_cast<std::size_t>(first / kPieceFloats)] = loops<float>().max(y + first, kPieceFloats);
                  });
                });
  result.fill = kArrayBytes / best_seconds(seconds, [&] {
                  for_pieces([&](std::int64_t first) { std::memset(x + first, 0, kPieceFloats * sizeof(float)); });
                });
  result.triad = 3 * kArrayBytes / best_seconds(seconds, [&] {
                   for_pieces([&](std::int64_t first) {
                     for (std::int64_t i = first; i < first + kPieceFloats; ++i) x[i] = y[i] + 3.0f * z[i];
                   });
                 });
  a = b = c = Tensor();
  result.fresh_fill = kArrayBytes / best_seconds(seconds, [&] {
                        release_unused_memory();
                        Tensor fresh = Tensor::empty({kPieces, kPieceFloats});
                        float* p = fresh.data<float>();
                        for_pieces([&](std::int64_t first) { std::memset(p + first, 1, kPieceFloats * sizeof(float)); });
                      });
  return result;
}

Ceilings CeilingAround::measure(std::optional<double> known_matmul) {
  constexpr double kSecondsAProduct = 0.1;
  const nlohmann::ordered_json measured = measure_in_child([&] {
    return nlohmann::ordered_json{{"matmul", known_matmul ? *known_matmul : matmul_ceiling(kSecondsAProduct)},
                                  {"fma", measure_fma_peak(kSecondsAProduct)}};
  });
  return {measured["matmul"].get<double>(), measured["fma"].get<double>()};
}

Ceilings CeilingAround::finish() const {
  const Ceilings after = measure(known_matmul_);
  return {std::max(before_.matmul, after.matmul), std::max(before_.fma, after.fma)};
}

void add_shares(nlohmann::ordered_json& result, const Ceilings& ceilings) {
  const double rate = 1e9 * result["gflops"].get<double>();
  result["peak_gflops"] = 1e-9 * ceilings.matmul;
  result["share_of_peak"] = rate / ceilings.matmul;
  result["fma_peak_gflops"] = 1e-9 * ceilings.fma;
  result["share_of_fma_peak"] = rate / ceilings.fma;
}

}  // namespace cosformer
