// OpenBLAS maps its buffers before `main` begins, and tries for ever if an address-space limit has no room for them. This
// looks first, and ends the program with a line.

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/blas_memory.h"

namespace {

constexpr int kMostThreads = 128;  // for which Debian builds OpenBLAS
/// What constructors of other libraries map between this look and OpenBLAS's: Open MPI 5's take 18 MiB.
constexpr std::size_t kOthersBytes = std::size_t{48} << 20;

/// The number that an environment variable holds; 0 if there is none.
int number_in(char** environment, const char* name) {
  const std::size_t length = std::strlen(name);
  for (char** entry = environment; *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return std::atoi(*entry + length + 1);
  }
  return 0;
}

/// As OpenBLAS counts the threads that it maps buffers for: blas_get_cpu_number in its driver/others/memory.c.
int buffers_at_start(char** environment) {
  cpu_set_t usable;
  const int processors = sched_getaffinity(0, sizeof usable, &usable) == 0 ? CPU_COUNT(&usable) : 1;
  for (const char* name : {"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"}) {
    if (const int asked = number_in(environment, name); asked > 0) return std::min({asked, processors, kMostThreads});
  }
  return std::min(processors, kMostThreads);
}

/// Runs before the constructors of all libraries: of the C++ library nothing may be used that they set up.
void check_address_space(int, char**, char** environment) {
  void* mapped[kMostThreads];
  const int wanted = buffers_at_start(environment);
  void* const others = mmap(nullptr, kOthersBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int found = 0;
  while (others != MAP_FAILED && found < wanted) {
    mapped[found] = mmap(nullptr, cosformer::kBlasBufferBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped[found] == MAP_FAILED) break;
    ++found;
  }
  if (others != MAP_FAILED) munmap(others, kOthersBytes);
  for (int i = 0; i < found; ++i) munmap(mapped[i], cosformer::kBlasBufferBytes);
  if (found == wanted) return;
  char line[256];
  const int length =
      std::snprintf(line, sizeof line,
                    "error: out of memory: OpenBLAS and others need %d MiB of address space to start with %d thread%s; "
                    "raise the limit (ulimit -v)%s\n",
                    wanted * static_cast<int>(cosformer::kBlasBufferBytes >> 20) + static_cast<int>(kOthersBytes >> 20),
                    wanted, wanted == 1 ? "" : "s", wanted == 1 ? "" : " or set OMP_NUM_THREADS=1");
  if (::write(STDERR_FILENO, line, static_cast<std::size_t>(length)) != length) _exit(1);
  _exit(1);
}

}  // namespace

__attribute__((section(".preinit_array"), used)) void (*const check_address_space_first)(int, char**,
                                                                                         char**) = check_address_space;
