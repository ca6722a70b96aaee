#include "core/parallel.h"

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/support/thread_counts.h"

using namespace cosformer;
using namespace cosformer::test;

TEST_CASE("A parallel loop calls its body once for every index, on any number of threads") {
  for (const int threads : {1, 2, 3, 8}) {
    const ThreadCountScope scope(threads);
    CHECK(num_threads() == threads);
    for (const std::int64_t count : {0, 1, 2, 1000}) {
      CAPTURE(threads, count);
      std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
      parallel_for(count, [&](std::int64_t i) { ++calls[static_cast<std::size_t>(i)]; });
      int wrong = 0;
      for (const auto& c : calls) wrong += c != 1;
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("A negative count calls nothing") {
  int calls = 0;
  parallel_for(-3, [&](std::int64_t) { ++calls; });
  parallel_ranges(-3, 2, [&](std::int64_t, std::int64_t) { ++calls; });
  CHECK(calls == 0);
}

TEST_CASE("Ranges cover everything once and have the asked size but for the last") {
  const ThreadCountScope scope(2);
  for (const auto& [size, grain] : {std::pair<std::int64_t, std::int64_t>{0, 4}, {3, 4}, {4, 4}, {5, 4}, {1001, 10}}) {
    CAPTURE(size, grain);
    std::vector<std::atomic<int>> calls(static_cast<std::size_t>(size));
    std::atomic<int> odd = 0;
    parallel_ranges(size, grain, [&, size = size, grain = grain](std::int64_t begin, std::int64_t end) {
      odd += begin % grain != 0 || (end - begin != grain && end != size);
      for (std::int64_t i = begin; i < end; ++i) ++calls[static_cast<std::size_t>(i)];
    });
    int wrong = 0;
    for (const auto& c : calls) wrong += c != 1;
    CHECK((wrong == 0 && odd == 0));
  }
}

TEST_CASE("A loop inside a loop runs on the thread that meets it") {
  const ThreadCountScope scope(3);
  std::atomic<int> elsewhere = 0, calls = 0;
  CHECK_FALSE(in_parallel_region());
  parallel_for(6, [&](std::int64_t) {
    const auto outer = std::this_thread::get_id();
    elsewhere += !in_parallel_region();
    parallel_for(5, [&](std::int64_t) {
      elsewhere += std::this_thread::get_id() != outer;
      ++calls;
    });
  });
  CHECK(elsewhere == 0);
  CHECK(calls == 30);
}

TEST_CASE("The exception of a body reaches the caller, from every number of threads and from a nested loop") {
  for (const int threads : {1, 3}) {
    const ThreadCountScope scope(threads);
    CAPTURE(threads);
    CHECK_THROWS_WITH(parallel_for(100,
                                   [](std::int64_t i) {
                                     if (i == 57) throw ShapeError("piece 57");
                                   }),
                      "piece 57");
    CHECK_THROWS_AS(parallel_for(4,
                                 [](std::int64_t) {
                                   parallel_for(4, [](std::int64_t j) {
                                     if (j == 2) throw std::out_of_range("inner");
                                   });
                                 }),
                    std::out_of_range);
    std::atomic<int> calls = 0;
    parallel_for(10, [&](std::int64_t) { ++calls; });  // the loop after it is whole again
    CHECK(calls == 10);
  }
}

TEST_CASE("A number of threads below 1 or absurdly large is refused") {
  CHECK_THROWS_AS(set_num_threads(0), Error);
  CHECK_THROWS_AS(set_num_threads(-2), Error);
  CHECK_THROWS_AS(set_num_threads(100'000), InputError);
}
