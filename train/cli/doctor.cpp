#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/communicator.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"
#include "train/cli/findings.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"

namespace cosformer {

namespace {

#ifdef NDEBUG
constexpr bool kOptimizedBuild = true;
#else
constexpr bool kOptimizedBuild = false;
#endif

#ifdef __clang__
constexpr const char* kCompiler = __VERSION__;
#else
constexpr const char* kCompiler = "GCC " __VERSION__;
#endif

Setup read_setup() {
  std::error_code failure;
  const auto space = std::filesystem::space(".", failure);
  return {.threads = num_threads(),
          .instruction_set = instruction_set(),
          .blas = blas_info(),
          .blas_kernels = blas_kernels(),
          .free_disk_bytes = failure ? 0 : static_cast<std::int64_t>(space.available),
          .optimized_build = kOptimizedBuild,
          .mpi = mpi_library()};
}

template <class T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

nlohmann::ordered_json to_json(const Machine& machine, const Setup& setup, const std::vector<Finding>& findings) {
  nlohmann::ordered_json json = {
      {"version", COSFORMER_VERSION},
      {"optimized_build", setup.optimized_build},
      {"compiler", kCompiler},
      {"processor", machine.processor},
      {"processor_features", machine.features},
      {"online_processors", machine.online_processors},
      {"usable_processors", machine.usable_processors},
      {"cgroup_processors", or_null(machine.limits.processors)},
      {"cgroup_cpuset_processors", or_null(machine.limits.allowed_processors)},
      {"instruction_set", setup.instruction_set},
      {"threads", setup.threads},
      {"blas",
       {{"version", setup.blas.version},
        {"core", setup.blas.core},
        {"core_found", setup.blas_kernels.found},
        {"core_asked",
         setup.blas_kernels.asked.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(setup.blas_kernels.asked)},
        {"cores_with_wrong_products", setup.blas_kernels.wrong},
        {"openmp", setup.blas.openmp}}},
      {"mpi", setup.mpi.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(setup.mpi)},
      {"memory_bytes", machine.memory_bytes},
      {"available_memory_bytes", machine.available_memory_bytes},
      {"cgroup_memory_bytes", or_null(machine.limits.memory_bytes)},
      {"free_disk_bytes", setup.free_disk_bytes},
      {"findings", nlohmann::ordered_json::array()}};
  for (const Finding& finding : findings) json["findings"].push_back({{"what", finding.what}, {"fix", finding.fix}});
  return json;
}

void print(const Machine& machine, const Setup& setup, const std::vector<Finding>& findings) {
  std::string features;
  for (const std::string& feature : machine.features) features += concat(features.empty() ? "" : " ", feature);
  std::cout << "cosformer     " << COSFORMER_VERSION << (setup.optimized_build ? "" : ", debug build") << ", compiler "
            << kCompiler << "\nprocessor     " << (machine.processor.empty() ? "unknown" : machine.processor) << ", "
            << machine.usable_processors << " of " << machine.online_processors << " usable"
            << (machine.limits.processors ? concat(", time of ", *machine.limits.processors, " by the control group") : "")
            << "\nfeatures      " << features << "\nloops use     " << setup.instruction_set << "\nthreads       "
            << setup.threads << "\nBLAS          " << setup.blas.version << ", kernels " << describe(setup.blas_kernels)
            << "\nMPI           " << (setup.mpi.empty() ? "none in this build: a run stays in one process" : setup.mpi)
            << "\nmemory        " << format_bytes(machine.available_memory_bytes) << " of "
            << format_bytes(machine.memory_bytes) << " available"
            << (machine.limits.memory_bytes ? ", limit " + format_bytes(*machine.limits.memory_bytes) : std::string())
            << "\ndisk here     " << format_bytes(setup.free_disk_bytes) << " free\n\n";
  for (const Finding& finding : findings) std::cout << "! " << finding.what << "\n  -> " << finding.fix << '\n';
  if (findings.empty()) std::cout << "Nothing is missing.\n";
}

}  // namespace

int run_doctor(int argc, char** argv) {
  CommandLine line("cosformer doctor", "Says what this machine offers, how the program uses it, and what is missing.");
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const Machine machine = read_machine();
  const Setup setup = read_setup();
  const std::vector<Finding> findings = find_faults(machine, setup);
  if (given->count("json") > 0) {
    std::cout << to_json(machine, setup, findings).dump(2) << '\n';
  } else {
    print(machine, setup, findings);
  }
  return 0;
}

}  // namespace cosformer
