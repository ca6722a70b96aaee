#include "core/parallel.h"

#include <omp.h>

#include <atomic>
#include <exception>

#include "core/error.h"

namespace cosformer {

int num_threads() { return omp_get_max_threads(); }

void set_num_threads(int threads) {
  check<Error>(threads >= 1, "the number of threads must be at least 1, not ", threads);
  omp_set_dynamic(0);
  omp_set_num_threads(threads);
}

bool in_parallel_region() { return omp_in_parallel() || omp_get_max_threads() == 1; }

namespace detail {

void run_parallel(std::int64_t count, LoopBody body) {
  if (in_parallel_region()) {
    for (std::int64_t i = 0; i < count; ++i) body.call(body.object, i);
    return;
  }
  if (count <= 0) return;
  std::exception_ptr failure;
  std::atomic<bool> failed = false;
  // The whole team even for a single piece: in a region of one thread OpenBLAS would start threads of its own, and
  // its split changes the bits of a product.
#pragma omp parallel for schedule(dynamic, 1)
  for (std::int64_t i = 0; i < count; ++i) {
    if (failed.load(std::memory_order_relaxed)) continue;
    try {
      body.call(body.object, i);
    } catch (...) {
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace detail

}  // namespace cosformer
