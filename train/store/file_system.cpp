#include "train/store/file_system.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/regular_file.h"

namespace cosformer {

namespace {

constexpr std::size_t kReadBlockBytes = std::size_t{1} << 20;

}  // namespace

int FileSystem::open(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }
ssize_t FileSystem::write(int file, const void* bytes, std::size_t count) { return ::write(file, bytes, count); }
int FileSystem::fsync(int file) { return ::fsync(file); }
int FileSystem::lock(int file) { return ::flock(file, LOCK_EX | LOCK_NB); }
int FileSystem::close(int file) { return ::close(file); }
int FileSystem::truncate(int file, off_t size) { return ::ftruncate(file, size); }
int FileSystem::rename(const char* from, const char* to) { return ::rename(from, to); }
int FileSystem::mkdir(const char* path, mode_t mode) { return ::mkdir(path, mode); }
int FileSystem::symlink(const char* target, const char* path) { return ::symlink(target, path); }
int FileSystem::unlink(const char* path) { return ::unlink(path); }
int FileSystem::rmdir(const char* path) { return ::rmdir(path); }

void throw_system_error(std::string_view action, const std::filesystem::path& path) {
  const int code = errno;
  throw Error(concat("cannot ", action, ' ', path.string(), ": ", std::strerror(code)));
}

void write_all(FileSystem& files, int file, std::span<const std::byte> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = files.write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_system_error("write", path);
    check<Error>(written > 0, "cannot write ", path.string(), ": the system took no bytes");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

OpenFile::OpenFile(FileSystem& files, const std::filesystem::path& path, int flags, std::string_view action)
    : files_(&files) {
  do {
    file_ = files.open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (file_ < 0 && errno == EINTR);
  if (file_ < 0) throw_system_error(action, path);
}

OpenFile::~OpenFile() {
  if (file_ >= 0) files_->close(file_);
}

bool OpenFile::sync() {
  int result = 0;
  do {
    result = files_->fsync(file_);
  } while (result < 0 && errno == EINTR);
  return result == 0;
}

bool OpenFile::close() {
  // Linux frees the descriptor even if close reports an error, so it is never closed twice.
  return files_->close(std::exchange(file_, -1)) == 0 || errno == EINTR;
}

FileWriter::FileWriter(FileSystem& files, std::filesystem::path path)
    : files_(files), path_(std::move(path)), file_(files, path_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, "create") {}

void FileWriter::write(std::span<const std::byte> bytes) {
  write_all(files_, file_.get(), bytes, path_);
  checksum_.update(bytes);
  bytes_written_ += bytes.size();
}

void FileWriter::finish() {
  if (!file_.sync()) throw_system_error("sync", path_);
  if (!file_.close()) throw_system_error("close", path_);
}

FileReader::FileReader(std::filesystem::path path) : path_(std::move(path)) {
  do {
    file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (file_ < 0 && errno == EINTR);
  check<InputError>(file_ >= 0, path_.string(), ": cannot be opened: ", std::strerror(errno));
  struct stat status {};
  const bool regular = ::fstat(file_, &status) == 0 && S_ISREG(status.st_mode);
  if (!regular) {
    ::close(file_);
    throw InputError(concat(path_.string(), ": expected an ordinary file"));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

FileReader::~FileReader() { ::close(file_); }

void FileReader::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  const ssize_t count = read_at(file_, offset, bytes);
  check<InputError>(count >= 0, path_.string(), ": cannot be read: ", std::strerror(errno));
  const auto found = static_cast<std::size_t>(count);
  check<InputError>(found == bytes.size(), path_.string(), ": ends at byte ", offset + found, ", ", bytes.size() - found,
                    " bytes too early");
}

std::string read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const FileReader reader(path);
  check<InputError>(reader.size() <= max_bytes, path.string(), ": ", reader.size(), " bytes, expected at most ", max_bytes);
  std::string text(reader.size(), '\0');
  reader.read(0, std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

Digest digest_file(const std::filesystem::path& path) {
  const FileReader reader(path);
  Checksum checksum;
  std::vector<std::byte> block(static_cast<std::size_t>(std::min<std::uint64_t>(reader.size(), kReadBlockBytes)));
  for (std::uint64_t offset = 0; offset < reader.size();) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), reader.size() - offset));
    reader.read(offset, std::span(block).first(count));
    checksum.update(std::span(block).first(count));
    offset += count;
  }
  return {reader.size(), checksum.hex()};
}

}  // namespace cosformer
