#include "train/cli/data_set_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <span>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

/// The target, if it can be made.
fs::path checked(const fs::path& given) {
  // "out/" is "out".
  const fs::path target = given.has_filename() ? given : given.parent_path();
  std::error_code error;
  const fs::file_status status = fs::symlink_status(target, error);
  const bool is_new = status.type() == fs::file_type::not_found;
  check<InputError>(is_new || (status.type() == fs::file_type::directory && fs::is_empty(target, error) && !error),
                    given.string(), ": exists already; expected a new or an empty folder");
  const fs::path parent = target.has_parent_path() ? target.parent_path() : ".";
  check<InputError>(fs::is_directory(parent, error), parent.string(), ": no such folder");
  return target;
}

}  // namespace

DataSetFolder::DataSetFolder(FileSystem& files, const fs::path& target) : files_(files), folder_(files, checked(target)) {}

void DataSetFolder::append(std::string_view name, std::string_view bytes) {
  const fs::path path = folder_.path() / name;
  if (!file_ || name != name_) {
    close_file();
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    check<Error>(!error, "cannot create ", path.parent_path().string(), ": ", error.message());
    file_.emplace(files_, path, O_WRONLY | O_CREAT | O_EXCL, "create");
    name_ = name;
  }
  write_all(files_, file_->get(), std::as_bytes(std::span(bytes)), path);
}

void DataSetFolder::close_file() {
  if (file_ && !file_->close()) throw_system_error("write", folder_.path() / name_);
  file_.reset();
}

void DataSetFolder::commit() {
  close_file();
  // One call for hundreds of thousands of files, in place of one call each.
  const OpenFile folder(files_, folder_.path(), O_RDONLY | O_DIRECTORY, "open");
  if (::syncfs(folder.get()) < 0) throw_system_error("sync", folder_.path());
  folder_.commit();
}

}  // namespace cosformer
