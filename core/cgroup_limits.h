#pragma once
/// \file
/// What the kernel's control groups allow this process: containers and batch systems set these limits.

#include <cstdint>
#include <filesystem>
#include <optional>

namespace cosformer {

/// Empty means that no limit is known.
struct CgroupLimits {
  std::optional<std::int64_t> memory_bytes;
  std::optional<double> processors;       ///< processor time per second (a quota): 1.5 is one and a half processors
  std::optional<int> allowed_processors;  ///< processors that the group's cpuset names

  friend bool operator==(const CgroupLimits&, const CgroupLimits&) = default;
};

/// The limits of this process's control groups, of version 1 and of version 2, the tightest of each kind. A group inside
/// others is bound by theirs as well. `root` is the folder in which /proc and /sys are looked for. What cannot be read is no
/// limit. Sources: the kernel's cgroup-v1 and cgroup-v2 guides, proc(5).
CgroupLimits read_cgroup_limits(const std::filesystem::path& root = "/");

/// More threads are refused: the OpenMP library keeps what it knows of a team on the stack, which 100,000 threads overflow.
inline constexpr int kMaxThreads = 4096;

/// Threads that are worth starting if `usable` processors may run them: at most the whole processors of the quota and the
/// processors of the cpuset, at least 1.
int threads_within(const CgroupLimits& limits, int usable);

}  // namespace cosformer
