#pragma once
/// \file
/// What the generators of `cosformer data make` share.

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "data/generators/generated_files.h"
#include "train/cli/options.h"

namespace cosformer {

/// The folder to make, seed, threads, and --json.
void add_generator_options(CommandLine& line);

/// A count with this default.
inline std::shared_ptr<cxxopts::Value> count_option(std::int64_t value) {
  return cxxopts::value<std::int64_t>()->default_value(std::to_string(value));
}

/// Runs a generator into the folder OUT, with a bar on a terminal, and prints its summary. Gives the exit code.
int make_data_set(
    const cxxopts::ParseResult& given,
    const std::function<nlohmann::ordered_json(GeneratedFiles& files, const GeneratorProgress& progress)>& generate);

// data_make_recall.cpp
int make_mqar_set(int argc, char** argv);
int make_selective_copy_set(int argc, char** argv);
int make_induction_set(int argc, char** argv);
int make_needle_set(int argc, char** argv);

}  // namespace cosformer
