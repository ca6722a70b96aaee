#include "core/denormals.h"

#include <atomic>
#include <cstdint>
#include <set>
#include <thread>

#include "core/parallel.h"
#include "core/simd/row_loops.h"
#include "tests/catch.h"
#include "tests/support/thread_counts.h"

namespace cosformer {
namespace {

/// Through volatile, so that the processor multiplies and not the compiler.
float product(float a, float b) {
  const volatile float x = a, y = b;
  const volatile float z = x * y;
  return z;
}

constexpr float kDenormal = 1e-40f;

bool flushes() { return product(1e-30f, 1e-10f) == 0.0f && product(kDenormal, 1e20f) == 0.0f; }

TEST_CASE("Every thread of a parallel loop takes denormals for 0, and the caller is left as it was") {
  if (flushes()) FAIL("the test's own thread must begin with denormals");
  for (const int threads : {1, 2, 3}) {
    const test::ThreadCountScope scope(threads);
    // As many pieces as threads, each of which waits for the others: every thread takes one.
    std::atomic<int> here = 0, flushed = 0;
    parallel_for(threads, [&](std::int64_t) {
      ++here;
      while (here < threads) std::this_thread::yield();
      flushed += flushes();
    });
    CHECK(flushed == threads);
    CHECK(product(1e-30f, 1e-10f) > 0.0f);
    CHECK(product(kDenormal, 1e20f) > 0.0f);
  }
}

TEST_CASE("Loops of one piece and loops inside loops take denormals for 0 too") {
  int flushed = 0;
  parallel_ranges(10, 100, [&](std::int64_t, std::int64_t) { flushed += flushes(); });
  CHECK(flushed == 1);
  CHECK_FALSE(flushes());
  std::atomic<int> inner = 0;
  parallel_for(3, [&](std::int64_t) { parallel_for(2, [&](std::int64_t) { inner += flushes(); }); });
  CHECK(inner == 6);
}

TEST_CASE("A thread of the library's user has its own denormals back after a loop, also where it throws") {
  std::thread([] {
    CHECK_THROWS(parallel_for(4, [](std::int64_t i) {
      if (i == 2) throw std::runtime_error("piece");
    }));
    CHECK_FALSE(flushes());
    initialize_threads();
    CHECK(flushes());
    parallel_for(4, [](std::int64_t) {});
    CHECK(flushes());
  }).join();
  CHECK_FALSE(flushes());
}

TEST_CASE("Row loops give 0 for denormal results on every instruction set") {
  const DenormalFlushing flushing;
  float x[19], y[19];
  for (float& value : x) value = 1e-30f;
  loops<float>().scale(1e-10f, x, y, std::int64_t{19});
  for (const float value : y) CHECK(value == 0.0f);
}

}  // namespace
}  // namespace cosformer
