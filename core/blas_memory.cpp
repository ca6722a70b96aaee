#include "core/blas_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "core/error.h"

// OpenBLAS's own functions; absent from other libraries of the same interface.
extern "C" {
void* blas_memory_alloc(int purpose) __attribute__((weak));
void blas_memory_free(void* buffer) __attribute__((weak));
}

namespace cosformer {

namespace {

/// More than these OpenBLAS does not hold: Debian builds it for 128 threads, each with a buffer of its own already.
constexpr int kMostBuffers = 120;

/// Whether the system gives so many buffers beside all that is mapped now. They are mapped one by one, as OpenBLAS does: one
/// large mapping may be refused where many small ones are not.
bool has_room_for(int buffers) {
  std::vector<void*> mapped;
  mapped.reserve(static_cast<std::size_t>(buffers));
  bool has_room = true;
  while (has_room && std::ssize(mapped) < buffers) {
    void* const start = mmap(nullptr, kBlasBufferBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    has_room = start != MAP_FAILED;
    if (has_room) mapped.push_back(start);
  }
  for (void* const start : mapped) munmap(start, kBlasBufferBytes);
  return has_room;
}

}  // namespace

void reserve_blas_buffers(int threads) {
  static std::atomic<int> reserved = 0;
  const int wanted = std::min(threads, kMostBuffers);
  if (wanted <= reserved.load(std::memory_order_relaxed) || blas_memory_alloc == nullptr) return;
  check<Error>(has_room_for(wanted - reserved), "out of memory: for products on ", threads,
               threads == 1 ? " thread" : " threads", " OpenBLAS needs ",
               (wanted - reserved) * static_cast<std::int64_t>(kBlasBufferBytes >> 20),
               " MiB more of address space than there is; raise the limit (ulimit -v) or use fewer threads");
  std::vector<void*> buffers;
  for (int i = 0; i < wanted; ++i) buffers.push_back(blas_memory_alloc(0));
  for (void* const buffer : buffers) blas_memory_free(buffer);
  reserved = wanted;
}

}  // namespace cosformer
