#pragma once
/// \file
/// Processes as lock files name them.

#include <filesystem>
#include <optional>
#include <string>

namespace cosformer {

/// A process of some machine.
struct LockOwner {
  std::string process;  ///< its id
  std::string host;
  std::string boot;   ///< differs for each start of a machine's system, and from machine to machine
  std::string space;  ///< the namespace that the id belongs to: a container has its own
  std::string start;  ///< when it began, in the kernel's ticks: ids are used again

  friend bool operator==(const LockOwner&, const LockOwner&) = default;
};

LockOwner this_process();

/// One line of five words.
std::string to_line(const LockOwner& owner);

/// What the file names; nothing if it is missing, empty or from a version that wrote the id alone.
std::optional<LockOwner> read_lock_owner(const std::filesystem::path& path);

/// True if it is certain: the process was one of this machine and is no more.
bool has_ended(const LockOwner& owner);

}  // namespace cosformer
