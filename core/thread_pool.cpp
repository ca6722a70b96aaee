#include "core/thread_pool.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "core/denormals.h"
#include "core/error.h"

namespace cosformer::detail {

namespace {

constexpr std::uint64_t kPieceBits = 32;
constexpr std::uint64_t kClosed = (std::uint64_t{1} << kPieceBits) - 1;

// A wait that is about to end should not cost a sleep and a waking (some 50 µs in a virtual machine); a longer one should
// leave the processor to others.
constexpr std::chrono::microseconds kSpin{10};
constexpr std::chrono::microseconds kYield{200};

thread_local bool inside_loop = false;

std::uint64_t ticket_of(std::uint32_t loop, std::uint64_t piece) { return std::uint64_t{loop} << kPieceBits | piece; }

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

/// Returns when `word` is no longer `old`.
void wait_while(const std::atomic<std::uint32_t>& word, std::uint32_t old) {
  const auto start = std::chrono::steady_clock::now();
  for (auto waited = start - start; waited < kYield; waited = std::chrono::steady_clock::now() - start) {
    for (int i = 0; i < 8; ++i) {
      if (word.load(std::memory_order_acquire) != old) return;
      pause();
    }
    if (waited > kSpin) ::sched_yield();
  }
  word.wait(old, std::memory_order_acquire);
}

/// Binds the calling thread to the processors of one of OpenMP's places, as OMP_PROC_BIND and OMP_PLACES ask: libgomp has
/// bound the first thread to the first place, and new threads inherit that.
void bind_to_place(int place) {
  if (omp_get_proc_bind() == omp_proc_bind_false || omp_get_num_places() == 0) return;
  place %= omp_get_num_places();
  std::vector<int> processors(static_cast<std::size_t>(omp_get_place_num_procs(place)));
  omp_get_place_proc_ids(place, processors.data());
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int processor : processors) CPU_SET(processor, &set);
  ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

/// Signals go to the threads of the program, whose calls they are to interrupt; only faults stay with the thread that
/// commits them.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t blocked;
    ::sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPROF}) ::sigdelset(&blocked, fault);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

/// The calling thread is inside a loop while it lives.
class InsideLoop {
 public:
  InsideLoop() { inside_loop = true; }
  ~InsideLoop() { inside_loop = false; }
  InsideLoop(const InsideLoop&) = delete;
  InsideLoop& operator=(const InsideLoop&) = delete;
};

}  // namespace

struct ThreadPool::Worker {
  alignas(64) std::atomic<std::uint32_t> called_for = 0;  // the loop
};

ThreadPool::ThreadPool() : ticket_(ticket_of(0, kClosed)) {}
ThreadPool::~ThreadPool() = default;

ThreadPool& ThreadPool::instance() {
  static std::atomic<ThreadPool*> pool = [] {
    ::pthread_atfork(nullptr, nullptr, [] { pool = new ThreadPool; });
    return new ThreadPool;
  }();
  return *pool;
}

bool ThreadPool::is_inside_loop() { return inside_loop; }

void ThreadPool::start_workers(int count) {
  const SignalsBlocked blocked;
  while (workers_.size() < static_cast<std::size_t>(count)) {
    auto worker = std::make_unique<Worker>();
    const int place = static_cast<int>(workers_.size()) + 1;
    try {
      std::thread([this, place, &worker = *worker] { serve(worker, place); }).detach();
    } catch (const std::system_error&) {
      return;  // a limit on processes; the others do its work
    }
    workers_.push_back(std::move(worker));
  }
}

void ThreadPool::serve(Worker& worker, int place) {
  bind_to_place(place);
  flush_denormals();
  inside_loop = true;
  for (std::uint32_t loop = 0;;) {
    wait_while(worker.called_for, loop);
    loop = worker.called_for.load(std::memory_order_acquire);
    take_pieces();
  }
}

void ThreadPool::take_pieces() {
  std::int64_t finished = 0, count = 0;
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (true) {
    // Of the ticket's loop, or of a later one: then the ticket has been closed before, and the exchange fails.
    const LoopBody body{object_.load(std::memory_order_acquire), call_.load(std::memory_order_acquire)};
    count = count_.load(std::memory_order_acquire);
    const auto piece = static_cast<std::int64_t>(ticket & kClosed);
    if (piece >= count || (ticket & kClosed) == kClosed) break;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
    ++ticket;
    ++finished;
    if (failed_.load(std::memory_order_relaxed)) continue;
    try {
      body.call(body.object, piece);
    } catch (...) {
      if (!failed_.exchange(true)) failure_ = std::current_exception();
    }
  }
  if (finished == 0) return;
  // The loop is still on, for these pieces have not been counted: its number is the ticket's.
  if (finished_.fetch_add(finished, std::memory_order_acq_rel) + finished == count) {
    done_.store(static_cast<std::uint32_t>(ticket >> kPieceBits), std::memory_order_release);
    done_.notify_one();
  }
}

void ThreadPool::run(std::int64_t count, LoopBody body, int threads) {
  check<Error>(count < static_cast<std::int64_t>(kClosed), "a loop of ", count, " pieces is too long");
  const InsideLoop inside;
  const std::unique_lock lock(busy_, std::try_to_lock);
  if (!lock || threads == 1 || count == 1) {
    for (std::int64_t i = 0; i < count; ++i) body.call(body.object, i);
    return;
  }
  const int helpers = static_cast<int>(std::min<std::int64_t>(threads, count)) - 1;
  start_workers(helpers);
  ++loop_;
  // Closed by the loop before, or by the start.
  object_.store(body.object, std::memory_order_release);
  call_.store(body.call, std::memory_order_release);
  count_.store(count, std::memory_order_release);
  failed_.store(false, std::memory_order_relaxed);
  finished_.store(0, std::memory_order_relaxed);
  ticket_.store(ticket_of(loop_, 0), std::memory_order_release);
  for (std::size_t i = 0; i < std::min(workers_.size(), static_cast<std::size_t>(helpers)); ++i) {
    workers_[i]->called_for.store(loop_, std::memory_order_release);
    workers_[i]->called_for.notify_one();
  }
  take_pieces();
  for (std::uint32_t done; (done = done_.load(std::memory_order_acquire)) != loop_;) wait_while(done_, done);
  ticket_.store(ticket_of(loop_, kClosed), std::memory_order_release);
  if (failed_.load(std::memory_order_relaxed)) {
    failed_.store(false, std::memory_order_relaxed);
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

}  // namespace cosformer::detail
