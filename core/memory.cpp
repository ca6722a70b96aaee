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

struct Block {
  std::byte* bytes;
  std::size_t size;  ///< at least what was asked for
};

/// The free blocks of the process, by size class. One pool is shared by all threads, as malloc's is: blocks freed by
/// one thread serve the next.
class BlockPool {
 public:
  Block take(std::size_t size) {
    {
      const std::lock_guard lock(mutex_);
      use_.live_bytes += static_cast<std::int64_t>(size);
      use_.peak_live_bytes = std::max(use_.peak_live_bytes, use_.live_bytes);
      // Below twice the size: batches of many lengths would otherwise fill every size class with blocks of its own. Twice
      // the size is what gradients that stay would take from activations, for widths are multiples of each other.
      const auto end = free_.lower_bound(2 * size);
      for (auto found = free_.lower_bound(size); found != end; ++found) {
        if (found->second.empty()) continue;
        std::byte* block = found->second.back();
        found->second.pop_back();
        return {block, found->first};
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
    return {static_cast<std::byte*>(block), size};
  }

  /// `size` as it was asked for.
  void give_back(Block block, std::size_t size) {
    const std::lock_guard lock(mutex_);
    use_.live_bytes -= static_cast<std::int64_t>(size);
    free_[block.size].push_back(block.bytes);
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
  const Block block = pool().take(size);
#ifdef COSFORMER_POISON_MEMORY
  std::memset(block.bytes, 0xFF, block.size);
#endif
  return {block.bytes, [size, actual = block.size](std::byte* freed) { pool().give_back({freed, actual}, size); }};
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
