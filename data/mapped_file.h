#pragma once
/// \file
/// A file's bytes without a copy.

#include <filesystem>
#include <string_view>

namespace cosformer {

/// Read-only mapping of a regular file. The file must not be shortened while it is mapped: the kernel kills a process
/// that reads beyond the end.
class MappedFile {
 public:
  /// Throws InputError with the path if it is no regular file that can be read. An empty file is no error.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  /// The whole file; valid as long as this object.
  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace cosformer
