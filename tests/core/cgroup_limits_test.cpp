#include "core/cgroup_limits.h"

#include <fstream>
#include <string>
#include <string_view>

#include "tests/catch.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;

/// A folder that holds what /proc and /sys would.
class Tree {
 public:
  Tree() {
    std::string name = (fs::temp_directory_path() / "cgroup-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    root_ = name;
  }
  ~Tree() { fs::remove_all(root_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  void write(const std::string& path, std::string_view text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  CgroupLimits limits() const { return read_cgroup_limits(root_); }

 private:
  fs::path root_;
};

constexpr std::string_view kMountsOfVersion1 =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
constexpr std::string_view kGroupsOfVersion1 = "9:name=systemd:/x\n4:memory:/a/b\n3:cpuset:/\n2:cpu,cpuacct:/a\n0::/\n";

TEST_CASE("Limits of version 2 are those of the group and of the groups that it lies in") {
  const Tree tree;
  tree.write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
  tree.write("proc/self/cgroup", "0::/a/b\n");
  CHECK(tree.limits() == CgroupLimits{});
  tree.write("sys/fs/cgroup/a/memory.max", "1000\n");
  tree.write("sys/fs/cgroup/a/b/memory.max", "max\n");
  tree.write("sys/fs/cgroup/a/cpu.max", "max 100000\n");
  tree.write("sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
  tree.write("sys/fs/cgroup/a/b/cpuset.cpus.effective", "0-2,8\n");
  CHECK(tree.limits() == CgroupLimits{1000, 1.5, 4});
  tree.write("sys/fs/cgroup/a/b/memory.max", "999\n");
  tree.write("sys/fs/cgroup/a/cpu.max", "50000 100000\n");
  CHECK(tree.limits() == CgroupLimits{999, 0.5, 4});
}

TEST_CASE("Limits of version 1 are found by controller, each in a hierarchy of its own") {
  const Tree tree;
  tree.write("proc/self/mountinfo", kMountsOfVersion1);
  tree.write("proc/self/cgroup", kGroupsOfVersion1);
  tree.write("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
  tree.write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
  tree.write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  CHECK(tree.limits() == CgroupLimits{});
  tree.write("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "300000000\n");
  tree.write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n");
  tree.write("sys/fs/cgroup/cpuset/cpuset.cpus", "0-1\n");
  CHECK(tree.limits() == CgroupLimits{300000000, 2.5, 2});
  tree.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
  tree.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  CHECK(tree.limits().processors == 1.0);
}

TEST_CASE("A group of version 1 without a hierarchy does not bind the memory of those in it") {
  const Tree tree;
  tree.write("proc/self/mountinfo", kMountsOfVersion1);
  tree.write("proc/self/cgroup", kGroupsOfVersion1);
  tree.write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n");
  tree.write("sys/fs/cgroup/memory/a/memory.use_hierarchy", "0\n");
  CHECK_FALSE(tree.limits().memory_bytes.has_value());
  tree.write("sys/fs/cgroup/memory/a/memory.use_hierarchy", "1\n");
  CHECK(tree.limits().memory_bytes == 1000);
}

TEST_CASE("In a container the group is looked for below what its mount shows") {
  const Tree tree;
  tree.write("proc/self/mountinfo", "35 31 0:32 /docker/7 /sys/my\\040memory ro - cgroup cgroup rw,memory\n");
  tree.write("proc/self/cgroup", "4:memory:/docker/7/inner\n");
  tree.write("sys/my memory/inner/memory.limit_in_bytes", "5000\n");
  CHECK(tree.limits().memory_bytes == 5000);
  tree.write("proc/self/cgroup", "4:memory:/elsewhere\n");
  CHECK_FALSE(tree.limits().memory_bytes.has_value());
  tree.write("sys/my memory/memory.limit_in_bytes", "4000\n");
  CHECK(tree.limits().memory_bytes == 4000);
}

TEST_CASE("A group outside the namespace is bound by what the mount shows") {
  const Tree tree;
  tree.write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  tree.write("proc/self/cgroup", "0::/../other\n");
  tree.write("sys/fs/other/memory.max", "1\n");
  CHECK_FALSE(tree.limits().memory_bytes.has_value());
  tree.write("sys/fs/cgroup/memory.max", "77\n");
  CHECK(tree.limits().memory_bytes == 77);
}

TEST_CASE("What cannot be read is no limit") {
  const Tree tree;
  CHECK(tree.limits() == CgroupLimits{});
  tree.write("proc/self/cgroup", "nonsense\n0::\n0::/a\n");
  tree.write("proc/self/mountinfo", "1 2 - \n\n30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  tree.write("sys/fs/cgroup/a/memory.max", "lots\n");
  tree.write("sys/fs/cgroup/a/cpu.max", "100000 0\n");
  for (const char* list : {"", "x", "3-", "5-2", "0-99999999999"}) {
    tree.write("sys/fs/cgroup/a/cpuset.cpus.effective", list);
    CHECK(tree.limits() == CgroupLimits{});
  }
}

TEST_CASE("A quota and a cpuset bound the threads that are worth starting") {
  CHECK(threads_within({}, 8) == 8);
  CHECK(threads_within({}, 0) == 1);
  CHECK(threads_within({.memory_bytes = {}, .processors = 2.5, .allowed_processors = {}}, 8) == 2);
  CHECK(threads_within({.memory_bytes = {}, .processors = 0.5, .allowed_processors = {}}, 8) == 1);
  CHECK(threads_within({.memory_bytes = {}, .processors = 1e12, .allowed_processors = {}}, 8) == 8);
  CHECK(threads_within({.memory_bytes = {}, .processors = 6.0, .allowed_processors = 3}, 8) == 3);
}

}  // namespace
}  // namespace cosformer
