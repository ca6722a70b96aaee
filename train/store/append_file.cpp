#include "train/store/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "core/error.h"

namespace cosformer {

AppendFile::AppendFile(FileSystem& files, std::filesystem::path path, bool must_be_new)
    : files_(files),
      path_(std::move(path)),
      file_(files, path_, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | (must_be_new ? O_EXCL : 0), "open") {}

void AppendFile::append(std::string_view record) {
  const off_t size = ::lseek(file_.get(), 0, SEEK_END);
  try {
    write_all(files_, file_.get(), std::as_bytes(std::span(record.data(), record.size())), path_);
  } catch (const Error&) {
    files_.truncate(file_.get(), size);
    throw;
  }
}

void AppendFile::sync() {
  if (!file_.sync()) throw_system_error("sync", path_);
}

void AppendFile::drop_torn_record(char end_mark) {
  const off_t size = ::lseek(file_.get(), 0, SEEK_END);
  off_t whole = size;
  for (char last = 0; whole > 0; --whole) {
    if (::pread(file_.get(), &last, 1, whole - 1) != 1) throw_system_error("read", path_);
    if (last == end_mark) break;
  }
  if (whole < size && files_.truncate(file_.get(), whole) < 0) throw_system_error("shorten", path_);
}

}  // namespace cosformer
