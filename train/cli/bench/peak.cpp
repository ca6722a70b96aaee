#include "train/loop/peak.h"

#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "core/blas_kernels.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"
#include "train/cli/bench/bench.h"
#include "train/cli/bench/ceilings.h"
#include "train/cli/bench/measure_in_child.h"

namespace cosformer {

namespace {

constexpr double kSecondsEach = 0.2;

nlohmann::ordered_json measure(int threads) {
  set_num_threads(threads);
  const double matmul = matmul_ceiling(kSecondsEach), fma = measure_fma_peak(kSecondsEach);
  const MemoryCeilings memory = memory_ceilings(kSecondsEach);
  return {{"threads", threads},
          {"matmul_gflops", 1e-9 * matmul},
          {"fma_gflops", 1e-9 * fma},
          {"read_gigabytes_per_second", 1e-9 * memory.read},
          {"fill_gigabytes_per_second", 1e-9 * memory.fill},
          {"triad_gigabytes_per_second", 1e-9 * memory.triad},
          {"fresh_fill_gigabytes_per_second", 1e-9 * memory.fresh_fill}};
}

}  // namespace

int run_bench_peak(int argc, char** argv) {
  CommandLine line(
      "cosformer bench peak",
      "Measures the machine's ceilings on 1, 2, 4 ... threads: large matrix products (GFLOP/s, the best of several\n"
      "shapes), multiply-adds on registers, and memory on arrays of 128 MiB (GB/s): read, fill, triad a = b + s c, and\n"
      "the first fill of memory fresh from the system.");
  add_threads_option(line);
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  use_given_threads(*given);
  const int most = num_threads();
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (int threads = 1; threads < 2 * most; threads *= 2) {
    rows.push_back(measure_in_child([&] { return measure(std::min(threads, most)); }));
  }
  if (given->count("json") > 0) {
    print_json({{"instruction_set", instruction_set()},
                {"blas_kernels", blas_kernels().name},
                {"blas_kernels_reason", describe(blas_kernels())},
                {"by_threads", rows}});
    return 0;
  }
  std::cout << "loops use " << instruction_set() << "; OpenBLAS's kernels are " << describe(blas_kernels()) << "\n\n";
  std::cout << fmt::format("{:>7} {:>15} {:>12} {:>10} {:>10} {:>10} {:>16}\n", "threads", "matmul GFLOP/s", "FMA GFLOP/s",
                           "read GB/s", "fill GB/s", "triad GB/s", "fresh fill GB/s");
  for (const auto& row : rows) {
    const auto number = [&](const char* key) { return row[key].get<double>(); };
    std::cout << fmt::format("{:>7} {:>15.1f} {:>12.1f} {:>10.1f} {:>10.1f} {:>10.1f} {:>16.1f}\n",
                             row["threads"].get<int>(), number("matmul_gflops"), number("fma_gflops"),
                             number("read_gigabytes_per_second"), number("fill_gigabytes_per_second"),
                             number("triad_gigabytes_per_second"), number("fresh_fill_gigabytes_per_second"));
  }
  return 0;
}

}  // namespace cosformer
