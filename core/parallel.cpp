#include "core/parallel.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>

#include "core/cgroup_limits.h"
#include "core/denormals.h"
#include "core/error.h"

namespace cosformer {

int num_threads() { return std::min(omp_get_max_threads(), omp_get_thread_limit()); }

namespace {

void settle_teams() {
  // OpenBLAS asks for omp_get_max_threads() and sees no region where the team is a single thread: were the team smaller than
  // that number, a product inside a loop would start threads of its own, with other bits or without end.
  if (omp_get_dynamic()) omp_set_dynamic(0);
  if (omp_get_max_active_levels() < 1) omp_set_max_active_levels(1);
  if (omp_get_max_threads() > omp_get_thread_limit()) omp_set_num_threads(omp_get_thread_limit());
}

}  // namespace

void initialize_threads() {
  settle_teams();
  flush_denormals();
}

void set_num_threads(int threads) {
  check<InputError>(threads >= 1 && threads <= kMaxThreads, "the number of threads: expected 1 to ", kMaxThreads,
                    ", found ", threads);
  omp_set_num_threads(threads);
  settle_teams();
}

bool in_parallel_region() { return omp_in_parallel() || num_threads() == 1; }

namespace detail {

void run_parallel(std::int64_t count, LoopBody body) {
  if (!omp_in_parallel()) settle_teams();
  const DenormalFlushing flushing;
  if (in_parallel_region()) {
    for (std::int64_t i = 0; i < count; ++i) body.call(body.object, i);
    return;
  }
  if (count <= 0) return;
  std::exception_ptr failure;
  std::atomic<bool> failed = false;
  // The whole team even for a single piece: in a region of one thread OpenBLAS would start threads of its own, and
  // its split changes the bits of a product.
#pragma omp parallel
  {
    flush_denormals();
#pragma omp for schedule(dynamic, 1)
    for (std::int64_t i = 0; i < count; ++i) {
      if (failed.load(std::memory_order_relaxed)) continue;
      try {
        body.call(body.object, i);
      } catch (...) {
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace detail

}  // namespace cosformer
