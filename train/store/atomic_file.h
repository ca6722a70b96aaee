#pragma once
/// \file
/// Files and folders that appear whole or not at all: written beside, synced, renamed, the parent folder synced.

#include <filesystem>
#include <functional>
#include <string_view>

#include "train/store/file_system.h"

namespace cosformer {

/// Waits until the names in `folder` are on the disk. Throws Error.
void sync_folder(FileSystem& files, const std::filesystem::path& folder);

/// Puts `contents` into `path` in one step: whoever reads finds the old contents or the new ones, also after a loss of
/// power. Throws Error on any failure; the old file is then as it was.
void replace_file(FileSystem& files, const std::filesystem::path& path, std::string_view contents);
/// The same for contents that `write` gives to the writer piece by piece.
void replace_file(FileSystem& files, const std::filesystem::path& path, const std::function<void(FileWriter&)>& write);

/// Points the symbolic link `path` at `target` (relative to the link's folder) in one step. Throws Error.
void replace_symlink(FileSystem& files, const std::filesystem::path& target, const std::filesystem::path& path);

/// Removes a file or a folder with all it holds; links are removed, not followed. Throws Error; a path that does not
/// exist is no error.
void remove_tree(FileSystem& files, const std::filesystem::path& path);

/// The name under which this process writes what shall become `path`: `path.tmp-PID`.
std::filesystem::path temporary_path(const std::filesystem::path& path);

/// The first of `path`MARK, `path`MARK-2, … that nothing bears, to set aside what is not to be lost.
std::filesystem::path free_name_beside(const std::filesystem::path& path, std::string_view mark);

/// Removes what processes that are gone from this machine have left under temporary names of `path`; what cannot be removed
/// stays. All that is written here beside its place begins with this.
void remove_abandoned(FileSystem& files, const std::filesystem::path& path);

/// True for names that `temporary_path` makes, of any process.
bool is_temporary_name(std::string_view name);

/// A folder that is filled under a temporary name and then appears under its own.
class StagedFolder {
 public:
  /// Makes the temporary folder beside `target`. Throws Error.
  StagedFolder(FileSystem& files, std::filesystem::path target);
  /// Removes the temporary folder where `commit` was not reached.
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  /// Where to write the files. They have to be synced by who writes them.
  const std::filesystem::path& path() const { return staging_; }
  /// Syncs the folder, gives it its name and syncs the parent. A folder that bears the name already moves to
  /// `target.replaced` first and is removed afterwards; `restore_replaced` repairs what a crash between leaves. Throws
  /// Error.
  void commit();

 private:
  FileSystem& files_;
  std::filesystem::path target_;
  std::filesystem::path staging_;
  bool committed_ = false;
};

/// In a folder nobody else writes: removes temporary files and folders that a crash has left, and gives a folder
/// `x.replaced` its name back if `x` is missing. Throws Error.
void remove_leftovers(FileSystem& files, const std::filesystem::path& folder);

}  // namespace cosformer
