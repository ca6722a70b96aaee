#pragma once
/// \file
/// The folder of a run, owned by one process at a time.

#include <filesystem>
#include <string>
#include <string_view>

#include "train/store/file_lock.h"
#include "train/store/file_system.h"

namespace cosformer {

/// An open run directory:
///
///     config.toml  metrics.jsonl  samples.jsonl  events.out.tfevents…  run.log  checkpoints/  .lock
///
/// While it lives, no other process can open the same folder for writing. Readers need no lock.
class RunDirectory {
 public:
  enum class Mode { create, resume, restart };

  /// Opens `folder`, makes it if it is missing, and removes what a crash has left half written.
  ///
  /// Throws InputError, one line: another process writes the folder; it holds something already and `mode` is `create` (the
  /// message gives the two commands that work); it holds something that is no run and `mode` is another. Resuming a run that
  /// has not begun begins it. With `restart` the caller has to `clear` it. Throws Error if the system refuses.
  static RunDirectory open(FileSystem& files, const std::filesystem::path& folder, Mode mode);

  /// The checks of `open` that change nothing and take no lock: what is refused here is refused before slow work begins.
  static void check_usable(const std::filesystem::path& folder, Mode mode);

  /// Removes what training has made, to begin anew: checkpoints, metrics, TensorBoard's events and the folder `assets`. The
  /// log goes on, and config.toml stays until another is written. Throws Error.
  void clear(std::string_view assets);

  /// Removes train.json and result.json, in which a sweep keeps what the weights scored that training now changes. Throws
  /// Error.
  void remove_results() const;

  /// True if the folder was empty or missing, or was cleared.
  bool is_new() const { return is_new_; }
  /// Writes config.toml in one step.
  void write_config(std::string_view toml) const;

  /// What the user should know of the folder's lock; empty if all is as usual.
  const std::string& lock_note() const { return lock_.note(); }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_file() const { return path_ / "config.toml"; }
  std::filesystem::path metrics_file() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path samples_file() const { return path_ / "samples.jsonl"; }
  std::filesystem::path log_file() const { return path_ / "run.log"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }

 private:
  RunDirectory(FileSystem& files, std::filesystem::path path, FileLock lock, bool is_new);

  FileSystem* files_;
  std::filesystem::path path_;
  FileLock lock_;
  bool is_new_;
};

/// The command that continues the run in `folder`, as this program was called: `cosformer train FOLDER --resume`.
std::string continue_command(const std::filesystem::path& folder);

}  // namespace cosformer
