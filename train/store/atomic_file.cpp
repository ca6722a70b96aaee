#include "train/store/atomic_file.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

namespace cosformer {

namespace {

constexpr std::string_view kTemporaryMark = ".tmp-";
constexpr std::string_view kReplacedSuffix = ".replaced";

/// "." for a bare name, so that the folder can be opened.
std::filesystem::path parent_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
}

/// Removes what an operation or a process has left behind. No error of this is worth the operation.
void remove_quietly(FileSystem& files, const std::filesystem::path& path) noexcept {
  try {
    remove_tree(files, path);
  } catch (const std::exception&) {
  }
}

void rename_and_sync(FileSystem& files, const std::filesystem::path& from, const std::filesystem::path& to) {
  if (files.rename(from.c_str(), to.c_str()) < 0) throw_system_error(concat("rename ", from.string(), " to"), to);
  sync_folder(files, parent_of(to));
}

/// The process that a temporary name is of; nothing for another name.
std::optional<pid_t> writer_of(std::string_view name) {
  const std::size_t mark = name.rfind(kTemporaryMark);
  if (mark == std::string_view::npos) return std::nullopt;
  const std::string_view digits = name.substr(mark + kTemporaryMark.size());
  pid_t process = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), process);
  const bool is_whole = error == std::errc() && end == digits.data() + digits.size() && process > 0;
  return is_whole ? std::optional(process) : std::nullopt;
}

std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  check<Error>(!error, "cannot list ", folder.string(), ": ", error.message());
  std::ranges::sort(entries);
  return entries;
}

}  // namespace

void sync_folder(FileSystem& files, const std::filesystem::path& folder) {
  OpenFile file(files, folder, O_RDONLY | O_DIRECTORY, "open");
  // Some network file systems cannot sync a folder and say so with EINVAL; they need no more than the rename.
  if (!file.sync() && errno != EINVAL) throw_system_error("sync", folder);
}

void replace_file(FileSystem& files, const std::filesystem::path& path, std::string_view contents) {
  replace_file(files, path, [&](FileWriter& writer) { writer.write(contents); });
}

void replace_file(FileSystem& files, const std::filesystem::path& path, const std::function<void(FileWriter&)>& write) {
  remove_abandoned(files, path);
  const std::filesystem::path temporary = temporary_path(path);
  try {
    FileWriter writer(files, temporary);
    write(writer);
    writer.finish();
    rename_and_sync(files, temporary, path);
  } catch (...) {
    remove_quietly(files, temporary);
    throw;
  }
}

void replace_symlink(FileSystem& files, const std::filesystem::path& target, const std::filesystem::path& path) {
  remove_abandoned(files, path);
  const std::filesystem::path temporary = temporary_path(path);
  if (files.symlink(target.c_str(), temporary.c_str()) < 0) throw_system_error("create", temporary);
  try {
    rename_and_sync(files, temporary, path);
  } catch (...) {
    remove_quietly(files, temporary);
    throw;
  }
}

void remove_tree(FileSystem& files, const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) return;
  if (status.type() != std::filesystem::file_type::directory) {
    if (files.unlink(path.c_str()) < 0 && errno != ENOENT) throw_system_error("remove", path);
    return;
  }
  for (const auto& entry : entries_of(path)) remove_tree(files, entry);
  if (files.rmdir(path.c_str()) < 0 && errno != ENOENT) throw_system_error("remove", path);
}

std::filesystem::path temporary_path(const std::filesystem::path& path) {
  return std::filesystem::path(concat(path.string(), kTemporaryMark, ::getpid()));
}

std::filesystem::path free_name_beside(const std::filesystem::path& path, std::string_view mark) {
  for (int number = 1;; ++number) {
    std::filesystem::path name = concat(path.string(), mark, number == 1 ? "" : concat('-', number));
    std::error_code ignored;
    if (std::filesystem::symlink_status(name, ignored).type() == std::filesystem::file_type::not_found) return name;
  }
}

void remove_abandoned(FileSystem& files, const std::filesystem::path& path) {
  const std::string own_names = path.filename().string() + std::string(kTemporaryMark);
  std::error_code error;
  std::vector<std::filesystem::path> abandoned;
  for (std::filesystem::directory_iterator it(parent_of(path), error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(own_names)) continue;
    const std::optional<pid_t> writer = writer_of(name);
    if (writer && (*writer == ::getpid() || (::kill(*writer, 0) < 0 && errno == ESRCH))) abandoned.push_back(it->path());
  }
  for (const auto& leftover : abandoned) remove_quietly(files, leftover);
}

bool is_temporary_name(std::string_view name) { return writer_of(name).has_value(); }

StagedFolder::StagedFolder(FileSystem& files, std::filesystem::path target)
    : files_(files), target_(std::move(target)), staging_(temporary_path(target_)) {
  remove_abandoned(files_, target_);
  if (files_.mkdir(staging_.c_str(), 0777) < 0) throw_system_error("create", staging_);
}

StagedFolder::~StagedFolder() {
  if (!committed_) remove_quietly(files_, staging_);
}

void StagedFolder::commit() {
  sync_folder(files_, staging_);
  const std::filesystem::path replaced(concat(target_.string(), kReplacedSuffix));
  const bool replaces = std::filesystem::exists(std::filesystem::symlink_status(target_));
  if (replaces) {
    remove_tree(files_, replaced);
    rename_and_sync(files_, target_, replaced);
  }
  try {
    rename_and_sync(files_, staging_, target_);
  } catch (...) {
    if (replaces && !std::filesystem::exists(target_)) files_.rename(replaced.c_str(), target_.c_str());
    throw;
  }
  committed_ = true;
  if (replaces) remove_tree(files_, replaced);
}

void remove_leftovers(FileSystem& files, const std::filesystem::path& folder) {
  for (const auto& entry : entries_of(folder)) {
    const std::string name = entry.filename().string();
    if (is_temporary_name(name)) {
      remove_tree(files, entry);
    } else if (name.ends_with(kReplacedSuffix)) {
      const auto original = folder / name.substr(0, name.size() - kReplacedSuffix.size());
      if (std::filesystem::exists(original)) {
        remove_tree(files, entry);
      } else {
        rename_and_sync(files, entry, original);
      }
    }
  }
}

}  // namespace cosformer
