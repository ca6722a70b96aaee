#include "core/cgroup_limits.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace cosformer {

namespace {

namespace fs = std::filesystem;

/// Version 1 writes "no limit" as the largest number of whole pages.
constexpr std::int64_t kNoMemoryLimit = std::int64_t{1} << 60;

/// One hierarchy of groups: where it is mounted, and which of its groups the mount shows.
struct Mount {
  std::string type;     ///< "cgroup" or "cgroup2"
  std::string options;  ///< of version 1: with the names of its controllers
  fs::path point;
  std::string shown;  ///< the group at `point`
};

template <class T>
void keep_least(std::optional<T>& least, T value) {
  if (!least || value < *least) least = value;
}

bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == word) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

/// "\040" and the like, as proc(5) writes blanks in paths.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const bool escaped = text[i] == '\\' && i + 3 < text.size() &&
                         std::from_chars(&text[i + 1], &text[i + 1] + 3, value, 8).ptr == &text[i + 1] + 3;
    plain += escaped ? static_cast<char>(value) : text[i];
    if (escaped) i += 3;
  }
  return plain;
}

/// The control groups' lines of /proc/self/mountinfo: ID PARENT DEVICE ROOT POINT OPTIONS [TAG]… - TYPE SOURCE OPTIONS.
std::vector<Mount> read_mounts(const fs::path& root) {
  std::vector<Mount> mounts;
  std::ifstream file(root / "proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string skipped, shown, point, type, source, options;
    words >> skipped >> skipped >> skipped >> shown >> point;
    while (words >> skipped && skipped != "-") {
    }
    if (!(words >> type >> source >> options) || (type != "cgroup" && type != "cgroup2")) continue;
    mounts.push_back({type, options, root / fs::path(unescape(point)).relative_path(), unescape(shown)});
  }
  return mounts;
}

/// The folders from the mount's top down to the group `path`. A group that the mount does not show (another namespace)
/// leaves the top alone.
std::vector<fs::path> folders_of(const Mount& mount, std::string path) {
  if (mount.shown != "/") path = path.starts_with(mount.shown) ? path.substr(mount.shown.size()) : "/";
  std::vector<fs::path> folders = {mount.point};
  for (const fs::path& part : fs::path(path).relative_path()) {
    if (part == "..") return {mount.point};
    if (!part.empty()) folders.push_back(folders.back() / part);
  }
  return folders;
}

std::optional<std::int64_t> number_in(const fs::path& file) {
  std::int64_t number = 0;
  if (std::ifstream(file) >> number) return number;
  return std::nullopt;
}

/// Processors in a list such as "0-3,7".
std::optional<int> processors_in(const fs::path& file) {
  std::string list;
  if (!(std::ifstream(file) >> list)) return std::nullopt;
  std::istringstream ranges(list);
  std::int64_t count = 0;
  for (std::string range; std::getline(ranges, range, ',');) {
    std::istringstream ends(range);
    std::int64_t first = 0, last = 0;
    if (!(ends >> first)) return std::nullopt;
    last = first;
    if (ends.peek() == '-' && !(ends.ignore() >> last)) return std::nullopt;
    count += last - first + 1;
  }
  if (count < 1 || count > INT32_MAX) return std::nullopt;
  return static_cast<int>(count);
}

void read_version_2(const fs::path& folder, CgroupLimits& limits) {
  if (const auto bytes = number_in(folder / "memory.max")) keep_least(limits.memory_bytes, *bytes);
  double quota = 0, period = 0;
  if (std::ifstream(folder / "cpu.max") >> quota >> period && period > 0) keep_least(limits.processors, quota / period);
  if (const auto count = processors_in(folder / "cpuset.cpus.effective")) keep_least(limits.allowed_processors, *count);
}

void read_memory(const fs::path& folder, bool is_own, CgroupLimits& limits) {
  // Without a hierarchy, a group's limit is no limit of the groups in it.
  if (!is_own && number_in(folder / "memory.use_hierarchy") == 0) return;
  const auto bytes = number_in(folder / "memory.limit_in_bytes");
  if (bytes && *bytes < kNoMemoryLimit) keep_least(limits.memory_bytes, *bytes);
}

void read_quota(const fs::path& folder, CgroupLimits& limits) {
  const auto quota = number_in(folder / "cpu.cfs_quota_us"), period = number_in(folder / "cpu.cfs_period_us");
  if (quota && period && *quota > 0 && *period > 0)
    keep_least(limits.processors, static_cast<double>(*quota) / static_cast<double>(*period));
}

void read_cpuset(const fs::path& folder, CgroupLimits& limits) {
  auto count = processors_in(folder / "cpuset.effective_cpus");
  if (!count) count = processors_in(folder / "cpuset.cpus");
  if (count) keep_least(limits.allowed_processors, *count);
}

}  // namespace

CgroupLimits read_cgroup_limits(const fs::path& root) {
  CgroupLimits limits;
  std::vector<Mount> mounts = read_mounts(root);
  // Without a list of mounts: where version 2 always is.
  if (mounts.empty()) mounts.push_back({"cgroup2", "", root / "sys/fs/cgroup", "/"});
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // ID:CONTROLLERS:PATH; version 2 has the id 0 and no controllers.
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    for (const Mount& mount : mounts) {
      const bool is_version_2 = mount.type == "cgroup2";
      const auto counts = [&](std::string_view name) {
        return !is_version_2 && has_word(controllers, name) && has_word(mount.options, name);
      };
      const std::vector<fs::path> folders = folders_of(mount, path);
      for (const fs::path& folder : folders) {
        if (is_version_2 && line.starts_with("0::")) read_version_2(folder, limits);
        if (counts("memory")) read_memory(folder, folder == folders.back(), limits);
        if (counts("cpu")) read_quota(folder, limits);
        if (counts("cpuset")) read_cpuset(folder, limits);
      }
    }
  }
  return limits;
}

int threads_within(const CgroupLimits& limits, int usable) {
  int threads = std::max(usable, 1);
  if (limits.allowed_processors) threads = std::min(threads, *limits.allowed_processors);
  if (limits.processors && *limits.processors < threads) threads = static_cast<int>(*limits.processors);
  return std::max(threads, 1);
}

}  // namespace cosformer
