#include "train/store/run_directory.h"

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/quote_shell.h"
#include "train/store/atomic_file.h"
#include "train/store/checkpoint_store.h"

namespace cosformer {

namespace {

constexpr std::string_view kLockName = ".lock";

/// A slash at the end would get into the names that messages suggest.
std::filesystem::path without_slash(const std::filesystem::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

/// True if the folder holds nothing but the lock and what a crash has left half written.
bool is_empty_run(const std::filesystem::path& path) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(kLockName) && !is_temporary_name(name)) return false;
  }
  check<Error>(!error, "cannot list ", path.string(), ": ", error.message());
  return true;
}

/// Makes the folder and those above it that are missing; each is on the disk before the next. Throws InputError.
void make_folders(FileSystem& files, const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return;
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
  if (parent != path) make_folders(files, parent);
  std::filesystem::create_directory(path, error);
  check<InputError>(!error, path.string(), ": cannot be created: ", error.message());
  sync_folder(files, parent);
}

}  // namespace

RunDirectory::RunDirectory(FileSystem& files, std::filesystem::path path, FileLock lock, bool is_new)
    : files_(&files), path_(std::move(path)), lock_(std::move(lock)), is_new_(is_new) {}

void RunDirectory::check_usable(const std::filesystem::path& folder, Mode mode) {
  const std::filesystem::path path = without_slash(folder);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return;
  check<InputError>(std::filesystem::is_directory(path, error), path.string(), ": expected a folder for the run");
  const bool is_empty = is_empty_run(path);
  const bool is_run =
      std::filesystem::exists(path / "config.toml", error) || !list_checkpoints(path / "checkpoints").empty();
  check<InputError>(is_empty || mode != Mode::create, path.string(), ": holds ", is_run ? "a run" : "other files",
                    " already; ", is_run ? "continue it with `" + continue_command(path) + '`' : "empty it",
                    " or start beside it with `--run-dir ", path.string(), "-2`");
  check<InputError>(is_empty || is_run, path.string(), ": is no run (it has no config.toml), nothing to resume");
}

RunDirectory RunDirectory::open(FileSystem& files, const std::filesystem::path& folder, Mode mode) {
  const std::filesystem::path path = without_slash(folder);
  // Before a lock file is put there, for the folder may be no run at all.
  check_usable(path, mode);
  make_folders(files, path);
  FileLock lock(files, path / kLockName);
  // Another process may have begun the run since.
  const bool is_new = is_empty_run(path);
  check<InputError>(is_new || mode != Mode::create, path.string(), ": holds a run already; continue it with `",
                    continue_command(path), "` or start beside it with `--run-dir ", path.string(), "-2`");
  remove_leftovers(files, path);
  return RunDirectory(files, path, std::move(lock), is_new);
}

void RunDirectory::clear(std::string_view assets) {
  std::vector<std::filesystem::path> made = {checkpoints(), metrics_file(), samples_file(), path_ / assets};
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) made.push_back(entry.path());
  }
  for (const std::filesystem::path& path : made) {
    if (!std::filesystem::exists(std::filesystem::symlink_status(path))) continue;
    // Under a temporary name what is half removed is no run that has lost something, but a leftover.
    const std::filesystem::path leftover = temporary_path(path);
    if (files_->rename(path.c_str(), leftover.c_str()) < 0) throw_system_error("remove", path);
    remove_tree(*files_, leftover);
  }
  sync_folder(*files_, path_);
  is_new_ = true;
}

void RunDirectory::remove_results() const {
  bool removed = false;
  // The scores first: without train.json they would be believed of the weights that are there.
  for (const char* name : {"result.json", "train.json"}) {
    const std::filesystem::path path = path_ / name;
    if (!std::filesystem::exists(std::filesystem::symlink_status(path))) continue;
    if (files_->unlink(path.c_str()) < 0) throw_system_error("remove", path);
    removed = true;
  }
  if (removed) sync_folder(*files_, path_);
}

void RunDirectory::write_config(std::string_view toml) const { replace_file(*files_, config_file(), toml); }

std::string continue_command(const std::filesystem::path& folder) {
  return concat(quote_shell(::program_invocation_name), " train ", quote_shell(folder.string()), " --resume");
}

}  // namespace cosformer
