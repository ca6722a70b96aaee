#pragma once
/// \file
/// The system calls that change files, behind one object, and reading and writing on top of them.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/checksum.h"
#include "core/printable.h"

namespace cosformer {

/// The calls through which this program changes the disk, as the system has them: -1 and `errno` on failure. Whatever
/// writes takes one by reference, so that a test can make the Nth call fail.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual int open(const char* path, int flags, mode_t mode);
  virtual ssize_t write(int file, const void* bytes, std::size_t count);
  virtual int fsync(int file);
  /// flock(2): an exclusive lock, or EWOULDBLOCK at once.
  virtual int lock(int file);
  virtual int close(int file);
  virtual int truncate(int file, off_t size);
  virtual int rename(const char* from, const char* to);
  virtual int mkdir(const char* path, mode_t mode);
  virtual int symlink(const char* target, const char* path);
  virtual int unlink(const char* path);
  virtual int rmdir(const char* path);
};

/// Throws Error with `action`, the path and the meaning of `errno`.
[[noreturn]] void throw_system_error(std::string_view action, const std::filesystem::path& path);

/// Writes all of `bytes`, however often the system stops short or is interrupted. Throws Error.
void write_all(FileSystem& files, int file, std::span<const std::byte> bytes, const std::filesystem::path& path);

/// An open file that is closed when its owner goes.
class OpenFile {
 public:
  OpenFile() = default;
  /// Opens with O_CLOEXEC beside `flags`, again if a signal interrupts. Throws Error with `action`.
  OpenFile(FileSystem& files, const std::filesystem::path& path, int flags, std::string_view action);
  ~OpenFile();
  OpenFile(OpenFile&& other) noexcept : files_(other.files_), file_(std::exchange(other.file_, -1)) {}
  OpenFile& operator=(OpenFile&&) = delete;

  int get() const { return file_; }
  /// Waits until contents and size are on the disk. False, with `errno`, if the system fails.
  bool sync();
  /// Closes the file. False, with `errno`, if the system reports that something was lost.
  bool close();

 private:
  FileSystem* files_ = nullptr;
  int file_ = -1;
};

/// A file made new and written from front to end; size and checksum of what was meant to be written are kept.
class FileWriter {
 public:
  /// Creates the file. Throws Error, also if it exists.
  FileWriter(FileSystem& files, std::filesystem::path path);

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  /// Waits until the contents are on the disk and closes the file. A file that was not finished holds nothing certain.
  void finish();

  std::uint64_t bytes_written() const { return bytes_written_; }
  const Checksum& checksum() const { return checksum_; }

 private:
  FileSystem& files_;
  std::filesystem::path path_;
  OpenFile file_;
  std::uint64_t bytes_written_ = 0;
  Checksum checksum_;
};

/// An ordinary file open for reading; directories, devices and pipes are refused, so that no path makes a reader wait.
class FileReader {
 public:
  /// Throws InputError with the path and the reason.
  explicit FileReader(std::filesystem::path path);
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  /// Size when the file was opened.
  std::uint64_t size() const { return size_; }
  /// Fills `bytes` from `offset`. Throws InputError where the file ends before.
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;

 private:
  std::filesystem::path path_;
  int file_ = -1;
  std::uint64_t size_ = 0;
};

/// The whole file as text. Throws InputError if it cannot be read or is larger than `max_bytes`.
std::string read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes);

/// Size and checksum of a file. Throws InputError if it cannot be read.
Digest digest_file(const std::filesystem::path& path);

}  // namespace cosformer
