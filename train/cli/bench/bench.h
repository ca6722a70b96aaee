#pragma once
/// \file
/// `cosformer bench …`: its verbs, and the flags and limits that they share.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "train/cli/options.h"

namespace cosformer {

int run_bench_attention(int argc, char** argv);  // attention.cpp
int run_bench_operators(int argc, char** argv);  // operators.cpp
int run_bench_peak(int argc, char** argv);       // peak.cpp
int run_bench_step(int argc, char** argv);       // step.cpp

/// `--threads T`, 0: as OMP_NUM_THREADS or the processors say.
void add_threads_option(CommandLine& line);
/// Does what `--threads` asks. Throws InputError.
void use_given_threads(const cxxopts::ParseResult& given);

/// What `--pass` can name.
struct PassName {
  const char* name;
  bool backward;
};
/// `--pass PASS`, forward_backward if it is not given.
void add_pass_option(CommandLine& line);
/// Throws InputError.
const PassName& given_pass(const cxxopts::ParseResult& given);

/// `--peak GFLOPS`, the ceiling that shares refer to.
void add_peak_option(CommandLine& line);
/// Operations per second that `--peak` states; nothing if it is to be measured. Throws InputError.
std::optional<double> given_peak(const cxxopts::ParseResult& given);

/// The value of an integer flag. Throws InputError if it is not in [least, most].
std::int64_t given_integer(const cxxopts::ParseResult& given, const std::string& flag, std::int64_t least,
                           std::int64_t most);
/// The same of a list, "512,1024".
std::vector<std::int64_t> given_integers(const cxxopts::ParseResult& given, const std::string& flag, std::int64_t least,
                                         std::int64_t most);

}  // namespace cosformer
