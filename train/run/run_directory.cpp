#include "train/run/run_directory.h"

#include <string>
#include <utility>

#include "core/error.h"
#include "train/run/atomic_file.h"

namespace cosformer {

namespace {

constexpr std::string_view kLockName = ".lock";

/// A slash at the end would get into the names that messages suggest.
std::filesystem::path without_slash(const std::filesystem::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

/// True where the folder holds nothing but the lock and what a crash has left half written.
bool is_empty_run(const std::filesystem::path& path) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(kLockName) && !is_temporary_name(name)) return false;
  }
  check<Error>(!error, "cannot list ", path.string(), ": ", error.message());
  return true;
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
  const bool is_run = std::filesystem::exists(path / "config.toml", error);
  check<InputError>(is_empty || mode == Mode::resume, path.string(), ": holds ", is_run ? "a run" : "other files",
                    " already; ", is_run ? "continue it with `--run-dir " + path.string() + " --resume`" : "empty it",
                    " or start beside it with `--run-dir ", path.string(), "-2`");
  check<InputError>(is_empty || is_run, path.string(), ": is no run (it has no config.toml), nothing to resume");
}

RunDirectory RunDirectory::open(FileSystem& files, const std::filesystem::path& folder, Mode mode) {
  const std::filesystem::path path = without_slash(folder);
  // Before a lock file is put there, for the folder may be no run at all.
  check_usable(path, mode);
  std::error_code error;
  std::filesystem::create_directories(path, error);
  check<InputError>(!error, path.string(), ": cannot be created: ", error.message());
  FileLock lock(files, path / kLockName);
  // Another process may have begun the run since.
  const bool is_new = is_empty_run(path);
  check<InputError>(is_new || mode == Mode::resume, path.string(), ": holds a run already; continue it with `--run-dir ",
                    path.string(), " --resume` or start beside it with `--run-dir ", path.string(), "-2`");
  remove_leftovers(files, path);
  return RunDirectory(files, path, std::move(lock), is_new);
}

void RunDirectory::write_config(std::string_view toml) const { replace_file(*files_, config_file(), toml); }

}  // namespace cosformer
