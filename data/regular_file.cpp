#include "data/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/error.h"

namespace cosformer {

RegularFile::RegularFile(const std::filesystem::path& path) {
  struct stat status {};
  try {
    // Without O_NONBLOCK opening a pipe would wait for its writer.
    do {
      descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    } while (descriptor_ < 0 && errno == EINTR);
    const bool is_open = descriptor_ >= 0 && ::fstat(descriptor_, &status) == 0;
    check<InputError>(is_open, path.string(), ": cannot read: ", std::generic_category().message(errno));
    check<InputError>(!S_ISDIR(status.st_mode), path.string(), ": is a folder, expected a file");
    check<InputError>(S_ISREG(status.st_mode), path.string(), ": is not a regular file");
  } catch (...) {
    if (descriptor_ >= 0) ::close(descriptor_);
    throw;
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

RegularFile::~RegularFile() { ::close(descriptor_); }

ssize_t read_at(int descriptor, std::uint64_t offset, std::span<std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::pread(descriptor, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return count;
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace cosformer
