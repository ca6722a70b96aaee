#include <charconv>
#include <cmath>

#include "core/error.h"
#include "core/named_table.h"
#include "core/parallel.h"
#include "train/cli/bench/bench.h"
#include "train/cli/verbs.h"

namespace cosformer {

namespace {

constexpr Verb kVerbs[] = {
    {"peak", "matrix-product and memory ceilings of this machine, by threads", run_bench_peak},
    {"attention", "one attention operator from projected query, key and value to output", run_bench_attention},
    {"step", "whole training steps of a config, on random tokens", run_bench_step},
    {"operators", "each operator that training spends its time in, against the machine's ceilings", run_bench_operators},
};

constexpr std::int64_t kMaxThreads = 4096;

}  // namespace

int run_bench_verb(int argc, char** argv) {
  return run_verb("cosformer bench", "Measures this machine and what training reaches on it.", kVerbs, argc, argv);
}

void add_threads_option(CommandLine& line) {
  line.options()("threads", "threads; 0: OMP_NUM_THREADS, or all processors",
                 cxxopts::value<std::string>()->default_value("0"), "T");
}

void use_given_threads(const cxxopts::ParseResult& given) {
  const std::int64_t threads = given_integer(given, "threads", 0, kMaxThreads);
  if (threads > 0) set_num_threads(static_cast<int>(threads));
}

void add_pass_option(CommandLine& line) {
  line.options()("pass", "forward or forward_backward", cxxopts::value<std::string>()->default_value("forward_backward"),
                 "PASS");
}

const PassName& given_pass(const cxxopts::ParseResult& given) {
  static constexpr PassName kPasses[] = {{"forward", false}, {"forward_backward", true}};
  return find_named(kPasses, given["pass"].as<std::string>(), "--pass");
}

void add_peak_option(CommandLine& line) {
  line.options()("peak", "GFLOP/s of the ceiling that shares refer to; measured before and after where not given",
                 cxxopts::value<std::string>(), "GFLOPS");
}

std::optional<double> given_peak(const cxxopts::ParseResult& given) {
  if (given.count("peak") == 0) return std::nullopt;
  const std::string text = given["peak"].as<std::string>();
  double gflops = 0;
  const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), gflops);
  check<InputError>(problem == std::errc() && rest == text.data() + text.size() && std::isfinite(gflops) && gflops > 0,
                    "--peak: expected GFLOP/s, a number above 0, found \"", text, '"');
  return 1e9 * gflops;
}

std::int64_t given_integer(const cxxopts::ParseResult& given, const std::string& flag, std::int64_t least,
                           std::int64_t most) {
  const std::vector<std::int64_t> values = given_integers(given, flag, least, most);
  check<InputError>(values.size() == 1, "--", flag, ": expected one number, found ", values.size());
  return values.front();
}

std::vector<std::int64_t> given_integers(const cxxopts::ParseResult& given, const std::string& flag, std::int64_t least,
                                         std::int64_t most) {
  const std::string text = given[flag].as<std::string>();
  std::vector<std::int64_t> values;
  const char* next = text.data();
  const char* const end = text.data() + text.size();
  do {
    if (!values.empty()) ++next;
    std::int64_t value = 0;
    const auto [rest, problem] = std::from_chars(next, end, value);
    check<InputError>(problem == std::errc() && (rest == end || *rest == ',') && value >= least && value <= most, "--", flag,
                      ": expected integers from ", least, " to ", most, ", found \"", text, '"');
    values.push_back(value);
    next = rest;
  } while (next != end);
  return values;
}

}  // namespace cosformer
