#pragma once
/// \file
/// The one way in which data files are opened.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace cosformer {

/// An ordinary file that is open for reading. Folders, devices and pipes are refused, so that no path makes a reader wait.
class RegularFile {
 public:
  /// Throws InputError with the path and the reason.
  explicit RegularFile(const std::filesystem::path& path);
  ~RegularFile();
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;

  int descriptor() const { return descriptor_; }
  /// Bytes when it was opened.
  std::uint64_t size() const { return size_; }

 private:
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

/// Fills `bytes` with those of an open file from `offset` on, but at its end. Returns how many; -1, with errno, if the
/// system fails.
ssize_t read_at(int descriptor, std::uint64_t offset, std::span<std::byte> bytes);

}  // namespace cosformer
