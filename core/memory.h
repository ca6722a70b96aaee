#pragma once
/// \file
/// Aligned memory blocks that are kept for reuse when they are freed.
///
/// A training step allocates and frees the same sizes again and again. Memory fresh from the kernel costs ten times
/// as much to write as memory used before, so freed blocks stay in the process: after the first step a
/// training loop asks the system for nothing.

#include <cstddef>
#include <cstdint>
#include <memory>

namespace cosformer {

/// Alignment of every block, in bytes: a cache line, and the widest vector register.
inline constexpr std::size_t kBlockAlignment = 64;

/// A block of at least the requested size, aligned to `kBlockAlignment`, with undefined contents (filled with NaN
/// bytes in builds with COSFORMER_POISON_MEMORY). Freed blocks are reused. Thread-safe.
/// Throws std::bad_alloc if the memory is not there even after the free blocks are given back.
std::shared_ptr<std::byte> allocate_block(std::size_t bytes);

/// What the process holds at this moment and held at most, in bytes.
struct MemoryUse {
  std::int64_t live_bytes = 0;       ///< handed out and not yet freed
  std::int64_t peak_live_bytes = 0;  ///< the highest `live_bytes` since the start or the last reset
  std::int64_t reserved_bytes = 0;   ///< obtained from the system: live blocks and those kept for reuse
  std::int64_t system_requests = 0;  ///< how often the system was asked for memory
};
MemoryUse memory_use();

/// The most memory that the whole process ever held, in bytes, as the system counts it (resident set).
std::int64_t peak_resident_bytes();

/// Sets `peak_live_bytes` to `live_bytes`.
void reset_peak_memory();

/// Gives the blocks kept for reuse back to the system.
void release_unused_memory();

}  // namespace cosformer
