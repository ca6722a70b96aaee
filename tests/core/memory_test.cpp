#include "core/memory.h"

#include <cstdint>
#include <cstring>
#include <new>
#include <thread>
#include <vector>

#include "tests/catch.h"
#include "tests/support/sanitized.h"

using namespace cosformer;

TEST_CASE("Blocks are aligned and as large as asked for") {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{65}, std::size_t{100000}, (std::size_t{2} << 20) + 1}) {
    const auto block = allocate_block(size);
    CAPTURE(size);
    CHECK(reinterpret_cast<std::uintptr_t>(block.get()) % kBlockAlignment == 0);
    std::memset(block.get(), 1, size);  // a sanitizer sees a block that is too small
  }
}

TEST_CASE("A freed block serves the next request of its size, so a repeated loop asks the system for nothing") {
  const auto step = [] {
    std::vector<std::shared_ptr<std::byte>> blocks;
    for (std::size_t i = 1; i < 40; ++i) blocks.push_back(allocate_block(i * 977));
  };
  step();
  const MemoryUse before = memory_use();
  for (int i = 0; i < 5; ++i) step();
  const MemoryUse after = memory_use();
  CHECK(after.system_requests == before.system_requests);
  CHECK(after.reserved_bytes == before.reserved_bytes);
  CHECK(after.live_bytes == before.live_bytes);
}

TEST_CASE("Steps of many sizes one after the other keep less than three times the memory of the largest") {
  release_unused_memory();
  reset_peak_memory();
  const MemoryUse start = memory_use();
  for (std::size_t step = 0; step < 200; ++step) {
    const std::size_t length = 500 + step * 997 % 1500;
    std::vector<std::shared_ptr<std::byte>> blocks;
    for (int i = 0; i < 30; ++i) blocks.push_back(allocate_block(length * 256));
  }
  const MemoryUse end = memory_use();
  const std::int64_t needed = end.peak_live_bytes - start.live_bytes;
  CHECK(needed >= 30 * 1990 * 256);
  CHECK(end.reserved_bytes - start.reserved_bytes < 3 * needed);
  release_unused_memory();
}

TEST_CASE("Memory is accounted for while it lives, at its peak, and until it is given back") {
  release_unused_memory();
  reset_peak_memory();
  const MemoryUse start = memory_use();
  CHECK(start.peak_live_bytes == start.live_bytes);
  {
    const auto block = allocate_block(1 << 20);
    CHECK(memory_use().live_bytes >= start.live_bytes + (1 << 20));
    CHECK(memory_use().live_bytes <= start.live_bytes + (1 << 20) * 9 / 8);
    CHECK(memory_use().system_requests == start.system_requests + 1);
  }
  const MemoryUse end = memory_use();
  CHECK(end.live_bytes == start.live_bytes);
  CHECK(end.peak_live_bytes >= start.live_bytes + (1 << 20));
  CHECK(end.reserved_bytes >= start.reserved_bytes + (1 << 20));
  release_unused_memory();
  CHECK(memory_use().reserved_bytes == start.reserved_bytes);
  reset_peak_memory();
  CHECK(memory_use().peak_live_bytes == memory_use().live_bytes);
}

TEST_CASE("A block too large for the machine is refused and not accounted for") {
  const MemoryUse before = memory_use();
  CHECK_THROWS_AS(allocate_block(std::size_t{1} << 63), std::bad_alloc);
  CHECK(memory_use().live_bytes == before.live_bytes);
}

TEST_CASE("Where the system has no memory left, the blocks kept for reuse are given back first") {
  if (test::kSanitized) {
    SUCCEED("a sanitizer ends a process that is refused memory");
    return;
  }
  const MemoryUse before = memory_use();
  { const auto kept = allocate_block(std::size_t{1} << 20); }
  REQUIRE(memory_use().reserved_bytes > before.live_bytes);
  // More than any address space: both attempts fail, and what lies between them shows.
  CHECK_THROWS_AS(allocate_block(std::size_t{1} << 60), std::bad_alloc);
  CHECK(memory_use().reserved_bytes == before.live_bytes);
  CHECK(memory_use().live_bytes == before.live_bytes);
}

TEST_CASE("Blocks may be taken and freed from several threads") {
  const std::int64_t before = memory_use().live_bytes;
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&wrong, t] {
      for (std::size_t i = 0; i < 2000; ++i) {
        const std::size_t size = 64 + i % 7 * 100;
        const auto block = allocate_block(size);
        std::memset(block.get(), static_cast<int>(t), size);
        for (std::size_t j = 0; j < size; ++j) wrong[t] += block.get()[j] != static_cast<std::byte>(t);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
  CHECK(memory_use().live_bytes == before);
}
