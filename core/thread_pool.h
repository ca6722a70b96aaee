#pragma once
/// \file
/// The threads behind `parallel_for`: workers that take pieces of a loop beside the thread that calls it.
///
/// OpenMP's loops end when every thread of the team has come by. Where other processes have the processors, that is when
/// the system next gives each thread its turn. Here a loop ends when its pieces are done: a worker that comes late finds
/// none left and holds nobody up. Waiting threads spin for a moment, then give way, then sleep.

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include "core/parallel.h"

namespace cosformer::detail {

class ThreadPool {
 public:
  /// The pool of this process. It is never destroyed: threads that wait may outlive main's static objects. A child made by
  /// fork() begins with a new one, for the workers stay in the parent.
  static ThreadPool& instance();
  /// True on a worker, and on a thread that runs a loop.
  static bool is_inside_loop();

  /// Calls `body` for 0 … count - 1 on at most `threads` threads, the caller's among them, and rethrows the first exception
  /// of a piece after all have ended. The caller must not be inside a loop. While another thread's loop has the workers, all
  /// pieces run on the caller.
  void run(std::int64_t count, LoopBody body, int threads);

 private:
  struct Worker;
  ThreadPool();
  ~ThreadPool();

  void start_workers(int count);
  [[noreturn]] void serve(Worker& worker, int place);
  void take_pieces();

  std::mutex busy_;  // held by the thread whose loop is on
  std::vector<std::unique_ptr<Worker>> workers_;
  std::uint32_t loop_ = 0;  // number of the loop, that of the ticket

  // The loop's number and its next piece; kClosed as piece while the members below change.
  alignas(64) std::atomic<std::uint64_t> ticket_;
  std::atomic<void*> object_ = nullptr;
  std::atomic<void (*)(void*, std::int64_t)> call_ = nullptr;
  std::atomic<std::int64_t> count_ = 0;
  std::atomic<bool> failed_ = false;
  std::exception_ptr failure_;
  alignas(64) std::atomic<std::int64_t> finished_ = 0;  // pieces
  alignas(64) std::atomic<std::uint32_t> done_ = 0;     // the last loop whose last piece a worker has finished
};

}  // namespace cosformer::detail
