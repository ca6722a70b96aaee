#pragma once
/// \file
/// A lock that one process at a time can have.

#include <filesystem>
#include <string>
#include <string_view>

#include "train/store/file_system.h"

namespace cosformer {

/// A lock on a file, by flock(2): the system gives it back when the process ends, however it ends.
///
/// Some file systems have no such locks (Lustre mounted without them, NFS without its lock service). There a file beside
/// the lock, FILE.owner, which can be created only once, keeps others out. It names the process, and a process of the same
/// machine that has ended holds nothing; what another machine has left (it crashed) is removed by hand. Machines that mount
/// one folder differently respect each other's kind of lock.
class FileLock {
 public:
  /// Takes the lock and writes what identifies this process into the file. Throws InputError with the id of the process
  /// that holds it: "FOLDER: process 7 is writing " and `advice`.
  FileLock(FileSystem& files, const std::filesystem::path& path,
           std::string_view advice = "this run, wait for it or choose another --run-dir");
  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;

  /// What the user should know of the lock; empty if it is the system's.
  const std::string& note() const { return note_; }

 private:
  FileSystem* files_;
  OpenFile file_;
  std::filesystem::path substitute_;  ///< FILE.owner if it is this lock's; empty otherwise
  std::string note_;
};

/// True if a process that may still run has the file FILE.owner of this lock.
bool is_owned_by_file(const std::filesystem::path& lock);

}  // namespace cosformer
