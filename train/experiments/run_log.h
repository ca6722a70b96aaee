#pragma once
/// \file
/// What a run's log and lock say about it.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cosformer {

struct RunLog {
  std::vector<std::string> environment;  ///< "2026-01-31T12:00:00.000+00:00  cosformer 0.1.0, …", one a session
  std::string last_line;                 ///< without level and time
};

/// Reads run.log; of a long one the beginning and the end. A file that is missing or cannot be read says nothing.
RunLog read_run_log(const std::filesystem::path& run);

/// True if a process of this machine holds the run's lock, by /proc/locks; the lock itself is not touched.
bool is_being_written(const std::filesystem::path& run);

}  // namespace cosformer
