#pragma once
/// \file
/// The machine, as the Linux kernel describes it.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/cgroup_limits.h"

namespace cosformer {

struct Machine {
  std::string processor;              ///< the model's name; empty if unknown
  std::vector<std::string> features;  ///< of those that matter here: "avx2", "fma", "avx512f", …
  int online_processors = 0;
  int usable_processors = 0;  ///< that this process may run on
  std::int64_t memory_bytes = 0;
  std::int64_t available_memory_bytes = 0;
  CgroupLimits limits;  ///< of the control groups
};

/// `root` is where /proc and /sys are looked for. What cannot be read stays at its default.
Machine read_machine(const std::filesystem::path& root = "/");

}  // namespace cosformer
