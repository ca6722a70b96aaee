#include "core/parallel.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "core/blas_memory.h"
#include "core/cgroup_limits.h"
#include "core/denormals.h"
#include "core/error.h"
#include "core/thread_pool.h"

namespace cosformer {

namespace {

/// What `set_num_threads` asked for; 0 if it has not been called.
std::atomic<int> requested_threads = 0;

/// OpenMP's library, which OpenBLAS brings along, reads its variables for us.
int default_threads() {
  static const int threads = [] {
    const int most = std::min(omp_get_max_threads(), omp_get_thread_limit());
    const char* const wanted = std::getenv("OMP_NUM_THREADS");
    return wanted != nullptr && *wanted != '\0' ? most : threads_within(read_cgroup_limits(), most);
  }();
  return threads;
}

}  // namespace

int num_threads() {
  const int requested = requested_threads.load(std::memory_order_relaxed);
  return requested > 0 ? std::min(requested, omp_get_thread_limit()) : default_threads();
}

void initialize_threads() { flush_denormals(); }

void set_num_threads(int threads) {
  check<InputError>(threads >= 1 && threads <= kMaxThreads, "the number of threads: expected 1 to ", kMaxThreads, ", found ",
                    threads);
  requested_threads.store(threads, std::memory_order_relaxed);
}

bool in_parallel_region() { return detail::ThreadPool::is_inside_loop() || num_threads() == 1; }

namespace detail {

void run_parallel(std::int64_t count, LoopBody body) {
  if (count <= 0) return;
  const DenormalFlushing flushing;
  if (ThreadPool::is_inside_loop()) {
    for (std::int64_t i = 0; i < count; ++i) body.call(body.object, i);
  } else {
    reserve_blas_buffers(num_threads());
    ThreadPool::instance().run(count, body, num_threads());
  }
}

}  // namespace detail

}  // namespace cosformer
