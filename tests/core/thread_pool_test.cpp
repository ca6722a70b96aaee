#include "core/thread_pool.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <set>
#include <thread>

#include "tests/catch.h"
#include "tests/support/thread_counts.h"

namespace cosformer {
namespace {

/// Runs a loop of `threads` pieces that wait for each other, so that each has a thread of its own, and calls `body` in each.
template <class Body>
void on_every_thread(int threads, const Body& body) {
  std::atomic<int> here = 0;
  parallel_for(threads, [&](std::int64_t) {
    ++here;
    while (here < threads) std::this_thread::yield();
    body();
  });
}

int threads_of_a_loop(int threads) {
  std::mutex mutex;
  std::set<std::thread::id> ids;
  on_every_thread(threads, [&] {
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  return static_cast<int>(ids.size());
}

TEST_CASE("Many loops in a row, of any length and on any number of threads, run each piece once") {
  std::int64_t wrong = 0;
  for (int i = 0; i < 4000; ++i) {
    const test::ThreadCountScope scope(1 + i % 5);
    const std::int64_t count = i % 13;
    std::atomic<std::int64_t> sum = 0;
    parallel_for(count, [&](std::int64_t piece) { sum += piece + 1; });
    wrong += sum != count * (count + 1) / 2;
  }
  CHECK(wrong == 0);
}

TEST_CASE("Loops that several threads begin at once all run to their ends") {
  const test::ThreadCountScope scope(3);
  std::atomic<std::int64_t> wrong = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&wrong] {
      for (int i = 0; i < 300; ++i) {
        std::atomic<std::int64_t> sum = 0;
        parallel_for(20, [&](std::int64_t piece) { sum += piece; });
        wrong += sum != 190;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("A child made by fork has workers of its own") {
  const test::ThreadCountScope scope(3);
  REQUIRE(threads_of_a_loop(3) == 3);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(threads_of_a_loop(3));
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 3);
  CHECK(threads_of_a_loop(3) == 3);
}

TEST_CASE("Workers leave the program's signals to its own threads") {
  const test::ThreadCountScope scope(3);
  const pthread_t own = ::pthread_self();
  std::atomic<int> own_blocked = 0, blocked = 0, faults_blocked = 0;
  on_every_thread(3, [&] {
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    (::pthread_equal(own, ::pthread_self()) ? own_blocked : blocked) += ::sigismember(&mask, SIGTERM);
    faults_blocked += ::sigismember(&mask, SIGSEGV);
  });
  CHECK(blocked == 2);
  CHECK(own_blocked == 0);
  CHECK(faults_blocked == 0);
}

}  // namespace
}  // namespace cosformer
