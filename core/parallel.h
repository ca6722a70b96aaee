#pragma once
/// \file
/// Threads: one loop that runs its pieces on all of them.

#include <cstdint>
#include <type_traits>

#include "core/denormals.h"

namespace cosformer {

/// Threads that a parallel loop uses: what `set_num_threads` asked for; else OMP_NUM_THREADS; else the processors that this
/// process may run on, or fewer if a control group gives it less time than they have. At most OMP_THREAD_LIMIT.
int num_threads();

/// Takes denormal numbers for 0 on the calling thread from now on (core/denormals.h). A program calls it once at its start;
/// every loop does the same for itself, and leaves the calling thread's denormals as they were.
void initialize_threads();

/// Sets the number of threads of all later loops. Call from the main thread, outside any loop. Throws InputError
/// unless 1 <= `threads` <= `kMaxThreads` (core/cgroup_limits.h).
void set_num_threads(int threads);

/// True inside a loop of `parallel_for` (or if one thread is all there is): a loop or a product runs on the calling thread.
bool in_parallel_region();

namespace detail {
/// Non-owning reference to a loop body.
struct LoopBody {
  void* object;
  void (*call)(void*, std::int64_t);
};
void run_parallel(std::int64_t count, LoopBody body);
}  // namespace detail

/// Calls `body(i)` once for every i in [0, count), spread over the threads, in no particular order.
///
/// The caller cuts the work into pieces whose number and content depend on the shapes alone, never on the number of
/// threads, and lets no piece write what another reads: then the result has the same bits on any number of threads.
/// A loop inside a loop runs on the thread that meets it, and so does a loop that begins while that of another thread has
/// the workers. The first exception of a body is rethrown here after all pieces have ended.
template <class Body>
void parallel_for(std::int64_t count, Body&& body) {
  using Object = std::remove_reference_t<Body>;
  detail::run_parallel(count, {const_cast<void*>(static_cast<const void*>(&body)),
                               [](void* object, std::int64_t i) { (*static_cast<Object*>(object))(i); }});
}

/// Cuts [0, size) into ranges of `grain` elements and calls `body(begin, end)` for each, in parallel. A single range runs
/// on the calling thread, which is what makes small tensors cheap.
template <class Body>
void parallel_ranges(std::int64_t size, std::int64_t grain, Body&& body) {
  if (size <= grain) {
    if (size <= 0) return;
    const DenormalFlushing flushing;
    body(std::int64_t{0}, size);
    return;
  }
  parallel_for((size + grain - 1) / grain, [&](std::int64_t piece) {
    const std::int64_t begin = piece * grain;
    body(begin, begin + grain < size ? begin + grain : size);
  });
}

/// Elements that one piece of an elementwise loop handles: enough to hide the cost of starting it.
inline constexpr std::int64_t kElementwiseGrain = 16384;

}  // namespace cosformer
