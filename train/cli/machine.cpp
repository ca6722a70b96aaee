#include "train/cli/machine.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace cosformer {

namespace {

constexpr std::string_view kFeatures[] = {"sse4_2",   "avx",         "f16c",     "fma",   "avx2", "avx512f",
                                          "avx512bw", "avx512_bf16", "amx_tile", "asimd", "sve"};

/// The text after "NAME<blanks>:" in a file of such lines; empty if there is none.
std::string field_of(const std::filesystem::path& file, std::string_view name) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with(name)) continue;
    const std::size_t colon = line.find_first_not_of(" \t", name.size());
    if (colon == std::string::npos || line[colon] != ':') continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? std::string() : line.substr(begin);
  }
  return {};
}

std::int64_t kibibytes(const std::string& text) {
  std::int64_t value = 0;
  std::istringstream(text) >> value;
  return value * 1024;
}

}  // namespace

Machine read_machine(const std::filesystem::path& root) {
  Machine machine;
  const std::filesystem::path cpu_info = root / "proc/cpuinfo", memory_info = root / "proc/meminfo";
  machine.processor = field_of(cpu_info, "model name");
  // 64-bit Arm calls them otherwise, and has no name of the processor.
  std::istringstream flags(field_of(cpu_info, "flags") + field_of(cpu_info, "Features"));
  for (std::string flag; flags >> flag;)
    if (std::ranges::find(kFeatures, flag) != std::end(kFeatures)) machine.features.push_back(flag);
  machine.online_processors = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  cpu_set_t usable;
  machine.usable_processors =
      sched_getaffinity(0, sizeof usable, &usable) == 0 ? CPU_COUNT(&usable) : machine.online_processors;
  machine.memory_bytes = kibibytes(field_of(memory_info, "MemTotal"));
  machine.available_memory_bytes = kibibytes(field_of(memory_info, "MemAvailable"));
  machine.limits = read_cgroup_limits(root);
  return machine;
}

}  // namespace cosformer
