#include "core/memory.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace cosformer {

namespace {

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

/// Sizes are rounded up to an eighth of their power of two: at most 12.5 % is wasted, and tensors of nearly one size
/// share their blocks.
std::size_t size_class(std::size_t bytes) {
  const std::size_t least = std::max(bytes, kBlockAlignment);
  const std::size_t step = std::max(std::bit_floor(least) / 8, kBlockAlignment);
  return (least + step - 1) / step * step;
}

/// The free blocks of the process, by size class. One pool is shared by all threads, as malloc's is: blocks freed by
/// one thread serve the next.
class BlockPool {
 public:
  std::byte* take(std::size_t size) {
    {
      const std::lock_guard lock(mutex_);
      use_.live_bytes += static_cast<std::int64_t>(size);
      use_.peak_live_bytes = std::max(use_.peak_live_bytes, use_.live_bytes);
      auto found = free_.find(size);
      if (found != free_.end() && !found->second.empty()) {
        std::byte* block = found->second.back();
        found->second.pop_back();
        return block;
      }
    }
    const std::size_t alignment = size >= kHugePageBytes ? kHugePageBytes : kBlockAlignment;
    const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
    void* block = rounded < size ? nullptr : std::aligned_alloc(alignment, rounded);
    if (block == nullptr && rounded >= size) {
      // The blocks kept for reuse may be what is in the way.
      release();
      block = std::aligned_alloc(alignment, rounded);
    }
    const std::lock_guard lock(mutex_);
    if (block == nullptr) {
      use_.live_bytes -= static_cast<std::int64_t>(size);
      throw std::bad_alloc();
    }
    if (size >= kHugePageBytes) madvise(block, rounded, MADV_HUGEPAGE);
    use_.reserved_bytes += static_cast<std::int64_t>(size);
    ++use_.system_requests;
    return static_cast<std::byte*>(block);
  }

  void give_back(std::byte* block, std::size_t size) {
    const std::lock_guard lock(mutex_);
    use_.live_bytes -= static_cast<std::int64_t>(size);
    free_[size].push_back(block);
  }

  MemoryUse use() {
    const std::lock_guard lock(mutex_);
    return use_;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    use_.peak_live_bytes = use_.live_bytes;
  }

  void release() {
    const std::lock_guard lock(mutex_);
    for (auto& [size, blocks] : free_) {
      for (std::byte* block : blocks) std::free(block);
      use_.reserved_bytes -= static_cast<std::int64_t>(size * blocks.size());
    }
    free_.clear();
  }

 private:
  std::mutex mutex_;
  std::map<std::size_t, std::vector<std::byte*>> free_;
  MemoryUse use_;
};

/// Never destroyed: tensors with static lifetime may be freed after any static pool would be.
BlockPool& pool() {
  static BlockPool& instance = *new BlockPool;
  return instance;
}

}  // namespace

std::shared_ptr<std::byte> allocate_block(std::size_t bytes) {
  if (bytes > (std::size_t{1} << 62)) throw std::bad_alloc();
  const std::size_t size = size_class(bytes);
  std::byte* block = pool().take(size);
#ifdef COSFORMER_POISON_MEMORY
  std::memset(block, 0xFF, size);
#endif
  return {block, [size](std::byte* freed) { pool().give_back(freed, size); }};
}

MemoryUse memory_use() { return pool().use(); }
std::int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

void reset_peak_memory() { pool().reset_peak(); }
void release_unused_memory() { pool().release(); }

}  // namespace cosformer
