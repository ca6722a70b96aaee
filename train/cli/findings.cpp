#include "train/cli/findings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "core/error.h"

namespace cosformer {

namespace {

constexpr std::int64_t kGibibyte = std::int64_t{1} << 30;
constexpr std::int64_t kLittleMemory = 2 * kGibibyte;
constexpr std::int64_t kLittleDisk = kGibibyte;

bool has(const Machine& machine, std::string_view feature) {
  return std::ranges::find(machine.features, feature) != machine.features.end();
}

Finding weak_kernels(const BlasKernels& kernels) {
  std::string what = concat("OpenBLAS uses its ", kernels.name, " kernels, without ", name_of(*kernels.processor));
  if (!kernels.asked.empty()) return {std::move(what), "unset OPENBLAS_CORETYPE"};
  if (!kernels.wrong.empty()) return {what + ": better ones compute wrong products here", "install a newer OpenBLAS"};
  return {what + ", and takes no others", "install an OpenBLAS built for several processors (DYNAMIC_ARCH)"};
}

}  // namespace

std::vector<Finding> find_faults(const Machine& machine, const Setup& setup) {
  std::vector<Finding> findings;
  if (setup.threads > machine.usable_processors)
    findings.push_back(
        {concat(setup.threads, " threads on ", machine.usable_processors, " processors get in each other's way"),
         concat("set OMP_NUM_THREADS=", machine.usable_processors, " or train.threads")});
  if (machine.limits.processors && setup.threads > std::ceil(*machine.limits.processors))
    findings.push_back({concat("the control group allows ", *machine.limits.processors, " processors' time for ",
                               setup.threads, " threads"),
                        concat("set OMP_NUM_THREADS=", threads_within(machine.limits, machine.usable_processors))});
  if (const int useful = threads_within(machine.limits, machine.usable_processors); setup.threads < useful)
    findings.push_back({concat(setup.threads, " threads leave ", useful - setup.threads, " of ", useful, " processors idle"),
                        "fine where other jobs run; otherwise unset OMP_NUM_THREADS"});
  if (!setup.blas.openmp)
    findings.push_back({"OpenBLAS is not its OpenMP flavour: it starts threads of its own", "install libopenblas0-openmp"});
  if (has(machine, "avx2") && has(machine, "fma")) {
    if (setup.instruction_set == "baseline")
      findings.push_back({"the processor has AVX2, but the loops use the baseline", "unset COSFORMER_ISA"});
  } else if (has(machine, "asimd")) {
    if (setup.instruction_set == "baseline")
      findings.push_back({"the processor has NEON, but the loops use the baseline", "unset COSFORMER_ISA"});
  } else {
    findings.push_back({"the processor has no AVX2 and FMA, or hides them: training is several times slower",
                        "on a virtual machine, choose the host's processor type"});
  }
  if (setup.blas_kernels.weak()) findings.push_back(weak_kernels(setup.blas_kernels));
  const std::int64_t memory = std::min(machine.available_memory_bytes, machine.limits.memory_bytes.value_or(INT64_MAX));
  if (memory < kLittleMemory)
    findings.push_back({concat("little memory: ", format_bytes(memory)), "close other programs or train a small model"});
  if (setup.free_disk_bytes < kLittleDisk)
    findings.push_back({concat("little space for checkpoints here: ", format_bytes(setup.free_disk_bytes)),
                        "free some, or give --run-dir on another disk"});
  if (!setup.optimized_build) findings.push_back({"this is a debug build", "cmake --workflow --preset release"});
  return findings;
}

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return concat(bytes, " B");
  auto value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 48> text;
  std::snprintf(text.data(), text.size(), "%.1f %s", value, kUnits[unit]);
  return text.data();
}

}  // namespace cosformer
