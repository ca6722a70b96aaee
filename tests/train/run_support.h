#pragma once
/// \file
/// A folder to work in, and file systems that fail.

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/error.h"
#include "train/store/file_system.h"

namespace cosformer::test {

/// A new folder that goes with its owner.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "cosformer-run-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw Error("mkdtemp failed");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// Names in a folder, sorted.
inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

/// What a function says when it throws `E`; empty if it does not.
template <class E, class Function>
std::string message_of(Function&& function) {
  try {
    function();
  } catch (const E& error) {
    return error.what();
  }
  return {};
}

/// Fails call number `fail_at` (the first is 1), and those after it if the fault stays. A call that fails has done
/// nothing, but for `close`, which closes, and `write`, which has written half.
class FaultyFileSystem : public FileSystem {
 public:
  enum class Fault { error_once, error_from_then_on, kill };

  FaultyFileSystem(int fail_at, Fault fault, int code = ENOSPC) : fail_at_(fail_at), fault_(fault), code_(code) {}
  bool has_failed() const { return calls_ >= fail_at_; }

  int open(const char* path, int flags, mode_t mode) override { return fails() ? -1 : FileSystem::open(path, flags, mode); }
  ssize_t write(int file, const void* bytes, std::size_t count) override {
    if (calls_ + 1 == fail_at_ && count > 1) count -= static_cast<std::size_t>(FileSystem::write(file, bytes, count / 2));
    return fails() ? -1 : FileSystem::write(file, bytes, count);
  }
  int fsync(int file) override { return fails() ? -1 : FileSystem::fsync(file); }
  int close(int file) override {
    const int result = FileSystem::close(file);
    return fails() ? -1 : result;
  }
  int truncate(int file, off_t size) override { return fails() ? -1 : FileSystem::truncate(file, size); }
  int rename(const char* from, const char* to) override { return fails() ? -1 : FileSystem::rename(from, to); }
  int mkdir(const char* path, mode_t mode) override { return fails() ? -1 : FileSystem::mkdir(path, mode); }
  int symlink(const char* target, const char* path) override { return fails() ? -1 : FileSystem::symlink(target, path); }
  int unlink(const char* path) override { return fails() ? -1 : FileSystem::unlink(path); }
  int rmdir(const char* path) override { return fails() ? -1 : FileSystem::rmdir(path); }

 private:
  bool fails() {
    ++calls_;
    const bool now = calls_ == fail_at_ || (fault_ == Fault::error_from_then_on && calls_ > fail_at_);
    if (now && fault_ == Fault::kill) ::_exit(0);
    if (now) errno = code_;
    return now;
  }

  int calls_ = 0;
  int fail_at_;
  Fault fault_;
  int code_;
};

/// Writes seven bytes at a time at most, and is interrupted by a signal before every other call.
class StutteringFileSystem : public FileSystem {
 public:
  int open(const char* path, int flags, mode_t mode) override {
    return interrupted() ? -1 : FileSystem::open(path, flags, mode);
  }
  ssize_t write(int file, const void* bytes, std::size_t count) override {
    return interrupted() ? -1 : FileSystem::write(file, bytes, std::min<std::size_t>(count, 7));
  }
  int fsync(int file) override { return interrupted() ? -1 : FileSystem::fsync(file); }

 private:
  bool interrupted() {
    is_odd_ = !is_odd_;
    if (is_odd_) errno = EINTR;
    return is_odd_;
  }
  bool is_odd_ = false;
};

}  // namespace cosformer::test
