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

}  // namespace cosformer
