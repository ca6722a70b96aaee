#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/named_table.h"
#include "core/parallel.h"
#include "train/cli/bench/bench.h"
#include "train/cli/bench/ceilings.h"
#include "train/cli/bench/measure_in_child.h"
#include "train/cli/bench/operator_rows.h"
#include "train/cli/bench/timing.h"
#include "train/loop/peak.h"

namespace cosformer {

namespace {

constexpr std::int64_t kMaxRepetitions = 100'000;
constexpr double kCeilingSeconds = 0.1;

/// Milliseconds, rate and share of one pass of a row.
nlohmann::ordered_json measure_pass(const OperatorRow& row, const char* pass, const std::function<void()>& call,
                                    const OperatorWork& work, int repetitions, const Ceilings& ceilings, double bandwidth) {
  constexpr double kLeastSeconds = 0.02;
  const double seconds = time_calls(repetitions, kLeastSeconds, call).median;
  nlohmann::ordered_json result = {
      {"operator", row.name}, {"shape", row.shape}, {"pass", pass}, {"milliseconds", 1e3 * seconds}};
  const bool arithmetic = work.flops > 0;
  const double rate = (arithmetic ? work.flops : work.bytes) / seconds;
  result[arithmetic ? "gflops" : "gigabytes_per_second"] = 1e-9 * rate;
  if (arithmetic) {
    add_shares(result, ceilings);
  } else {
    result["share_of_peak"] = rate / bandwidth;
  }
  return result;
}

nlohmann::ordered_json measure(std::span<const OperatorRow> rows, int repetitions) {
  const Ceilings ceilings{matmul_ceiling(kCeilingSeconds), measure_fma_peak(kCeilingSeconds)};
  const MemoryCeilings memory = memory_ceilings(kCeilingSeconds);
  const double bandwidth = std::max({memory.read, memory.fill, memory.triad});
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (const OperatorRow& row : rows) {
    const PreparedOperator prepared = row.prepare();
    const auto add_pass = [&](const char* pass, const std::function<void()>& call, const OperatorWork& work) {
      if (call) results.push_back(measure_pass(row, pass, call, work, repetitions, ceilings, bandwidth));
    };
    add_pass("forward", prepared.forward, prepared.forward_work);
    add_pass("forward_backward", prepared.forward_backward, prepared.forward_backward_work);
  }
  return results;
}

}  // namespace

int run_bench_operators(int argc, char** argv) {
  CommandLine line(
      "cosformer bench operators",
      "Times the operators that training spends its time in: GFLOP/s and their share of the best matrix product and of\n"
      "the multiply-adds that the processor can do if products dominate, else the GB/s that it has to move at least and\n"
      "their share of the best of read, fill and triad.");
  line.options()("only", "one operator", cxxopts::value<std::string>(), "NAME")(
      "repetitions", "timed calls", cxxopts::value<std::string>()->default_value("5"), "R");
  add_threads_option(line);
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  use_given_threads(*given);
  std::span<const OperatorRow> rows = operator_rows();
  if (given->count("only") > 0) rows = {&find_named(operator_rows(), (*given)["only"].as<std::string>(), "--only"), 1};
  const int repetitions = static_cast<int>(given_integer(*given, "repetitions", 1, kMaxRepetitions));
  const nlohmann::ordered_json results = measure_in_child([&] { return measure(rows, repetitions); });
  if (given->count("json") > 0) {
    for (nlohmann::ordered_json result : results) {
      result["threads"] = num_threads();
      print_json(result);
    }
    return 0;
  }
  std::cout << fmt::format("{:<26}{:<42}{:<18}{:>9} {:>9} {:>8} {:>7} {:>7}\n", "operator", "shape", "pass", "ms", "GFLOP/s",
                           "GB/s", "share", "of FMA");
  for (const auto& result : results) {
    const auto rate = [&](const char* key, int digits) {
      return result.contains(key) ? fmt::format("{:.{}f}", result[key].get<double>(), digits) : "";
    };
    std::cout << fmt::format("{:<26}{:<42}{:<18}{:>9.2f} {:>9} {:>8} {:>7.2f} {:>7}\n",
                             result["operator"].get<std::string>(), result["shape"].get<std::string>(),
                             result["pass"].get<std::string>(), result["milliseconds"].get<double>(), rate("gflops", 1),
                             rate("gigabytes_per_second", 1), result["share_of_peak"].get<double>(),
                             rate("share_of_fma_peak", 2));
  }
  return 0;
}

}  // namespace cosformer
