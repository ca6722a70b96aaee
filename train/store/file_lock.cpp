#include "train/store/file_lock.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "core/error.h"
#include "train/store/lock_owner.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

fs::path with_suffix(const fs::path& path, const char* suffix) { return path.string() + suffix; }

[[noreturn]] void refuse(const fs::path& lock, const std::string& holder, std::string_view advice) {
  throw InputError(concat(lock.parent_path().string(), ": process ", holder, " is writing ", advice));
}

/// For a process that cannot be asked whether it still runs.
[[noreturn]] void refuse_unknown(const fs::path& lock, const std::optional<LockOwner>& owner, const fs::path& file,
                                 std::string_view advice) {
  const std::string holder = owner ? concat(owner->process, " of ", owner->host) : "unknown";
  refuse(lock, holder, concat(advice, "; if that process has ended, remove ", file.string()));
}

bool has_no_locks(int code) { return code == ENOSYS || code == ENOLCK || code == EOPNOTSUPP; }

void write_owner(FileSystem& files, int file, const fs::path& path) {
  const std::string line = to_line(this_process());
  write_all(files, file, std::as_bytes(std::span(line.data(), line.size())), path);
}

/// Creates a file that must not exist. False if it does. Throws Error.
bool create_once(FileSystem& files, const fs::path& path) {
  int file = -1;
  do {
    file = files.open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  } while (file < 0 && errno == EINTR);
  if (file < 0 && errno == EEXIST) return false;
  if (file < 0) throw_system_error("create", path);
  try {
    write_owner(files, file, path);
  } catch (...) {
    files.close(file);
    files.unlink(path.c_str());
    throw;
  }
  files.close(file);
  return true;
}

/// Creates FILE.owner, in place of one whose process has ended.
void take_substitute(FileSystem& files, const fs::path& lock, const fs::path& substitute, std::string_view advice) {
  while (!create_once(files, substitute)) {
    const std::optional<LockOwner> owner = read_lock_owner(substitute);
    if (!owner || !has_ended(*owner)) refuse_unknown(lock, owner, substitute, advice);
    // Two processes that both find the old owner dead must not remove each other's new file.
    const fs::path broom = with_suffix(substitute, ".removal");
    if (!create_once(files, broom)) refuse_unknown(lock, read_lock_owner(broom), broom, advice);
    if (read_lock_owner(substitute) == owner) files.unlink(substitute.c_str());
    files.unlink(broom.c_str());
  }
}

}  // namespace

// The lock file is never removed: two processes could then lock two files of one name.
FileLock::FileLock(FileSystem& files, const fs::path& path, std::string_view advice)
    : files_(&files), file_(files, path, O_RDWR | O_CREAT | O_NOFOLLOW, "open") {
  int result = 0;
  do {
    result = files.lock(file_.get());
  } while (result < 0 && errno == EINTR);
  const int code = errno;
  const std::optional<LockOwner> last = read_lock_owner(path);
  if (result < 0 && code == EWOULDBLOCK) refuse(path, last ? last->process : "unknown", advice);
  if (result < 0 && !has_no_locks(code)) throw_system_error("lock", path);
  const fs::path substitute = with_suffix(path, ".owner");
  if (result < 0) {
    // Each side first writes its own file and then reads the other's: one of two sees the other.
    take_substitute(files, path, substitute, advice);
    substitute_ = substitute;
    note_ = concat(path.parent_path().string(), ": its file system has no locks (", std::strerror(code), "); ",
                   substitute.filename().string(), " keeps other processes out instead, and stays if this machine crashes");
    const std::optional<LockOwner> other = read_lock_owner(path);
    if (other && !has_ended(*other)) {
      files.unlink(substitute.c_str());
      refuse_unknown(path, other, path, advice);
    }
  } else {
    if (files.truncate(file_.get(), 0) < 0) throw_system_error("write", path);
    write_owner(files, file_.get(), path);
    // Another machine may look at the file, through another mount.
    if (!file_.sync()) throw_system_error("sync", path);
    const std::optional<LockOwner> other = read_lock_owner(substitute);
    if (other && !has_ended(*other)) {
      files.truncate(file_.get(), 0);
      refuse_unknown(path, other, substitute, advice);
    }
  }
}

FileLock::FileLock(FileLock&& other) noexcept
    : files_(std::exchange(other.files_, nullptr)),
      file_(std::move(other.file_)),
      substitute_(std::exchange(other.substitute_, {})),
      note_(std::exchange(other.note_, {})) {}

FileLock::~FileLock() {
  if (files_ == nullptr || file_.get() < 0) return;
  // A lock that was given back names nobody.
  if (substitute_.empty()) {
    files_->truncate(file_.get(), 0);
  } else {
    files_->unlink(substitute_.c_str());
  }
}

bool is_owned_by_file(const fs::path& lock) {
  const fs::path substitute = with_suffix(lock, ".owner");
  const std::optional<LockOwner> owner = read_lock_owner(substitute);
  return owner ? !has_ended(*owner) : fs::exists(substitute);
}

}  // namespace cosformer
