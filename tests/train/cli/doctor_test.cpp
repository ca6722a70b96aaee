#include <algorithm>

#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "train/cli/findings.h"
#include "train/cli/machine.h"

namespace cosformer {
namespace {

Machine good_machine() {
  return {.processor = "X",
          .features = {"fma", "avx2"},
          .online_processors = 4,
          .usable_processors = 4,
          .memory_bytes = std::int64_t{16} << 30,
          .available_memory_bytes = std::int64_t{15} << 30,
          .limits = {}};
}

Setup good_setup() {
  return {.threads = 4,
          .instruction_set = "avx2",
          .blas = {"OpenBLAS", "Haswell", true},
          .blas_kernels = {.name = "Haswell", .found = "Haswell", .asked = {}, .processor = VectorLevel::avx2},
          .free_disk_bytes = std::int64_t{100} << 30,
          .optimized_build = true};
}

TEST_CASE("A machine in order has no findings, and each fault has one with what to do") {
  REQUIRE(find_faults(good_machine(), good_setup()).empty());
  // As many threads as a quota has whole processors leave none of them idle.
  Machine limited = good_machine();
  limited.limits.processors = 2.5;
  Setup two = good_setup();
  two.threads = 2;
  CHECK(find_faults(limited, two).empty());
  struct Fault {
    void (*make)(Machine&, Setup&);
    const char* expected;
  };
  const Fault faults[] = {
      {[](Machine&, Setup& setup) { setup.threads = 5; }, "5 threads on 4 processors"},
      {[](Machine&, Setup& setup) { setup.threads = 3; }, "3 threads leave 1 of 4 processors idle"},
      {[](Machine& machine, Setup&) { machine.limits.processors = 1.5; }, "allows 1.5 processors' time for 4 threads"},
      {[](Machine&, Setup& setup) { setup.blas.openmp = false; }, "not its OpenMP flavour"},
      {[](Machine&, Setup& setup) { setup.instruction_set = "baseline"; }, "the loops use the baseline"},
      {[](Machine& machine, Setup&) { machine.features = {"avx"}; }, "no AVX2 and FMA"},
      {[](Machine& machine, Setup&) { machine.limits.memory_bytes = 1 << 30; }, "little memory: 1.0 GiB"},
      {[](Machine&, Setup& setup) { setup.free_disk_bytes = 512; }, "512 B"},
      {[](Machine&, Setup& setup) { setup.optimized_build = false; }, "debug build"},
  };
  for (const Fault& fault : faults) {
    Machine machine = good_machine();
    Setup setup = good_setup();
    fault.make(machine, setup);
    const auto findings = find_faults(machine, setup);
    INFO(fault.expected);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].what.find(fault.expected) != std::string::npos);
    CHECK_FALSE(findings[0].fix.empty());
  }
}

TEST_CASE("A 64-bit Arm machine is in order with NEON, and told of the baseline") {
  Machine machine = good_machine();
  machine.features = {"asimd"};
  Setup setup = good_setup();
  setup.instruction_set = "neon";
  setup.blas_kernels = {.name = "neoversen1", .found = "neoversen1", .asked = {}, .processor = std::nullopt};
  CHECK(find_faults(machine, setup).empty());
  setup.instruction_set = "baseline";
  const auto findings = find_faults(machine, setup);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].what == "the processor has NEON, but the loops use the baseline");
}

TEST_CASE("Weak kernels of OpenBLAS are advised on by who chose them") {
  const auto fix_of = [](const BlasKernels& kernels) -> std::string {
    Setup setup = good_setup();
    setup.blas_kernels = kernels;
    const auto findings = find_faults(good_machine(), setup);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].what.starts_with("OpenBLAS uses its Nehalem kernels, without AVX2"));
    return findings[0].fix;
  };
  BlasKernels kernels = {.name = "Nehalem", .found = "Nehalem", .asked = "nehalem", .processor = VectorLevel::avx2};
  CHECK(fix_of(kernels) == "unset OPENBLAS_CORETYPE");
  kernels.asked.clear();
  CHECK(fix_of(kernels) == "install an OpenBLAS built for several processors (DYNAMIC_ARCH)");
  kernels.wrong = {"Haswell", "Sandybridge"};
  CHECK(fix_of(kernels) == "install a newer OpenBLAS");
}

TEST_CASE("The machine is read from the kernel's files, the tightest control group counts") {
  const test::TemporaryFolder root;
  std::filesystem::create_directories(root / "proc/self");
  std::filesystem::create_directories(root / "sys/fs/cgroup/a/b");
  test::write_bytes(root / "proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu fma avx2 ht\n");
  test::write_bytes(root / "proc/meminfo", "MemTotal:       2048 kB\nMemAvailable:   1024 kB\n");
  test::write_bytes(root / "proc/self/cgroup", "0::/a/b\n");
  test::write_bytes(root / "sys/fs/cgroup/a/memory.max", "1000\n");
  test::write_bytes(root / "sys/fs/cgroup/a/b/memory.max", "max\n");
  test::write_bytes(root / "sys/fs/cgroup/a/cpu.max", "max 100000\n");
  test::write_bytes(root / "sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
  const Machine machine = read_machine(root.path());
  CHECK(machine.processor == "Some CPU @ 2 GHz");
  CHECK(machine.features == std::vector<std::string>{"fma", "avx2"});
  CHECK(machine.memory_bytes == 2048 * 1024);
  CHECK(machine.available_memory_bytes == 1024 * 1024);
  CHECK(machine.limits.memory_bytes == 1000);
  CHECK(machine.limits.processors == 1.5);
}

TEST_CASE("A 64-bit Arm processor's features are read under the name that its kernel gives them") {
  const test::TemporaryFolder root;
  std::filesystem::create_directories(root / "proc");
  test::write_bytes(root / "proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd evtstrm sve\nCPU part\t: 0xd0c\n");
  CHECK(read_machine(root.path()).features == std::vector<std::string>{"asimd", "sve"});
}

TEST_CASE("A machine without the kernel's files is read as unknown") {
  const test::TemporaryFolder root;
  const Machine machine = read_machine(root.path());
  CHECK(machine.processor.empty());
  CHECK(machine.memory_bytes == 0);
  CHECK(machine.usable_processors >= 1);
}

TEST_CASE("Bytes are written with the unit that fits") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(1023) == "1023 B");
  CHECK(format_bytes(1536) == "1.5 KiB");
  CHECK(format_bytes((std::int64_t{1} << 30) - 1) == "1.0 GiB");
}

}  // namespace
}  // namespace cosformer
