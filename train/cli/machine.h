#pragma once
/// \file
/// The machine, as the Linux kernel describes it.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cosformer {

struct Machine {
  std::string processor;              ///< the model's name; empty where unknown
  std::vector<std::string> features;  ///< of those that matter here: "avx2", "fma", "avx512f", …
  int online_processors = 0;
  int usable_processors = 0;                ///< that this process may run on
  std::optional<double> cgroup_processors;  ///< processor time a second that the control group may use
  std::int64_t memory_bytes = 0;
  std::int64_t available_memory_bytes = 0;
  std::optional<std::int64_t> cgroup_memory_bytes;
};

/// `root` is where /proc and /sys are looked for. What cannot be read stays at its default.
Machine read_machine(const std::filesystem::path& root = "/");

}  // namespace cosformer
