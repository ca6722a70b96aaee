#include "train/cli/bench/ceilings.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

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

#ifdef __x86_64__
constexpr int kChains = 12;  // latency 4 to 5, two a cycle

/// 2 · 8 · kChains operations a round.
__attribute__((target("avx2,fma"))) float fma_rounds_avx2(std::int64_t rounds) {
  const __m256 factor = _mm256_set1_ps(0.999f), addend = _mm256_set1_ps(0.001f);
  __m256 chains[kChains];
  for (__m256& chain : chains) chain = addend;
  for (std::int64_t i = 0; i < rounds; ++i)
    for (__m256& chain : chains) chain = _mm256_fmadd_ps(chain, factor, addend);
  __m256 sum = chains[0];
  for (const __m256& chain : chains) sum = _mm256_add_ps(sum, chain);
  return _mm256_cvtss_f32(sum);
}

__attribute__((target("avx512f"))) float fma_rounds_avx512(std::int64_t rounds) {
  const __m512 factor = _mm512_set1_ps(0.999f), addend = _mm512_set1_ps(0.001f);
  __m512 chains[kChains];
  for (__m512& chain : chains) chain = addend;
  for (std::int64_t i = 0; i < rounds; ++i)
    for (__m512& chain : chains) chain = _mm512_fmadd_ps(chain, factor, addend);
  __m512 sum = chains[0];
  for (const __m512& chain : chains) sum = _mm512_add_ps(sum, chain);
  return _mm512_cvtss_f32(sum);
}
#endif

/// Independent fused multiply-adds of one instruction set.
struct FmaLoop {
  const char* instruction_set;
  int width;
  float (*run)(std::int64_t rounds);
};
constexpr FmaLoop kFmaLoops[] = {
    {"baseline", 0, nullptr},
#ifdef __x86_64__
    {"avx2", 8, fma_rounds_avx2},
    {"avx512", 16, fma_rounds_avx512},
#endif
};

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

double fma_ceiling(double seconds) {
  const auto loop = std::ranges::find(kFmaLoops, std::string_view(instruction_set()),
                                      [](const FmaLoop& row) { return std::string_view(row.instruction_set); });
  if (loop == std::end(kFmaLoops) || loop->run == nullptr) return 0;
  constexpr std::int64_t kRounds = 2'000'000;
  const std::int64_t threads = num_threads();
  std::vector<float> results(static_cast<std::size_t>(threads * 16));
  const double once = best_seconds(seconds, [&] {
    parallel_for(threads, [&](std::int64_t i) { results[static_cast<std::size_t>(i * 16)] = loop->run(kRounds); });
  });
  return 2.0 * loop->width * 12.0 * static_cast<double>(kRounds * threads) / once;
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

double CeilingAround::measure() {
  constexpr double kSecondsAProduct = 0.1;
  return measure_in_child([] { return nlohmann::ordered_json(matmul_ceiling(kSecondsAProduct)); }).get<double>();
}

double CeilingAround::finish() const { return known_ ? *known_ : std::max(before_, measure()); }

}  // namespace cosformer
